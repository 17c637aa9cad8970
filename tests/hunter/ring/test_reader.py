from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fakes.ring_rows import Feeder, facts_of, is_whole, make_ring, ring_layout

from hunter.errors import SegmentError
from hunter.ring import segment
from hunter.ring.layout import RingLayout
from hunter.ring.reader import LaneReader, Row
from hunter.ring.rows import ROW_BYTES, STRUCTS, Kind
from hunter.ring.segment import Segment

CAPACITY = 16


def sequences(rows: list[Row]) -> list[int]:
    return [int(row[0]) for row in rows]


@pytest.fixture
def reader(shared: Segment, layout: RingLayout) -> LaneReader:
    return LaneReader(shared, layout, 0, Kind.TRADE)


class SteppingReader(LaneReader):
    """Leaves nothing to the compiled half, which cannot be disturbed between two of its steps."""

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self._take = None


class OvertakenReader(SteppingReader):
    """`disturb` runs in the middle of the next copy: between two of its bytes."""

    disturb: Callable[[], None] | None = None

    def _copy(self, position: int, row_count: int) -> bytearray:
        middle = row_count // 2
        rows = super()._copy(position, middle)
        disturb, self.disturb = self.disturb, None
        if disturb is not None:
            disturb()
        return rows + super()._copy(position + middle, row_count - middle)


class BlindReader(OvertakenReader):
    """The canary: no second look."""

    def poll_bytes(self, row_count_max: int = 4096) -> bytearray:
        rows = self._copy(self.cursor, min(self.head - self.cursor, row_count_max))
        self.cursor += len(rows) // self._row_bytes
        return rows


def test_reader_of_an_empty_lane_gets_nothing(reader: LaneReader) -> None:
    assert reader.poll() == []
    assert reader.last(10) == []
    assert (reader.head, reader.tail, reader.lapped) == (0, 0, 0)


def test_reader_does_not_see_rows_before_they_are_published(
    reader: LaneReader, feeder: Feeder
) -> None:
    feeder.put(0, Kind.TRADE, 3)
    assert reader.poll() == []
    assert reader.last(3) == []
    feeder.publish()
    assert sequences(reader.poll()) == [1, 2, 3]
    assert reader.poll() == []


def test_reader_gets_every_field_of_each_kind(
    shared: Segment, layout: RingLayout, feeder: Feeder
) -> None:
    for kind in Kind:
        feeder.put(1, kind, 6)
    feeder.publish()
    for kind in Kind:
        rows = LaneReader(shared, layout, 1, kind).poll()
        assert sequences(rows) == [1, 2, 3, 4, 5, 6]
        assert all(is_whole(kind, row) for row in rows), kind
        assert not LaneReader(shared, layout, 0, kind).poll(), "the other instrument's lanes"


def test_polls_of_any_size_return_the_same_rows(reader: LaneReader, feeder: Feeder) -> None:
    feeder.put(0, Kind.TRADE, 7)
    feeder.publish()
    found = [reader.poll(3), reader.poll(3), reader.poll(3)]
    assert [sequences(rows) for rows in found] == [[1, 2, 3], [4, 5, 6], [7]]


def test_poll_across_the_end_of_the_lane_keeps_the_order(
    reader: LaneReader, feeder: Feeder
) -> None:
    for start in range(0, 60, 6):
        feeder.put(0, Kind.TRADE, 6)
        feeder.publish()
        rows = reader.poll()
        assert sequences(rows) == list(range(start + 1, start + 7))
        assert all(is_whole(Kind.TRADE, row) for row in rows)


def test_exactly_the_capacity_is_readable_when_the_writer_rests(shm_dir: Path) -> None:
    layout = ring_layout(8192, kinds=(Kind.TRADE,))
    feeder = Feeder(make_ring(shm_dir / "ring", layout))
    for _ in range(100):
        feeder.put(0, Kind.TRADE, 100)
        feeder.publish()
    with segment.attach(shm_dir / "ring") as shared:
        reader = LaneReader(shared, layout, 0, Kind.TRADE)
        assert reader.tail == 10_000 - 8192
        for wanted in (8192, 10_000):
            rows = reader.last(wanted)
            assert sequences(rows) == list(range(10_000 - 8192 + 1, 10_001))
            assert all(is_whole(Kind.TRADE, row) for row in rows)
        assert reader.cursor == 0, "last leaves the cursor alone"
    feeder.close()


def test_last_returns_the_newest(reader: LaneReader, feeder: Feeder) -> None:
    feeder.put(0, Kind.TRADE, 5)
    feeder.publish()
    assert sequences(reader.last(2)) == [4, 5]
    assert sequences(reader.last(99)) == [1, 2, 3, 4, 5]
    assert reader.last(0) == []


def test_reader_lapped_by_writer_counts_lost_rows(reader: LaneReader, feeder: Feeder) -> None:
    feeder.put(0, Kind.TRADE, 40)
    feeder.publish()
    rows = reader.poll()
    # 40 - 16 are gone, and an eighth of the lane more, so as not to be lapped again at once
    assert sequences(rows) == list(range(40 - CAPACITY + CAPACITY // 8 + 1, 41))
    assert reader.lapped == 40 - CAPACITY + CAPACITY // 8
    assert reader.lapped + len(rows) == 40


def test_unpublished_rows_take_the_oldest_from_readers(reader: LaneReader, feeder: Feeder) -> None:
    feeder.put(0, Kind.TRADE, CAPACITY)
    feeder.publish()
    feeder.put(0, Kind.TRADE, 3)
    assert sequences(reader.last(CAPACITY)) == list(range(4, CAPACITY + 1))


def test_rows_overwritten_during_a_poll_are_not_returned(
    shared: Segment, layout: RingLayout, feeder: Feeder
) -> None:
    reader = OvertakenReader(shared, layout, 0, Kind.TRADE)
    feeder.put(0, Kind.TRADE, CAPACITY)
    feeder.publish()
    reader.disturb = lambda: feeder.put(0, Kind.TRADE, 1)  # begun, never published
    rows = reader.poll()
    assert all(is_whole(Kind.TRADE, row) for row in rows)
    assert sequences(rows) == list(range(4, CAPACITY + 1))
    assert reader.lapped + len(rows) == CAPACITY


def test_rows_overwritten_during_last_are_cut_off(
    shared: Segment, layout: RingLayout, feeder: Feeder
) -> None:
    reader = OvertakenReader(shared, layout, 0, Kind.TRADE)
    feeder.put(0, Kind.TRADE, CAPACITY)
    feeder.publish()
    reader.disturb = lambda: feeder.put(0, Kind.TRADE, 5)
    rows = reader.last(CAPACITY)
    assert sequences(rows) == list(range(6, CAPACITY + 1))
    assert all(is_whole(Kind.TRADE, row) for row in rows)


def test_last_starts_again_when_the_whole_copy_was_overwritten(
    shared: Segment, layout: RingLayout, feeder: Feeder
) -> None:
    reader = OvertakenReader(shared, layout, 0, Kind.TRADE)
    feeder.put(0, Kind.TRADE, CAPACITY)
    feeder.publish()

    def go_round() -> None:
        feeder.put(0, Kind.TRADE, 3 * CAPACITY)
        feeder.publish()

    reader.disturb = go_round
    assert sequences(reader.last(4)) == list(range(4 * CAPACITY - 3, 4 * CAPACITY + 1))


def test_canary_reader_without_the_second_look_returns_torn_rows(
    shared: Segment, layout: RingLayout, feeder: Feeder
) -> None:
    reader = BlindReader(shared, layout, 0, Kind.TRADE)
    feeder.put(0, Kind.TRADE, CAPACITY)
    feeder.publish()
    reader.disturb = lambda: feeder.put(0, Kind.TRADE, CAPACITY // 2 + 1)
    rows = reader.poll()
    assert sequences(rows) != list(range(1, CAPACITY + 1))


class LoadedWords:
    """A lane's words; `between` runs once after the next load of one of them."""

    def __init__(self, words: memoryview, between: Callable[[], None]) -> None:
        self._words = words
        self._between: Callable[[], None] | None = between

    def __getitem__(self, word: int) -> int:
        value = self._words[word]
        between, self._between = self._between, None
        if between is not None:
            between()
        return int(value)


@pytest.mark.parametrize("method", ["poll", "last"])
def test_reader_that_sleeps_between_two_loads_wakes_up_sane(
    shared: Segment, layout: RingLayout, feeder: Feeder, method: str
) -> None:
    reader = SteppingReader(shared, layout, 0, Kind.TRADE)
    feeder.put(0, Kind.TRADE, 4)
    feeder.publish()

    def go_round() -> None:
        feeder.put(0, Kind.TRADE, 3 * CAPACITY)
        feeder.publish()

    reader._words = LoadedWords(reader._words, go_round)  # type: ignore[assignment]
    rows = getattr(reader, method)(CAPACITY)
    assert rows
    assert all(is_whole(Kind.TRADE, row) for row in rows)
    head = 4 + 3 * CAPACITY
    assert sequences(rows) == list(range(head - len(rows) + 1, head + 1))


def test_head_behind_the_cursor_is_another_ring(shared: Segment, layout: RingLayout) -> None:
    reader = LaneReader(shared, layout, 0, Kind.TRADE, cursor=1)
    with pytest.raises(SegmentError, match="attach again"):
        reader.poll()


def test_lane_that_no_channel_feeds_is_empty(shm_dir: Path) -> None:
    layout = ring_layout(kinds=(Kind.TRADE,))
    with segment.attach(make_ring(shm_dir / "ring", layout)) as shared:
        reader = LaneReader(shared, layout, 0, Kind.BOOK)
        assert (reader.head, reader.tail) == (0, 0)
        assert reader.poll() == []
        assert reader.last(5) == []


def test_bytes_are_the_rows_unpacked(reader: LaneReader, feeder: Feeder) -> None:
    feeder.put(0, Kind.TRADE, 3)
    feeder.publish()
    raw = reader.last_bytes(3)
    assert raw == reader.poll_bytes()
    rows = list(STRUCTS[Kind.TRADE].iter_unpack(raw))
    assert sequences(rows) == [1, 2, 3]
    assert [facts_of(row)[-1] for row in rows] == [1, 2, 3]
    assert reader.poll_bytes() == b""


@pytest.fixture
def old_reader(shared: Segment, layout: RingLayout, feeder: Feeder) -> LaneReader:
    feeder.put(0, Kind.TRADE, 10)
    feeder.publish()
    return LaneReader(shared, layout, 0, Kind.TRADE, cursor=8)


def test_reader_may_start_anywhere(old_reader: LaneReader) -> None:
    assert sequences(old_reader.poll()) == [9, 10]
    assert old_reader.lapped == 0


def spoil(shared_path: Path, layout: RingLayout, kind: Kind, position: int, byte: int = 20) -> None:
    """Flip a bit of the row of the first instrument that lies at `position`."""
    size = ROW_BYTES[kind]
    start = layout.lane_offset(0, kind) + (position & (layout.capacities[kind] - 1)) * size
    with segment.attach(shared_path, writable=True) as writable:
        writable.view[start + byte] ^= 0x10


def set_word(path: Path, word: int, value: int) -> None:
    with segment.attach(path, writable=True) as writable:
        writable.words[word] = value


@pytest.mark.parametrize("kind", Kind)
def test_r6_damaged_row_is_left_out_and_counted(
    shared: Segment, layout: RingLayout, feeder: Feeder, ring_path: Path, kind: Kind
) -> None:
    reader = LaneReader(shared, layout, 0, kind)
    feeder.put(0, kind, 7)
    feeder.publish()
    for position in (0, 3, 4, 6):
        spoil(ring_path, layout, kind, position)
    rows = reader.poll()
    assert sequences(rows) == [2, 3, 6]
    assert all(is_whole(kind, row) for row in rows)
    assert (reader.damaged, reader.lapped, reader.cursor) == (4, 0, 7)
    assert reader.poll() == []
    assert sequences(reader.last(9)) == [2, 3, 6]
    assert reader.damaged == 4, "each is counted once"


def test_r6_reader_goes_on_after_a_batch_of_nothing_but_damaged_rows(
    reader: LaneReader, layout: RingLayout, feeder: Feeder, ring_path: Path
) -> None:
    feeder.put(0, Kind.TRADE, 6)
    feeder.publish()
    for position in range(3):
        spoil(ring_path, layout, Kind.TRADE, position)
    assert sequences(reader.poll(3)) == [4, 5, 6], "no news would be untrue"
    assert reader.damaged == 3
    for position in range(6):
        spoil(ring_path, layout, Kind.TRADE, position, byte=30)
    assert reader.last(6) == []


def test_r6_row_that_is_whole_at_the_second_look_is_returned(
    shared: Segment, layout: RingLayout, feeder: Feeder, ring_path: Path
) -> None:
    class DisturbedReader(SteppingReader):
        """Its first copy is not what lies there."""

        copies = 0

        def _copy(self, position: int, row_count: int) -> bytearray:
            rows = super()._copy(position, row_count)
            self.copies += 1
            if self.copies == 1:
                rows[70] ^= 1
            return rows

    reader = DisturbedReader(shared, layout, 0, Kind.TRADE)
    feeder.put(0, Kind.TRADE, 3)
    feeder.publish()
    assert sequences(reader.poll()) == [1, 2, 3]
    assert reader.damaged == 0


def test_r6_row_of_another_place_is_no_row_of_this_one(
    reader: LaneReader, layout: RingLayout, feeder: Feeder, ring_path: Path
) -> None:
    """Its check is right, so only its sequence tells."""
    feeder.put(0, Kind.TRADE, 3)
    feeder.publish()
    start, size = layout.lane_offset(0, Kind.TRADE), ROW_BYTES[Kind.TRADE]
    with segment.attach(ring_path, writable=True) as writable:
        first = bytes(writable.view[start : start + size])
        writable.view[start + 2 * size : start + 3 * size] = first
    assert sequences(reader.poll()) == [1, 2]
    assert reader.damaged == 1


@pytest.mark.parametrize("kind", Kind)
def test_r6_row_of_an_earlier_lap_among_newer_ones_is_left_out_and_counted(
    shared: Segment, layout: RingLayout, feeder: Feeder, ring_path: Path, kind: Kind
) -> None:
    """A store that never arrived. The check is right, and the first and last row are in place."""
    reader = LaneReader(shared, layout, 0, kind)
    feeder.put(0, kind, 8)
    feeder.publish()
    start, size = layout.lane_offset(0, kind), ROW_BYTES[kind]
    place = slice(start + 3 * size, start + 4 * size)
    with segment.attach(ring_path, writable=True) as writable:
        old = bytes(writable.view[place])
        feeder.put(0, kind, 8)
        feeder.publish()
        feeder.put(0, kind, 8)
        feeder.publish()
        writable.view[place] = old
    reader.cursor = 16
    assert sequences(reader.last(8)) == [17, 18, 19, 21, 22, 23, 24]
    assert sequences(reader.poll()) == [17, 18, 19, 21, 22, 23, 24]
    assert (reader.damaged, reader.lapped) == (1, 0)


def test_reader_is_never_rewound_behind_its_last_poll(reader: LaneReader, feeder: Feeder) -> None:
    feeder.put(0, Kind.TRADE, 6)
    feeder.publish()
    reader.poll(2)
    reader.poll(2)
    reader.rewind(0)
    assert reader.cursor == 2
    assert sequences(reader.poll()) == [3, 4, 5, 6]


def test_r6_rewound_reader_meets_damaged_rows_again_and_counts_them_once(
    reader: LaneReader, layout: RingLayout, feeder: Feeder, ring_path: Path
) -> None:
    feeder.put(0, Kind.TRADE, 6)
    feeder.publish()
    for position in (1, 4):
        spoil(ring_path, layout, Kind.TRADE, position)
    assert sequences(reader.poll()) == [1, 3, 4, 6]
    reader.rewind(3)
    assert reader.damaged == 1
    assert sequences(reader.poll()) == [4, 6]
    assert reader.damaged == 2


@pytest.mark.parametrize("bit", [3, 4, 5, 40])
def test_r6_head_beyond_the_intent_is_not_believed_and_heals(
    reader: LaneReader, shared: Segment, layout: RingLayout, feeder: Feeder, bit: int
) -> None:
    feeder.put(0, Kind.TRADE, 4)
    feeder.publish()
    assert sequences(reader.poll(2)) == [1, 2]
    set_word(shared.path, layout.intent_word(0, Kind.TRADE) + 1, 4 | 1 << bit)
    assert reader.poll() == []
    assert sequences(reader.last(2)) == [3, 4]
    feeder.put(0, Kind.TRADE)
    feeder.publish()
    assert sequences(reader.poll()) == [3, 4, 5]
    assert reader.damaged == reader.lapped == 0


def test_r6_leap_of_the_intent_counts_as_lapped_and_heals(
    reader: LaneReader, shared: Segment, layout: RingLayout, feeder: Feeder
) -> None:
    feeder.put(0, Kind.TRADE, 4)
    feeder.publish()
    set_word(shared.path, layout.intent_word(0, Kind.TRADE), 4 | 1 << 30)
    assert reader.poll() == []
    assert (reader.lapped, reader.cursor) == (4, 4)
    feeder.put(0, Kind.TRADE, 2)
    feeder.publish()
    assert sequences(reader.poll()) == [5, 6]


def test_r2_writer_never_waits_for_a_reader_that_stands_still(
    reader: LaneReader, feeder: Feeder
) -> None:
    for _ in range(100):
        feeder.put(0, Kind.TRADE, 8)
        assert feeder.publish()
    assert reader.head == 800
    rows = reader.poll()
    assert reader.lapped + len(rows) == 800


def test_r3_lapped_reader_has_an_eighth_of_the_lane_before_it_is_lapped_again(
    shm_dir: Path,
) -> None:
    layout = ring_layout(256, kinds=(Kind.TRADE,))
    feeder = Feeder(make_ring(shm_dir / "ring", layout))
    with segment.attach(shm_dir / "ring") as shared:
        reader = LaneReader(shared, layout, 0, Kind.TRADE)
        for lap in (1, 2):
            for _ in range(10):
                feeder.put(0, Kind.TRADE, 100)
                feeder.publish()
            before = reader.lapped
            assert len(reader.poll(1)) == 1
            assert reader.lapped > before, lap
            lapped = reader.lapped
            feeder.put(0, Kind.TRADE, 256 // 8)
            feeder.publish()
            assert reader.poll(1), lap
            assert reader.lapped == lapped, "not again at once"
    feeder.close()
