"""What a writer leaves behind that is killed at any store, or that is not the writer any more."""

from __future__ import annotations

import contextlib
import itertools
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import pytest
from fakes.ring_rows import Feeder, is_whole, make_ring, ring_layout

from hunter.errors import WriterFenced
from hunter.ring import segment
from hunter.ring.layout import (
    EPOCH_WORD,
    RingLayout,
)
from hunter.ring.reader import LaneReader, Row
from hunter.ring.rows import FIRST_ALIKE, ROW_BYTES, SEALS, Kind
from hunter.ring.segment import Segment, WriterLease


class Killed(BaseException):
    """Stands for SIGKILL: nothing of the writer runs after it."""


def die_by_exception() -> NoReturn:
    raise Killed


def die_by_sigkill() -> NoReturn:
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError("unreachable")


class Countdown:
    """Kills its writer after store number `last`; 0: before the first."""

    def __init__(self, last: int, die: Callable[[], NoReturn]) -> None:
        self._left = last
        self._die = die

    def step(self) -> None:
        if not self._left:
            self._die()
        self._left -= 1


class MortalWords:
    """The words of a segment; each store may be the last one."""

    def __init__(self, words: memoryview, countdown: Countdown) -> None:
        self._words, self._countdown = words, countdown

    def __getitem__(self, word: int) -> int:
        return int(self._words[word])

    def __setitem__(self, word: int, value: int) -> None:
        self._countdown.step()
        self._words[word] = value

    def release(self) -> None:
        self._words.release()


def mortal_store(kind: Kind, countdown: Countdown) -> Callable[..., None]:
    """Stores a row; dies before it, half-way through it, before its check or after it."""
    seal = SEALS[kind]

    def store(view: memoryview, offset: int, row: bytes, check: int) -> None:
        whole = seal.pack(row, check)
        for end in (0, len(whole) // 2, len(row), len(whole)):
            view[offset : offset + end] = whole[:end]
            countdown.step()

    return store


def write_and_die(
    path: Path, countdown: Countdown, patch: pytest.MonkeyPatch, kinds: tuple[Kind, ...]
) -> None:
    """Attach, put two batches over all lanes, publish; dies at one of the stores."""
    attach = segment.attach

    def mortal_attach(path: Path, *, writable: bool = False) -> Segment:
        found = attach(path, writable=writable)
        if writable:
            found.words = MortalWords(found.words, countdown)  # type: ignore[assignment]
        return found

    with patch.context() as context:
        context.setattr(segment, "attach", mortal_attach)
        mortal = {kind: mortal_store(kind, countdown) for kind in Kind}
        context.setattr("hunter.ring.lanes._STORES", tuple(mortal.values()))
        context.setattr("hunter.native.kernel", None)  # its stores cannot be numbered
        feeder = Feeder(path)
        for first in (kinds[0], kinds[-1]):
            feeder.put(0, first)
            for place, kind in enumerate((*kinds, Kind.TRADE, kinds[-1])):
                feeder.put(place & 1, kind)
            feeder.publish()
        feeder.close()


def every_lane(shared: Segment, layout: RingLayout) -> dict[tuple[int, Kind], list[Row]]:
    return {
        (index, kind): LaneReader(shared, layout, index, kind).last(99)
        for index in range(len(layout.instruments))
        for kind in Kind
    }


def assert_sound(lanes: dict[tuple[int, Kind], list[Row]]) -> None:
    for (_, kind), rows in lanes.items():
        assert all(is_whole(kind, row) for row in rows)
        for former, row in itertools.pairwise(rows):
            assert row[0] == former[0] + 1
            assert row[1] >= former[1] + (kind < FIRST_ALIKE)


def test_writer_killed_at_any_store_leaves_a_sound_ring(
    shm_dir: Path, layout: RingLayout, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One life for each store, and then the one that lives; each time another one takes over."""
    path = make_ring(shm_dir / "ring", layout)
    with segment.attach(path) as shared:
        last, survived = -1, False
        while not survived:
            last += 1
            before = every_lane(shared, layout)
            epoch = shared.words[EPOCH_WORD]
            try:
                write_and_die(path, Countdown(last, die_by_exception), monkeypatch, tuple(Kind))
                survived = True
            except Killed:
                pass
            after = every_lane(shared, layout)
            assert_sound(after)
            assert shared.words[EPOCH_WORD] in (epoch, epoch + 1)
            for lane, rows in before.items():
                newest = after[lane][-1][0] if after[lane] else 0
                assert newest >= (rows[-1][0] if rows else 0), "a published row is never lost"
            with segment.attach(path) as again:
                heads = {
                    (i, k): again.words[layout.intent_word(i, k) + 1] for i in (0, 1) for k in Kind
                }
            assert heads == {lane: int(rows[-1][0]) if rows else 0 for lane, rows in after.items()}
        assert last > 100, "two batches and an attachment have more stores than that"
        assert all(after[place & 1, kind] for place, kind in enumerate(Kind)), "every kind is there"


@pytest.mark.parametrize("kinds", [(Kind.TRADE,), (Kind.TRADE, Kind.BBO, Kind.BOOK, Kind.MARK)])
def test_r1_process_killed_after_each_store_leaves_whole_rows_to_readers_and_its_heir(
    shm_dir: Path, monkeypatch: pytest.MonkeyPatch, kinds: tuple[Kind, ...]
) -> None:
    """A process and a SIGKILL for each store; ring and readers live through all of them."""
    layout = ring_layout(32, kinds=kinds)
    path = make_ring(shm_dir / "ring", layout)
    lanes = [(index, kind) for index in (0, 1) for kind in kinds]
    with segment.attach(path) as shared:
        readers = {lane: LaneReader(shared, layout, *lane) for lane in lanes}
        read: dict[tuple[int, Kind], list[Row]] = {lane: [] for lane in lanes}
        last, status = -1, -1
        while status != 0:
            last += 1
            pid = os.fork()
            if not pid:
                with contextlib.suppress(BaseException):
                    write_and_die(path, Countdown(last, die_by_sigkill), monkeypatch, kinds)
                    os._exit(0)
                os._exit(1)
            status = os.waitpid(pid, 0)[1]
            assert status in (0, signal.SIGKILL), "it ended by something else"
            for lane, reader in readers.items():
                read[lane] += reader.poll()
        heir = Feeder(path)
        for lane in lanes:
            heir.put(*lane, 3)
        heir.publish()
        for lane, reader in readers.items():
            rows = read[lane] + reader.poll()
            assert reader.damaged == reader.lapped == 0
            assert [row[0] for row in rows] == list(range(1, reader.head + 1))
            assert all(is_whole(lane[1], row) for row in rows)
        heir.close()
    assert last > 30


def bytes_of(shared: Segment) -> bytes:
    return bytes(shared.view)


def test_p4_old_writer_that_goes_on_between_batches_changes_no_byte(
    make_feeder: Callable[[], Feeder], shared: Segment
) -> None:
    old = make_feeder()
    for kind in Kind:
        old.put(0, kind)
    old.publish()
    heir = make_feeder()
    for kind in Kind:
        heir.put(0, kind, 2)
    heir.publish()
    before = bytes_of(shared)
    for kind in Kind:
        with pytest.raises(WriterFenced):
            old.put(0, kind)
    assert not old.publish()
    assert bytes_of(shared) == before


def test_p4_old_writer_that_goes_on_within_a_batch_moves_no_head(
    make_feeder: Callable[[], Feeder], shared: Segment, layout: RingLayout
) -> None:
    """What the epoch cannot prevent: rows of the batch it was in, and their intent. Only the lease
    does. Readers are safe: whatever is torn by it fails its check.
    """
    old = make_feeder()
    old.put(0, Kind.TRADE)
    heir = make_feeder()
    heir.put(0, Kind.TRADE, 3)
    heir.publish()
    before = bytes_of(shared)
    old.put(0, Kind.TRADE)
    with pytest.raises(WriterFenced):
        old.publish()
    with pytest.raises(WriterFenced):
        old.publish()
    after = bytes_of(shared)
    size, start = ROW_BYTES[Kind.TRADE], layout.lane_offset(0, Kind.TRADE)
    intent = 8 * layout.intent_word(0, Kind.TRADE)
    changed = {place for place in range(len(after)) if after[place] != before[place]}
    second_row = set(range(start + size, start + 2 * size))
    assert changed <= second_row | set(range(intent, intent + 8))
    rows = LaneReader(shared, layout, 0, Kind.TRADE).poll()
    assert all(is_whole(Kind.TRADE, row) for row in rows)


def test_r4_second_process_is_refused_while_the_first_writes(ring_path: Path) -> None:
    first, second = (WriterLease(ring_path.with_name("lease")) for _ in range(2))
    assert first.acquire()
    assert not second.acquire()
    first.close()
    assert second.acquire()
    second.close()
