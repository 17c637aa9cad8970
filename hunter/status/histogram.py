"""Latency histogram in fixed memory: buckets whose width grows with the value.

Values are whole numbers >= 0 in any unit; a percentile is right to within 1/16 of its value. One
list of 960 counters, whatever is recorded.
"""

from __future__ import annotations

from typing import Final

_SUB_BITS: Final = 4
_SUB: Final = 1 << _SUB_BITS
_EXPONENTS: Final = 60
VALUE_MAX: Final = (1 << (_EXPONENTS + _SUB_BITS - 1)) - 1


class Histogram:
    """`record` values, ask for `percentile`; `halve` forgets slowly, so that recent values count
    more.
    """

    __slots__ = ("counts", "total")

    def __init__(self) -> None:
        self.counts = [0] * (_SUB * _EXPONENTS)
        self.total = 0

    def record(self, value: int) -> None:
        if value < _SUB:
            index = value if value > 0 else 0
        else:
            shift = value.bit_length() - _SUB_BITS - 1
            index = ((shift + 1) << _SUB_BITS) + ((value >> shift) & (_SUB - 1))
            if index >= len(self.counts):
                index = len(self.counts) - 1
        self.counts[index] += 1
        self.total += 1

    def percentile(self, fraction: float) -> float:
        """The value below which `fraction` of the records lie: the middle of its bucket; 0 when
        empty.
        """
        if not self.total:
            return 0.0
        wanted = fraction * self.total
        seen = 0
        for index, count in enumerate(self.counts):
            seen += count
            if count and seen >= wanted:
                return _middle(index)
        raise AssertionError("the counts do not add up to the total")

    def halve(self) -> None:
        self.counts = [count >> 1 for count in self.counts]
        self.total = sum(self.counts)


def _middle(index: int) -> float:
    if index < _SUB:
        return float(index)
    shift = (index >> _SUB_BITS) - 1
    low = (_SUB + (index & (_SUB - 1))) << shift
    return low + ((1 << shift) - 1) / 2
