"""Percentiles, medians and the spread of a few runs. Pure."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

import msgspec

from hunter.status.documents import Percentiles


class Spread(msgspec.Struct, frozen=True):
    """Of a few runs of the same thing."""

    median: float
    least: float
    most: float

    def __str__(self) -> str:
        return f"{self.median:.2f} [{self.least:.2f}-{self.most:.2f}]"


def quantiles(values: Sequence[float], divisor: float = 1.0) -> Percentiles | None:
    """None of nothing; `divisor` turns ns into the unit that is wanted."""
    if not values:
        return None
    ordered = sorted(values)
    return Percentiles(*(round(at(ordered, q) / divisor, 2) for q in (0.5, 0.99, 0.999)))


def at(ordered: Sequence[float], fraction: float) -> float:
    """The value below which `fraction` of the ordered values lie."""
    return ordered[min(len(ordered) - 1, int(fraction * len(ordered)))]


def spread(values: Sequence[float]) -> Spread:
    return Spread(statistics.median(values), min(values), max(values))


def ratio(theirs: float, ours: float) -> float:
    """How many times as much theirs is; 0 when there is nothing to compare with."""
    return round(theirs / ours, 1) if ours > 0 else 0.0
