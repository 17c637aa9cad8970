"""Mates: two instruments that count together, read as one."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from fakes.ring_rows import Feeder, is_whole, make_ring, ring_layout
from hypothesis import given, settings
from hypothesis import strategies as st

from hunter.ring import segment
from hunter.ring.merge import MERGED_KINDS, Cursors, GroupReader, MergedReader, merged_row_count
from hunter.ring.reader import Row
from hunter.ring.rows import Kind
from hunter.ring.segment import Segment

CAPACITY = 16
any_kind = st.one_of(st.sampled_from(MERGED_KINDS), st.sampled_from(list(Kind)))

PAIR = replace(ring_layout(CAPACITY), groups=(0, 0))
PairItem = tuple[int, Row]


def place_of(index: int, kind: Kind) -> int:
    return index * len(MERGED_KINDS) + kind


@pytest.fixture
def pair_feeder(shm_dir: Path) -> Iterator[Feeder]:
    feeder = Feeder(make_ring(shm_dir / "pair", PAIR))
    yield feeder
    feeder.close()


@pytest.fixture
def pair_shared(pair_feeder: Feeder, shm_dir: Path) -> Iterator[Segment]:
    with segment.attach(shm_dir / "pair") as found:
        yield found


@pytest.fixture
def pair(pair_shared: Segment) -> GroupReader:
    return GroupReader(pair_shared, PAIR, (0, 1))


def pair_drain(reader: GroupReader, row_count_max: int = 4096) -> list[PairItem]:
    found: list[PairItem] = []
    while items := reader.poll(row_count_max):
        found += items
    return found


def test_rows_of_mates_come_in_the_order_they_were_put(
    pair: GroupReader, pair_feeder: Feeder
) -> None:
    order = [(number % 3 % 2, Kind(number * 7 % 4)) for number in range(20)]
    for at, (index, kind) in enumerate(order):
        pair_feeder.put(index, kind)
        if at == 12:
            pair_feeder.put(1, Kind.MARK)
            pair_feeder.publish()
    pair_feeder.publish()
    items = pair.poll()
    assert [place for place, _ in items] == [place_of(*each) for each in order]
    assert [int(row[1]) for _, row in items] == list(range(1, 21))
    assert all(is_whole(Kind(place % 4), row) for place, row in items)
    assert pair.arrival_head == 20
    assert pair.poll() == []


def test_news_of_one_mate_are_news_of_the_group(pair: GroupReader, pair_feeder: Feeder) -> None:
    pair_feeder.put(0, Kind.TRADE)
    pair_feeder.publish()
    assert len(pair.poll()) == 1
    pair_feeder.put(1, Kind.BOOK)
    pair_feeder.publish()
    assert [place for place, _ in pair.poll()] == [place_of(1, Kind.BOOK)]


def test_reader_of_one_mate_gets_its_own_rows_with_holes_in_their_numbers(
    pair_shared: Segment, pair_feeder: Feeder
) -> None:
    for index in (0, 1, 1, 0):
        pair_feeder.put(index, Kind.TRADE)
    pair_feeder.publish()
    alone = [MergedReader(pair_shared, PAIR, index) for index in (0, 1)]
    assert [[int(row[1]) for _, row in reader.poll()] for reader in alone] == [[1, 4], [2, 3]]
    assert merged_row_count(pair_shared, PAIR) == 4


def test_rows_of_a_mate_wait_for_an_arrival_head_that_speaks_for_them(
    pair: GroupReader, pair_feeder: Feeder, shm_dir: Path
) -> None:
    """A writer that was killed between the heads of two instruments."""
    pair_feeder.put(0, Kind.TRADE)
    pair_feeder.put(1, Kind.TRADE)
    pair_feeder.publish()
    pair_feeder.put(0, Kind.TRADE)  # number 3, whose head was not stored
    pair_feeder.put(1, Kind.TRADE)
    with segment.attach(shm_dir / "pair", writable=True) as writable:
        writable.words[PAIR.intent_word(1, Kind.TRADE) + 1] = 2
    assert [int(row[1]) for _, row in pair.poll()] == [1, 2]
    assert pair.positions == (Cursors(trade=1), Cursors(trade=1))
    heir = Feeder(shm_dir / "pair")
    heir.put(0, Kind.TRADE)
    heir.publish()
    assert [int(row[1]) for _, row in pair.poll()] == [4, 5]
    heir.close()


def test_lap_in_one_lane_of_a_mate_leaves_the_others_whole(
    pair: GroupReader, pair_feeder: Feeder
) -> None:
    for _ in range(5):
        pair_feeder.put(0, Kind.BOOK)
        pair_feeder.put(1, Kind.TRADE, 8)
        pair_feeder.publish()
    items = pair_drain(pair, 5)
    assert [int(row[1]) for _, row in items] == sorted(int(row[1]) for _, row in items)
    assert sum(place == place_of(0, Kind.BOOK) for place, _ in items) == 5
    laps = [lane.lapped for lane in pair.lanes]
    assert laps[place_of(1, Kind.TRADE)] == pair.lapped == pair.missed == 45 - len(items)


def test_pair_goes_on_where_another_reader_stood(
    pair: GroupReader, pair_feeder: Feeder, pair_shared: Segment
) -> None:
    for number in range(24):
        pair_feeder.put(number % 5 % 2, Kind(number % 4))
    pair_feeder.publish()
    assert len(pair.poll(2)) > 0
    positions = pair.positions
    rest = pair_drain(pair)
    again = GroupReader(pair_shared, PAIR, (0, 1))
    again.go_to(positions)
    assert pair_drain(again, 1) == rest
    again.seek_oldest()
    assert len(pair_drain(again)) == 24


def test_only_instruments_that_count_together_are_read_together(pair_shared: Segment) -> None:
    with pytest.raises(AssertionError):
        GroupReader(pair_shared, ring_layout(CAPACITY), (0, 1))


pair_steps = st.lists(
    st.tuples(
        st.lists(st.tuples(st.integers(0, 1), any_kind), max_size=12),
        st.integers(1, 9),
        st.sampled_from(["publish", "publish", "publish", "die", "spoil a head"]),
    ),
    max_size=12,
)


@given(pair_steps)
@settings(max_examples=100)
def test_pair_is_read_in_the_writers_order_whatever_happens(
    steps: list[tuple[list[tuple[int, Kind]], int, str]],
) -> None:
    """Against a list of what was put; a head that is damaged upwards heals with the next row."""

    layout = replace(ring_layout(256), groups=(0, 0))
    directory = Path(tempfile.mkdtemp(prefix="hunter-test-", dir=segment.SHARED_ROOT))
    path = directory / "ring-0"
    try:
        feeder = Feeder(make_ring(path, layout))
        wanted: list[int] = []
        found: list[PairItem] = []
        with segment.attach(path) as shared, segment.attach(path, writable=True) as writable:
            reader = GroupReader(shared, layout, (0, 1))
            for puts, row_count_max, what in steps:
                for index, kind in puts:
                    feeder.put(index, kind)
                if what == "die":
                    feeder.close()
                    feeder = Feeder(path)
                    continue
                feeder.publish()
                wanted += [place_of(*each) for each in puts if each[1] in MERGED_KINDS]
                word = layout.intent_word(1, Kind.BBO) + 1
                sound = writable.words[word]
                if what == "spoil a head":
                    writable.words[word] = sound | 1 << 40
                    assert reader.poll(row_count_max) == []
                    writable.words[word] = sound
                found += pair_drain(reader, row_count_max)
                assert [place for place, _ in found] == wanted
        numbers = [int(row[1]) for _, row in found]
        assert numbers == sorted(set(numbers))
        assert all(is_whole(Kind(place % 4), row) for place, row in found)
        assert reader.missed == 0
        feeder.close()
    finally:
        shutil.rmtree(directory)
