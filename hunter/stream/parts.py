"""What both roles of a stream process work with, and the few things they do alike."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from hunter.bus.sockets import WakeSender
from hunter.exchange.okx.events import Event, ExchangeError, Malformed, Notice, Refused, Unknown
from hunter.exchange.okx.plan import Plan, Socket
from hunter.runtime.actor import Context
from hunter.stream.link import Closed, Link, Opened
from hunter.stream.rest_queue import RestQueue


class Fetch(NamedTuple):
    """What a REST request is for. `about`: an instrument, or the path of a list of them."""

    purpose: str  # backfill | probe | book | seed | instruments
    about: str
    # Which connection it is about: an answer about a former one is void.
    line: int = 0
    life: int = 0


@dataclass(frozen=True)
class Parts:
    """Of one stream process; made once, by the actor."""

    context: Context
    rest: RestQueue
    wake: WakeSender
    instruments: tuple[str, ...]
    channels: tuple[str, ...]
    plan: Plan
    new_link: Callable[[Socket], Link]

    @property
    def book_channel(self) -> str:
        return book_channel(self.channels)

    @property
    def trade_channel(self) -> str:
        return trade_channel(self.channels)


def book_channel(channels: Sequence[str]) -> str:
    """The channel that books are kept from: `books` where it is subscribed."""
    return "books" if "books" in channels else "books5"


def trade_channel(channels: Sequence[str]) -> str:
    """The channel that matches are taken from. `trades-all` beside `trades` is a second source."""
    return "trades" if "trades" in channels else "trades-all"


def log_event(log: logging.Logger, event: Event | Opened | Closed) -> None:
    """Write down what people may want to know of; data, acks and pongs are not."""
    match event:
        case Opened(url):
            log.info("connected to %s", url)
        case Closed(reason, retry_in_ms, _, alarm):
            log.warning("connection lost: %s; next attempt in %.0f ms", reason, retry_in_ms)
            if alarm:
                log.error("%s", alarm)
        case Refused(subscription, code, msg):
            log.error("%s %s refused: %s %s", subscription.channel, subscription.inst_id, code, msg)
        case ExchangeError(code, msg):
            log.warning("the exchange says %s: %s", code, msg)
        case Notice(code, msg):
            log.warning("notice %s: %s", code, msg)
        case Malformed(reason):
            log.warning("malformed frame dropped: %s", reason)
        case Unknown(what):
            log.info("ignored: %s", what)
        case _:
            pass
