"""Signals as a brain tells them, for a journal that a test writes."""

from __future__ import annotations

from fakes.actor_stage import SWAP

from hunter.signals.decision import Decision
from hunter.signals.signal import Signal, signal_of


def signal(boundary_ms: int, instrument: str = SWAP) -> Signal:
    decision = Decision(
        direction="up",
        probability_up=0.75,
        horizon_ms=5_000,
        reason="because",
        instrument=instrument,
        boundary_ms=boundary_ms,
    )
    return signal_of(decision, "18c0ffee00000001", "up", "because", 1.0)
