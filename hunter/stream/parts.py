"""What both roles of a stream process work with, and the few things they do alike."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from hunter.bus.sockets import WakeSender
from hunter.exchange.okx.events import Event, ExchangeError, Malformed, Notice, Refused, Unknown
from hunter.exchange.okx.requests import Subscription
from hunter.runtime.actor import Context
from hunter.stream import rest_client
from hunter.stream.link import Closed, Link, Opened
from hunter.stream.worker import Worker


class Fetch(NamedTuple):
    """What a REST request is for."""

    purpose: str  # backfill | probe | book
    instrument: str
    life: int = 0  # of the connection that a probe is about: an answer about a former one is void


@dataclass(frozen=True)
class Parts:
    """Of one stream process; made once, by the actor. Names are looked up by a worker of their
    own: a REST server that answers slowly must not keep us from reconnecting.
    """

    context: Context
    worker: Worker
    lookups: Worker
    wake: WakeSender
    instruments: tuple[str, ...]
    channels: tuple[str, ...]
    subscriptions: tuple[Subscription, ...]
    new_link: Callable[[], Link]

    @property
    def book_channel(self) -> str:
        """The channel that books are kept from: `books` where it is subscribed."""
        return "books" if "books" in self.channels else "books5"

    def fetch(self, what: Fetch, path: str) -> bool:
        """Ask REST on the worker; False when too much is waiting."""
        base = self.context.config.okx.rest_url
        return self.worker.submit(what, lambda: rest_client.get(base, path))


def log_event(log: logging.Logger, event: Event | Opened | Closed) -> None:
    """Write down what people may want to know of; data, acks and pongs are not."""
    match event:
        case Opened(url):
            log.info("connected to %s", url)
        case Closed(reason, retry_in_ms):
            log.warning("connection lost: %s; next attempt in %.0f ms", reason, retry_in_ms)
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
