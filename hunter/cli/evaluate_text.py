"""What `hunter evaluate` prints for people: a table for each brain and horizon, and what to keep in
mind about it.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite, log

from hunter.cli.options import colour, table
from hunter.evaluation.cell import Cell, MeanScore
from hunter.evaluation.gate import canary_text
from hunter.evaluation.means import mean_of
from hunter.evaluation.page import number, seconds, signed
from hunter.evaluation.run import EvaluationReport, RecordingSummary

_HEADS = (
    "recording", "instrument", "moves", "n_eff", "no move", "AUC", "95 %", "QI", "AUC - QI",
    "log-loss", "QI", "Brier", "ECE", "noise", "right 20 %", "bp 20 %", "placebo",
)  # fmt: skip
_FIRST_NUMBER = 2


def report_lines(report: EvaluationReport) -> list[str]:
    """All of it."""
    lines: list[str] = []
    groups: dict[tuple[str, int], list[Cell]] = {}
    for cell in report.cells:
        groups.setdefault((cell.kind, cell.horizon_ms), []).append(cell)
    for mean, cells in zip(report.means, groups.values(), strict=True):
        lines += [f"{mean.brain}, {seconds(mean.horizon_ms)} ahead", *_table(cells, mean), ""]
    for cells in {cell.kind: [c for c in report.cells if c.kind == cell.kind]
                  for cell in report.cells}.values():  # fmt: skip
        lines += _remarks(cells)
    lines += [text for item in report.recordings for text in _flaws(item)]
    lines += [f"left out: {note}" for note in report.notes]
    return lines


def _flaws(item: RecordingSummary) -> list[str]:
    """What is wrong with a recording, if anything."""
    counts = {
        "unreadable lines or frames": item.malformed,
        "files that break off": item.torn,
        "gaps": item.gaps,
        "matches lost": item.lost,
    }
    found = ", ".join(f"{count:,} {word}" for word, count in counts.items() if count)
    return [f"{item.recording}: {found}"] if found else []


def _table(cells: Sequence[Cell], mean: MeanScore) -> list[str]:
    rows = [_HEADS, *map(_row, cells)]
    if len(cells) > 1:
        rows.append(_mean_row(mean))
    return table(rows, set(range(_FIRST_NUMBER, len(_HEADS))))


def _row(cell: Cell) -> tuple[str, ...]:
    return (
        cell.recording,
        cell.instrument,
        f"{cell.moves:,}",
        f"{cell.n_eff:,.0f}",
        f"{cell.zero_move_share:.0%}",
        number(cell.auc),
        f"{number(cell.auc_low)}-{number(cell.auc_high)}",
        number(cell.auc_baseline),
        f"{signed(cell.delta_low)} {signed(cell.delta_high)}",
        colour(number(cell.log_loss), "red") if cell.log_loss > log(2.0) else number(cell.log_loss),
        number(cell.log_loss_baseline),
        number(cell.brier),
        number(cell.ece_folded),
        number(cell.ece_floor),
        number(cell.accuracy_at_20_percent),
        number(cell.edge_bp_at_20_percent, 2),
        number(cell.auc_placebo),
    )


def _mean_row(mean: MeanScore) -> tuple[str, ...]:
    return (
        "mean", "", f"{mean.moves:,}", f"{mean.n_eff:,.0f}", "", number(mean.auc), "",
        number(mean.auc_baseline), f"{signed(mean.delta_low)} {signed(mean.delta_high)}",
        number(mean.log_loss), number(mean.log_loss_baseline), number(mean.brier),
        number(mean.ece_folded), number(mean.ece_floor), number(mean.accuracy_at_20_percent),
        number(mean.edge_bp_at_20_percent, 2), number(mean.auc_placebo),
    )  # fmt: skip


def _remarks(cells: Sequence[Cell]) -> list[str]:
    lines = []
    for cell in {(c.recording, c.instrument): c for c in cells}.values():
        lines.append(f"{cell.recording} {cell.instrument}: look-ahead test: {canary_text(cell)}")
    lines += [
        colour(f"LOOK-AHEAD {c.brain} {c.recording} {c.horizon_ms} ms: {c.look_ahead}", "red")
        for c in cells
        if c.look_ahead
    ]
    for horizon_ms in dict.fromkeys(cell.horizon_ms for cell in cells):
        lines += _remark_of([cell for cell in cells if cell.horizon_ms == horizon_ms])
    errors = max(cell.brain_errors for cell in cells)
    if errors:
        lines.append(colour(f"{cells[0].brain}: {errors:,} of its calls failed", "red"))
    latency = cells[-1].latency_us
    lines.append(
        f"{cells[0].brain}: latency us p50/p99: row {number(latency.row_p50, 1)} /"
        f" {number(latency.row_p99, 1)}, outlook {number(latency.outlook_p50, 1)} /"
        f" {number(latency.outlook_p99, 1)}"
    )
    return lines


def _remark_of(cells: Sequence[Cell]) -> list[str]:
    """How much is missing, and what the edge is worth."""
    first = cells[0]
    ahead = seconds(first.horizon_ms)
    independent = sum(cell.n_eff for cell in cells)
    needed, hours = mean_of(cells, "n_eff_needed"), mean_of(cells, "hours_needed")
    delayed = ", ".join(
        f"{item.delay_ms} ms {number(mean_of_delay(cells, item.delay_ms))}" for item in first.delays
    )
    lines = [f"{ahead}: AUC by delay: {delayed}"]
    a, b = mean_of(cells, "log_loss_heuristic_a"), mean_of(cells, "log_loss_heuristic_b")
    lines.append(
        f"{ahead}: log-loss of the rules of thumb: {number(a)} and {number(b)}"
        f" (ln 2 = {log(2.0):.3f} is knowing nothing)"
    )
    gross, net = (
        mean_of(cells, field)
        for field in ("edge_bp_at_20_percent", "edge_after_cost_bp_at_20_percent")
    )
    lines.append(
        f"{ahead}: the most confident fifth is worth {number(gross, 2)} bp gross,"
        f" {number(net, 2)} bp after {first.cost_bp:g} bp of costs"
    )
    told = mean_of(cells, "move_auc")
    if isfinite(told):
        loss, base = mean_of(cells, "move_log_loss"), mean_of(cells, "move_log_loss_base")
        lines.append(
            f"{ahead}: P(it moves at all): AUC {number(told)}, log-loss {number(loss)}; the share"
            f" of moves itself, known afterwards, has {number(base)}"
        )
    if isfinite(needed):
        lines.append(
            f"{ahead}: to know an AUC to 0.005, {needed:,.0f} independent moves are needed"
            f" (about {hours:,.1f} h of such a market); here are {independent:,.0f}"
        )
    return lines


def mean_of_delay(cells: Sequence[Cell], delay_ms: int) -> float:
    """Mean AUC at a delay."""
    values = [item.auc for cell in cells for item in cell.delays
              if item.delay_ms == delay_ms and isfinite(item.auc)]  # fmt: skip
    return sum(values) / len(values) if values else float("nan")
