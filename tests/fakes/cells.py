"""A line of an evaluation, for tests of what is made of lines."""

from __future__ import annotations

from typing import Any

import msgspec

from hunter.evaluation.cell import Cell, DelayScore, LatencyScore, RegimeScore
from hunter.evaluation.means import means
from hunter.evaluation.run import EvaluationReport, RecordingSummary
from hunter.evaluation.scores import Covered, ReliabilityBin

_NUMBERS = {
    "auc": 0.8, "auc_low": 0.75, "auc_high": 0.85, "auc_baseline": 0.795, "delta_low": -0.004,
    "delta_high": 0.012, "log_loss": 0.55, "log_loss_baseline": 0.56, "brier": 0.18,
    "ece_folded": 0.02, "ece_floor": 0.05, "accuracy_at_20_percent": 0.86, "auc_placebo": 0.503,
    "placebo_deviation": 0.02, "moves": 1_214, "n_eff": 121.4, "decisions": 2_231,
    "zero_move_share": 0.456, "span_s": 223.0, "edge_bp_at_20_percent": 0.53,
    "edge_after_cost_bp_at_20_percent": -9.47, "cost_bp": 10.0, "n_eff_needed": 5_014.0,
    "hours_needed": 2.6, "horizon_ms": 1_000, "canary_moves": 265,
}  # fmt: skip
_CURVE = [Covered(share, 0.9 - share / 10, 0.6 - share / 2) for share in (1.0, 0.5, 0.2, 0.1)]


def cell(**other: Any) -> Cell:
    """A good one; `other` fields as told."""
    values: dict[str, Any] = dict.fromkeys(Cell.__struct_fields__, 0.5) | _NUMBERS
    values |= {
        "recording": "BTC.jsonl.gz",
        "instrument": "BTC-USDT-SWAP",
        "brain": "flow@2",
        "kind": "flow",
        "coverage": _CURVE,
        "coverage_baseline": _CURVE,
        "reliability": [ReliabilityBin(0.5 + n / 20, 0.5 + n / 19, 100) for n in range(10)],
        "auc_delayed": {"100": 0.77, "500": 0.69},
        "delays": [DelayScore(0, 0.8, 0.79), DelayScore(100, 0.77, 0.76)],
        "regimes": [
            RegimeScore(by, third, 400, 0.8, 0.79, 0.55)
            for by in ("volatility", "trade rate")
            for third in ("low", "middle", "high")
        ],
        "placebo_is_fair": True,
        "canary_caught": True,
        "canary_honest_passed": True,
        "look_ahead": "",
        "brain_errors": 0,
        "left_out_unquoted": 0,
        "left_out_windows": 15,
        "left_out_fitted": 0,
        "latency_us": LatencyScore(6.1, 80.0, 17.0, 70.0),
    }
    return Cell(**(values | other))


def report(*cells: Cell, **other: Any) -> EvaluationReport:
    summary = RecordingSummary("BTC.jsonl.gz", ("BTC.jsonl.gz",), 30_125, 0, 0, 0, 0, 2.5)
    made = EvaluationReport(1, 100, 10.0, [summary], [], list(cells), means(cells), [])
    return msgspec.structs.replace(made, **other)
