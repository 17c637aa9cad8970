from __future__ import annotations

import struct

import pytest
from fakes.signals import RING, signal
from fakes.store_stage import DAY_NS, NOON_NS

from hunter.market.bars import BarTrade, bars_of
from hunter.market.contract import contract_of
from hunter.ring.rows import STRUCTS, Kind
from hunter.store.parts import Place, StoredLane
from hunter.store.waiting import Waiting, WaitingBars, WaitingRows, WaitingSignals

TRADES = StoredLane("trades", "BTC-USDT")
NOON_DAY = NOON_NS // DAY_NS


def raw(sequence: int, stamp: int = NOON_NS, received: int = NOON_NS) -> bytes:
    packed: struct.Struct = STRUCTS[Kind.TRADE]
    return packed.pack(sequence, sequence, sequence, stamp, received, 1.0, 1.0, 1, 1, 0, 0)


def rows_of(waiting: WaitingRows) -> tuple[int, list[int]]:
    batch = waiting.make_batch()
    assert batch is not None
    return batch.part.folder.day, batch.table().column("sequence").to_pylist()


@pytest.fixture
def waiting() -> WaitingRows:
    return WaitingRows(TRADES, Place(3, RING, 0), 7, 20)


def test_a_batch_names_its_rows_and_is_the_same_until_it_is_written(waiting: WaitingRows) -> None:
    assert waiting.make_batch() is None
    waiting.add(raw(1) + raw(2), 100)
    waiting.add(b"", 101)
    waiting.add(raw(3), 200)
    assert (waiting.row_count, waiting.size_bytes, waiting.since_ns) == (3, 192, 100)
    batch = waiting.make_batch()
    assert batch is not None
    assert batch.part.first == 1
    assert batch.part.place == Place(3, RING, 3)
    assert (batch.row_count, batch.source) == (3, 7)
    waiting.add(raw(4), 300)
    assert waiting.make_batch() is batch, "or rows would be there twice"
    waiting.written(400)
    assert (waiting.row_count, waiting.size_bytes, waiting.since_ns) == (1, 64, 400)
    assert rows_of(waiting) == (NOON_DAY, [4])
    waiting.written(500)
    assert (waiting.row_count, waiting.since_ns, waiting.make_batch()) == (0, 0, None)


def test_a_batch_ends_where_the_day_does(waiting: WaitingRows) -> None:
    later = NOON_NS + DAY_NS
    for sequence, stamp in enumerate((NOON_NS, NOON_NS, later, NOON_NS), 1):
        waiting.add(raw(sequence, stamp, stamp), 1)
    found = []
    for _ in range(3):
        found.append(rows_of(waiting))
        waiting.written(2)
    assert found == [(NOON_DAY, [1, 2]), (NOON_DAY + 1, [3]), (NOON_DAY, [4])]


@pytest.mark.parametrize("stamp", [0, -1, NOON_NS + 2 * DAY_NS, 2**62])
def test_a_stamp_that_cannot_be_counts_as_of_its_reception(
    waiting: WaitingRows, stamp: int
) -> None:
    waiting.add(raw(1) + raw(2, stamp) + raw(3), 1)
    assert rows_of(waiting) == (NOON_DAY, [1, 2, 3])


def test_an_old_stamp_is_believed_because_a_replay_has_old_ones(waiting: WaitingRows) -> None:
    waiting.add(raw(1, NOON_NS - 900 * DAY_NS), 1)
    assert rows_of(waiting)[0] == NOON_DAY - 900


def test_bars_are_named_by_the_seconds_they_open_in() -> None:
    minute = 60_000_000_000
    midnight = (NOON_DAY + 1) * DAY_NS
    stamps = [midnight - 2 * minute, midnight - minute, midnight, midnight + minute]
    trades = [BarTrade(n, 1, stamp, stamp, 1.0, 1.0, 1) for n, stamp in enumerate(stamps, 1)]
    waiting = WaitingBars(StoredLane("candles", "BTC-USDT"), Place(1, RING, 0), 7)
    for bar in bars_of(trades, 60, contract_of("BTC-USDT")):
        waiting.add(bar, 1)
    batch = waiting.make_batch()
    assert batch is not None
    seconds = [stamp // 1_000_000_000 for stamp in stamps]
    assert (batch.part.first, batch.part.place.last) == (seconds[0], seconds[1])
    assert batch.table().num_rows == batch.row_count == 2
    waiting.written(1)
    batch = waiting.make_batch()
    assert batch is not None
    assert (batch.part.folder.day, batch.row_count) == (NOON_DAY + 1, 2)
    waiting.written(1)
    assert (waiting.row_count, waiting.size_bytes) == (0, 0)


def test_signals_of_another_journal_or_day_are_another_part() -> None:
    waiting = WaitingSignals(StoredLane("signals", "BTC-USDT-SWAP"), Place(1, RING, 0))
    noon_ms = NOON_NS // 1_000_000
    for place, boundary_ms in (
        (Place(1, RING, 10), noon_ms),
        (Place(1, RING, 20), noon_ms + 1),
        (Place(2, RING, 5), noon_ms + 2),
        (Place(2, RING, 9), noon_ms + 86_400_000),
    ):
        waiting.add(signal(boundary_ms), place, 1)
    found = []
    while (batch := waiting.make_batch()) is not None:
        part = batch.part
        assert batch.table().num_rows == batch.row_count
        found.append((part.folder.day - NOON_DAY, part.place.series, part.first, part.place.last))
        waiting.written(1)
    assert found == [(0, 1, 10, 20), (0, 2, 5, 5), (1, 2, 9, 9)]
    assert waiting.size_bytes == 0


def test_a_lane_has_to_say_how_its_batches_are_made() -> None:
    bare = Waiting(TRADES, Place(1, RING, 0))
    bare.row_count = 1
    with pytest.raises(NotImplementedError):
        bare.make_batch()
    with pytest.raises(NotImplementedError):
        bare._batch_bytes()
