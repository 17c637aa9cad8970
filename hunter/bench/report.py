"""What the suite found, for people: lines of at most a hundred columns."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from hunter.bench import machine
from hunter.bench.traffic import MESSAGES_MAX

COLUMNS: Final = 100
_CUT_SHORT: Final = f"cut short at {MESSAGES_MAX:,} messages, which are made before the run"


def lines(found: dict[str, Any]) -> list[str]:
    """The whole report."""
    told = [_clip(machine.line(found["machine"])), _clip(found["machine"]["pinning"])]
    for part, show in _PARTS.items():
        if found.get(part):
            told += ["", *map(_clip, show(found[part]))]
        if part == "stages" and found.get("costliest_stage"):
            told.append(f"  costliest: {found['costliest_stage']}")
    return told


def table(rows: Sequence[Sequence[str]], left: int = 1) -> list[str]:
    """Aligned; the first `left` columns are text."""
    widths = [max(len(row[place]) for row in rows) for place in range(len(rows[0]))]
    return [
        "  ".join(
            cell.ljust(width) if place < left else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]


def number(value: float | None) -> str:
    """Three digits that matter; a dash for what is not known."""
    if value is None:
        return "-"
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.2f}" if abs(value) < 10 else f"{value:.1f}"


def _clip(text: str) -> str:
    return text if len(text) <= COLUMNS else text[: COLUMNS - 3] + "..."


def _notes(entries: Sequence[dict[str, Any]]) -> list[str]:
    notes = [item["note"] for item in entries]
    notes += [_CUT_SHORT for item in entries if item["cut_short"]]
    return [f"  ! {note}" for note in dict.fromkeys(notes) if note]


def _burst(entries: list[dict[str, Any]]) -> list[str]:
    rows = [["BURST", "messages", "CPU us/message", "messages/s", "lost", "brain CPU us"]]
    rows += [
        [
            item["mix"],
            f"{item['messages']:,}",
            f"{number(item['cpu_us_per_message'])} [{number(item['cpu_us_per_message_min'])}"
            f"-{number(item['cpu_us_per_message_max'])}]",
            f"{item['messages_per_s']:,}",
            str(item["lost"]),
            number(item["brain_cpu_us_per_message"]),
        ]
        for item in entries
    ]
    return [*table(rows), *_notes(entries)]


def _paced(entries: list[dict[str, Any]]) -> list[str]:
    rows = [["PACED, us", "receive to ring", "receive to signal", "schedule to receive",
             "CPU us", "lost"]]  # fmt: skip
    rows += [
        [
            f"{item['rate_per_s']:,}/s",
            *(
                _three(item[f"{stage}_us"])
                for stage in ("receive_to_ring", "receive_to_signal", "schedule_to_receive")
            ),
            number(item["cpu_us_per_message"]),
            str(item["lost"]),
        ]
        for item in entries
    ]
    return [*table(rows), "  (p50 / p99 / p99.9)", *_notes(entries)]


def _three(quantiles: dict[str, float] | None) -> str:
    if quantiles is None:
        return "-"
    return " / ".join(f"{quantiles[name]:,.0f}" for name in ("p50", "p99", "p999"))


def _stages(entries: list[dict[str, Any]]) -> list[str]:
    rows = [["STAGE", "code", "CPU us/message", "each", "of one"]]
    rows += [
        [
            item["stage"],
            item["by"],
            number(item["cpu_us_per_message"]),
            number(item["cpu_us_each"]),
            item["per"],
        ]
        for item in entries
    ]
    return table(rows, 2)


def _sustain(found: dict[str, Any]) -> list[str]:
    return [
        f"SUSTAINED  {found['sustained_per_s']:,} messages/s of {found['instruments']} instruments"
        " without loss or growing lag",
        f"  limit: {found['limiting'] or 'not reached'}"
        + (f" at {found['failed_per_s']:,}/s" if found["failed_per_s"] else ""),
        f"  this box: about {found['about_instruments']:,} instruments at"
        f" {found['instrument_per_s']:.0f} messages/s each",
    ]


def _scale(entries: list[dict[str, Any]]) -> list[str]:
    return [line for item in entries for line in _scale_run(item)]


def _scale_run(found: dict[str, Any]) -> list[str]:
    lags = ", ".join(f"{lag / 1000:.1f}" for lag in found["lag_us_by_quarter"]) or "-"
    used = ", ".join(f"{name} {percent:.0f} %" for name, percent in found["cpu_percent"].items())
    cores = ", ".join(f"{name}: {busy:.0f} %" for name, busy in found["core_percent"].items())
    return [
        f"SCALE {found['mix']}: {found['instruments']} instruments, {found['rate_per_s']:,}/s for"
        f" {found['seconds']:.1f} s: {found['lost']} lost, {found['brain_lapped']} lapped",
        f"  lag p99 of each quarter, ms: {lags}",
        f"  CPU: {used}; of the cores: {cores}",
        f"  memory, MB: {_memory(found)}",
        *([f"  ! {found['why']}; limit: {found['limiting']}"] if found["why"] else []),
        *_notes([found]),
    ]


def _sizing(entries: list[dict[str, Any]]) -> list[str]:
    rows = [["SIZING", "messages/s", "CPU %: stream", "brain", "MB: stream", "brain", "others",
             "/dev/shm", "lost"]]  # fmt: skip
    for item in entries:
        used = [_of_role(item["cpu_percent"], role) for role in ("stream", "brain")]
        taken = [_of_role(item["rss_bytes"], role) / 1e6 for role in ("stream", "brain")]
        rest = sum(item["rss_bytes"].values()) / 1e6 - sum(taken)
        rows.append(
            [
                f"{item['instruments']} instruments",
                f"{item['rate_per_s']:,}",
                *(f"{percent:.0f}" for percent in used),
                *(f"{megabytes:.0f}" for megabytes in (*taken, rest)),
                f"{item['shared_bytes'] / 1e6:.0f}",
                str(item["lost"]),
            ]
        )
    said = [f"  ! {item['instruments']}: {item['why']}" for item in entries if item["why"]]
    return [*table(rows), *said, *_notes(entries)]


def _of_role(figures: dict[str, Any], role: str) -> float:
    return float(sum(value for name, value in figures.items() if name.startswith(role)))


def _memory(found: dict[str, Any]) -> str:
    resident = [f"{name} {count / 1e6:.0f}" for name, count in found["rss_bytes"].items()]
    return ", ".join([*resident, f"shared {found['shared_bytes'] / 1e6:.0f}"])


def _peers(entries: list[dict[str, Any]]) -> list[str]:
    rows = [["PEER", "load", "CPU us/message", "p50/p99 us", "reached the user", "to hunter"]]
    rows += [
        [
            item["peer"],
            item["mix"] if not item.get("rate_per_s") else f"{item['rate_per_s']:,}/s",
            item["spread"],
            item.get("latency", "-"),
            f"{item['delivered_share']:.0%}",
            f"{item['ratio']:.1f} x" if item.get("ratio") else "-",
        ]
        for item in entries
    ]
    return table(rows, 2)


_PARTS: Final[dict[str, Callable[[Any], list[str]]]] = {
    "burst": _burst,
    "paced": _paced,
    "stages": _stages,
    "sustain": _sustain,
    "scale": _scale,
    "sizing": _sizing,
    "peers": _peers,
}
