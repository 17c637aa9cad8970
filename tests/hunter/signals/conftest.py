from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from hunter.signals.decision import Decision, Quality
from hunter.signals.signal import Signal, signal_of

RING = "18c0ffee00000001"


@pytest.fixture
def make_decision() -> Callable[..., Decision]:
    def make(direction: str = "up", probability_up: float = 0.75, **other: Any) -> Decision:
        values: dict[str, Any] = {
            "instrument": "BTC-USDT-SWAP",
            "confidence": abs(2 * probability_up - 1),
            "probability_move": 0.5,
            "edge_bp": 0.25,
            "edge_after_fee_bp": -9.75,
            "horizon_ms": 5_000,
            "outlook": {"1000": 0.6, "5000": 0.75},
            "regime": "calm/tight/quiet",
            "reason": "because",
            "features": {"queue_imbalance": 0.5},
            "experts": {"queue imbalance": 1.0},
            "context": {"cvd_1m": 3.0},
            "model": "flow@2",
            "trade_sequence": 12,
            "book_seq_id": 1,
            "quality": Quality(feed="live", book_valid=True, lag_ms=3.1),
            "decided_ts_ns": 1,
            "boundary_ms": 1_000,
        }
        return Decision(
            direction=direction,  # type: ignore[arg-type]
            probability_up=probability_up,
            **(values | other),
        )

    return make


@pytest.fixture
def make_signal(make_decision: Callable[..., Decision]) -> Callable[..., Signal]:
    def make(boundary_ms: int, ring_id: str = RING, **other: Any) -> Signal:
        decision = make_decision(boundary_ms=boundary_ms, **other)
        return signal_of(decision, ring_id, decision.direction, decision.reason, 180.0)

    return make
