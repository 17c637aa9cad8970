"""Scores of probabilities against what came: pure functions of numpy arrays, no state, no dice but
seeded ones.

Throughout, `probability` is P(up | it moved), float64 of shape (n,); `up` is bool of the same
shape, whether it went up; n may be small. What cannot be said (no moves, one class alone) is NaN.
"""

from __future__ import annotations

from math import nan
from typing import Final, NamedTuple

import numpy as np

from hunter.evaluation.heuristics import Floats
from hunter.evaluation.outcomes import Mask

BINS: Final = 10
COVERAGES: Final = (1.0, 0.5, 0.2, 0.1)
_CLIP: Final = 1e-6
"""A probability nearer to 0 or 1 counts as that: being sure and wrong costs 13.8 at most."""
_FLOOR_DRAWS: Final = 400


def ranks(values: Floats) -> Floats:
    """From 1; equal values share the mean of their places."""
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    shared: Floats = (last - (counts - 1) / 2.0)[place]
    return shared


def auc(score: Floats, up: Mask) -> float:
    """P(a score before a rise is higher than one before a fall); equal ones count half."""
    rises = int(up.sum())
    falls = len(up) - rises
    if not rises or not falls:
        return nan
    above = ranks(score)[up].sum() - rises * (rises + 1) / 2.0
    return float(above / (rises * falls))


def losses(probability: Floats, up: Mask) -> Floats:
    """Log-loss of each, natural logarithm: ln 2 = 0.693 is no information."""
    p = np.clip(probability, _CLIP, 1.0 - _CLIP)
    found: Floats = -np.log(np.where(up, p, 1.0 - p))
    return found


def brier(probability: Floats, up: Mask) -> float:
    """Mean squared error of the probability; 1/4 is no information."""
    return mean((probability - up) ** 2)


def correctness(probability: Floats, up: Mask) -> Floats:
    """1 where the likelier side came, 0 where the other did, 1/2 where neither was likelier."""
    side = np.sign(probability - 0.5)
    return np.where(side == 0.0, 0.5, np.where((side > 0.0) == up, 1.0, 0.0))


def balanced_accuracy(probability: Floats, up: Mask) -> float:
    """Mean of the shares of rises and of falls that were called right."""
    right = correctness(probability, up)
    return (mean(right[up]) + mean(right[~up])) / 2.0


def folded_ece(confidence: Floats, right: Floats, bins: int = BINS) -> float:
    """Expected calibration error of max(p, 1 - p) against being right, over bins of equal count.

    Folded, so that a stretch with more rises than falls is not held against a model that is
    symmetric by construction.
    """
    count = len(confidence)
    if not count:
        return nan
    order = np.argsort(confidence, kind="stable")
    edges = np.linspace(0, count, min(bins, count) + 1).astype(np.int64)
    sums = np.add.reduceat((confidence - right)[order], edges[:-1])
    return float(np.abs(sums).sum() / count)


class ReliabilityBin(NamedTuple):
    confidence: float
    right: float
    decisions: int


def reliability(confidence: Floats, right: Floats, bins: int = BINS) -> list[ReliabilityBin]:
    """The bins of `folded_ece`: mean confidence and share right of each."""
    order = np.argsort(confidence, kind="stable")
    parts = np.array_split(order, min(bins, len(order))) if len(order) else []
    return [ReliabilityBin(mean(confidence[part]), mean(right[part]), len(part)) for part in parts]


def ece_floor(confidence: Floats, independent: float, bins: int = BINS) -> float:
    """The folded ECE that a perfect model with these confidences would show, in the mean, at so
    many independent decisions: what is below it is noise.
    """
    count = round(independent)
    if not len(confidence) or count < 1:
        return nan
    dice = np.random.default_rng(20_240_808)
    found = []
    draws = _FLOOR_DRAWS if count < 10_000 else _FLOOR_DRAWS // 10
    for _ in range(draws):
        drawn = confidence[dice.integers(0, len(confidence), count)]
        right = (dice.random(count) < drawn).astype(np.float64)
        found.append(folded_ece(drawn, right, bins))
    return float(np.mean(found))


class Covered(NamedTuple):
    """Of the most confident share of decisions."""

    coverage: float
    accuracy: float
    edge_bp: float
    """Mean move in the direction called, in basis points of the mid, before any cost."""


def covered(confidence: Floats, gain: Floats, share: float) -> float:
    """Mean gain of the most confident `share`. Equal confidences are taken in part, alike: which of
    them would have come first is chance.
    """
    count = len(confidence)
    if not count:
        return nan
    wanted = max(1.0, share * count)
    order = np.argsort(-confidence, kind="stable")
    edge = confidence[order[int(np.ceil(wanted)) - 1]]
    surely, perhaps = confidence > edge, confidence == edge
    part = (wanted - surely.sum()) / perhaps.sum()
    return float((gain[surely].sum() + part * gain[perhaps].sum()) / wanted)


def information_coefficient(score: Floats, move: Floats) -> float:
    """Rank correlation of the score with the move, moves of zero included."""
    a, b = ranks(score), ranks(move)
    deviation = float(a.std() * b.std())
    if not len(a) or deviation == 0.0:
        return nan
    return float(((a - a.mean()) * (b - b.mean())).mean() / deviation)


def mean(values: Floats) -> float:
    """NaN of nothing, without a warning."""
    return float(values.mean()) if len(values) else nan
