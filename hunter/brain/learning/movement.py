"""Movement: whether the mid moves within one horizon, and how far if it does.

P(move) is a logit on the even features, which say nothing of direction, with an intercept; it is
learnt online like the experts of a mixture, from every label, moves or not. Each feature is taken
as it is or by its logarithm, minus its typical value, by its typical spread, so that coefficients
mean the same on every instrument. E(|move| given a move) is the mean of what was seen, slowly
forgotten: scaled by volatility it was no better on any recording. Invariants: finite for any
input; the side swap changes nothing. Called by FlowBrain, one per horizon; kernel.Movement is the
same in C, same operations in the same order, same bytes. `new_movement` chooses.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Sequence
from math import log
from typing import NamedTuple

from hunter.brain.learning.experts import INPUT_MAX, LaplaceLogit, clipped, unpacked
from hunter.brain.learning.logistic import sigmoid
from hunter.brain.learning.prior import BOUND, check_numbers
from hunter.brain.window.features import EVEN_COUNT
from hunter.native import kernel

LOGARITHMS = (True, True, True, False, True, False, True, False, False, False)
LOGARITHM_FROM = 1e-3
"""Nothing smaller is told apart: an instrument that is quite still."""
CENTERS = (-3.7, -1.6, -1.35, -0.2, 3.0, 0.0, 3.3, 0.9, 0.65, 0.65)
SPREADS = (1.0, 1.0, 0.8, 0.7, 1.0, 0.5, 0.6, 1.7, 0.3, 0.2)

COEFFICIENTS = (
    (1_000, (-0.5, 0.10, 0.05, 0.20, -0.10, 0.30, 0.05, 0.00, -0.45, -0.10, 0.0)),
    (5_000, (0.9, 0.05, 0.15, 0.25, 0.00, 0.25, -0.05, 0.05, -0.20, -0.20, 0.0)),
    (10_000, (1.6, 0.05, 0.20, 0.20, 0.00, 0.20, 0.00, 0.10, -0.15, -0.25, 0.0)),
)
"""(horizon in ms, intercept and coefficients), rounded: a fit on any two of three recordings of
perpetuals did better on the third than zeros. The intercepts lie between recordings of many
venues, which differ by much more, and are held loosely."""
PRECISION_INTERCEPT, PRECISION = 0.3, 30.0

GROWTH = 2e-4
MOVES_REMEMBERED = 500.0
MOVE_BP_MAX = 1e4
_SEEN = struct.Struct("<2d")


class MovementPrior(NamedTuple):
    """Of one horizon: intercept, then a coefficient for each even feature, and how firm each is."""

    horizon_ms: int
    mean: tuple[float, ...]
    precision: tuple[float, ...]

    def pack(self) -> bytes:
        """Little-endian: the horizon as int64, then mean and precision as doubles."""
        return struct.pack(
            f"<q{2 * (EVEN_COUNT + 1)}d", self.horizon_ms, *self.mean, *self.precision
        )

    def digest(self) -> bytes:
        """16 bytes that tell one prior from another."""
        return hashlib.blake2s(self.pack(), digest_size=16).digest()

    def check(self) -> None:
        """ValueError when its parts do not fit together."""
        if not len(self.mean) == len(self.precision) == EVEN_COUNT + 1:
            raise ValueError(f"an intercept and {EVEN_COUNT} coefficients are needed")
        check_numbers("coefficient", self.mean, -BOUND)
        check_numbers("precision", self.precision, 1.0 / BOUND)


def published_movement(horizon_ms: int) -> MovementPrior:
    """What needs no fitting; between the horizons in proportion to the logarithm, beyond them as
    at the last."""
    precision = (PRECISION_INTERCEPT, *(PRECISION,) * EVEN_COUNT)
    near_ms, near = COEFFICIENTS[0]
    if horizon_ms <= near_ms:
        return MovementPrior(horizon_ms, near, precision)
    for far_ms, far in COEFFICIENTS[1:]:
        if horizon_ms <= far_ms:
            share = log(horizon_ms / near_ms) / log(far_ms / near_ms)
            mean = tuple(a + share * (b - a) for a, b in zip(near, far, strict=True))
            return MovementPrior(horizon_ms, mean, precision)
        near_ms, near = far_ms, far
    return MovementPrior(horizon_ms, near, precision)


class Movement:
    """See the module. `even` is always the EVEN_COUNT even features in the vector's order, NaN
    where one is not available."""

    __slots__ = ("_digest", "_logit", "_move_bp", "_moves")

    def __init__(self, prior: MovementPrior) -> None:
        prior.check()
        self._digest = prior.digest()
        self._logit = LaplaceLogit(prior.mean, prior.precision, GROWTH)
        self._moves = 0.0
        self._move_bp = 0.0

    def assess(self, even: Sequence[float], /) -> tuple[float, float]:
        """(P(move), E(|move| given a move) in basis points, 0 before any); changes nothing."""
        return sigmoid(self._logit.log_odds(_standard(even))), self._move_bp

    def learn(self, even: Sequence[float], moved: bool, move_bp: float, weight: float, /) -> None:
        """Whether the mid had moved after `even`, and how far, in basis points of either sign;
        the label counts `weight`, above 0 to 1."""
        self._logit.learn(_standard(even), 1 if moved else -1, weight)
        if not moved:
            return
        size_bp = abs(clipped(move_bp, MOVE_BP_MAX))
        moves = self._moves + weight
        self._moves = moves if moves < MOVES_REMEMBERED else MOVES_REMEMBERED
        self._move_bp += weight / self._moves * (size_bp - self._move_bp)

    def reset(self) -> None:
        """As unsure as at the start; what was learnt stays as the point to learn from."""
        self._logit.reset()

    def state(self) -> bytes:
        """Little-endian: the prior's digest, moves seen, mean of |move|, then the logit's."""
        return self._digest + _SEEN.pack(self._moves, self._move_bp) + self._logit.state()

    def load(self, state: bytes, /) -> None:
        """Continue from `state()`; ValueError when it is of another prior or does not fit, and
        nothing has changed."""
        at = len(self._digest)
        if state[:at] != self._digest:
            raise ValueError("a state of P(move) that began from another prior")
        moves, move_bp = unpacked(state[at : at + _SEEN.size], 2)
        if moves < 0.0 or move_bp < 0.0:
            raise ValueError("a count or size of moves below zero")
        self._logit.load(state[at + _SEEN.size :])
        self._moves, self._move_bp = moves, move_bp


def _standard(even: Sequence[float]) -> list[float]:
    """1 for the intercept, then the features as the coefficients take them; NaN as 0."""
    taken = [1.0]
    for value, is_logarithm, center, spread in zip(even, LOGARITHMS, CENTERS, SPREADS, strict=True):
        if is_logarithm and value == value:
            value = log(value if value > LOGARITHM_FROM else LOGARITHM_FROM)
        taken.append(clipped((value - center) / spread, INPUT_MAX))
    return taken


def new_movement(prior: MovementPrior) -> Movement:
    """The compiled one where there is one."""
    if kernel is None:
        return Movement(prior)
    prior.check()
    made: Movement = kernel.Movement(prior.pack(), prior.digest())
    return made
