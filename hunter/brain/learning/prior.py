"""Priors: what a mixture of experts believes before its first label, by horizon.

The published prior needs no file: the slopes of queue imbalance (PRIOR_SLOPES) and, for the
mate's features, half of what its partial correlations with the next move give. All other
coefficients are 0: fitted on one recording, they did worse on another. A model file gives other
priors. Made by FlowBrain or by modelfile, read by mixture.
"""

from __future__ import annotations

import hashlib
import struct
from math import exp, log
from typing import NamedTuple

from hunter.brain.window.features import ODD_COUNT

PRIOR_SLOPES = ((1_000, 1.5), (5_000, 0.6), (10_000, 0.4))
"""(horizon in ms, slope of queue imbalance I): P(up) = 1 / (1 + exp(-slope I)), without intercept
(Gould and Bonart 2016); fitted on crypto perpetuals, where slopes at 1 s lie in 1.3-2.1."""

EXPERT_SIZES = (1, 14, 14, 20)
"""How many of them E0 to E3 know, from the first on."""
EXPERT_NAMES = ("queue", "held", "free", "full")
PRECISIONS = (200.0, 200.0, 30.0, 30.0)
"""Inverse variance of each coefficient of E0 to E3, in scaled features; 200 is worth some 3,500
independent labels at a queue imbalance of 1/2."""
BOUND = 1e6
"""No number of a prior is larger: far beyond sense, far below overflow."""

MATE_TERMS = ((11, 0.06), (12, 0.03), (13, 0.07))
"""(feature, coefficient at 1 s per scale): mate's queue imbalance, its order flow, the basis.
Partial correlations of .06, .033 and .074 given queue imbalance say about twice as much."""

SCALES = (
    *(1.0, 1.0, 1.0, 1.5, 1.7, 0.7, 1.0, 1.0, 1.4, 1.0),
    *(1.0, 1.0, 1.5, 1.0, 2.0, 2.0, 1.0, 1.3, 1.0, 2.0),
)
"""Root mean squares of the odd features on perpetuals; the first is never scaled."""


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


class ExpertPrior(NamedTuple):
    """A Gaussian over the coefficients of scaled features: mean and inverse variance of each."""

    mean: tuple[float, ...]
    precision: tuple[float, ...]


class Prior(NamedTuple):
    """Of one mixture: E0 to E3 and the features' scales before any were seen (ODD_COUNT, > 0)."""

    horizon_ms: int
    experts: tuple[ExpertPrior, ...]
    scales: tuple[float, ...]

    def pack(self) -> bytes:
        """Little-endian: the horizon as int64, scales, then each expert's mean and precision."""
        numbers = list(self.scales)
        for one in self.experts:
            numbers += (*one.mean, *one.precision)
        return struct.pack(f"<q{len(numbers)}d", self.horizon_ms, *numbers)

    def digest(self) -> bytes:
        """16 bytes that tell one prior from another."""
        return hashlib.blake2s(self.pack(), digest_size=16).digest()

    def check(self) -> None:
        """ValueError when its parts do not fit together."""
        sizes = tuple(len(one.mean) for one in self.experts)
        if sizes != EXPERT_SIZES or len(self.scales) != ODD_COUNT:
            raise ValueError(f"a prior of experts of {sizes} coefficients, not {EXPERT_SIZES}")
        for one in self.experts:
            if len(one.precision) != len(one.mean):
                raise ValueError("as many precisions as coefficients are needed")
            check_numbers("coefficient", one.mean, -BOUND)
            check_numbers("precision", one.precision, 1.0 / BOUND)
        check_numbers("scale", self.scales, 1.0 / BOUND)


def check_numbers(what: str, numbers: tuple[float, ...], least: float) -> None:
    """ValueError unless all are within `least` and BOUND."""
    for number in numbers:
        if not least <= number <= BOUND:
            raise ValueError(f"a {what} of {number}, outside {least:g} to {BOUND:g}")


def published_prior(horizon_ms: int) -> Prior:
    """What needs no fitting; the mate's terms fall with the horizon as the slope does."""
    slope = prior_slope(horizon_ms)
    share = slope / PRIOR_SLOPES[0][1]
    mean = [0.0] * ODD_COUNT
    mean[0] = slope
    for feature, coefficient in MATE_TERMS:
        mean[feature] = share * coefficient
    experts = tuple(
        ExpertPrior(tuple(mean[:size]), (precision,) * size)
        for size, precision in zip(EXPERT_SIZES, PRECISIONS, strict=True)
    )
    return Prior(horizon_ms, experts, SCALES)
