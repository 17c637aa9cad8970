"""Which decisions become signals. Pure: no clock, no file.

The rule, the same for up and down. `held` is the direction told last, flat at the start:
  - the decision says flat: the new direction is flat;
  - it says what is held, or flat is held: the new direction is the decision's;
  - it says the opposite of what is held: only with confidence >= `flip_threshold` on the other
    side; otherwise the new direction is flat, and the reason says so.
A signal is told when the new direction is not flat, or differs from what was held. So `flat` is
told once, at the end of a direction, and a weak contradiction ends a direction but never turns it
round.
"""

from __future__ import annotations

from hunter.errors import HunterError
from hunter.signals.decision import Decision, Direction
from hunter.signals.signal import Signal, signal_of

FLIP_THRESHOLD = 0.10

_CODES: dict[Direction, bytes] = {"flat": b"0", "up": b"+", "down": b"-"}
_DIRECTIONS = {code: direction for direction, code in _CODES.items()}


class RuleStateError(HunterError):
    """The bytes are no state of a signal rule; start with a fresh one."""


def next_direction(held: Direction, decision: Decision, flip_threshold: float) -> Direction:
    """What is told next when `held` was told last."""
    said = decision.direction
    if "flat" in (said, held) or said == held or decision.confidence >= flip_threshold:
        return said
    return "flat"


class SignalRule:
    """The rule for one instrument of one ring. The brain actor owns and checkpoints it."""

    __slots__ = ("_flip_threshold", "_ring_id", "held")

    def __init__(self, ring_id: str, flip_threshold: float = FLIP_THRESHOLD) -> None:
        assert ring_id, "a signal id needs the ring's id"
        assert "-" not in ring_id, ring_id
        self._ring_id = ring_id
        self._flip_threshold = flip_threshold
        self.held: Direction = "flat"

    def apply(self, decision: Decision, latency_us: float) -> Signal | None:
        """The signal of `decision`, if it is one, and the new held direction."""
        held = self.held
        direction = next_direction(held, decision, self._flip_threshold)
        self.held = direction
        if direction == "flat" and held == "flat":
            return None
        reason = decision.reason
        if direction != decision.direction:
            reason = (
                f"not turned {decision.direction}: confidence {decision.confidence:.3f} below"
                f" {self._flip_threshold:.2f} after {held}; {reason}"
            )
        return signal_of(decision, self._ring_id, direction, reason, latency_us)

    def snapshot(self) -> bytes:
        """The held direction, for the checkpoint."""
        return _CODES[self.held]

    def restore(self, state: bytes) -> None:
        """Continue from `snapshot()`; RuleStateError when it is none."""
        direction = _DIRECTIONS.get(state)
        if direction is None:
            raise RuleStateError(f"not a rule state: {state[:16]!r}; start with a fresh rule")
        self.held = direction
