"""Markets on a grid, made of mids alone: for tests of what is scored against them."""

from __future__ import annotations

import numpy as np

from hunter.evaluation.grid import GridMarket

STEP_NS = 100_000_000


def market(mids: list[float], **other: list[float]) -> GridMarket:
    """Points of 100 ms; `other` columns as told, else zeros."""
    count = len(mids)
    zeros = np.zeros(count)
    columns = {
        "times_ns": np.arange(count) * STEP_NS,
        "mid": np.array(mids, dtype=float),
        "queue_imbalance": zeros,
        "last_move": zeros,
        "spread_bp": zeros,
        "gaps": np.zeros(count, dtype=np.int64),
        "trades": np.zeros(count, dtype=np.int64),
        "heuristic_a": zeros,
        "heuristic_b": zeros,
    }
    return GridMarket(**(columns | {name: np.array(values) for name, values in other.items()}))
