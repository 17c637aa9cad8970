"""Signals as a brain tells them, for a journal that a test writes."""

from __future__ import annotations

from fakes.actor_stage import SWAP

from hunter.signals.decision import Decision
from hunter.signals.signal import Signal, signal_of

RING = "18c0ffee00000001"


def signal(
    boundary_ms: int, instrument: str = SWAP, ring_id: str = RING, trade_sequence: int = 0
) -> Signal:
    decision = Decision(
        direction="up",
        probability_up=0.75,
        horizon_ms=5_000,
        reason="because",
        instrument=instrument,
        features={"a": 1.0, "b": 2.0},
        boundary_ms=boundary_ms,
        trade_sequence=trade_sequence,
        decided_ts_ns=boundary_ms * 1_000_000 + 1,
    )
    return signal_of(decision, ring_id, "up", "because", 180.0)
