"""Latency histogram in fixed memory: buckets whose width grows with the value.

Values are whole numbers >= 0 in any unit; a percentile is right to within 1/16 of its value. 960
counters of 64 bits in one buffer, whatever is recorded; who else holds the buffer (compiled code, a
status block) may count in it as well, so the counters are all there is to know.
"""

from __future__ import annotations

from array import array
from typing import Final

_SUB_BITS: Final = 4
_SUB: Final = 1 << _SUB_BITS
_EXPONENTS: Final = 60
COUNTERS: Final = _SUB * _EXPONENTS
COUNTER_BYTES: Final = 8
VALUE_MAX: Final = (1 << (_EXPONENTS + _SUB_BITS - 1)) - 1


class Histogram:
    """`record` values, ask for `percentile`; `halve` forgets slowly, so that recent values count
    more.
    """

    __slots__ = ("counts",)

    def __init__(self, counts: memoryview | None = None) -> None:
        """In `counts`, a writable buffer of COUNTERS uint64 (format "Q"), or in its own."""
        if counts is None:
            counts = memoryview(bytearray(COUNTERS * COUNTER_BYTES)).cast("Q")
        assert len(counts) == COUNTERS, len(counts)
        assert counts.format == "Q", counts.format
        self.counts = counts

    @property
    def total(self) -> int:
        """How many values were recorded and not forgotten."""
        return sum(self.counts)

    def record(self, value: int) -> None:
        if value < _SUB:
            index = value if value > 0 else 0
        else:
            shift = value.bit_length() - _SUB_BITS - 1
            index = ((shift + 1) << _SUB_BITS) + ((value >> shift) & (_SUB - 1))
            if index >= COUNTERS:
                index = COUNTERS - 1
        self.counts[index] += 1

    def percentile(self, fraction: float) -> float:
        """The value below which `fraction` of the records lie: the middle of its bucket; 0 when
        empty.
        """
        counts = self.counts.tolist()
        wanted = fraction * sum(counts)
        seen = 0
        newest = 0
        for index, count in enumerate(counts):
            if count:
                seen += count
                newest = index
                if seen >= wanted:
                    break
        return _middle(newest)

    def halve(self) -> None:
        self.counts[:] = memoryview(array("Q", [count >> 1 for count in self.counts]))


def _middle(index: int) -> float:
    if index < _SUB:
        return float(index)
    shift = (index >> _SUB_BITS) - 1
    low = (_SUB + (index & (_SUB - 1))) << shift
    return low + ((1 << shift) - 1) / 2
