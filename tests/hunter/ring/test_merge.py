from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest
from fakes.ring_rows import Feeder, is_whole, make_ring, ring_layout
from hypothesis import given, settings
from hypothesis import strategies as st

from hunter.ring import segment
from hunter.ring.layout import RingLayout
from hunter.ring.merge import MERGED_KINDS, Cursors, MergedReader, merged_row_count
from hunter.ring.reader import Row
from hunter.ring.rows import ROW_BYTES, Kind
from hunter.ring.segment import Segment
from hunter.ring.writer import RingWriter

CAPACITY = 16
Item = tuple[Kind, Row]


def arrivals(items: list[Item]) -> list[int]:
    return [int(row[1]) for _, row in items]


def drain(reader: MergedReader, row_count_max: int = 4096) -> list[Item]:
    found: list[Item] = []
    while items := reader.poll(row_count_max):
        found += items
    return found


@pytest.fixture
def merged(shared: Segment, layout: RingLayout) -> MergedReader:
    return MergedReader(shared, layout, 0)


def merged_of(kinds: Iterable[Kind]) -> list[Kind]:
    return [kind for kind in kinds if kind in MERGED_KINDS]


def put_mixed(feeder: Feeder, row_count: int) -> list[Kind]:
    kinds = [Kind(number * 7 % 11 % 4) for number in range(row_count)]
    for kind in kinds:
        feeder.put(0, kind)
    return kinds


def test_rows_of_all_lanes_come_in_the_order_they_were_put(
    merged: MergedReader, feeder: Feeder
) -> None:
    kinds = put_mixed(feeder, 20)
    feeder.publish()
    items = merged.poll()
    assert [kind for kind, _ in items] == kinds
    assert arrivals(items) == list(range(1, 21))
    assert all(is_whole(kind, row) for kind, row in items)
    assert merged.arrival_head == 20
    assert merged.poll() == []


def test_other_instruments_rows_are_not_ours(merged: MergedReader, feeder: Feeder) -> None:
    feeder.put(1, Kind.TRADE, 3)
    feeder.publish()
    assert merged.poll() == []


@pytest.mark.parametrize("row_count_max", [1, 2, 3, 5])
def test_small_polls_give_the_same_sequence(
    merged: MergedReader, feeder: Feeder, row_count_max: int
) -> None:
    kinds = put_mixed(feeder, 24)
    feeder.publish()
    items = drain(merged, row_count_max)
    assert [kind for kind, _ in items] == kinds
    assert arrivals(items) == list(range(1, 25))


def test_head_in_front_of_the_arrival_head_waits(
    merged: MergedReader, feeder: Feeder, ring_path: Path, layout: RingLayout
) -> None:
    """A writer that was killed between its last two stores."""
    feeder.put(0, Kind.TRADE, 2)
    feeder.publish()
    feeder.put(0, Kind.TRADE, 2)
    feeder.put(0, Kind.BOOK)
    with segment.attach(ring_path, writable=True) as shared:
        shared.words[layout.intent_word(0, Kind.TRADE) + 1] = 4
        assert arrivals(merged.poll()) == [1, 2]
        assert merged.cursors == Cursors(trade=2)
        heir = RingWriter(ring_path, 1)
        items = merged.poll()
    assert arrivals(items) == [3, 4]
    assert merged.cursors == Cursors(trade=4)
    heir.close()


def test_lane_that_no_channel_feeds_is_skipped(shm_dir: Path) -> None:
    layout = ring_layout(CAPACITY, kinds=(Kind.TRADE, Kind.BOOK))
    feeder = Feeder(make_ring(shm_dir / "ring", layout))
    with segment.attach(shm_dir / "ring") as shared:
        merged = MergedReader(shared, layout, 0)
        feeder.put(0, Kind.TRADE, 2)
        feeder.put(0, Kind.BOOK)
        feeder.publish()
        assert [kind for kind, _ in merged.poll()] == [Kind.TRADE, Kind.TRADE, Kind.BOOK]
        assert merged.cursors == Cursors(trade=2, book=1)
        merged.seek_oldest()
        assert len(merged.poll()) == 3
    feeder.close()


def test_cursors_name_the_merged_kinds_in_their_order() -> None:
    assert tuple(Kind)[: len(MERGED_KINDS)] == MERGED_KINDS
    assert Cursors._fields == tuple(kind.name.lower() for kind in MERGED_KINDS)


def test_rows_of_other_kinds_change_nothing_for_the_markets(
    merged: MergedReader, feeder: Feeder
) -> None:
    others = [kind for kind in Kind if kind not in MERGED_KINDS]
    for kind in others:
        feeder.put(0, kind, 2)
    feeder.publish()
    assert merged.poll() == []
    assert merged.arrival_head == 0
    feeder.put(0, Kind.TRADE)
    feeder.put(0, Kind.MARK)
    feeder.put(0, Kind.BOOK)
    feeder.publish()
    assert arrivals(merged.poll()) == [1, 2]
    assert merged.cursors == Cursors(trade=1, book=1)


def test_lane_of_another_kind_that_goes_round_laps_nobody(
    merged: MergedReader, feeder: Feeder
) -> None:
    feeder.put(0, Kind.TRADE, 3)
    feeder.put(0, Kind.CANDLE, 10 * CAPACITY)
    feeder.publish()
    assert len(drain(merged, 2)) == 3
    assert merged.lapped == 0


def test_merged_rows_are_counted_over_all_instruments(
    feeder: Feeder, shared: Segment, layout: RingLayout
) -> None:
    assert merged_row_count(shared, layout) == 0
    for kind in Kind:
        feeder.put(0, kind, 2)
        feeder.put(1, kind, 5)
    assert merged_row_count(shared, layout) == 0
    feeder.publish()
    assert merged_row_count(shared, layout) == 4 * 7


def test_lapped_lane_is_counted_and_the_order_kept(merged: MergedReader, feeder: Feeder) -> None:
    feeder.put(0, Kind.BOOK, 3)
    feeder.put(0, Kind.TRADE, 40)
    feeder.put(0, Kind.BOOK, 1)
    feeder.publish()
    items = drain(merged, 5)
    assert arrivals(items) == sorted(arrivals(items))
    assert merged.lapped + len(items) == 44
    assert (merged.missed, merged.damaged) == (merged.lapped, 0)
    assert sum(kind is Kind.BOOK for kind, _ in items) == 4, "the quiet lane lost nothing"


def test_seek_goes_on_where_another_reader_stood(
    merged: MergedReader, feeder: Feeder, shared: Segment, layout: RingLayout
) -> None:
    put_mixed(feeder, 20)
    feeder.publish()
    merged.poll(2)
    cursors, rest = merged.cursors, drain(merged)
    again = MergedReader(shared, layout, 0, cursors)
    assert drain(again) == rest
    again.seek(cursors)
    assert drain(again, 1) == rest


def test_seek_oldest_starts_inside_what_is_safe(merged: MergedReader, feeder: Feeder) -> None:
    feeder.put(0, Kind.TRADE, 40)
    feeder.put(0, Kind.BBO, 3)
    feeder.publish()
    merged.seek_oldest()
    assert merged.cursors == Cursors(trade=40 - CAPACITY + CAPACITY // 8, bbo=0)
    assert len(drain(merged)) == CAPACITY - CAPACITY // 8 + 3
    assert merged.lapped == 0


# Operations of one writer and one merged reader, against lists. The merged kinds come oftener.

any_kind = st.one_of(st.sampled_from(MERGED_KINDS), st.sampled_from(list(Kind)))

operations = st.lists(
    st.one_of(
        st.tuples(st.just("put"), any_kind, st.integers(1, 12)),
        st.tuples(st.just("publish"), st.none(), st.none()),
        st.tuples(st.just("poll"), st.none(), st.integers(1, 12)),
        st.tuples(st.just("heir"), st.none(), st.none()),
    ),
    max_size=60,
)


class ListModel:
    """What a ring does, said with lists: all rows ever published, and where the reader stands."""

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self.published: dict[Kind, list[int]] = {kind: [] for kind in Kind}
        self.pending: dict[Kind, list[int]] = {kind: [] for kind in Kind}
        self.intents = dict.fromkeys(Kind, 0)
        self.cursors = dict.fromkeys(MERGED_KINDS, 0)
        self.lapped = 0
        self.arrival = self.arrival_head = 0

    def put(self, kind: Kind) -> None:
        if len(self.pending[kind]) >= self.capacity // 2:
            self.publish()
        self.arrival += kind in MERGED_KINDS
        self.pending[kind].append(self.arrival)
        position = len(self.published[kind]) + len(self.pending[kind])
        self.intents[kind] = max(self.intents[kind], position)

    def publish(self) -> None:
        for kind in Kind:
            self.published[kind] += self.pending[kind]
            self.pending[kind] = []
        self.arrival_head = self.arrival

    def die(self) -> None:
        """The writer is killed and another one takes over."""
        for kind in Kind:
            self.pending[kind] = []
        self.arrival = self.arrival_head

    def poll(self, row_count_max: int) -> list[tuple[Kind, int]]:
        """What the next poll returns, by (kind, arrival)."""
        taken: dict[Kind, list[int]] = {}
        limit = self.arrival_head
        for kind in MERGED_KINDS:
            rows = self.published[kind]
            tail = max(0, self.intents[kind] - self.capacity)
            if self.cursors[kind] < tail and self.cursors[kind] < len(rows):
                target = min(tail + self.capacity // 8, len(rows))
                self.lapped += target - self.cursors[kind]
                self.cursors[kind] = target
            taken[kind] = rows[self.cursors[kind] :][:row_count_max]
            if len(taken[kind]) == row_count_max:
                limit = min(limit, taken[kind][-1])
        found = []
        for kind in MERGED_KINDS:
            kept = [arrival for arrival in taken[kind] if arrival <= limit]
            self.cursors[kind] += len(kept)
            found += [(kind, arrival) for arrival in kept]
        return sorted(found, key=lambda item: item[1])


def in_a_ring(check: Callable[[Path], None]) -> None:
    directory = Path(tempfile.mkdtemp(prefix="hunter-test-", dir=segment.SHARED_ROOT))
    try:
        check(directory / "ring-0")
    finally:
        shutil.rmtree(directory)


@given(operations, st.sampled_from([8, 16, 32]))
@settings(max_examples=150)
def test_any_operations_give_what_lists_give(
    steps: list[tuple[str, Kind, int]], capacity: int
) -> None:
    def check(path: Path) -> None:
        layout = ring_layout(capacity, ("A-B",))
        feeder = Feeder(make_ring(path, layout))
        model = ListModel(capacity)
        with segment.attach(path) as shared:
            merged = MergedReader(shared, layout, 0)
            for name, kind, count in steps:
                if name == "put":
                    for _ in range(count):
                        feeder.put(0, kind)
                        model.put(kind)
                elif name == "publish":
                    feeder.publish()
                    model.publish()
                elif name == "heir":
                    feeder.close()
                    feeder = Feeder(path)
                    model.die()
                else:
                    items = merged.poll(count)
                    assert all(is_whole(kind, row) for kind, row in items)
                    assert [(k, int(row[1])) for k, row in items] == model.poll(count)
                    assert merged.lapped == model.lapped
                    assert merged.cursors == tuple(model.cursors.values())
        feeder.close()

    in_a_ring(check)


batches = st.lists(
    st.tuples(st.lists(any_kind, max_size=12), st.integers(1, 9), st.booleans()), max_size=12
)


@given(batches)
@settings(max_examples=100)
def test_reader_has_every_merged_row_up_to_the_arrival_head(
    steps: list[tuple[list[Kind], int, bool]],
) -> None:
    """However many numbers the other kinds take between them, and whoever died meanwhile."""

    def check(path: Path) -> None:
        layout = ring_layout(256, ("A-B",))
        feeder = Feeder(make_ring(path, layout))
        wanted: list[Kind] = []
        found: list[Item] = []
        with segment.attach(path) as shared:
            merged = MergedReader(shared, layout, 0)
            for kinds, row_count_max, dies in steps:
                for kind in kinds:
                    feeder.put(0, kind)
                if dies:
                    feeder.close()
                    feeder = Feeder(path)
                else:
                    feeder.publish()
                    wanted += merged_of(kinds)
                found += drain(merged, row_count_max)
                assert [kind for kind, _ in found] == wanted
                assert all(number <= merged.arrival_head for number in arrivals(found))
                assert merged_row_count(shared, layout) == len(wanted) == sum(merged.cursors)
        assert arrivals(found) == sorted(set(arrivals(found)))
        assert all(is_whole(kind, row) for kind, row in found)
        assert merged.lapped == 0
        feeder.close()

    in_a_ring(check)


@given(
    st.lists(any_kind, min_size=1, max_size=30),
    st.lists(st.integers(1, 9), min_size=2, max_size=6),
)
@settings(max_examples=50)
def test_reading_again_from_the_same_cursors_gives_the_same_sequence(
    kinds: list[Kind], sizes: list[int]
) -> None:
    def check(path: Path) -> None:
        layout = ring_layout(64, ("A-B",))
        feeder = Feeder(make_ring(path, layout))
        for number, kind in enumerate(kinds):
            feeder.put(0, kind)
            if number % 5 == 0:
                feeder.publish()
        feeder.publish()
        with segment.attach(path) as shared:
            readings = [drain(MergedReader(shared, layout, 0), size) for size in sizes]
        assert all(reading == readings[0] for reading in readings)
        assert [kind for kind, _ in readings[0]] == merged_of(kinds)
        assert all(is_whole(*item) for item in readings[0])
        feeder.close()

    in_a_ring(check)


spoiling = st.lists(
    st.tuples(
        st.lists(any_kind, max_size=12),
        st.lists(st.tuples(st.sampled_from(MERGED_KINDS), st.integers(0, 40)), max_size=3),
        st.integers(1, 9),
    ),
    max_size=12,
)


@given(spoiling)
@settings(max_examples=150)
def test_r6_damaged_rows_are_left_out_of_the_order_and_counted_once(
    steps: list[tuple[list[Kind], list[tuple[Kind, int]], int]],
) -> None:
    def check(path: Path) -> None:
        layout = ring_layout(64, ("A-B",))
        feeder = Feeder(make_ring(path, layout))
        found: list[Item] = []
        spoilt: set[tuple[Kind, int]] = set()
        with segment.attach(path) as shared, segment.attach(path, writable=True) as writable:
            merged = MergedReader(shared, layout, 0)
            for kinds, spoils, row_count_max in steps:
                for kind in kinds:
                    feeder.put(0, kind)
                # published, unpublished or not there yet: a bit of that slot flips
                for kind, back in spoils:
                    position = max(0, feeder.positions[0, kind] - back)
                    if (kind, position) in spoilt:
                        continue  # the same bit twice would mend it
                    start = layout.lane_offset(0, kind) + (position & 63) * ROW_BYTES[kind]
                    writable.view[start + 20] ^= 1
                    if position < feeder.positions[0, kind]:
                        spoilt.add((kind, position))
                feeder.publish()
                found += merged.poll(row_count_max)
            found += drain(merged, 5)
            heads = sum(lane.head for lane in merged.lanes)
            assert len(found) + merged.lapped + merged.damaged == heads
            assert merged.damaged <= len(spoilt)
        assert arrivals(found) == sorted(set(arrivals(found)))
        assert all(is_whole(kind, row) for kind, row in found)
        feeder.close()

    in_a_ring(check)


def test_r6_order_holds_when_damaged_rows_shorten_a_poll_and_another_lane_has_to_wait(
    ring_path: Path, layout: RingLayout, feeder: Feeder, shared: Segment
) -> None:
    feeder.put(0, Kind.TRADE, 6)
    feeder.put(0, Kind.BBO, 3)
    feeder.publish()
    with segment.attach(ring_path, writable=True) as writable:
        for kind in (Kind.TRADE, Kind.BBO):
            writable.view[layout.lane_offset(0, kind) + ROW_BYTES[kind] + 20] ^= 1
    merged = MergedReader(shared, layout, 0)
    polls = [merged.poll(3), merged.poll(3), merged.poll(3)]
    assert [arrivals(items) for items in polls] == [[1, 3], [4, 5, 6], [7, 9]]
    assert merged.damaged == 2
    assert merged.cursors == (6, 3, 0, 0)


@pytest.mark.parametrize("kind", MERGED_KINDS)
@pytest.mark.parametrize("bit", [4, 40])
def test_r6_order_holds_when_a_head_is_damaged_upwards_and_heals(
    ring_path: Path,
    layout: RingLayout,
    feeder: Feeder,
    merged: MergedReader,
    kind: Kind,
    bit: int,
) -> None:
    for each in (*MERGED_KINDS, *MERGED_KINDS):
        feeder.put(0, each)
    feeder.publish()
    with segment.attach(ring_path, writable=True) as writable:
        writable.words[layout.intent_word(0, kind) + 1] |= 1 << bit
        assert merged.poll() == [], "nothing out of turn"
        assert merged.cursors == Cursors()
        for each in MERGED_KINDS:
            if each is not kind:
                feeder.put(0, each)
        feeder.publish()
        assert merged.poll() == []
    feeder.put(0, kind)
    feeder.publish()
    assert arrivals(merged.poll()) == list(range(1, 13))
    assert (merged.lapped, merged.damaged) == (0, 0)


def test_r6_order_goes_on_when_a_damaged_head_is_mended_without_news(
    ring_path: Path, layout: RingLayout, feeder: Feeder, merged: MergedReader
) -> None:
    feeder.put(0, Kind.TRADE)
    feeder.put(0, Kind.BOOK)
    feeder.publish()
    word = layout.intent_word(0, Kind.TRADE) + 1
    with segment.attach(ring_path, writable=True) as writable:
        writable.words[word] = 3
        assert merged.poll() == []
        writable.words[word] = 1
    assert arrivals(merged.poll()) == [1, 2]
