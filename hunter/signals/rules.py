"""Which decisions become signals. Pure: no clock, no file.

The rule, the same for up and down. `held` is the direction told last, flat at the start; `side` is
the last of them that was not flat; `changed_ms` is the boundary of the last change of `held`.
  - the decision says flat: the new direction is flat;
  - it says `side` (or nothing was told yet): the new direction is the decision's;
  - it says the opposite of `side`, that is, it turns round: only with confidence >= FLIP_THRESHOLD
    and no sooner than half its horizon after `changed_ms`; otherwise the new direction is flat, and
    the reason says why.
Half a horizon, because a claim about the next 5 s that is taken back after 1 s was no claim; and
through flat there is no short cut, as `side` outlives it. What is told up therefore stays up, or
flat, for half a horizon at least. A contradiction that is weak or early ends a direction at once
(silence is always allowed), but never turns it round.

A signal is told when the new direction is not flat, or differs from what was held. So `flat` is
told once, at the end of a direction.
"""

from __future__ import annotations

import struct
from typing import Final

from hunter.errors import HunterError
from hunter.signals.decision import Decision, Direction
from hunter.signals.signal import Signal, signal_of

FLIP_THRESHOLD: Final = 0.15

_CODES: Final[tuple[Direction, ...]] = ("flat", "up", "down")
_STATE: Final = struct.Struct("<2Bq")


class RuleStateError(HunterError):
    """The bytes are no state of a signal rule; start with a fresh one."""


class SignalRule:
    """The rule for one instrument of one ring. The brain actor owns and checkpoints it."""

    __slots__ = ("_changed_ms", "_flip_threshold", "_ring_id", "_side", "held")

    def __init__(self, ring_id: str, flip_threshold: float = FLIP_THRESHOLD) -> None:
        assert ring_id, "a signal id needs the ring's id"
        assert "-" not in ring_id, ring_id
        self._ring_id = ring_id
        self._flip_threshold = flip_threshold
        self.held: Direction = "flat"
        self._side: Direction = "flat"
        self._changed_ms = 0

    def apply(self, decision: Decision, latency_us: float) -> Signal | None:
        """The signal of `decision`, if it is one, and the new held direction."""
        held, direction, reason = self.held, decision.direction, decision.reason
        if direction != "flat" and self._side not in ("flat", direction):
            objection = self._objection(decision)
            if objection:
                reason = f"not turned {direction} after {self._side}: {objection}; {reason}"
                direction = "flat"
        if direction != held:
            self.held = direction
            self._changed_ms = decision.boundary_ms
        if direction != "flat":
            self._side = direction
        elif held == "flat":
            return None
        return signal_of(decision, self._ring_id, direction, reason, latency_us)

    def _objection(self, decision: Decision) -> str:
        """Why the decision may not turn the side round, or nothing."""
        if decision.confidence < self._flip_threshold:
            return f"confidence {decision.confidence:.3f} below {self._flip_threshold:.2f}"
        age_ms = decision.boundary_ms - self._changed_ms
        if 2 * age_ms < decision.horizon_ms:
            return f"{age_ms} ms after the last change, half a horizon is not over"
        return ""

    def snapshot(self) -> bytes:
        """For the checkpoint."""
        return _STATE.pack(_CODES.index(self.held), _CODES.index(self._side), self._changed_ms)

    def restore(self, state: bytes) -> None:
        """Continue from `snapshot()`; RuleStateError when it is none, and nothing changed."""
        fits = len(state) == _STATE.size and max(state[:2]) < len(_CODES)
        held, side, changed_ms = _STATE.unpack(state) if fits else (0, 0, -1)
        if changed_ms < 0 or (held and held != side):
            raise RuleStateError(f"not a rule state: {state[:16]!r}; start with a fresh rule")
        self.held, self._side, self._changed_ms = _CODES[held], _CODES[side], changed_ms
