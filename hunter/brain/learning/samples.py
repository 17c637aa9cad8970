"""Samples: what the brain saw ten times a second, kept until it is known which way the mid went.

A sample is taken at the first row at or after each boundary of `step_ms` on event time, that row
counted. The label of a sample at t for a horizon h compares mid(t) with the mid in force when event
time first went past t + h. A window gives no label when a gap, an unusable quote or a stale one
lies in it: what happened there is unknown.

Labels overlap, so each counts by the time its sample stands for over the horizon: `step_ms` where
rows are dense, the time since the sample before it where they are not, at most 1.

Fixed memory: at most `capacity` samples of `width` numbers, held as 32-bit floats (rounding to them
is the same on both sides of the side swap). Owned by one brain.
"""

from __future__ import annotations

import struct
from collections import deque
from itertools import islice
from math import isfinite
from typing import Final, NamedTuple

NEVER_NS: Final = 1 << 62
STEP_MS_MIN: Final = 100
SAMPLES_PER_HORIZON_MAX: Final = 100

_HEAD: Final = struct.Struct("<6q")
_SAMPLE: Final = struct.Struct("<qqd")


class Sample(NamedTuple):
    """Event time, the time it stands for, the mid, and the packed vector."""

    ts_ns: int
    covered_ns: int
    mid: float
    packed: bytes


class Label(NamedTuple):
    """What became of a sample: `move` is mid(t + h) - mid(t), in the price's unit; NaN if nobody
    knows. `weight` is 0 to 1."""

    horizon: int
    ts_ns: int
    mid: float
    move: float
    weight: float
    vector: tuple[float, ...]


class Samples:
    """`due_ns` and `next_ns` are to be compared by the caller before it calls `resolve` and `take`:
    most rows need neither.
    """

    __slots__ = (
        "_broken_ns",
        "_codec",
        "_cursors",
        "_entries",
        "_first",
        "_horizons_ns",
        "_last_ns",
        "_step_ns",
        "capacity",
        "due_ns",
        "next_ns",
    )

    def __init__(self, horizons_ms: tuple[int, ...], width: int) -> None:
        """`horizons_ms` ascending; `width` numbers a sample."""
        assert horizons_ms == tuple(sorted(set(horizons_ms)))
        longest_ms = horizons_ms[-1]
        step_ms = max(STEP_MS_MIN, -(-longest_ms // SAMPLES_PER_HORIZON_MAX))
        self.capacity = longest_ms // step_ms + 2
        self._step_ns = step_ms * 1_000_000
        self._horizons_ns = tuple(1_000_000 * ms for ms in horizons_ms)
        self._codec = struct.Struct(f"<{width}f")
        self._entries: deque[Sample] = deque()
        self._first = 0  # number of the oldest entry
        self._cursors = [0] * len(horizons_ms)  # number of each horizon's next entry
        self._last_ns = 0
        self._broken_ns = 0
        self.due_ns = NEVER_NS
        """Event time has to be past it for a label to come due."""
        self.next_ns = 0
        """Event time from which on the next sample is to be taken."""

    def __len__(self) -> int:
        return len(self._entries)

    def take(self, now_ns: int, mid: float, vector: tuple[float, ...]) -> bool:
        """Keep what is known at `now_ns`; False when a number is beyond any market's range."""
        self._pass(now_ns)
        since_ns = now_ns - self._last_ns
        whole = self._last_ns > self._broken_ns and since_ns > self._step_ns
        covered_ns = since_ns if whole else self._step_ns
        self._last_ns = now_ns
        try:
            packed = self._codec.pack(*vector)
        except OverflowError:
            return False
        self._entries.append(Sample(now_ns, covered_ns, mid, packed))
        self._find_due()
        return True

    def skip(self, now_ns: int) -> None:
        """Nothing usable is known at `now_ns`: no sample, and no label across it."""
        self._pass(now_ns)
        self.break_off(now_ns)

    def break_off(self, now_ns: int) -> None:
        """A gap, noticed at `now_ns`: windows that began before give no label."""
        self._broken_ns = max(now_ns, self._broken_ns, self._last_ns)

    def silent_ns(self, now_ns: int) -> int:
        """Time since the last sample."""
        return now_ns - self._last_ns if self._last_ns else 0

    def resolve(self, now_ns: int, mid: float | None, good_until_ns: int) -> list[Label]:
        """Those due before `now_ns`, horizon by horizon, oldest first; call it before the row at
        `now_ns` counts. `mid` is the one in force, None when there is no usable one; it counts for
        due times up to `good_until_ns`.
        """
        labels: list[Label] = []
        entries, first = self._entries, self._first
        for index, horizon_ns in enumerate(self._horizons_ns):
            begin = self._cursors[index] - first
            done = 0
            for entry in islice(entries, begin, None):
                due_ns = entry.ts_ns + horizon_ns
                if due_ns >= now_ns:
                    break
                done += 1
                move = float("nan")
                if mid is not None and due_ns <= good_until_ns and entry.ts_ns > self._broken_ns:
                    move = mid - entry.mid
                weight = min(1.0, entry.covered_ns / horizon_ns)
                vector = self._codec.unpack(entry.packed) if isfinite(move) else ()
                labels.append(Label(index, entry.ts_ns, entry.mid, move, weight, vector))
            self._cursors[index] += done
        oldest = min(self._cursors)
        for _ in range(oldest - first):
            entries.popleft()
        self._first = oldest
        self._find_due()
        return labels

    def _pass(self, now_ns: int) -> None:
        self.next_ns = (now_ns // self._step_ns + 1) * self._step_ns

    def _find_due(self) -> None:
        due_ns = NEVER_NS
        for cursor, horizon_ns in zip(self._cursors, self._horizons_ns, strict=True):
            at = cursor - self._first
            if at < len(self._entries):
                due_ns = min(due_ns, self._entries[at].ts_ns + horizon_ns)
        self.due_ns = due_ns

    def state(self) -> bytes:
        """For the snapshot."""
        numbers = (self._first, self._last_ns, self._broken_ns, self.next_ns, len(self._entries))
        parts = [_HEAD.pack(*numbers, self._codec.size)]
        parts.append(struct.pack(f"<{len(self._cursors)}q", *self._cursors))
        for ts_ns, covered_ns, mid, packed in self._entries:
            parts.append(_SAMPLE.pack(ts_ns, covered_ns, mid) + packed)
        return b"".join(parts)

    def load(self, state: bytes) -> None:
        """Continue from `state()`; ValueError when it does not fit, and then nothing changed."""
        cursor_codec = struct.Struct(f"<{len(self._cursors)}q")
        heads_size = _HEAD.size + cursor_codec.size
        if len(state) < heads_size:
            raise ValueError("samples are cut short")
        first, last_ns, broken_ns, next_ns, count, size = _HEAD.unpack_from(state)
        cursors = list(cursor_codec.unpack_from(state, _HEAD.size))
        each = _SAMPLE.size + size
        if size != self._codec.size or not 0 <= count <= self.capacity:
            raise ValueError(f"samples of {size} bytes, {count} of them, do not fit")
        if len(state) != heads_size + count * each:
            raise ValueError("samples are cut short")
        if min(cursors) < first or max(cursors) > first + count:
            raise ValueError("samples with a cursor beyond their ends")
        entries: deque[Sample] = deque()
        for at in range(heads_size, len(state), each):
            ts_ns, covered_ns, mid = _SAMPLE.unpack_from(state, at)
            packed = state[at + _SAMPLE.size : at + each]
            entries.append(Sample(ts_ns, covered_ns, mid, packed))
        self._first, self._last_ns, self._broken_ns = first, last_ns, broken_ns
        self.next_ns = next_ns
        self._entries, self._cursors = entries, cursors
        self._find_due()
