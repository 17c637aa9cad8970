"""Verdicts on one actor: pure, from two looks at its page.

Levels: alive (its loop beats) / ready / degraded. Only an actor that is not alive, or that is past
its memory limit, is to be restarted; one that is merely degraded, or waits for an exchange that is
down, never is.
"""

from __future__ import annotations

import enum
from typing import NamedTuple

_MS = 1_000_000


class Verdict(enum.Enum):
    """What the watchdog makes of an actor. FINE and WAIT need nothing; the others name the
    restart's reason.
    """

    FINE = "fine"
    WAIT = "wait"  # starting, stopping, or not there: the supervisor's business
    HANG = "hang"
    MEMORY = "memory"
    STALLED = "stalled"


class Limits(NamedTuple):
    hang_after_ms: int
    memory_limit_bytes: int


class Look(NamedTuple):
    """One actor at one time. `spoken_for`: the supervisor is just starting, stopping or restarting
    it.
    """

    alive: bool
    spoken_for: bool
    beat_monotonic_ns: int
    private_bytes: int = 0
    stalled: bool = False


def judge(look: Look, limits: Limits, now_monotonic_ns: int, excused_ms: float) -> Verdict:
    """`excused_ms`: how much of its silence is not its own; see silence.py."""
    if not look.alive or look.spoken_for:
        return Verdict.WAIT
    silent_ms = (now_monotonic_ns - look.beat_monotonic_ns) / _MS
    if silent_ms - excused_ms > limits.hang_after_ms:
        return Verdict.HANG
    if look.private_bytes > limits.memory_limit_bytes:
        return Verdict.MEMORY
    if look.stalled:
        return Verdict.STALLED
    return Verdict.FINE
