"""One instrument's feed over a real ring: what a push becomes, and what is counted."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import pytest
from fakes.actor_stage import SWAP, Stage

from hunter.exchange.okx.events import Data
from hunter.exchange.okx.requests import Subscription
from hunter.exchange.okx.rows import BookAction, BookLevel, BookUpdate, Trade, TradeSource
from hunter.exchange.okx.states import SubscriptionState
from hunter.market.side import Side
from hunter.ring.rows import Kind, TradeFlag
from hunter.ring.writer import RingWriter
from hunter.status.documents import FeedDocument
from hunter.stream.feed import InstrumentFeed

MS = 1_000_000
NOW = 1_790_000_000_000_000_000
CHANNELS = ("trades", "tickers", "books", "bbo-tbt")
LIVE = SubscriptionState.LIVE


class Bench:
    """A feed, its ring, and the pushes it is given."""

    def __init__(self, stage: Stage, **before: FeedDocument) -> None:
        self.stage = stage
        self.writer = RingWriter(stage.ring_path(), NOW)
        self.now_ns = NOW
        channels = stage.config.okx.channels
        self.feed = InstrumentFeed(SWAP, 0, self.writer, channels, before)
        self.feed.on_takeover(None, NOW, NOW)
        self.writer.publish()

    def push(self, channel: str, *items: dict[str, Any], action: str = "") -> None:
        self.now_ns += MS
        payload = msgspec.Raw(json.dumps(list(items)).encode())
        data = Data(Subscription(channel, SWAP), action, payload)
        self.feed.on_data(data, self.now_ns, self.now_ns)
        self.writer.publish()

    def trade(self, trade_id: int, count: int = 1, **other: Any) -> None:
        self.push("trades", trade_item(trade_id, count, **other))

    def book(self, seq: int, previous: int, action: str = "update", **other: Any) -> None:
        levels = {"bids": [["100", "2", "0", "1"]], "asks": [["100.5", "3", "0", "1"]]}
        item = {"ts": "1790000000000", "checksum": 0, "seqId": seq, "prevSeqId": previous}
        self.push("books", item | levels | other, action=action)

    def snapshot(self, seq: int) -> None:
        self.book(seq, -1, "snapshot")

    def backfill(self, *rows: Trade) -> None:
        self.feed.on_backfill(list(rows), self.now_ns, self.now_ns)
        self.writer.publish()

    def rows(self, kind: Kind) -> list[Any]:
        return self.stage.rows(kind)

    @property
    def ids(self) -> list[int]:
        return [int(row[2]) for row in self.rows(Kind.TRADE)]

    @property
    def valid(self) -> list[int]:
        return [int(row[5]) for row in self.rows(Kind.BOOK)]

    def document(self, channel: str = "trades", state: SubscriptionState = LIVE) -> FeedDocument:
        states = {name: state if name == channel else LIVE for name in self.feed.counters}
        found = self.feed.feed_documents(states)
        return next(document for document in found if document.channel == channel)


def trade_item(trade_id: int, count: int = 1, **other: Any) -> dict[str, Any]:
    return {
        "instId": SWAP,
        "tradeId": str(trade_id),
        "px": "42219.9",
        "sz": "0.12",
        "side": "buy",
        "ts": str(1_790_000_000_000 + trade_id),
        "count": str(count),
        **other,
    }


def rest_trade(trade_id: int) -> Trade:
    return Trade(
        trade_id, 1, 42_000.0, 0.5, Side.SELL, NOW + trade_id * MS, source=TradeSource.BACKFILL
    )


def rest_book(seq_id: int) -> BookUpdate:
    bids, asks = [BookLevel(99.0, 1.0)], [BookLevel(101.0, 1.0)]
    return BookUpdate(BookAction.SNAPSHOT, bids, asks, seq_id, -1, 0, NOW)


@pytest.fixture
def bench(stage: Callable[..., Stage]) -> Iterator[Callable[..., Bench]]:
    made: list[Bench] = []

    def make(*settings: str, before: dict[str, FeedDocument] | None = None) -> Bench:
        there = stage(*settings)
        there.make_rings()
        made.append(Bench(there, **(before or {})))
        return made[-1]

    yield make
    for item in made:
        item.writer.close()


@pytest.fixture
def plain(bench: Callable[..., Bench]) -> Bench:
    return bench()


def test_trades_push_becomes_rows_in_order_with_both_times(plain: Bench) -> None:
    plain.push("trades", trade_item(10, 3), trade_item(11, side="sell", source="1"))
    first, second = plain.rows(Kind.TRADE)
    assert first[2:-1] == (10, NOW + 10 * MS, NOW + MS, 42219.9, 0.12, 3, 1, 0)
    assert second[8] == -1
    assert second[9] == TradeFlag.ENHANCED_LIQUIDITY
    assert plain.document().messages == 1


def test_bbo_ticker_and_book_become_rows(plain: Bench) -> None:
    ts = {"ts": "1790000000000"}
    quote = {"bids": [["100", "2", "0", "1"]], "asks": [["101", "3", "0", "1"]], "seqId": 9, **ts}
    plain.push("bbo-tbt", quote)
    ticker = {"last": "100.5", "lastSz": "1", "bidPx": "100", "bidSz": "2", "askPx": "101"}
    ticker |= {"askSz": "3", "open24h": "99", "high24h": "110", "low24h": "", "vol24h": "7"}
    plain.push("tickers", {"instId": SWAP, "instType": "SWAP", "volCcy24h": "8", **ticker, **ts})
    plain.snapshot(5)
    assert plain.rows(Kind.BBO)[0][2:9] == (9, NOW, NOW + MS, 100.0, 2.0, 101.0, 3.0)
    row = plain.rows(Kind.TICKER)[0]
    assert row[2:10] == (NOW, NOW + 2 * MS, 100.5, 1.0, 100.0, 2.0, 101.0, 3.0)
    assert row[10:12] == (99.0, 110.0)
    assert row[12] != row[12], "an empty field is NaN"
    row = plain.rows(Kind.BOOK)[0]
    assert row[2:8] == (5, NOW, NOW + 3 * MS, 1, 1, 1)
    assert (row[9:11], row[49:51]) == ((100.0, 2.0), (100.5, 3.0))


def test_channel_that_is_counted_only_makes_no_row(bench: Callable[..., Bench]) -> None:
    there = bench('okx.channels=["trades", "books", "books5"]')
    there.push("books5", {"bids": [], "asks": [], "ts": "1", "seqId": 1})
    assert there.document("books5").messages == 1
    assert there.rows(Kind.BOOK) == []


def test_dropped_trades_wait_and_are_backfilled_in_order_once_and_marked(plain: Bench) -> None:
    plain.trade(10)
    plain.trade(14, 2)
    held_ns = plain.now_ns
    plain.trade(15)
    assert plain.ids == [10]
    assert plain.document().state == "resync"
    assert plain.document().gaps == 1
    assert [(hole.after_id, hole.before_id) for hole in plain.feed.chain.holes] == [(10, 13)]
    plain.backfill(*(rest_trade(i) for i in range(5, 20)))
    assert plain.ids == [10, 11, 12, 14, 15]
    flags = [row[9] for row in plain.rows(Kind.TRADE)]
    assert flags == [0, TradeFlag.BACKFILL, TradeFlag.BACKFILL, 0, 0]
    assert plain.rows(Kind.TRADE)[3][4] == held_ns, "held rows keep the time they came"
    document = plain.document()
    assert (document.state, document.backfilled, document.lost) == ("live", 2, 0)
    assert plain.feed.news == ["trades: 2 matches missing after 10"]


def test_unfillable_hole_is_counted_lost_and_marked(plain: Bench) -> None:
    plain.trade(10)
    plain.trade(15)
    plain.trade(16)
    plain.feed.give_up(plain.now_ns, plain.now_ns)
    plain.writer.publish()
    assert plain.ids == [10, 15, 16]
    assert [row[9] for row in plain.rows(Kind.TRADE)] == [0, TradeFlag.AFTER_LOSS, 0]
    assert plain.document().lost == 4
    assert "trades: 4 matches after 10 are lost" in plain.feed.news
    plain.trade(13)
    assert plain.document().duplicates == 1, "too late: its place is gone"
    assert plain.ids == [10, 15, 16]


def test_cached_trade_after_a_subscription_is_no_duplicate(plain: Bench) -> None:
    plain.trade(10)
    plain.feed.on_closed(CHANNELS, plain.now_ns, plain.now_ns)
    plain.trade(10)
    assert plain.document().duplicates == 0
    plain.trade(10)
    assert plain.document().duplicates == 1
    assert plain.ids == [10]


def test_cached_trade_with_other_content_is_counted(plain: Bench) -> None:
    plain.trade(10)
    plain.feed.on_closed(CHANNELS, plain.now_ns, plain.now_ns)
    plain.trade(10, px="1")
    assert plain.document().duplicates == 1


def test_ids_that_restart_are_news_and_go_on(plain: Bench) -> None:
    plain.trade(1_000)
    later = {"ts": str(1_790_000_100_000)}
    for trade_id in (1, 2, 3, 4):
        plain.trade(trade_id, **later)
    assert plain.ids == [1_000, 1, 2, 3, 4]
    assert "trades: ids restart after 0" in plain.feed.news


def test_successor_goes_on_where_the_ring_ends(plain: Bench, stage: Any) -> None:
    plain.trade(10)
    plain.snapshot(5)
    successor = Bench(plain.stage)
    assert successor.valid == [1, 0], "nobody has kept the book of the one that was killed"
    assert successor.document("books").state == "resync"
    successor.trade(10)
    successor.trade(12)
    successor.backfill(rest_trade(11))
    assert successor.ids == [10, 11, 12]
    assert successor.document().duplicates == 0
    successor.writer.close()


def test_successor_of_an_invalid_book_adds_no_row(plain: Bench) -> None:
    plain.snapshot(5)
    plain.feed.on_closed(CHANNELS, plain.now_ns, plain.now_ns)
    plain.writer.publish()
    successor = Bench(plain.stage)
    assert successor.valid == [1, 0]
    successor.writer.close()


def test_counters_of_the_process_before_are_continued(bench: Callable[..., Bench]) -> None:
    known = FeedDocument(
        SWAP, "trades", "live", messages=7, gaps=1, backfilled=2, duplicates=3, lost=4, malformed=5
    )
    there = bench(before={"trades": known})
    there.trade(1)
    found = there.document()
    assert (found.messages, found.gaps, found.backfilled) == (8, 1, 2)
    assert (found.duplicates, found.lost, found.malformed) == (3, 4, 5)


def test_book_gap_hides_the_book_at_once_and_a_snapshot_brings_it_back(plain: Bench) -> None:
    plain.snapshot(5)
    plain.book(6, 5)
    plain.book(9, 8)
    assert plain.valid == [1, 1, 0]
    assert plain.feed.wants_resubscribe
    assert plain.document("books").gaps == 1
    assert plain.document("books").state == "resync"
    assert plain.feed.take_resubscribe() == "books"
    plain.snapshot(20)
    assert plain.valid == [1, 1, 0, 1]
    assert plain.rows(Kind.BOOK)[-1][2] == 20
    assert plain.document("books").state == "live"
    assert plain.feed.take_resubscribe() is None


def test_book_keepalive_and_reset_keep_it_valid(plain: Bench) -> None:
    plain.snapshot(50)
    plain.book(50, 50, bids=[], asks=[])
    plain.book(3, 50)
    plain.book(4, 3)
    assert plain.valid == [1, 1, 1, 1]
    assert plain.document("books").gaps == 0


def test_book_updates_without_a_snapshot_wait_for_the_book_of_rest(plain: Bench) -> None:
    plain.book(6, 5)
    plain.book(9, 6)
    assert plain.feed.wants_book
    assert plain.document("books").state == "resync"
    plain.feed.on_rest_book(rest_book(2), plain.now_ns, plain.now_ns)
    assert plain.feed.wants_book, "older than the updates kept"
    plain.feed.on_rest_book(rest_book(7), plain.now_ns, plain.now_ns)
    plain.writer.publish()
    assert not plain.feed.wants_book
    assert plain.valid == [1]
    assert plain.rows(Kind.BOOK)[0][2] == 9
    plain.book(10, 9)
    assert plain.valid == [1, 1]
    plain.feed.on_rest_book(rest_book(7), plain.now_ns, plain.now_ns)
    plain.writer.publish()
    assert plain.valid == [1, 1], "nobody asked for it any more"


def test_book_of_rest_for_a_lost_channel_is_not_shown(plain: Bench) -> None:
    plain.book(6, 5)
    plain.feed.on_lost_channel("books", plain.now_ns, plain.now_ns)
    assert not plain.feed.wants_book
    plain.feed.on_rest_book(rest_book(6), plain.now_ns, plain.now_ns)
    plain.writer.publish()
    assert plain.valid == []


def test_book_hidden_by_the_end_of_the_connection(plain: Bench) -> None:
    plain.snapshot(5)
    plain.feed.on_closed(CHANNELS, plain.now_ns, plain.now_ns)
    plain.writer.publish()
    assert plain.valid == [1, 0]
    plain.feed.on_closed(CHANNELS, plain.now_ns, plain.now_ns)
    plain.writer.publish()
    assert plain.valid == [1, 0], "once is enough"


def test_book_nobody_keeps_any_more_is_hidden(plain: Bench) -> None:
    """Refused or silent beyond what is promised: what is shown may be long gone."""
    plain.snapshot(5)
    plain.feed.on_lost_channel("trades", plain.now_ns, plain.now_ns)
    plain.writer.publish()
    assert plain.valid == [1]
    plain.feed.on_lost_channel("books", plain.now_ns, plain.now_ns)
    plain.writer.publish()
    assert plain.valid == [1, 0]
    plain.feed.on_lost_channel("books", plain.now_ns, plain.now_ns)
    plain.writer.publish()
    assert plain.valid == [1, 0]


@pytest.mark.parametrize(
    ("channel", "item"),
    [
        ("trades", {"tradeId": "x"}),
        ("trades", trade_item(1, px="nan")),
        ("tickers", {"last": []}),
        ("bbo-tbt", {"bids": 5}),
        ("books", {"bids": [["1"]]}),
    ],
)
def test_malformed_push_is_counted_and_survived(
    plain: Bench, channel: str, item: dict[str, Any]
) -> None:
    plain.push(channel, item, action="update")
    assert plain.document(channel).malformed == 1
    assert len(plain.feed.news) == 1
    assert plain.feed.news[0].startswith(f"{channel}: ")
    plain.trade(1)
    assert plain.ids == [1]


def test_malformed_book_push_breaks_the_book_that_is_shown(plain: Bench) -> None:
    plain.snapshot(5)
    plain.push("books", {"bids": 5}, action="update")
    assert plain.valid == [1, 0]
    assert plain.feed.wants_resubscribe


@pytest.mark.parametrize(
    ("state", "shown"),
    [
        (SubscriptionState.PENDING, "connecting"),
        (SubscriptionState.ACKED, "connecting"),
        (SubscriptionState.LIVE, "live"),
        (SubscriptionState.RESYNC, "resync"),
        (SubscriptionState.PARKED, "parked"),
    ],
)
def test_state_of_a_feed_follows_its_subscription(
    plain: Bench, state: SubscriptionState, shown: str
) -> None:
    assert plain.document("tickers", state).state == shown


def test_state_is_stale_while_silent_and_live_with_the_next_push(plain: Bench) -> None:
    plain.feed.counters["trades"].silent = True
    assert plain.document().state == "stale"
    plain.trade(1)
    assert plain.document().state == "live"


def test_lag_leaves_out_the_cached_first_push(plain: Bench) -> None:
    old = {"ts": str(1_790_000_000_000 - 100_000)}
    plain.trade(1, **old)
    assert plain.document().lag_ms_p99 == 0.0
    plain.trade(2, **old)
    assert plain.document().lag_ms_p99 > 90_000


def test_update_older_than_the_book_of_rest_leaves_it_valid(plain: Bench) -> None:
    """REST may be ahead of the feed; what comes late is in that book already."""
    plain.book(10, 9)
    plain.feed.on_rest_book(rest_book(15), plain.now_ns, plain.now_ns)
    plain.book(12, 10)
    assert not plain.feed.wants_book
    plain.book(16, 15)
    assert plain.valid[-1] == 1


def test_giving_up_the_oldest_hole_leaves_the_newer_one_open(plain: Bench) -> None:
    plain.trade(1)
    plain.trade(5)
    plain.trade(9)
    plain.feed.give_up(plain.now_ns, plain.now_ns)
    assert [hole.after_id for hole in plain.feed.chain.holes] == [5]
    assert plain.feed.counters["trades"].lost == 3
