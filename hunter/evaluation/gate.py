"""What a brain has to reach: the limits of `--gate`, and what falls short of them. Pure.

Limits are on single recordings where a recording can tell, and on the mean where only many can.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import isfinite, log
from typing import Final

from hunter.evaluation.cell import Cell
from hunter.evaluation.means import mean_of

AUC_HORIZON_MS: Final = 1_000
AUC_DEFICIT_MAX: Final = 0.010
LOSS_HORIZONS_MS: Final = (1_000, 5_000)
ECE_MAX: Final = 0.03
ECE_FLOORS_MAX: Final = 1.3


def shortfalls(cells: Sequence[Cell]) -> list[str]:
    """In words, one for each limit that is not kept; empty when all are."""
    found: list[str] = []
    for brain in dict.fromkeys(cell.kind for cell in cells):
        found += _of_brain([cell for cell in cells if cell.kind == brain])
    return found


def _of_brain(cells: Sequence[Cell]) -> list[str]:
    found: list[str] = []
    for cell in cells:
        place = f"{cell.brain} on {cell.recording} {cell.instrument} at {cell.horizon_ms} ms: "
        found += [place + text for text in _of_cell(cell)]
    for horizon_ms in LOSS_HORIZONS_MS:
        here = [cell for cell in cells if cell.horizon_ms == horizon_ms]
        loss = mean_of(here, "log_loss")
        if here and not loss < log(2.0):
            found.append(
                f"{here[0].brain} at {horizon_ms} ms: mean log-loss {loss:.3f} is not below"
                f" ln 2 = {log(2.0):.3f}"
            )
    return found


def _of_cell(cell: Cell) -> Iterable[str]:
    if cell.horizon_ms == AUC_HORIZON_MS and not cell.auc >= cell.auc_baseline - AUC_DEFICIT_MAX:
        yield (
            f"AUC {cell.auc:.3f} is more than {AUC_DEFICIT_MAX:.3f} below queue imbalance alone"
            f" ({cell.auc_baseline:.3f})"
        )
    limit = max(ECE_MAX, ECE_FLOORS_MAX * cell.ece_floor) if isfinite(cell.ece_floor) else ECE_MAX
    if not cell.ece_folded <= limit:
        yield f"folded ECE {cell.ece_folded:.3f} is above {limit:.3f}"
    if not cell.placebo_is_fair:
        yield (
            f"placebo AUC {cell.auc_placebo:.3f} is not within two deviations"
            f" ({cell.placebo_deviation:.3f}) of 0.5"
        )
    if not (cell.canary_caught and cell.canary_honest_passed):
        yield f"the look-ahead test does not work here ({canary_text(cell)})"
    if cell.look_ahead:
        yield f"look-ahead: {cell.look_ahead}"


def canary_text(cell: Cell) -> str:
    """What the test of the look-ahead test has shown."""
    if not cell.canary_moves:
        return "too few moves to try it"
    caught = "caught" if cell.canary_caught else "NOT caught"
    honest = "passed" if cell.canary_honest_passed else "SUSPECTED"
    return f"leaking copy {caught}, honest one {honest}, on {cell.canary_moves} moves"
