from __future__ import annotations

import math
import os
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fakes.ring_rows import NOW_NS, Feeder, is_whole, make_ring, put, ring_layout

from hunter.errors import SegmentError, WriterFenced
from hunter.ring import segment
from hunter.ring.layout import (
    EPOCH_LOG_ENTRIES,
    EPOCH_LOG_OFFSET,
    EPOCH_WORD,
    WRITER_PID_WORD,
    WRITER_SINCE_WORD,
    RingLayout,
)
from hunter.ring.reader import LaneReader, Row
from hunter.ring.rows import BOOK_LEVELS, FIRST_ALIKE, Kind, TradeFlag
from hunter.ring.segment import Segment
from hunter.ring.writer import LastBook, LastTrade, RingWriter

TRADE = (130639474, 1_630_048_897_897_000_000, 42219.9, 12.06, 3, -1)


@pytest.fixture
def writer(ring_path: Path) -> Iterator[RingWriter]:
    made = RingWriter(ring_path, NOW_NS)
    yield made
    made.close()


@pytest.fixture
def newest(shared: Segment, layout: RingLayout) -> Callable[[Kind], Row]:
    return lambda kind: LaneReader(shared, layout, 0, kind).last(1)[0]


def test_trade_row_holds_what_was_put(writer: RingWriter, newest: Callable[[Kind], Row]) -> None:
    writer.put_trade(0, 77, TRADE, TradeFlag.BACKFILL | TradeFlag.AFTER_LOSS)
    writer.publish()
    assert newest(Kind.TRADE)[:-1] == (
        1, 1, 130639474, 1_630_048_897_897_000_000, 77, 42219.9, 12.06, 3, -1, 3,
    )  # fmt: skip


def test_bbo_row_keeps_a_missing_side(writer: RingWriter, newest: Callable[[Kind], Row]) -> None:
    writer.put_bbo(0, 77, (5, 6, 1.5, 2.0, math.nan, 0.0))
    writer.publish()
    row = newest(Kind.BBO)
    assert row[:7] == (1, 1, 5, 6, 77, 1.5, 2.0)
    assert math.isnan(row[7])
    assert row[8:-1] == (0.0, 0)


def test_ticker_row_holds_what_was_put(writer: RingWriter, newest: Callable[[Kind], Row]) -> None:
    writer.put_ticker(0, 77, 66, [float(number) for number in range(11)])
    writer.publish()
    assert newest(Kind.TICKER)[:-1] == (1, 1, 66, 77, *range(11), 0)


def test_book_row_fills_unused_levels_with_zeros(
    writer: RingWriter, newest: Callable[[Kind], Row]
) -> None:
    writer.put_book(0, 77, 5, 66, ([100.0, 1.0, 99.0, 2.0], [101.0, 3.0]))
    writer.publish()
    row = newest(Kind.BOOK)
    assert row[:9] == (1, 1, 5, 66, 77, 1, 2, 1, 0)
    assert row[9:13] == (100.0, 1.0, 99.0, 2.0)
    assert row[9 + 2 * BOOK_LEVELS :][:2] == (101.0, 3.0)
    assert sum(row[9:-1]) == 100 + 1 + 99 + 2 + 101 + 3


def test_full_book_row_has_no_padding(writer: RingWriter, newest: Callable[[Kind], Row]) -> None:
    side = [float(number) for number in range(1, 2 * BOOK_LEVELS + 1)]
    writer.put_book(0, 77, 5, 66, (side, side))
    writer.publish()
    assert newest(Kind.BOOK)[9:-1] == (*side, *side)


def test_invalid_book_row_is_empty(writer: RingWriter, newest: Callable[[Kind], Row]) -> None:
    writer.put_book(0, 77, 5, 66, None)
    writer.publish()
    row = newest(Kind.BOOK)
    assert row[5:8] == (0, 0, 0)
    assert not any(row[9:-1])


# One row a kind, as the stream would put it: values after the head, in the order of rows.py.
FURTHER: dict[Kind, tuple[float | bytes, ...]] = {
    Kind.INSTRUMENT: (0.1, 0.01, 0.01, 0.01, 1.0, 1_573_557_408_000_000_000, 0, 1, 1, b"BTC"),
    Kind.MARK: (83679.8,),
    Kind.INDEX: (83700.1, 83000.0, 84000.5, math.inf),
    Kind.FUNDING: (
        2.6e-5, 0.5, -0.00375, 0.00375, 3.4e-5, -0.0004, 1_790_380_800_000_000_000, 0,
    ),
    Kind.OPEN_INTEREST: (3185878.69, 31858.79, 2054002894.90),
    Kind.LIQUIDATION: (0.007831, 13.0, 130.0, 1.01803, 0.0, 1, -1),
    Kind.CANDLE: (
        1_786_540_440_000_000_000, 63913.0, 63951.8, 63913.0, 63951.8, 1803.61, 18.0361, 1153203.9,
        60, 0, 1,
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", FURTHER)
def test_row_of_a_further_kind_holds_what_was_put(
    kind: Kind, writer: RingWriter, newest: Callable[[Kind], Row]
) -> None:
    writer.put(0, kind, 77, 66, FURTHER[kind])
    writer.publish()
    row = newest(kind)
    assert row[:4] == (1, 0, 66, 77), "no row of the market came before it"
    values: tuple[Any, ...] = row[4:-1]
    if kind is Kind.INSTRUMENT:
        values = (*values[:-1], values[-1].rstrip(b"\0"))
    assert values == FURTHER[kind]


def test_every_further_kind_has_a_sample() -> None:
    assert list(FURTHER) == [kind for kind in Kind if kind >= FIRST_ALIKE]


@pytest.mark.parametrize("kind", [kind for kind in Kind if kind < FIRST_ALIKE])
def test_kinds_with_a_method_of_their_own_are_not_put_by_the_common_one(
    kind: Kind, writer: RingWriter
) -> None:
    with pytest.raises(AssertionError):
        writer.put(0, kind, 77, 66, (1.0,))
    assert not writer.publish(), "no row was begun"


@pytest.mark.parametrize("kind", Kind)
def test_newest_reception_is_known_from_a_row_of_any_kind(
    kind: Kind, make_feeder: Callable[[], Feeder]
) -> None:
    first = make_feeder()
    assert first.writer.last_received_ts_ns() == 0
    first.put(1, kind, 5)
    first.publish()
    assert make_feeder().writer.last_received_ts_ns() == 5 * 3 + 1


def test_newest_reception_is_the_newest_of_all_lanes(writer: RingWriter) -> None:
    for place, kind in enumerate(Kind):
        put(writer, place & 1, kind, 1)
    writer.put(1, Kind.FUNDING, 90, 1, FURTHER[Kind.FUNDING])
    writer.put(0, Kind.MARK, 80, 1, FURTHER[Kind.MARK])
    writer.publish()
    assert writer.last_received_ts_ns() == 90


def test_publish_says_whether_there_was_news(writer: RingWriter) -> None:
    assert not writer.publish()
    writer.put_trade(0, 1, TRADE)
    writer.put_trade(1, 1, TRADE)
    assert writer.publish()
    assert not writer.publish()


def test_arrival_counts_over_the_lanes_of_an_instrument(feeder: Feeder, shared: Segment) -> None:
    layout = feeder.writer.layout
    for index, kind in ((0, Kind.TRADE), (0, Kind.BOOK), (1, Kind.TRADE), (0, Kind.TRADE)):
        feeder.put(index, kind)
    feeder.publish()
    found = {
        (index, kind): [int(row[1]) for row in LaneReader(shared, layout, index, kind).poll()]
        for index in (0, 1)
        for kind in (Kind.TRADE, Kind.BOOK)
    }
    assert found[0, Kind.TRADE] == [1, 3]
    assert found[0, Kind.BOOK] == [2]
    assert found[1, Kind.TRADE] == [1]
    assert [shared.words[layout.arrival_word(index)] for index in (0, 1)] == [3, 1]


@pytest.mark.parametrize("kind", [Kind.TRADE, Kind.LIQUIDATION])
def test_batch_larger_than_half_the_lane_is_published_in_parts(
    kind: Kind, feeder: Feeder, shared: Segment, layout: RingLayout
) -> None:
    reader = LaneReader(shared, layout, 0, kind)
    feeder.put(0, kind, 8)
    assert reader.head == 0
    feeder.put(0, kind, 1)
    assert reader.head == 8
    feeder.put(0, kind, 8)
    assert reader.head == 16
    feeder.publish()
    assert reader.head == 17


def test_lane_that_no_channel_feeds_cannot_be_written(shm_dir: Path) -> None:
    path = make_ring(shm_dir / "ring", ring_layout(kinds=(Kind.TRADE,)))
    writer = RingWriter(path, NOW_NS)
    with pytest.raises(AssertionError, match="no channel feeds it"):
        writer.put_bbo(0, 1, (1, 1, 1.0, 1.0, 1.0, 1.0))
    with pytest.raises(AssertionError, match="no channel feeds it"):
        writer.put(0, Kind.MARK, 1, 1, (1.0,))
    writer.close()


def test_instruments_are_found_by_name(writer: RingWriter) -> None:
    assert writer.index_of("ETH-USDT") == 1


def test_heir_continues_where_the_lanes_end(
    make_feeder: Callable[[], Feeder], shared: Segment, layout: RingLayout
) -> None:
    first = make_feeder()
    assert first.writer.last_trade(0) is None
    assert first.writer.last_book(0) is None
    first.put(0, Kind.TRADE, 6)
    first.put(0, Kind.BOOK, 6)
    first.put(0, Kind.CANDLE, 6)
    first.publish()
    heir = make_feeder()
    assert heir.writer.epoch == first.writer.epoch + 1
    assert heir.writer.last_trade(0) == LastTrade(trade_id=66, exchange_ts_ns=32)
    assert heir.writer.last_book(0) == LastBook(valid=True, seq_id=102, exchange_ts_ns=32)
    heir.put(0, Kind.TRADE, 2)
    heir.publish()
    rows = LaneReader(shared, layout, 0, Kind.TRADE).poll()
    assert [row[0] for row in rows] == [1, 2, 3, 4, 5, 6, 7, 8]
    assert [row[1] for row in rows] == [1, 2, 3, 4, 5, 6, 13, 14], "candles take no numbers"
    heir.put(0, Kind.CANDLE, 2)
    heir.publish()
    candles = LaneReader(shared, layout, 0, Kind.CANDLE).poll()
    assert [row[0] for row in candles] == [1, 2, 3, 4, 5, 6, 7, 8]


def test_intent_of_a_killed_writer_stays_in_force(
    make_feeder: Callable[[], Feeder], shared: Segment, layout: RingLayout
) -> None:
    """Its rows lie where the oldest ones were, so those must stay unreadable."""
    reader = LaneReader(shared, layout, 0, Kind.TRADE)
    first = make_feeder()
    first.put(0, Kind.TRADE, 16)
    first.publish()
    first.put(0, Kind.TRADE, 5)
    heir = make_feeder()
    for newest in range(16, 24):
        rows = reader.last(16)
        oldest = max(5, newest - 16)
        assert [row[0] for row in rows] == list(range(oldest + 1, newest + 1))
        assert all(is_whole(Kind.TRADE, row) for row in rows)
        heir.put(0, Kind.TRADE)
        heir.publish()


def test_invalid_last_book_is_told_to_the_heir(writer: RingWriter) -> None:
    writer.put_book(0, 77, 5, 66, None)
    writer.publish()
    assert writer.last_book(0) == LastBook(valid=False, seq_id=5, exchange_ts_ns=66)


def test_writer_signs_the_header_and_the_log_of_epochs(ring_path: Path, shared: Segment) -> None:
    for number in range(1, EPOCH_LOG_ENTRIES + 3):
        RingWriter(ring_path, NOW_NS + number).close()
    epoch = EPOCH_LOG_ENTRIES + 2
    assert shared.words[EPOCH_WORD] == epoch
    assert shared.words[WRITER_PID_WORD] == os.getpid()
    assert shared.words[WRITER_SINCE_WORD] == NOW_NS + epoch
    entry = EPOCH_LOG_OFFSET + 32 * (epoch % EPOCH_LOG_ENTRIES)
    assert struct.unpack_from("<4Q", shared.view, entry) == (
        epoch, os.getpid(), NOW_NS + epoch, 0,
    )  # fmt: skip
    logged = {shared.words[EPOCH_LOG_OFFSET // 8 + 4 * place] for place in range(EPOCH_LOG_ENTRIES)}
    assert logged == set(range(3, epoch + 1)), "the last 64"


def test_fenced_writer_publishes_nothing(
    make_feeder: Callable[[], Feeder], shared: Segment, layout: RingLayout
) -> None:
    old = make_feeder()
    old.put(0, Kind.TRADE)
    heir = make_feeder()
    with pytest.raises(WriterFenced, match="must stop"):
        old.publish()
    assert LaneReader(shared, layout, 0, Kind.TRADE).head == 0
    heir.put(0, Kind.TRADE)
    heir.publish()
    assert is_whole(Kind.TRADE, LaneReader(shared, layout, 0, Kind.TRADE).last(1)[0])


def test_fenced_writer_in_a_long_batch_is_stopped_too(make_feeder: Callable[[], Feeder]) -> None:
    old = make_feeder()
    old.put(0, Kind.TRADE, 8)
    make_feeder()
    with pytest.raises(WriterFenced):
        old.put(0, Kind.TRADE)


def test_damaged_ring_is_not_continued(
    feeder: Feeder, ring_path: Path, shared: Segment, layout: RingLayout
) -> None:
    feeder.put(0, Kind.TRADE, 2)
    feeder.publish()
    with segment.attach(ring_path, writable=True) as damaged:
        damaged.words[layout.intent_word(0, Kind.TRADE) + 1] = 1 << 40
    with pytest.raises(SegmentError, match=r"head of BTC-USDT-SWAP trade"):
        RingWriter(ring_path, NOW_NS)
    with pytest.raises(SegmentError):
        feeder.writer.check()
