"""Handover: ready only when the successor brings everything."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from hunter.errors import MalformedMessage
from hunter.exchange.okx.endpoints import Endpoint
from hunter.exchange.okx.events import Data
from hunter.exchange.okx.plan import Socket
from hunter.exchange.okx.requests import Subscription
from hunter.exchange.okx.rows import BookAction, BookLevel, BookUpdate
from hunter.exchange.okx.states import SubscriptionState
from hunter.stream.handover import Handover
from hunter.stream.parts import Fetch
from hunter.stream.worker import Result

TRADES = Subscription("trades", "BTC-USDT")
BOOKS = Subscription("books", "BTC-USDT")
OTHER = Subscription("books", "ETH-USDT")
NOW = 7
LEVELS = '"asks":[["101","1","0","1"]],"bids":[["100","1","0","1"]]'


@pytest.fixture
def states() -> dict[Subscription, SubscriptionState]:
    return dict.fromkeys((TRADES, BOOKS, OTHER), SubscriptionState.LIVE)


@pytest.fixture
def handover(states: dict[Subscription, SubscriptionState]) -> Handover:
    asked: list[Subscription] = []
    link: Any = SimpleNamespace(
        subscription_state=states.__getitem__,
        resubscribe=lambda items, now_ns: asked.extend(items),
        is_leaving=lambda item: states[item] is SubscriptionState.RESYNC,
        cancel_resubscribe=lambda item: None,
        asked=asked,
    )
    rest = SimpleNamespace(ask=lambda what, path, urgent: asked.append(what))
    parts: Any = SimpleNamespace(book_channel="books", rest=rest, context=None)
    return Handover(parts, Socket(Endpoint.PUBLIC, tuple(states), None), link, 3, 9)


def book(subscription: Subscription, action: str, seq_id: int, prev: int) -> Data:
    text = f'[{{{LEVELS},"ts":"1","checksum":0,"seqId":{seq_id},"prevSeqId":{prev}}}]'
    return Data(subscription, action, msgspec.Raw(text.encode()))


def test_successor_is_ready_when_all_is_live_and_every_book_valid(handover: Handover) -> None:
    assert not handover.ready
    handover.on_book(book(BOOKS, "snapshot", 5, -1), NOW)
    assert not handover.ready
    handover.on_book(book(OTHER, "snapshot", 7, -1), NOW)
    assert handover.ready


def test_successor_waits_for_each_subscription(
    handover: Handover, states: dict[Subscription, SubscriptionState]
) -> None:
    for subscription in (BOOKS, OTHER):
        handover.on_book(book(subscription, "snapshot", 5, -1), NOW)
    states[TRADES] = SubscriptionState.ACKED
    assert not handover.ready
    states[TRADES] = SubscriptionState.PARKED
    assert handover.ready


def test_successor_does_not_wait_for_the_book_of_a_parked_instrument(
    handover: Handover, states: dict[Subscription, SubscriptionState]
) -> None:
    handover.on_book(book(BOOKS, "snapshot", 5, -1), NOW)
    states[OTHER] = SubscriptionState.PARKED
    assert handover.ready


def test_successor_whose_book_breaks_is_not_ready(handover: Handover) -> None:
    for subscription in (BOOKS, OTHER):
        handover.on_book(book(subscription, "snapshot", 5, -1), NOW)
    handover.on_book(book(BOOKS, "update", 9, 8), NOW)
    assert not handover.ready
    assert handover.link.asked == [BOOKS]  # type: ignore[attr-defined]
    handover.on_book(book(BOOKS, "snapshot", 20, -1), NOW)
    assert handover.ready


def test_successor_without_a_snapshot_takes_the_book_of_rest(
    handover: Handover, monkeypatch: pytest.MonkeyPatch
) -> None:
    handover.on_book(book(OTHER, "snapshot", 7, -1), NOW)
    handover.on_book(book(BOOKS, "update", 9, 8), NOW)
    handover.on_book(book(BOOKS, "update", 10, 9), NOW)
    wanted = Fetch("seed", "BTC-USDT", 3, 9)
    assert handover.link.asked == [wanted], "once, until it is answered"  # type: ignore[attr-defined]
    assert not handover.ready
    level = [BookLevel(100.0, 1.0)]
    seed = BookUpdate(BookAction.SNAPSHOT, level, [BookLevel(101.0, 1.0)], 9, -1, 0, 1)
    monkeypatch.setattr(handover._seeds, "open", lambda result, now_ns: seed)
    handover.on_seed("BTC-USDT", Result(wanted, None, None), NOW)
    assert handover.ready
    assert handover.books["BTC-USDT"].seq_id == 10


def test_updates_of_a_book_that_is_being_left_are_not_its_successors(
    handover: Handover, states: dict[Subscription, SubscriptionState]
) -> None:
    states[BOOKS] = SubscriptionState.RESYNC
    handover.on_book(book(BOOKS, "update", 9, 8), NOW)
    assert handover.link.asked == []  # type: ignore[attr-defined]
    assert not handover.books["BTC-USDT"].bootstrapping


def test_successor_that_lost_its_connection_begins_with_empty_books(handover: Handover) -> None:
    for subscription in (BOOKS, OTHER):
        handover.on_book(book(subscription, "snapshot", 5, -1), NOW)
    handover.reset_books()
    assert not handover.ready


def test_malformed_book_is_the_callers_to_count(handover: Handover) -> None:
    with pytest.raises(MalformedMessage):
        handover.on_book(Data(BOOKS, "update", msgspec.Raw(b"[{}]")), NOW)
