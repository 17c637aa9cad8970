"""Both halves of a writer's lanes, side by side: the same calls leave the same bytes."""

from __future__ import annotations

import random
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from zlib import crc32

import pytest
from fakes.ring_rows import Feeder, make_ring, ring_layout
from hypothesis import given, settings
from hypothesis import strategies as st

from hunter import native
from hunter.errors import HunterError, WriterFenced
from hunter.ring import segment
from hunter.ring.lanes import Lanes, PlainLanes, new_lanes
from hunter.ring.layout import EPOCH_WORD, RingLayout
from hunter.ring.rows import FACTS, FIRST_ALIKE, ROW_BYTES, Kind
from hunter.ring.segment import Segment

EPOCH = 3
LAYOUT = ring_layout(16)
FED_LAYOUT = ring_layout(16, kinds=(Kind.TRADE, Kind.BOOK, Kind.MARK))
PAIR_LAYOUT = replace(LAYOUT, groups=(0, 0))
compiled = pytest.mark.skipif(native.kernel is None, reason="the compiled half is not here")


def plain(shared: Segment, layout: RingLayout, arrivals: list[int]) -> Lanes:
    return PlainLanes(shared, layout, EPOCH, arrivals)


def native_lanes(shared: Segment, layout: RingLayout, arrivals: list[int]) -> Lanes:
    return new_lanes(shared, layout, EPOCH, arrivals)


HALVES = [plain, pytest.param(native_lanes, marks=compiled)]


def fresh(path: Path, layout: RingLayout) -> Segment:
    make_ring(path, layout)
    shared = segment.attach(path, writable=True)
    shared.words[EPOCH_WORD] = EPOCH
    return shared


@pytest.fixture(params=HALVES)
def make(request: pytest.FixtureRequest) -> Callable[..., Lanes]:
    made: Callable[..., Lanes] = request.param
    return made


@pytest.fixture
def writable(shm_dir: Path) -> Segment:
    return fresh(shm_dir / "ring", LAYOUT)


def facts_for(kind: int, seed: int) -> bytes:
    return random.Random(seed).randbytes(FACTS[Kind(kind)].size)


STEPS = st.lists(
    st.one_of(
        st.tuples(
            st.just("put"),
            st.sampled_from([0, 0, 0, 1, 2]),  # of two instruments
            st.sampled_from([0, 0, 0, 3, 3, *range(12)]),  # of eleven kinds
            st.integers(1, 20),  # half a lane is 8
        ),
        st.tuples(st.just("publish")),
        st.tuples(st.just("fence")),
        st.tuples(st.just("unfence")),
        st.tuples(st.just("adopt")),
        st.tuples(st.just("half-write"), st.just(0), st.sampled_from([0, 3]), st.integers(1, 8)),
    ),
    min_size=40,
    max_size=80,
)


class Rig:
    """One ring under one half."""

    def __init__(self, path: Path, layout: RingLayout, make: Callable[..., Lanes]) -> None:
        self.shared = fresh(path, layout)
        self._layout, self._make = layout, make
        self.lanes = make(self.shared, layout, [0, 0])

    def step(self, name: str, *given: int) -> object:
        words = self.shared.words
        if name == "publish":
            return self._outcome(self.lanes.publish)
        if name in ("fence", "unfence"):
            words[EPOCH_WORD] = EPOCH + (name == "fence")
        elif name == "adopt":
            self.lanes.close()
            first = self._layout.arrival_word(0)
            self.lanes = self._make(self.shared, self._layout, [words[first], words[first + 1]])
        elif name == "half-write":  # as a killed writer leaves it, for the one that adopts
            index, kind, count = given
            if self._layout.capacities[kind]:
                word = self._layout.intent_word(index, Kind(kind))
                words[word] = max(words[word], words[word + 1] + count)
        else:
            return self._puts(*given)
        return None

    def _puts(self, index: int, kind: int, count: int) -> list[object]:
        facts = facts_for(kind, count) if kind < len(Kind) else b""
        found: list[object] = []
        for _ in range(count):
            found.append(self._outcome(lambda: self.lanes.put(index, kind, facts)))
        if index < 2 and kind < len(Kind):
            found.append(self.lanes.position(index, kind))
        return found

    def _outcome(self, act: Callable[[], object]) -> object:
        try:
            return act()
        except HunterError as error:
            return type(error), str(error)
        except (AssertionError, IndexError) as error:
            return type(error)

    def bytes(self) -> bytes:
        # which ring it is, is told in the header by the boot alone
        return bytes(self.shared.view)

    def close(self) -> None:
        self.lanes.close()
        self.shared.close()


@compiled
@settings(max_examples=100, deadline=None)
@given(steps=STEPS, layout=st.sampled_from([LAYOUT, FED_LAYOUT, PAIR_LAYOUT]))
def test_both_halves_leave_the_same_bytes(steps: list[Any], layout: RingLayout) -> None:
    with tempfile.TemporaryDirectory(prefix="hunter-test-", dir=segment.SHARED_ROOT) as folder:
        rigs = [
            Rig(Path(folder) / name, layout, make)
            for name, make in (("plain", plain), ("native", native_lanes))
        ]
        try:
            for step in steps:
                first, second = (rig.step(*step) for rig in rigs)
                assert first == second, step
                assert rigs[0].bytes() == rigs[1].bytes(), step
        finally:
            for rig in rigs:
                rig.close()


def test_lanes_go_on_where_they_stand(
    make: Callable[..., Lanes], writable: Segment, layout: RingLayout
) -> None:
    word = layout.intent_word(1, Kind.BBO)
    writable.words[word], writable.words[word + 1] = 12, 9
    lanes = make(writable, layout, [0, 40])
    assert lanes.position(1, Kind.BBO) == 9
    lanes.put(1, Kind.BBO, facts_for(Kind.BBO, 1))
    assert writable.words[word] == 12, "the former writer's intent stays in force"
    assert lanes.publish()
    assert writable.words[word + 1] == 10
    assert writable.words[layout.arrival_word(1)] == 41
    row = writable.view[layout.lane_offset(1, Kind.BBO) + 9 * 128 :][:128]
    assert row[:16].cast("Q").tolist() == [10, 41]
    assert row[124:].cast("I")[0] == crc32(row[:124])
    row.release()
    lanes.close()
    writable.close()


def test_mates_take_their_numbers_from_one_counter(
    make: Callable[..., Lanes], shm_dir: Path
) -> None:
    writable = fresh(shm_dir / "pair", PAIR_LAYOUT)
    lanes = make(writable, PAIR_LAYOUT, [40, 7])
    order = [(0, Kind.TRADE), (1, Kind.BBO), (1, Kind.MARK), (0, Kind.TRADE), (1, Kind.BBO)]
    for index, kind in order:
        lanes.put(index, kind, facts_for(kind, 1))
    lanes.publish()

    def numbers(index: int, kind: Kind) -> list[int]:
        start, size = PAIR_LAYOUT.lane_offset(index, kind), ROW_BYTES[kind]
        count = lanes.position(index, kind)
        rows = [bytes(writable.view[start + n * size :][:16]) for n in range(count)]
        return [int.from_bytes(row[8:], "little") for row in rows]

    assert numbers(0, Kind.TRADE) == [41, 43]
    assert numbers(1, Kind.BBO) == [42, 44]
    assert numbers(1, Kind.MARK) == [42], "it takes none, and says which came before it"
    words = [PAIR_LAYOUT.arrival_word(index) for index in (0, 1)]
    assert [writable.words[word] for word in words] == [43, 44], "of the newest row of each"
    lanes.put(1, Kind.BBO, facts_for(Kind.BBO, 1))
    lanes.put(0, Kind.MARK, facts_for(Kind.MARK, 1))
    lanes.publish()
    assert [writable.words[word] for word in words] == [43, 45], "only its own says there is news"
    lanes.close()
    writable.close()


class Stores:
    """A segment's words, which keep in what order they were stored."""

    def __init__(self, words: Any) -> None:
        self._words = words
        self.stored: list[int] = []

    def __getitem__(self, word: int) -> int:
        return int(self._words[word])

    def __setitem__(self, word: int, value: int) -> None:
        self._words[word] = value
        self.stored.append(word)


def test_arrival_heads_come_after_the_heads_of_all_instruments(shm_dir: Path) -> None:
    """In Python; ring.c does the same, and the torture of a pair's readers looks at both."""
    writable = fresh(shm_dir / "pair", PAIR_LAYOUT)
    lanes = PlainLanes(writable, PAIR_LAYOUT, EPOCH, [0, 0])
    for index, kind in ((1, Kind.BOOK), (0, Kind.TRADE), (1, Kind.TRADE), (0, Kind.BBO)):
        lanes.put(index, kind, facts_for(kind, 1))
    stores = Stores(writable.words)
    lanes._words = stores  # type: ignore[assignment]
    lanes.publish()
    arrivals = [PAIR_LAYOUT.arrival_word(index) for index in (0, 1)]
    is_arrival = [word in arrivals for word in stores.stored]
    assert is_arrival == [False] * 4 + [True] * 4
    lanes.close()
    writable.close()


def test_fenced_writer_begins_no_batch_and_publishes_none(
    make: Callable[..., Lanes], writable: Segment, layout: RingLayout
) -> None:
    lanes = make(writable, layout, [0, 0])
    lanes.put(0, Kind.TRADE, facts_for(Kind.TRADE, 1))
    writable.words[EPOCH_WORD] += 1
    before = bytes(writable.view)
    for act in (lanes.publish, lambda: lanes.put(0, Kind.MARK, facts_for(Kind.MARK, 1))):
        with pytest.raises(WriterFenced, match="must stop"):
            act()
    assert bytes(writable.view) == before
    lanes.close()
    writable.close()


def test_facts_of_another_kind_are_refused_before_anything_changes(
    make: Callable[..., Lanes], writable: Segment, layout: RingLayout
) -> None:
    lanes = make(writable, layout, [0, 0])
    before = bytes(writable.view)
    with pytest.raises(AssertionError):
        lanes.put(0, Kind.TRADE, facts_for(Kind.BOOK, 1))
    assert not lanes.publish()
    assert bytes(writable.view) == before
    lanes.close()
    writable.close()


def test_closed_lanes_touch_nothing(
    make: Callable[..., Lanes], writable: Segment, layout: RingLayout
) -> None:
    lanes = make(writable, layout, [0, 0])
    lanes.put(0, Kind.TRADE, facts_for(Kind.TRADE, 1))
    lanes.close()
    writable.close()  # would fail while anything still holds its bytes
    assert not lanes.publish()
    with pytest.raises(ValueError, match=r"closed|released"):
        lanes.put(0, Kind.TRADE, facts_for(Kind.TRADE, 1))
    lanes.close()


@compiled
def test_values_that_cannot_be_packed_begin_no_row(feeder: Feeder) -> None:
    with pytest.raises(Exception, match=r"format|argument|required"):
        feeder.writer.put_trade(0, 1, (1, 1, "no number", 1.0, 1, 1))  # type: ignore[arg-type]
    assert not feeder.publish()


@compiled
@pytest.mark.parametrize(
    "change",
    [
        {"epoch_word": 1 << 40},
        {"arrival_word": (1 << 61) + 1},
        {"offset": 1 << 40},
        {"offset": 12},
        {"offset": (1 << 64) - 8},
        {"intent_word": (1 << 61) - 1},
        {"capacity": 1 << 30},
        {"capacity": 12},
        {"capacity": 1},
        {"row_bytes": 0},
        {"row_bytes": 20},
        {"row_bytes": 1 << 40},
    ],
)
def test_lanes_outside_the_segment_are_refused(writable: Segment, change: dict[str, int]) -> None:
    assert native.kernel
    place = {"intent_word": 1000, "offset": 8192, "capacity": 16, "row_bytes": 64} | change
    words = [place.pop("epoch_word", EPOCH_WORD), place.pop("arrival_word", 600)]
    places = [tuple(place[name] for name in ("intent_word", "offset", "capacity", "row_bytes"))]
    with pytest.raises(ValueError, match="outside the segment"):
        native.kernel.Lanes(writable.view, EPOCH, *words, [0], places * len(Kind), [0])
    writable.close()


@compiled
def test_lanes_that_are_not_lanes_are_refused(writable: Segment) -> None:
    assert native.kernel
    lanes = native.kernel.Lanes
    good = [(1000, 8192, 16, 64)] * len(Kind)
    lanes(writable.view, EPOCH, EPOCH_WORD, 600, [0], good, [0]).close()
    for wrong in (([], good, []), ([0, 0], good, [0]), ([0], good[1:], [0]), ([0], good, [])):
        with pytest.raises(ValueError, match="eleven"):
            lanes(writable.view, EPOCH, EPOCH_WORD, 600, *wrong)
    with pytest.raises(ValueError, match="its first"):
        lanes(writable.view, EPOCH, EPOCH_WORD, 600, [0], good, [1])
    for wrong in (
        (["0"], good, [0]),
        ([0], [7, *good[1:]], [0]),
        ([0], [(1, 2), *good[1:]], [0]),
        ([0], good, ["0"]),
    ):
        with pytest.raises(TypeError):
            lanes(writable.view, EPOCH, EPOCH_WORD, 600, *wrong)
    with pytest.raises(ValueError, match="aligned"):
        lanes(writable.view[4:], EPOCH, EPOCH_WORD, 600, [0], good, [0])
    with pytest.raises((BufferError, TypeError)):
        lanes(writable.view.toreadonly(), EPOCH, EPOCH_WORD, 600, [0], good, [0])
    writable.close()


@compiled
def test_check_is_the_crc_of_zlib() -> None:
    assert native.kernel
    dice = random.Random(5)
    raw = memoryview(dice.randbytes(5000))
    for length in [*range(300), 700, 1023, 4096, 4999]:
        start, before = dice.randrange(17), dice.getrandbits(32)
        part = raw[start : start + length]
        assert native.kernel.crc32(part, before) == crc32(part, before), (start, length)


def test_half_is_chosen_by_what_is_installed(
    writable: Segment, layout: RingLayout, monkeypatch: pytest.MonkeyPatch
) -> None:
    lanes = new_lanes(writable, layout, EPOCH, [0, 0])
    assert isinstance(lanes, PlainLanes) == (native.kernel is None)
    lanes.close()
    monkeypatch.setattr(native, "kernel", None)
    assert isinstance(new_lanes(writable, layout, EPOCH, [0, 0]), PlainLanes)
    writable.close()


def test_first_four_kinds_take_numbers() -> None:
    """HN_MERGED_KINDS of kernel.h."""
    assert FIRST_ALIKE == 4
    assert len(Kind) == 11
