"""Intervals for scores of decisions that overlap: whole blocks of time are drawn, with replacement.

Decisions a tenth of a second apart share nearly all of their windows, so drawing them one by one
would give intervals ten times too narrow. Blocks are max(10 s, 3 horizons). Differences are paired:
both scores are taken from the same draw. Seeded: the same input gives the same interval. Pure.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import nan
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hunter.evaluation.heuristics import Floats
from hunter.evaluation.outcomes import Mask

DRAWS: Final = 1_000
_DRAWS_FEW: Final = 400
_MANY: Final = 50_000
"""Beyond so many decisions fewer draws do: the interval itself is narrow by then."""
_CHUNK_VALUES: Final = 2_000_000
_LOW, _HIGH = 2.5, 97.5


class Interval(NamedTuple):
    """Of 95 %, and the standard deviation of the draws."""

    low: float
    high: float
    deviation: float


NO_INTERVAL: Final = Interval(nan, nan, nan)


def block_ns(horizon_ms: int) -> int:
    """How much time a block is."""
    return max(10_000, 3 * horizon_ms) * 1_000_000


class Blocks:
    """Decisions at `times_ns` dealt to blocks of time, and the draws of them."""

    def __init__(self, times_ns: NDArray[np.int64], length_ns: int, seed: int = 1) -> None:
        _, self._block = np.unique(times_ns // length_ns, return_inverse=True)
        self.count = int(self._block.max()) + 1 if len(self._block) else 0
        draws = DRAWS if len(times_ns) <= _MANY else _DRAWS_FEW
        dice = np.random.default_rng(seed)
        size = self.count
        self._weights = np.zeros((draws if size > 1 else 0, size), dtype=np.float64)
        for row in self._weights:
            row += np.bincount(dice.integers(0, size, size), minlength=size)

    def mean(self, values: Floats) -> Interval:
        """Of the mean of `values`, one for each decision."""
        if self.count < 2:
            return NO_INTERVAL
        sums = np.bincount(self._block, weights=values, minlength=self.count)
        counts = np.bincount(self._block, minlength=self.count)
        return interval((self._weights @ sums) / (self._weights @ counts))

    def auc(self, score: Floats, up: Mask) -> Floats:
        """Of each draw; shape (draws,), NaN where a draw has no rise or no fall."""
        parts = [_weighted_auc(weights, score, up) for weights in self._by_decision(len(up))]
        return np.concatenate(parts) if parts else np.zeros(0)

    def _by_decision(self, count: int) -> Iterator[Floats]:
        step = max(1, _CHUNK_VALUES // max(1, count))
        for start in range(0, len(self._weights), step):
            yield self._weights[start : start + step, :][:, self._block]


def _weighted_auc(weights: Floats, score: Floats, up: Mask) -> Floats:
    """`weights`: shape (draws, n)."""
    order = np.argsort(score, kind="stable")
    ordered = score[order]
    starts = np.flatnonzero(np.concatenate(([True], ordered[1:] != ordered[:-1])))
    drawn = weights[:, order]
    rises = up[order]
    risen = np.add.reduceat(drawn * rises, starts, axis=1)
    fallen = np.add.reduceat(drawn * ~rises, starts, axis=1)
    below = np.cumsum(fallen, axis=1) - fallen / 2.0
    pairs = risen.sum(axis=1) * fallen.sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        found: Floats = (risen * below).sum(axis=1) / pairs
    return found


def interval(draws: Floats) -> Interval:
    """Of draws of a score; those that could not be scored are left out."""
    whole = draws[np.isfinite(draws)]
    if len(whole) < 2:
        return NO_INTERVAL
    low, high = np.percentile(whole, (_LOW, _HIGH))
    return Interval(float(low), float(high), float(whole.std()))
