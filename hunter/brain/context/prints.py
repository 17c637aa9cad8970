"""LargePrints: orders of takers that are large for this market, and the flow of them.

A print is what one taker's order traded: rows of one side and one stamp, which is a millisecond, so
two orders of one side within it count as one. It is large when it is above the 0.99 quantile of the
last 1,000 to 2,000 prints and five times their mean; both are of prints before it. Sizes are as the
exchange sends them, whatever a contract is worth: within an hour the order of sizes is that of
values. The quantile is of buckets an eighth of an octave wide, counted in two generations, so it
takes O(1) and fixed memory, and nothing about it is drawn at random.
"""

from __future__ import annotations

import struct
from array import array
from math import exp2, log2, nan
from typing import Final, NamedTuple

GENERATION_PRINTS: Final = 1_000
PRINTS_MIN: Final = 200
"""Prints before there is a quantile."""
LARGE_SHARE_INVERSE: Final = 100
"""At most one print in so many is large."""
MEANS_MIN: Final = 5.0
REFRESH_PRINTS: Final = 50
FLOW_HALF_LIFE_S: Final = 60.0

_PER_OCTAVE: Final = 8
_BUCKETS: Final = 512
_ZERO: Final = 256  # the bucket of size 1
_PER_NS: Final = 1.0 / (FLOW_HALF_LIFE_S * 1e9)
_HEAD: Final = struct.Struct("<d3dqdqHqbIdqbIdd")
_COUNT_BYTES: Final = 2
_STATE_BYTES: Final = _HEAD.size + 2 * _BUCKETS * _COUNT_BYTES


class Print(NamedTuple):
    """One taker's order; `side` +1 or -1, `price` of its last row."""

    stamp_ns: int
    side: int
    size: float
    price: float
    matches: int


def _no_counts() -> array[int]:
    return array("H", bytes(_BUCKETS * _COUNT_BYTES))


class LargePrints:
    """`size_min` is what makes a print large, NaN while too few were seen; `newest` the last large
    one.
    """

    __slots__ = (
        "_before",
        "_before_prints",
        "_before_total",
        "_count",
        "_now",
        "_now_prints",
        "_now_total",
        "_side",
        "_signed",
        "_size",
        "_stamp_ns",
        "_top",
        "_ts_ns",
        "_volume",
        "newest",
        "size_min",
    )

    def __init__(self) -> None:
        self.size_min = nan
        self.newest: Print | None = None
        self._now, self._before = _no_counts(), _no_counts()
        self._top = 0  # no print was in a bucket above it
        self._now_prints = self._before_prints = 0
        self._now_total = self._before_total = 0.0
        self._stamp_ns = self._side = self._count = 0  # the order under way
        self._size = 0.0
        self._ts_ns = 0
        self._signed = self._volume = 0.0  # of large prints, and of all, as of _ts_ns

    def add(self, stamp_ns: int, price: float, size: float, side: int, count: int) -> None:
        """A row of matches."""
        before = 0.0
        if stamp_ns == self._stamp_ns and side == self._side:
            before = self._size
            self._size = before + size
            self._count += count
        else:
            if self._size > 0.0:
                self._file(self._size)
            self._stamp_ns, self._side, self._size, self._count = stamp_ns, side, size, count
        passed_ns = stamp_ns - self._ts_ns
        if passed_ns > 0:
            weight = exp2(-passed_ns * _PER_NS)
            self._signed *= weight
            self._volume *= weight
            self._ts_ns = stamp_ns
        self._volume += size
        # False while the limit is NaN. What came before the row that made it large counts with it.
        if self._size >= self.size_min:
            grown = size if before >= self.size_min else self._size
            self._signed += grown if side > 0 else -grown
            self.newest = Print(stamp_ns, side, self._size, price, self._count)

    def end_order(self) -> None:
        """Rows are missing before the next one: it does not go on with this order."""
        if self._size > 0.0:
            self._file(self._size)
        self._stamp_ns = self._side = self._count = 0
        self._size = 0.0

    def _file(self, size: float) -> None:
        """A print is over."""
        bucket = int(log2(size) * _PER_OCTAVE + _ZERO)
        bucket = 0 if bucket < 0 else bucket if bucket < _BUCKETS else _BUCKETS - 1
        if bucket > self._top:
            self._top = bucket
        self._now[bucket] += 1
        self._now_total += size
        self._now_prints += 1
        if self._now_prints >= GENERATION_PRINTS:
            self._before, self._now = self._now, _no_counts()
            self._before_prints, self._now_prints = self._now_prints, 0
            self._before_total, self._now_total = self._now_total, 0.0
        if not self._now_prints % REFRESH_PRINTS:
            self._refresh()

    def _refresh(self) -> None:
        prints = self._now_prints + self._before_prints
        if prints < PRINTS_MIN:
            return
        now, before, bucket = self._now, self._before, self._top
        left = prints // LARGE_SHARE_INVERSE
        while (left := left - now[bucket] - before[bucket]) >= 0:
            bucket -= 1
        mean = (self._now_total + self._before_total) / prints
        self.size_min = max(exp2((bucket + 1 - _ZERO) / _PER_OCTAVE), MEANS_MIN * mean)

    def flow(self, now_ns: int) -> float | None:
        """Signed volume of large prints over all volume, half-life 60 s; None without a limit.

        One print of the least large size is added below, so that it fades when nothing is traded.
        """
        if not self.size_min > 0.0:
            return None
        weight = exp2((self._ts_ns - now_ns) * _PER_NS)
        return self._signed * weight / (self._volume * weight + self.size_min)

    def state(self) -> bytes:
        """For the snapshot: 2.2 kB."""
        newest = self.newest or Print(0, 0, 0.0, 0.0, 0)
        head = _HEAD.pack(
            self.size_min, self._now_total, self._before_total, self._signed, self._ts_ns,
            self._volume, self._now_prints, self._top, self._stamp_ns, self._side, self._count,
            self._size, newest.stamp_ns, newest.side, newest.matches, newest.size, newest.price,
        )  # fmt: skip
        # As memory has them: like the ring's words, little-endian on every machine there is.
        return head + self._now.tobytes() + self._before.tobytes()

    @classmethod
    def loaded(cls, state: bytes) -> LargePrints:
        """As it was at `state()`. Raises ValueError when the bytes are none."""
        if len(state) != _STATE_BYTES:
            raise ValueError(f"{len(state)} bytes of large prints instead of {_STATE_BYTES}")
        made = cls()
        (
            made.size_min, made._now_total, made._before_total, made._signed, made._ts_ns,
            made._volume, made._now_prints, made._top, made._stamp_ns, made._side, made._count,
            made._size, stamp_ns, side, count, size, price,
        ) = _HEAD.unpack_from(state)  # fmt: skip
        if stamp_ns:
            made.newest = Print(stamp_ns, side, size, price, count)
        counts = array("H", state[_HEAD.size :])
        made._now, made._before = counts[:_BUCKETS], counts[_BUCKETS:]
        made._before_prints = sum(made._before)
        if made._top >= _BUCKETS or sum(made._now) != made._now_prints:
            raise ValueError("the counts of large prints contradict each other")
        return made
