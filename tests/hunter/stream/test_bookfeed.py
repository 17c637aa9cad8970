"""The book over a real ring: shown, hidden at once, doubted when another channel contradicts."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator

import msgspec
import pytest
from fakes.actor_stage import SWAP, Stage

from hunter.exchange.okx.events import Data
from hunter.exchange.okx.orderbook import OrderBook
from hunter.exchange.okx.requests import Subscription
from hunter.exchange.okx.rows import Bbo, BookAction, BookLevel, BookUpdate
from hunter.ring.rows import Kind
from hunter.ring.writer import RingWriter
from hunter.stream.bookfeed import BookFeed
from hunter.stream.counters import Counters

NOW = 1_790_000_000_000_000_000
MS = 1_000_000


class Bench:
    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.writer = RingWriter(stage.ring_path(), NOW)
        self.counters = Counters(None)
        self.news: list[str] = []
        self.feed = BookFeed(0, self.writer, self.counters, self.news)
        self.now_ns = NOW

    def book(
        self, seq: int, previous: int, bid_size: str = "2", action: str = "update", bid: str = "100"
    ) -> None:
        self.now_ns += MS
        item = {
            "bids": [[bid, bid_size, "0", "1"]],
            "asks": [["100.5", "3", "0", "1"]],
            "ts": "1790000000000",
            "checksum": 0,
            "seqId": seq,
            "prevSeqId": previous,
        }
        payload = msgspec.Raw(json.dumps([item]).encode())
        data = Data(Subscription("books", SWAP), action, payload)
        self.feed.on_push(data, self.now_ns, self.now_ns)
        self.writer.publish()

    def snapshot(self, seq: int, bid_size: str = "2") -> None:
        self.book(seq, -1, bid_size, "snapshot")

    def quote(self, seq: int, bid_size: float) -> None:
        self.feed.on_quote(Bbo(100.0, bid_size, 100.5, 3.0, seq, NOW), self.now_ns, self.now_ns)
        self.writer.publish()

    def top5(self, seq: int, bid_size: float) -> None:
        bids, asks = [BookLevel(100.0, bid_size)], [BookLevel(100.5, 3.0)]
        update = BookUpdate(BookAction.SNAPSHOT, bids, asks, seq, -1, 0, NOW)
        self.feed.on_top5(update, self.now_ns, self.now_ns)
        self.writer.publish()

    @property
    def valid(self) -> list[int]:
        return [int(row[5]) for row in self.stage.rows(Kind.BOOK)]


@pytest.fixture
def bench(stage: Callable[..., Stage]) -> Iterator[Bench]:
    there = stage()
    there.make_rings()
    made = Bench(there)
    yield made
    made.writer.close()


@pytest.mark.parametrize("source", ["quote", "top5"])
def test_book_that_another_channel_contradicts_twice_is_hidden_and_asked_anew(
    bench: Bench, source: str
) -> None:
    tell = getattr(bench, source)
    bench.snapshot(1)
    tell(1, 9.0)
    assert bench.feed.valid, "one contradiction proves nothing"
    bench.book(2, 1)
    tell(2, 9.0)
    assert not bench.feed.valid
    assert bench.valid == [1, 1, 0]
    assert bench.feed.wants_resubscribe
    assert (bench.counters.mismatches, bench.counters.gaps) == (2, 1)
    assert "contradicts the book" in bench.news[-1]
    assert bench.news[-1].endswith("; resubscribing")


def test_contradiction_that_came_first_waits_for_its_book(bench: Bench) -> None:
    bench.quote(1, 9.0)
    bench.quote(2, 9.0)
    bench.snapshot(1)
    bench.book(2, 1)
    assert not bench.feed.valid
    assert bench.valid == [1, 0], "the wrong book of id 2 was never shown"


def test_contradictions_of_two_channels_at_once_are_two(bench: Bench) -> None:
    bench.quote(1, 9.0)
    bench.top5(1, 9.0)
    bench.snapshot(1)
    assert bench.counters.mismatches == 2


def test_book_that_is_confirmed_stays(bench: Bench) -> None:
    bench.snapshot(1)
    for seq in range(2, 30):
        bench.quote(seq, 2.0)
        bench.book(seq, seq - 1)
        bench.top5(seq, 2.0)
    assert all(bench.valid)
    assert bench.counters.mismatches == 0


def test_time_that_the_book_was_hidden_is_told(bench: Bench) -> None:
    bench.snapshot(1)
    bench.book(5, 4)
    assert bench.valid == [1, 0]
    bench.now_ns += 79 * MS
    bench.snapshot(6)
    assert bench.counters.resync_ms == 80.0


def test_book_of_a_successor_is_shown_without_a_break(bench: Bench) -> None:
    bench.snapshot(1)
    successor = OrderBook()
    level = [BookLevel(100.0, 1.0)]
    successor.apply(BookUpdate(BookAction.SNAPSHOT, level, [], 7, -1, 0, NOW))
    bench.feed.take(successor, NOW, NOW)
    bench.writer.publish()
    assert bench.valid == [1, 1]
    bench.feed.take(None, NOW, NOW)
    bench.writer.publish()
    assert bench.valid == [1, 1, 0]


def test_book_that_an_update_crosses_is_hidden_at_once_and_asked_anew(bench: Bench) -> None:
    bench.snapshot(1)
    bench.book(2, 1, bid="101")
    assert bench.valid == [1, 0]
    assert bench.feed.wants_resubscribe
    assert bench.counters.gaps == 1
    bench.snapshot(3)
    assert bench.valid == [1, 0, 1]


def test_book_of_a_call_auction_is_hidden_until_it_ends(bench: Bench) -> None:
    """Its snapshot is crossed as well: to ask for another one would be in vain."""
    bench.snapshot(1)
    bench.book(2, -1, bid="101", action="snapshot")
    bench.book(3, 2, bid="102")
    assert bench.valid == [1, 0]
    assert not bench.feed.valid
    assert not bench.feed.wants_resubscribe
    for price in ("101", "102"):
        bench.book(4 if price == "101" else 5, 3 if price == "101" else 4, "0", bid=price)
    assert bench.valid[-1] == 1
    assert bench.feed.valid


def test_crossed_book_of_a_successor_is_not_shown(bench: Bench) -> None:
    bench.snapshot(1)
    successor = OrderBook()
    bids, asks = [BookLevel(102.0, 1.0)], [BookLevel(101.0, 1.0)]
    successor.apply(BookUpdate(BookAction.SNAPSHOT, bids, asks, 7, -1, 0, NOW))
    bench.feed.take(successor, NOW, NOW)
    bench.writer.publish()
    assert bench.valid == [1, 0]
