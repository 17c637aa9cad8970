"""Models: from odd features to P(up | the mid moves), learning from labels that come later.

`QueueImbalanceLogit` is the baseline: P(up) = 1 / (1 + exp(-w I)), I the queue imbalance (Gould
and Bonart 2016), no intercept, so a balanced queue is 1/2 by construction. The slope w starts at a
published prior and is updated by each label with Laplace's approximation of the posterior
(Gaussian, one step per label). Labels overlap, so each weighs interval / horizon. Mirrored input
gives w the same path, bit for bit.
"""

from __future__ import annotations

from math import exp, log
from typing import Protocol

PRIOR_SLOPES = ((1_000, 1.5), (5_000, 0.6), (10_000, 0.4))
"""(horizon in ms, slope): fitted on crypto perpetuals, where slopes at 1 s lie in 1.3-2.1."""

PRIOR_PRECISION = 200.0
"""Inverse variance of the prior slope: worth some 3,500 independent labels at |I| = 1/2."""


class Model(Protocol):
    """P(up | move) at one horizon from a vector of odd features."""

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of the features, in the order of every vector."""

    def probability_up(self, values: tuple[float, ...]) -> float:
        """P(the mid is higher after the horizon | it moved)."""

    def contributions(self, values: tuple[float, ...]) -> tuple[float, ...]:
        """The signed terms, in order; their sum is the log-odds of up."""

    def learn(self, values: tuple[float, ...], move: int, weight: float) -> None:
        """The mid moved up (+1) or down (-1) after `values`."""

    def state(self) -> tuple[float, ...]:
        """All that was learnt."""

    def load(self, state: tuple[float, ...]) -> None:
        """Continue from `state()`; ValueError when it does not fit."""


def prior_slope(horizon_ms: int) -> float:
    """Log-log interpolation between the published horizons.

    Below the first it stays, as nothing was measured there; beyond the last it goes on falling as
    it fell before.
    """
    if horizon_ms <= PRIOR_SLOPES[0][0]:
        return PRIOR_SLOPES[0][1]
    upper = 1 if horizon_ms <= PRIOR_SLOPES[1][0] else 2
    (near_ms, near), (far_ms, far) = PRIOR_SLOPES[upper - 1], PRIOR_SLOPES[upper]
    if horizon_ms == far_ms:
        return far
    share = log(horizon_ms / near_ms) / log(far_ms / near_ms)
    return near * exp(share * log(far / near))


def sigmoid(log_odds: float) -> float:
    """1 / (1 + e^-x), such that sigmoid(-x) is 1 - sigmoid(x) to the last bit."""
    upper = 1.0 / (1.0 + exp(-abs(log_odds)))
    return upper if log_odds >= 0.0 else 1.0 - upper


class QueueImbalanceLogit:
    """The baseline. `slope` and `precision` are the posterior's mean and inverse variance."""

    inputs: tuple[str, ...] = ("queue_imbalance",)

    __slots__ = ("precision", "slope")

    def __init__(self, horizon_ms: int) -> None:
        self.slope = prior_slope(horizon_ms)
        self.precision = PRIOR_PRECISION

    def probability_up(self, values: tuple[float, ...]) -> float:
        return sigmoid(self.slope * values[0])

    def contributions(self, values: tuple[float, ...]) -> tuple[float, ...]:
        return (self.slope * values[0],)

    def learn(self, values: tuple[float, ...], move: int, weight: float) -> None:
        assert move in (1, -1), "a window without a move teaches nothing about direction"
        # Written in the imbalance towards the move: the mirrored label does the same sums.
        towards = values[0] * move
        surprise = sigmoid(-self.slope * towards)
        curvature = surprise * (1.0 - surprise) * towards * towards
        self.precision += weight * curvature
        self.slope += weight * surprise * towards / self.precision

    def state(self) -> tuple[float, ...]:
        return (self.slope, self.precision)

    def load(self, state: tuple[float, ...]) -> None:
        slope, precision = state
        if not precision > 0.0:
            raise ValueError(f"precision {precision} of a posterior must be positive")
        self.slope, self.precision = slope, precision
