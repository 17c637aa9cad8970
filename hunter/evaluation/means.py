"""Means over lines: of instruments and recordings, each with the same weight. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite, nan
from typing import Final

import numpy as np

from hunter.evaluation import scores
from hunter.evaluation.cell import Cell, MeanScore


def mean_of(cells: Sequence[Cell], field: str) -> float:
    """Over cells that have a number there; NaN of none."""
    values = np.array([getattr(cell, field) for cell in cells], dtype=np.float64)
    return scores.mean(values[np.isfinite(values)])


_MEANS: Final = (
    "auc", "auc_baseline", "log_loss", "log_loss_baseline", "brier", "ece_folded", "ece_floor",
    "accuracy_at_20_percent", "edge_bp_at_20_percent", "auc_placebo",
)  # fmt: skip


def means(cells: Sequence[Cell]) -> list[MeanScore]:
    """One for each brain and horizon, in order of appearance."""
    groups: dict[tuple[str, int], list[Cell]] = {}
    for cell in cells:
        groups.setdefault((cell.kind, cell.horizon_ms), []).append(cell)
    return [_mean(group) for group in groups.values()]


def _mean(cells: Sequence[Cell]) -> MeanScore:
    whole = [cell for cell in cells if isfinite(cell.delta_high)]
    difference = scores.mean(np.array([cell.auc - cell.auc_baseline for cell in whole]))
    half = np.array([(cell.delta_high - cell.delta_low) / 2.0 for cell in whole])
    reach = float(np.sqrt((half * half).sum())) / len(whole) if whole else nan
    return MeanScore(
        brain=cells[0].brain,
        kind=cells[0].kind,
        horizon_ms=cells[0].horizon_ms,
        lines=len(cells),
        moves=sum(cell.moves for cell in cells),
        n_eff=sum(cell.n_eff for cell in cells),
        delta_low=difference - reach,
        delta_high=difference + reach,
        **{field: mean_of(cells, field) for field in _MEANS},
    )
