"""Calibration: what the pool says, mapped to what came of it; the last step of a mixture.

    f(L) = sum_k s_k b_k(L),   b_k(L): how much of L lies between knots k and k + 1, with L's sign

An odd, rising, piecewise linear map of log-odds. A single factor cannot do this: it changes how
steep all probabilities are, not where they are too steep. The slopes begin at 1 and are learnt by a
`LaplaceLogit` of the segments; none falls below SLOPE_MIN, so the order of what is said stays.
Owned by one Mixture; hunter/native/learner.c does the same operations in the same order.
"""

from __future__ import annotations

from hunter.brain.learning.experts import LaplaceLogit

KNOTS = (0.0, 0.5, 1.0, 2.0, 3.0)
"""In nats; the last segment has no end."""
SLOPE_MIN = 0.05
PRECISION = 20.0
"""Inverse variance of each slope at the start: worth 80 labels with a nat in its segment."""


def segments(log_odds: float) -> list[float]:
    """How much of it lies in each segment, with its sign; they add up to it."""
    size = abs(log_odds)
    parts = []
    for k, knot in enumerate(KNOTS):
        part = size - knot
        if part < 0.0:
            part = 0.0
        if k + 1 < len(KNOTS):
            width = KNOTS[k + 1] - knot
            if part > width:
                part = width
        parts.append(part if log_odds >= 0.0 else -part)
    return parts


class Calibration:
    """The map and what it has learnt."""

    __slots__ = ("_logit",)

    def __init__(self, growth: float) -> None:
        self._logit = LaplaceLogit([1.0] * len(KNOTS), [PRECISION] * len(KNOTS), growth)

    def __call__(self, log_odds: float) -> float:
        """f(L), within +-LOG_ODDS_MAX."""
        return self._logit.log_odds(segments(log_odds))

    def factor(self, log_odds: float) -> float:
        """f(L) / L; at 0 the first slope."""
        return self(log_odds) / log_odds if log_odds != 0.0 else self._logit.mean[0]

    def learn(self, towards: float, weight: float) -> None:
        """`towards`: what the pool said of what happened, log-odds; it counts `weight`, 0 to 1."""
        self._logit.learn(segments(towards), 1, weight)
        self._logit.mean = [one if one > SLOPE_MIN else SLOPE_MIN for one in self._logit.mean]

    def reset(self) -> None:
        """As unsure as at the start; the slopes stay."""
        self._logit.reset()

    @property
    def state_bytes(self) -> int:
        """The length of `state()`."""
        return self._logit.state_bytes

    def state(self) -> bytes:
        """As of a `LaplaceLogit`."""
        return self._logit.state()

    def loaded(self, state: bytes) -> Calibration:
        """Another one that continues from `state()`; ValueError when it does not fit."""
        other = Calibration(0.0)
        other._logit = self._logit.twin()
        other._logit.load(state)
        if min(other._logit.mean) < SLOPE_MIN:
            raise ValueError(f"a slope of {min(other._logit.mean)} is below {SLOPE_MIN}")
        return other
