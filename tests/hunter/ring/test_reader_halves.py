"""A reader with the compiled half beside one without: the same calls have the same results."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import pytest
from fakes.ring_rows import Feeder, make_ring, ring_layout
from hypothesis import given, settings
from hypothesis import strategies as st

from hunter import native
from hunter.errors import SegmentError
from hunter.ring import segment
from hunter.ring.reader import LaneReader
from hunter.ring.rows import ROW_BYTES, STRUCTS, Kind
from hunter.ring.segment import Segment

pytestmark = pytest.mark.skipif(native.kernel is None, reason="the compiled half is not here")

KINDS = (Kind.TRADE, Kind.TICKER, Kind.BOOK)
LAYOUT = ring_layout(16, kinds=KINDS)
LANE = st.sampled_from([0, 0, 0, 1, 2])
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("put"), LANE, st.integers(1, 20)),
        st.tuples(st.just("put"), LANE, st.integers(1, 6)),
        st.tuples(st.just("publish")),
        st.tuples(st.just("poll"), LANE, st.sampled_from([1, 2, 5, 16, 4096])),
        st.tuples(st.just("poll"), LANE, st.sampled_from([1, 2, 5, 16, 4096])),
        st.tuples(st.just("last"), LANE, st.integers(0, 20)),
        st.tuples(st.just("rewind"), LANE, st.integers(0, 3)),
        st.tuples(st.just("cursor"), LANE, st.integers(-20, 3)),
        st.tuples(st.just("flip"), LANE, st.integers(0, 16 * 704 * 8)),
        st.tuples(st.just("word"), LANE, st.integers(0, 1), st.integers(-20, 20)),
        st.tuples(st.just("leap"), LANE, st.integers(0, 1), st.integers(0, 63)),
    ),
    min_size=40,
    max_size=80,
)


class Rig:
    """One ring and two readers of each of its lanes."""

    def __init__(self, path: Path) -> None:
        make_ring(path, LAYOUT)
        self.feeder = Feeder(path)
        self.shared = segment.attach(path, writable=True)
        self.pairs = [[LaneReader(self.shared, LAYOUT, 0, kind) for _ in "ab"] for kind in KINDS]
        for taking, stepping in self.pairs:
            assert taking._take is not None
            stepping._take = None

    def step(self, name: str, *given: int) -> None:
        if name == "put":
            self.feeder.put(0, KINDS[given[0]], given[1])
        elif name == "publish":
            self.feeder.publish()
        elif name in ("flip", "word", "leap"):
            self._damage(name, KINDS[given[0]], *given[1:])
        else:
            taking, stepping = (outcome(r, name, given[1]) for r in self.pairs[given[0]])
            assert taking == stepping
        for first, second in self.pairs:
            assert vitals(first) == vitals(second)

    def _damage(self, name: str, kind: Kind, *given: int) -> None:
        if name == "flip":
            bit = given[0] % (16 * ROW_BYTES[kind] * 8)
            self.shared.view[LAYOUT.lane_offset(0, kind) + bit // 8] ^= 1 << bit % 8
            return
        word = LAYOUT.intent_word(0, kind) + given[0]
        value = self.shared.words[word]
        change = given[1]
        self.shared.words[word] = max(0, value + change) if name == "word" else value ^ 1 << change

    def close(self) -> None:
        self.feeder.close()
        self.shared.close()


def outcome(reader: LaneReader, name: str, number: int) -> object:
    if name == "poll":
        try:
            return reader.poll_bytes(number)
        except SegmentError as error:
            return str(error)
    if name == "last":
        return reader.last_bytes(number)
    if name == "rewind":
        reader.rewind(reader.cursor - number)
    else:
        reader.cursor = max(0, min(reader.head, reader.cursor + number))
        reader.polled_row_count = 0
        reader._damaged_positions = []
    return None


def vitals(reader: LaneReader) -> tuple[Any, ...]:
    return (
        reader.cursor, reader.lapped, reader.damaged, reader.polled_row_count,
        reader._damaged_positions,
    )  # fmt: skip


@settings(max_examples=100, deadline=None)
@given(steps=STEPS)
def test_both_halves_read_the_same(steps: list[Any]) -> None:
    with tempfile.TemporaryDirectory(prefix="hunter-test-", dir=segment.SHARED_ROOT) as folder:
        rig = Rig(Path(folder) / "ring")
        try:
            for step in steps:
                rig.step(*step)
        finally:
            rig.close()


@pytest.mark.parametrize("kind", KINDS)
def test_compiled_half_declines_every_flipped_byte(shm_dir: Path, kind: Kind) -> None:
    """It takes nothing that it has not checked, wherever in a batch the damage is."""
    rig = Rig(shm_dir / "ring")
    rig.feeder.put(0, kind, 5)
    rig.feeder.publish()
    reader = rig.pairs[KINDS.index(kind)][0]
    take, start = reader._take, LAYOUT.lane_offset(0, kind)
    assert take is not None
    assert take(0, 5) is not None
    for place in range(5 * ROW_BYTES[kind]):
        rig.shared.view[start + place] ^= 1 << place % 8
        assert take(0, 5) is None, place
        rig.shared.view[start + place] ^= 1 << place % 8
    assert take(0, 5) is not None
    rig.close()


def test_compiled_half_takes_long_batches_and_their_damage_is_found(shm_dir: Path) -> None:
    layout = ring_layout(1024, kinds=(Kind.TRADE,))
    feeder = Feeder(make_ring(shm_dir / "ring", layout))
    for _ in range(7):
        feeder.put(0, Kind.TRADE, 100)
        feeder.publish()
    with segment.attach(shm_dir / "ring", writable=True) as shared:
        reader = LaneReader(shared, layout, 0, Kind.TRADE)
        take, size = reader._take, ROW_BYTES[Kind.TRADE]
        assert take is not None
        for count in (1, 255, 256, 257, 512, 513, 700):
            rows = take(0, count)
            assert rows is not None
            assert [row[0] for row in STRUCTS[Kind.TRADE].iter_unpack(rows)] == [
                *range(1, count + 1)
            ]
            # the last row in the place of another: its check is right
            place = slice(layout.lane_offset(0, Kind.TRADE) + (count - 1) * size, None)
            good = bytes(shared.view[place][:size])
            shared.view[place][:size] = shared.view[layout.lane_offset(0, Kind.TRADE) :][
                size * count : size * (count + 1)
            ]
            assert take(0, count) is None
            shared.view[place][:size] = good
    feeder.close()


def test_compiled_half_declines_what_is_no_position(shm_dir: Path) -> None:
    rig = Rig(shm_dir / "ring")
    rig.feeder.put(0, Kind.TRADE, 3)
    rig.feeder.publish()
    take = rig.pairs[0][0]._take
    assert take is not None
    odd: list[Any] = [(-1, 5), (1 << 64, 5), (0, 0), (0, -1), (0, 1 << 70), ("0", 5), (4, 5)]
    for pair in odd:
        assert take(*pair) is None, pair
    assert take(3, 5) == bytearray()
    with pytest.raises(TypeError):
        take(0)  # type: ignore[call-arg]
    rig.close()
    with pytest.raises(ValueError, match="released"):
        take(0, 5)


def test_window_outside_its_segment_is_refused(shared: Segment) -> None:
    assert native.kernel
    window = native.kernel.Window
    window(shared.words, 1000, 8192, 16, 64)
    for place in ((1 << 61, 8192, 16, 64), (1000, 1 << 40, 16, 64), (1000, 8192, 12, 64)):
        with pytest.raises(ValueError, match="outside the segment"):
            window(shared.words, *place)
    with pytest.raises(TypeError):
        window(shared.view, 1000, 8192, 16, 64)
    shared.close()
    with pytest.raises(ValueError, match="released"):
        window(shared.words, 1000, 8192, 16, 64)


def test_words_are_what_a_memoryview_shows(shm_dir: Path) -> None:
    assert native.kernel
    path = make_ring(shm_dir / "ring", LAYOUT)
    with segment.attach(path, writable=True) as writable, segment.attach(path) as shared:
        assert isinstance(writable.words, native.kernel.Words)
        count = len(writable.view) // 8
        plain = writable.view.cast("Q")
        for word in (0, 1, 24, count - 1):
            writable.words[word] = (1 << 64) - 1 - word
            assert plain[word] == shared.words[word] == writable.words[word] == 2**64 - 1 - word
        assert shared.words[22:26].tolist() == plain[22:26].tolist()
        writable.words[40:44] = writable.words[22:26]
        assert plain[40:44] == plain[22:26]
        plain.release()
        with pytest.raises(TypeError):
            shared.words[40:44] = writable.words[22:26]
        with pytest.raises(TypeError):
            del writable.words[40:44]
        bad: list[Any] = [count, -1, 1 << 70]
        for word in bad:
            with pytest.raises(IndexError):
                shared.words[word]
        with pytest.raises(TypeError):
            shared.words["0"]  # type: ignore[call-overload]
        with pytest.raises(OverflowError):
            writable.words[0] = 1 << 64
        with pytest.raises(TypeError):
            del writable.words[0]  # type: ignore[attr-defined]
    with pytest.raises(ValueError, match="released"):
        shared.words[0]
    with pytest.raises(ValueError, match="released"):
        shared.words[0:1]
    shared.words.release()
