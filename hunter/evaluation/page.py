"""The report as one HTML file: no script, no network, light and dark, readable on a telephone.

A section for each brain, instrument and recording: what it scored at each horizon, and four
pictures. Numbers are the same as in report.json. Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from html import escape
from math import isfinite, log, nan
from typing import Final

from hunter.evaluation.cell import Cell
from hunter.evaluation.gate import canary_text
from hunter.evaluation.pictures import (
    SERIES_MAX,
    Axis,
    Series,
    around,
    confidence_axis,
    diagonal,
    key_mark,
    line_picture,
)
from hunter.evaluation.run import EvaluationReport

_LN2: Final = log(2.0)
_STYLE: Final = """
:root{color-scheme:light dark;--ground:#fff;--panel:#f6f8fa;--ink:#1b1f24;--soft:#57606a;
--grid:#d8dee4;--line0:#0969da;--line1:#bc4c00;--line2:#1a7f37;--bad:#b3261e;--good:#1a7f37}
@media(prefers-color-scheme:dark){:root{--ground:#0d1117;--panel:#161b22;--ink:#e6edf3;
--soft:#9198a1;--grid:#30363d;--line0:#58a6ff;--line1:#f0883e;--line2:#3fb950;--bad:#ff7b72;
--good:#3fb950}}
*{box-sizing:border-box}
body{margin:0 auto;max-width:1180px;padding:16px;background:var(--ground);color:var(--ink);
font:16px/1.5 system-ui,-apple-system,"Segoe UI",Helvetica,Arial,sans-serif}
h1{font-size:1.5rem;margin:.2em 0}h2{font-size:1.15rem;margin:2em 0 .3em;
border-top:1px solid var(--grid);padding-top:1em}
h3{font-size:.95rem;margin:0}p{margin:.4em 0;max-width:70ch}.soft{color:var(--soft)}
.wide{overflow-x:auto}table{border-collapse:collapse;font-variant-numeric:tabular-nums;
font-size:.86rem}th,td{padding:.25em .65em .25em 0;text-align:right;white-space:nowrap}
th:first-child,td:first-child{text-align:left}th{color:var(--soft);font-weight:500;
border-bottom:1px solid var(--grid)}td{border-bottom:1px solid var(--grid)}
.bad{color:var(--bad)}.good{color:var(--good)}
.pictures{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,430px),1fr));
gap:14px;margin-top:12px}
figure{margin:0;background:var(--panel);border-radius:8px;padding:10px 12px}
figcaption{font-size:.85rem;color:var(--soft);margin-top:4px}
figure svg:not(.key){display:block;width:100%;height:auto;font-size:12px}
svg .ink{fill:var(--ink)}svg .soft{fill:var(--soft)}.grid{stroke:var(--grid);fill:none}
.level{stroke:var(--soft);fill:none;stroke-dasharray:2 3}
.line,.base{fill:none;stroke-width:2}.base{stroke-width:1.5;stroke-dasharray:5 4;opacity:.75}
.stroke0{stroke:var(--line0)}.stroke1{stroke:var(--line1)}.stroke2{stroke:var(--line2)}
.fill0{fill:var(--line0)}.fill1{fill:var(--line1)}.fill2{fill:var(--line2)}
.key{width:22px;height:12px;vertical-align:-1px;margin-right:4px}
.legend span{margin-right:14px;white-space:nowrap;display:inline-block}
"""


def page(report: EvaluationReport) -> str:
    """The whole file."""
    groups: dict[tuple[str, str, str], list[Cell]] = {}
    for cell in report.cells:
        groups.setdefault((cell.kind, cell.recording, cell.instrument), []).append(cell)
    parts = [
        '<!doctype html><html lang="en"><head><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width,initial-scale=1">',
        f"<title>hunter evaluate</title><style>{_STYLE}</style></head><body>",
        "<h1>How good the signals are</h1>",
        "<p>Walk-forward on recordings: each brain started cold, was asked every"
        f" {report.step_ms} ms of receive time, and is held against what the mid price then did."
        " AUC is the chance that a rise was given a higher probability than a fall: 0.5 is a coin."
        " The baseline is the queue imbalance of the best bid and offer alone.</p>",
        *_verdict(report),
        *_means(report),
    ]
    for cells in groups.values():
        parts += _section(cells)
    parts += _footer(report)
    return "\n".join([*parts, "</body></html>", ""])


def _verdict(report: EvaluationReport) -> list[str]:
    if report.shortfalls is None:
        return []
    if not report.shortfalls:
        return ['<p class="good">All limits of the gate are kept.</p>']
    rows = "".join(f"<li>{escape(text)}</li>" for text in report.shortfalls)
    return [f'<p class="bad">Below the gate:</p><ul class="bad">{rows}</ul>']


def _means(report: EvaluationReport) -> list[str]:
    """Where there are several lines to take a mean of."""
    shown = [mean for mean in report.means if mean.lines > 1]
    if not shown:
        return []
    heads = ("brain", "ahead", "lines", "independent", "AUC", "baseline", "difference", "log-loss",
             "baseline", "ECE", "noise", "20 %: right", "gross bp")  # fmt: skip
    rows = [
        (
            escape(mean.brain), seconds(mean.horizon_ms), f"{mean.lines}", f"{mean.n_eff:,.0f}",
            f"<b>{number(mean.auc)}</b>", number(mean.auc_baseline),
            f"{signed(mean.delta_low)} to {signed(mean.delta_high)}", number(mean.log_loss),
            number(mean.log_loss_baseline), number(mean.ece_folded), number(mean.ece_floor),
            number(mean.accuracy_at_20_percent), number(mean.edge_bp_at_20_percent, 2),
        )
        for mean in shown
    ]  # fmt: skip
    return ['<h2>In the mean</h2><div class="wide">', _cells(heads, rows), "</div>"]


def _section(cells: Sequence[Cell]) -> list[str]:
    first = cells[0]
    shown = cells[:SERIES_MAX]
    keys = "".join(
        f"<span>{key_mark(number)}{seconds(cell.horizon_ms)} ahead</span>"
        for number, cell in enumerate(shown)
    )
    return [
        f"<h2>{escape(first.brain)} on {escape(first.instrument)}</h2>",
        f'<p class="soft">{escape(first.recording)}, {first.span_s:,.0f} s scored</p>',
        '<div class="wide">',
        _table(cells),
        "</div>",
        *_remarks(cells),
        f'<p class="legend">{keys}</p>',
        '<div class="pictures">',
        _figure("Reliability", "share right over confidence said; dashed: perfect",
                _reliability(shown)),
        _figure("Coverage", "accuracy of the most confident decisions; dashed: baseline",
                _coverage(shown)),
        _figure("Delay", "AUC when entering later; dashed: baseline", _delay(shown)),
        _figure("Regimes", "AUC by thirds of volatility (v) and trade rate (t); dashed: baseline",
                _regimes(shown)),
        "</div>",
    ]  # fmt: skip


def _table(cells: Sequence[Cell]) -> str:
    heads = (
        "ahead", "moves", "independent", "no move", "AUC", "95 %", "baseline", "difference",
        "log-loss", "baseline", "ECE", "noise", "20 %: right", "gross bp", "net bp", "IC",
    )  # fmt: skip
    return _cells(heads, [_row(cell) for cell in cells])


def _cells(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    body = "".join(f"<tr>{''.join(f'<td>{text}</td>' for text in row)}</tr>" for row in rows)
    return f"<table><tr>{''.join(f'<th>{head}</th>' for head in heads)}</tr>{body}</table>"


def _row(cell: Cell) -> tuple[str, ...]:
    return (
        seconds(cell.horizon_ms),
        f"{cell.moves:,}",
        f"{cell.n_eff:,.0f}",
        f"{cell.zero_move_share:.0%}",
        f"<b>{number(cell.auc)}</b>",
        f"{number(cell.auc_low)} to {number(cell.auc_high)}",
        number(cell.auc_baseline),
        f"{signed(cell.delta_low)} to {signed(cell.delta_high)}",
        number(cell.log_loss),
        number(cell.log_loss_baseline),
        number(cell.ece_folded),
        number(cell.ece_floor),
        number(cell.accuracy_at_20_percent),
        number(cell.edge_bp_at_20_percent, 2),
        number(cell.edge_after_cost_bp_at_20_percent, 2),
        number(cell.information_coefficient),
    )


def _remarks(cells: Sequence[Cell]) -> list[str]:
    first, latency = cells[0], cells[0].latency_us
    needed = ", ".join(
        f"{cell.n_eff_needed:,.0f} at {seconds(cell.horizon_ms)} ({cell.hours_needed:,.1f} h)"
        for cell in cells
        if isfinite(cell.n_eff_needed)
    )
    texts = [
        f"Independent moves needed to know an AUC to 0.005: {needed or '-'}.",
        f"Test of the look-ahead test: {canary_text(first)}. Placebo AUC "
        + ", ".join(f"{number(cell.auc_placebo)}" for cell in cells)
        + f". Net is after {first.cost_bp:g} bp of costs. Latency in this process, us (p99): a row"
        f" {number(latency.row_p50, 1)} ({number(latency.row_p99, 1)}), an outlook"
        f" {number(latency.outlook_p50, 1)} ({number(latency.outlook_p99, 1)}).",
    ]
    found = [f'<p class="soft">{escape(text)}</p>' for text in texts]
    found += [
        f'<p class="bad">{seconds(cell.horizon_ms)} ahead: look-ahead suspected:'
        f" {escape(cell.look_ahead)}.</p>"
        for cell in cells
        if cell.look_ahead
    ]
    return found


def _figure(title: str, caption: str, drawn: str) -> str:
    return f"<figure><h3>{title}</h3>{drawn}<figcaption>{escape(caption)}</figcaption></figure>"


def _reliability(cells: Sequence[Cell]) -> str:
    across = confidence_axis("confidence: the likelier side's probability")
    series = [
        Series(_named(cell), [(item.confidence, item.right) for item in cell.reliability])
        for cell in cells
    ]
    return line_picture("Reliability", across, _up("right", [*series, diagonal()]),
                        [*series, diagonal()])  # fmt: skip


def _coverage(cells: Sequence[Cell]) -> str:
    across = Axis("share of decisions", [(-1.0, "100 %"), (-0.5, "50 %"), (-0.2, ""), (0.0, "0")])
    own = [Series(_named(cell), [(-item.coverage, item.accuracy) for item in cell.coverage])
           for cell in cells]  # fmt: skip
    base = [Series("baseline", [(-item.coverage, item.accuracy) for item in cell.coverage_baseline],
                   dashed=True) for cell in cells]  # fmt: skip
    return line_picture("Coverage", across, _up("accuracy", [*own, *base]), [*own, *base], 0.5)


def _delay(cells: Sequence[Cell]) -> str:
    most = max(item.delay_ms for cell in cells for item in cell.delays)
    ticks = sorted({item.delay_ms for cell in cells for item in cell.delays})
    across = Axis("delay, ms", [(float(tick), str(tick)) for tick in ticks] if most else
                  [(0.0, "0"), (1.0, "")])  # fmt: skip
    own = [Series(_named(cell), [(item.delay_ms, item.auc) for item in cell.delays])
           for cell in cells]  # fmt: skip
    base = [Series("baseline", [(item.delay_ms, item.auc_baseline) for item in cell.delays],
                   dashed=True) for cell in cells]  # fmt: skip
    return line_picture("Delay", across, _up("AUC", [*own, *base]), [*own, *base], 0.5)


def _regimes(cells: Sequence[Cell]) -> str:
    labels = [f"{item.by[0]} {item.third}" for item in cells[0].regimes]
    across = Axis("", [(-0.3, ""), *((float(i), label) for i, label in enumerate(labels)),
                       (len(labels) - 0.7, "")])  # fmt: skip
    thirds = len(labels) // 2

    def split(name: str, values: Callable[[Cell], list[float]], dashed: bool) -> list[Series]:
        return [
            Series(
                name or _named(cell),
                [*enumerate(values(cell)[:thirds]), (nan, nan)]
                + [(i + thirds, v) for i, v in enumerate(values(cell)[thirds:])],
                dashed,
            )
            for cell in cells
        ]

    own = split("", lambda cell: [item.auc for item in cell.regimes], False)
    base = split("baseline", lambda cell: [item.auc_baseline for item in cell.regimes], True)
    return line_picture("Regimes", across, _up("AUC", [*own, *base]), [*own, *base], 0.5)


def _up(name: str, series: Sequence[Series]) -> Axis:
    return around(name, [y for item in series for _, y in item.points], 0.5)


def _named(cell: Cell) -> str:
    return f"{seconds(cell.horizon_ms)} ahead"


def _footer(report: EvaluationReport) -> list[str]:
    parts = ["<h2>What was read</h2>", '<div class="wide"><table><tr><th>recording</th>']
    parts.append("<th>rows</th><th>unreadable</th><th>gaps</th><th>matches lost</th></tr>")
    for item in report.recordings:
        parts.append(
            f"<tr><td>{escape(item.recording)}</td><td>{item.rows:,}</td>"
            f"<td>{item.malformed + item.torn:,}</td><td>{item.gaps:,}</td><td>{item.lost:,}</td>"
            "</tr>"
        )
    parts.append("</table></div>")
    parts += [f'<p class="soft">{escape(note)}</p>' for note in report.notes]
    parts.append(
        f'<p class="soft">ln 2 = {_LN2:.3f} is the log-loss of knowing nothing. Scoring begins'
        " 120 s after an instrument's first row; windows that cross a gap or a stale quote are left"
        " out. Intervals are block bootstraps: overlapping windows do not count as many.</p>"
    )
    return parts


def seconds(milliseconds: int) -> str:
    """`1 s`, `0.3 s`."""
    return f"{milliseconds / 1e3:g} s"


def number(value: float, digits: int = 3) -> str:
    """A dash for what cannot be said."""
    return f"{value:.{digits}f}" if isfinite(value) else "-"


def signed(value: float) -> str:
    return f"{value:+.3f}" if isfinite(value) else "-"
