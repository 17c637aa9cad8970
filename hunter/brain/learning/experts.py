"""Online logistic experts without intercept: what a mixture is made of.

`LaplaceLogit` keeps the mean and the full covariance of a Gaussian over its coefficients and takes
one step of Laplace's approximation per label, O(d^2) (MacKay 1992; with weight 1 and no forgetting
it is the extended Kalman filter of a logistic likelihood). `Temperature` is the same with one
coefficient on an expert's log-odds. Invariants: everything is learnt in the direction of the move
(x * move), so a mirrored market takes the same path, bit for bit; the covariance stays symmetric
exactly and never exceeds the prior's on its diagonal; nothing overflows for inputs within
+-INPUT_MAX. Called by mixture and movement; hunter/native/learner.c does the same operations in
the same order.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from math import exp, isfinite, log, sqrt

from hunter.brain.learning.logistic import sigmoid

LOG_ODDS_MAX = 30.0
INPUT_MAX = 8.0
"""Limit of every input of an expert: what is further out is as far out as this."""


def log_loss(log_odds_towards: float) -> float:
    """-log P(what happened), from the log-odds of what happened; nats."""
    if log_odds_towards >= 0.0:
        return log(1.0 + exp(-log_odds_towards))
    return log(1.0 + exp(log_odds_towards)) - log_odds_towards


def clipped(value: float, limit: float) -> float:
    """`value` within +-limit; NaN, which is "not available", counts as 0."""
    if value > limit:
        return limit
    if value < -limit:
        return -limit
    return value if value == value else 0.0


class LaplaceLogit:
    """P(up) = sigmoid(mean . x).

    `growth` is by how much a unit of weight widens the covariance before its label counts: the
    weight of old labels decays by that share, so about 1 / growth labels are remembered. No
    variance grows beyond the prior's.
    """

    __slots__ = ("_ceiling", "_growth", "covariance", "mean", "size")

    def __init__(
        self, mean: Sequence[float], precision: Sequence[float], growth: float = 0.0
    ) -> None:
        self.size = len(mean)
        self.mean = list(mean)
        self._ceiling = [1.0 / one for one in precision]
        self._growth = growth
        self.covariance: list[list[float]] = []
        self.reset()

    def twin(self) -> LaplaceLogit:
        """Another one with the same prior covariance, which has learnt nothing."""
        other = LaplaceLogit(self.mean, self._ceiling, self._growth)
        other._ceiling = self._ceiling
        other.reset()
        return other

    def reset(self) -> None:
        """The covariance goes back to the prior's; the mean stays."""
        size = self.size
        self.covariance = [[0.0] * size for _ in range(size)]
        for i, variance in enumerate(self._ceiling):
            self.covariance[i][i] = variance

    def log_odds(self, x: Sequence[float]) -> float:
        """mean . x, within +-LOG_ODDS_MAX; `x` has `size` inputs or more."""
        total = 0.0
        for coefficient, value in zip(self.mean, x, strict=False):
            total += coefficient * value
        return clipped(total, LOG_ODDS_MAX)

    def learn(self, x: Sequence[float], move: int, weight: float) -> None:
        """The mid moved up (+1) or down (-1) after `x`; the label counts `weight`, 0 to 1."""
        assert move in (1, -1), "a window without a move teaches nothing about direction"
        self._widen(weight)
        towards = [value * move for value in x[: self.size]]
        surprise = sigmoid(-self.log_odds(towards))
        # Column by column: each sum runs in the order of the inputs.
        spread = [0.0] * self.size
        for row, value in zip(self.covariance, towards, strict=True):
            spread = [total + one * value for total, one in zip(spread, row, strict=True)]
        variance = 0.0
        for one, value in zip(spread, towards, strict=True):
            variance += one * value
        curvature = weight * (surprise * (1.0 - surprise))
        shrink = 1.0 + curvature * variance
        step = weight * surprise / shrink
        self.mean = [one + step * way for one, way in zip(self.mean, spread, strict=True)]
        root = sqrt(curvature / shrink)
        # One factor on both sides, so that the product is symmetric to the last bit.
        ways = [root * way for way in spread]
        for row, way in zip(self.covariance, ways, strict=True):
            row[:] = [one - way * other for one, other in zip(row, ways, strict=True)]

    def _widen(self, weight: float) -> None:
        rate = self._growth * weight
        if rate <= 0.0:
            return
        factor = 1.0 + rate
        root = sqrt(factor)
        roots = [
            root if self.covariance[i][i] * factor <= ceiling else 1.0
            for i, ceiling in enumerate(self._ceiling)
        ]
        for row, one in zip(self.covariance, roots, strict=True):
            row[:] = [value * (one * other) for value, other in zip(row, roots, strict=True)]

    def state(self) -> bytes:
        """The mean, then the covariance's rows up to the diagonal; little-endian doubles."""
        numbers = list(self.mean)
        for i, row in enumerate(self.covariance):
            numbers += row[: i + 1]
        return struct.pack(f"<{len(numbers)}d", *numbers)

    @property
    def state_bytes(self) -> int:
        """The length of `state()`."""
        return 8 * (self.size + self.size * (self.size + 1) // 2)

    def load(self, state: bytes) -> None:
        """Continue from `state()`; ValueError when it does not fit, and nothing has changed."""
        size = self.size
        numbers = unpacked(state, self.state_bytes // 8)
        covariance = [[0.0] * size for _ in range(size)]
        at = size
        for i in range(size):
            for j in range(i + 1):
                covariance[i][j] = covariance[j][i] = numbers[at]
                at += 1
            if not covariance[i][i] > 0.0:
                raise ValueError(f"a variance of {covariance[i][i]} is not positive")
        self.mean, self.covariance = list(numbers[:size]), covariance


def unpacked(state: bytes, count: int) -> tuple[float, ...]:
    """`count` finite little-endian doubles; ValueError for anything else."""
    if len(state) != 8 * count:
        raise ValueError(f"{len(state)} bytes of state where {8 * count} belong")
    numbers = struct.unpack(f"<{count}d", state)
    if not all(map(isfinite, numbers)):
        raise ValueError("a number of the state is not finite")
    return numbers


class Temperature:
    """A factor on log-odds that makes them calibrated: 1 to begin with, never negative.

    Its precision is bounded above, so that it keeps learning: the bound is what it remembers.
    """

    __slots__ = ("_precision_first", "_precision_max", "factor", "precision")

    FACTOR_MIN, FACTOR_MAX = 0.02, 3.0

    def __init__(self, precision: float, precision_max: float) -> None:
        self._precision_first, self._precision_max = precision, precision_max
        self.factor = 1.0
        self.precision = precision

    def reset(self) -> None:
        """As sure as at the start; the factor stays."""
        self.precision = self._precision_first

    def learn(self, towards: float, weight: float) -> None:
        """`towards` is what the expert said: log-odds of what happened, without the factor."""
        surprise = sigmoid(-(self.factor * towards))
        curvature = surprise * (1.0 - surprise)
        precision = self.precision + weight * (curvature * (towards * towards))
        if precision > self._precision_max:
            precision = self._precision_max
        self.precision = precision
        factor = self.factor + weight * (surprise * towards) / precision
        if factor < self.FACTOR_MIN:
            factor = self.FACTOR_MIN
        self.factor = factor if factor < self.FACTOR_MAX else self.FACTOR_MAX
