"""Latency histogram in fixed memory: buckets whose width grows with the value.

Values are whole numbers >= 0 in any unit; a percentile is right to within 1/16 of its value. A row
of 960 counters of 8 bytes, whatever is recorded: its own, or somebody's memory, such as a page of
the status block or a record that compiled code counts in too. So the sum of the counters is the
only truth about how many there are, and is taken when it is asked for.
"""

from __future__ import annotations

from bisect import bisect_left
from itertools import accumulate
from typing import Final

_SUB_BITS: Final = 4
_SUB: Final = 1 << _SUB_BITS
_EXPONENTS: Final = 60
COUNTERS: Final = _SUB * _EXPONENTS
COUNTERS_BYTES: Final = 8 * COUNTERS
VALUE_MAX: Final = (1 << (_EXPONENTS + _SUB_BITS - 1)) - 1
# Most of the counters are 0. Bytes are compared with zeros a hundred times faster than added up.
_STRIDE: Final = 32
_STRIDE_BYTES: Final = 8 * _STRIDE
_ZEROS: Final = bytes(_STRIDE_BYTES)
_NONE: Final = bytes(COUNTERS_BYTES)
assert COUNTERS % _STRIDE == 0


class Histogram:
    """`record` values, ask for `percentile`; `halve` forgets slowly, so that recent values count
    more. `counts`: a writable memoryview of COUNTERS words ("Q"); None: memory of its own.
    """

    __slots__ = ("counts",)

    def __init__(self, counts: memoryview | None = None) -> None:
        self.counts = memoryview(bytearray(COUNTERS_BYTES)).cast("Q") if counts is None else counts
        assert len(self.counts) == COUNTERS, "a histogram has a fixed number of counters"
        assert self.counts.format == "Q", "counters are words of 8 bytes"

    @property
    def total(self) -> int:
        """How many values there are."""
        first, last = used(self.counts)
        return sum(self.counts[first:last].tolist())

    def record(self, value: int, times: int = 1) -> None:
        """Count a value so many times. What is too large counts as the largest, and what is
        negative as 0.
        """
        self.counts[index_of(value)] += times

    def percentile(self, fraction: float) -> float:
        """The value below which `fraction` of the records lie: the middle of its bucket; 0 when
        empty.
        """
        return self.percentiles(fraction)[0]

    def percentiles(self, *fractions: float) -> list[float]:
        """Several at once, all of the same moment, at the price of one."""
        first, last = used(self.counts)
        return percentiles(self.counts[first:last].tolist(), fractions, first)

    def halve(self) -> None:
        first, last = used(self.counts)
        for index, counted in enumerate(self.counts[first:last].tolist(), first):
            if counted:
                self.counts[index] = counted >> 1


def index_of(value: int) -> int:
    """Which counter counts a value."""
    if value < _SUB:
        return max(value, 0)
    shift = value.bit_length() - _SUB_BITS - 1
    return min((shift << _SUB_BITS) + (value >> shift), COUNTERS - 1)


def used(counts: memoryview) -> tuple[int, int]:
    """From where to where (exclusive) there may be counters that are not 0; both 0 when none is."""
    raw = counts.tobytes()
    if raw == _NONE:
        return 0, 0
    first, last = 0, len(raw)
    while raw.startswith(_ZEROS, first):
        first += _STRIDE_BYTES
    while raw.startswith(_ZEROS, last - _STRIDE_BYTES):
        last -= _STRIDE_BYTES
    return first >> 3, last >> 3


def percentiles(counts: list[int], fractions: tuple[float, ...], first: int = 0) -> list[float]:
    """Of a copy of some counters, the first of which has the number `first`."""
    sums = list(accumulate(counts))
    if not sums or not sums[-1]:
        return [0.0] * len(fractions)
    total = sums[-1]
    # At least one: the least value there is is the 0th percentile, not the least one possible.
    return [middle(first + bisect_left(sums, min(max(f * total, 1), total))) for f in fractions]


def lowest(index: int) -> int:
    """The smallest value that a counter counts."""
    if index < _SUB:
        return index
    return (_SUB + (index & (_SUB - 1))) << ((index >> _SUB_BITS) - 1)


def middle(index: int) -> float:
    """Of the values that a counter counts."""
    width = 1 if index < _SUB else 1 << ((index >> _SUB_BITS) - 1)
    return lowest(index) + (width - 1) / 2
