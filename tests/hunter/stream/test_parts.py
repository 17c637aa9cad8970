"""What both roles do alike: which events people read of, and at which level."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from fakes.actor_stage import LogLines

from hunter.exchange.okx.events import (
    Acked,
    Event,
    ExchangeError,
    Malformed,
    Notice,
    PongReceived,
    Refused,
    Unknown,
)
from hunter.exchange.okx.plan import Plan
from hunter.exchange.okx.requests import Subscription
from hunter.stream.link import Closed, Opened
from hunter.stream.parts import Parts, log_event
from hunter.stream.phases import Failure

TRADES = Subscription("trades", "BTC-USDT")


@pytest.mark.parametrize(
    ("event", "line"),
    [
        (Opened("wss://x"), "INFO connected to wss://x"),
        (Closed("reset", 12.4), "WARNING connection lost: reset; next attempt in 12 ms"),
        (Refused(TRADES, "60018", "no"), "ERROR trades BTC-USDT refused: 60018 no"),
        (ExchangeError("60012", "bad"), "WARNING the exchange says 60012: bad"),
        (Notice("64008", "soon"), "WARNING notice 64008: soon"),
        (Malformed("what"), "WARNING malformed frame dropped: what"),
        (Unknown("event x"), "INFO ignored: event x"),
    ],
)
def test_event_is_written_down(event: Event | Opened | Closed, line: str) -> None:
    log, lines = logging.Logger("stream-0"), LogLines()
    log.addHandler(lines)
    log_event(log, event)
    assert lines.lines == [line]


@pytest.mark.parametrize("event", [Acked(TRADES), PongReceived(5)])
def test_everyday_events_are_not(event: Event) -> None:
    log, lines = logging.Logger("stream-0"), LogLines()
    log.addHandler(lines)
    log_event(log, event)
    assert lines.lines == []


@pytest.mark.parametrize(
    ("channels", "expected"),
    [(("trades", "books", "books5"), "books"), (("trades", "books5"), "books5")],
)
def test_books_come_from_the_deeper_channel(channels: tuple[str, ...], expected: str) -> None:
    nothing: Any = None
    parts = Parts(nothing, nothing, nothing, (), channels, Plan((), {}), nothing)
    assert parts.book_channel == expected


@pytest.mark.parametrize(
    ("channels", "expected"),
    [(("trades", "trades-all"), "trades"), (("trades-all",), "trades-all")],
)
def test_matches_come_from_the_aggregated_channel_where_it_is_subscribed(
    channels: tuple[str, ...], expected: str
) -> None:
    nothing: Any = None
    parts = Parts(nothing, nothing, nothing, (), channels, Plan((), {}), nothing)
    assert parts.trade_channel == expected


def test_what_a_person_must_look_at_is_an_error() -> None:
    log, lines = logging.Logger("stream-0"), LogLines()
    log.addHandler(lines)
    log_event(log, Closed("bad certificate", 60_000, Failure.CERTIFICATE, "look at it"))
    assert lines.lines[1:] == ["ERROR look at it"]
