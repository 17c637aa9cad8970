"""Horizon: what the brain thinks and learns at one horizon.

It joins the mixture (P(up | move)), the movement (P(move), E|move|) and the ladder of drift. What
was thought at a sample is kept with it, and is what is held against its label: by then all have
learnt from labels that overlap it, and would flatter themselves. The ladder hears labels that do
not overlap: the first sample at or after the end of the window before. Owned by one FlowBrain.
"""

from __future__ import annotations

import struct
from math import exp
from typing import Final, NamedTuple

from hunter.brain.learning.drift import DriftMonitor, Rung
from hunter.brain.learning.experts import log_loss
from hunter.brain.learning.mixture import new_mixture
from hunter.brain.learning.movement import MovementPrior, new_movement, published_movement
from hunter.brain.learning.prior import EXPERT_NAMES, Prior, published_prior
from hunter.brain.learning.samples import Label
from hunter.brain.window.features import EVEN_COUNT, ODD_COUNT

THOUGHT_NUMBERS: Final = 1 + len(EXPERT_NAMES)
"""What `thought` gives: the mixture's log-odds, then each expert's."""
FEATURES_END: Final = ODD_COUNT + EVEN_COUNT
_BASIS_POINTS: Final = 1e4
_HEAD: Final = struct.Struct("<q3I")


class Belief(NamedTuple):
    """What is believed at one horizon before the first label."""

    direction: Prior
    movement: MovementPrior


def published_belief(horizon_ms: int) -> Belief:
    """The one that needs no model file."""
    return Belief(published_prior(horizon_ms), published_movement(horizon_ms))


class Opinion(NamedTuple):
    """What it thinks of one vector. `edge_bp` = (2 p - 1) * P(move) * E|move|, in basis points."""

    probability_up: float
    probability_move: float
    edge_bp: float
    weights: tuple[float, ...]
    """Of E0 to E3 and the outside experts."""

    @property
    def confidence(self) -> float:
        return abs(2.0 * self.probability_up - 1.0)


class Horizon:
    """`mixture`, `movement` and `drift` are its own; others only read them."""

    __slots__ = ("_free_ns", "drift", "horizon_ms", "mixture", "movement")

    def __init__(self, belief: Belief, outside_count: int = 0) -> None:
        self.horizon_ms = belief.direction.horizon_ms
        self.mixture = new_mixture(belief.direction, outside_count)
        self.movement = new_movement(belief.movement)
        self.drift = DriftMonitor()
        self._free_ns = 0  # samples from here on do not overlap the last one that was verified

    def opinion(self, vector: tuple[float, ...], outside: tuple[float, ...]) -> Opinion:
        """Of a feature vector and the outside experts' log-odds; changes nothing."""
        _, probability_up, weights, _ = self.mixture.assess(vector[:ODD_COUNT], outside)
        probability_move, move_bp = self.movement.assess(vector[ODD_COUNT:FEATURES_END])
        edge_bp = (2.0 * probability_up - 1.0) * probability_move * move_bp
        return Opinion(probability_up, probability_move, edge_bp, weights)

    def thought(self, odd: tuple[float, ...], outside: tuple[float, ...]) -> tuple[float, ...]:
        """What to keep with a sample: THOUGHT_NUMBERS log-odds."""
        log_odds, _, _, said = self.mixture.assess(odd, outside)
        return (log_odds, *said)

    def learn(self, label: Label, kept: tuple[float, ...]) -> float | None:
        """From a label that is known. `kept`: `thought` and the outside log-odds of its sample. The
        loss of what was thought, if there was a move and the label overlaps no other that told."""
        vector, move, weight = label.vector, label.move, label.weight
        move_bp = abs(move) / label.mid * _BASIS_POINTS
        self.movement.learn(vector[ODD_COUNT:FEATURES_END], move != 0.0, move_bp, weight)
        free = label.ts_ns >= self._free_ns
        if free:
            # moved or not: to wait for a move would pick the windows that end with one
            self._free_ns = label.ts_ns + self.horizon_ms * 1_000_000
        if move == 0.0:
            return None
        up = move > 0.0
        log_odds, said, outside = kept[0], kept[1:THOUGHT_NUMBERS], kept[THOUGHT_NUMBERS:]
        loss = None
        if free:
            loss = log_loss(log_odds if up else -log_odds)
            self._watch(log_odds, loss, said[0], up)
        self.mixture.learn(vector[:ODD_COUNT], outside, 1 if up else -1, weight, said)
        return loss

    def _watch(self, log_odds: float, loss: float, queue_log_odds: float, up: bool) -> None:
        """Let the ladder hear of it, and do what it says."""
        baseline = log_loss(queue_log_odds if up else -queue_log_odds)
        folded = 1.0 / (1.0 + exp(-abs(log_odds)))
        rung = self.drift.observe(loss, baseline, folded, (log_odds >= 0.0) == up)
        if rung is None:
            return
        if rung == Rung.RESET:
            self.mixture.reset()
        self.mixture.fall_back(rung == Rung.PRIOR)

    def state(self) -> bytes:
        """For the snapshot."""
        parts = (self.mixture.state(), self.movement.state(), self.drift.state())
        return _HEAD.pack(self._free_ns, *map(len, parts)) + b"".join(parts)

    def load(self, state: bytes) -> None:
        """Continue from `state()`; ValueError when it does not fit, perhaps half loaded."""
        if len(state) < _HEAD.size:
            raise ValueError("a horizon's state is cut short")
        free_ns, *sizes = _HEAD.unpack_from(state)
        if len(state) != _HEAD.size + sum(sizes):
            raise ValueError("a horizon's state has another length than it says")
        mixture_end = _HEAD.size + sizes[0]
        movement_end = mixture_end + sizes[1]
        self.mixture.load(state[_HEAD.size : mixture_end])
        self.movement.load(state[mixture_end:movement_end])
        self.drift.load(state[movement_end:])
        self._free_ns = free_ns
