"""What the figures were taken on: without it they say nothing."""

from __future__ import annotations

import os
import platform
from pathlib import Path
from typing import Any

from hunter.native import kernel


def describe() -> dict[str, Any]:
    """For `machine` of the JSON."""
    return {
        "cpu": _cpu_model(Path("/proc/cpuinfo")),
        "cores": len(os.sched_getaffinity(0)),
        "load_1m": round(os.getloadavg()[0], 2),
        "architecture": platform.machine(),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "compiled": kernel is not None,
    }


def core_ticks(stat: Path = Path("/proc/stat")) -> dict[int, tuple[int, int]]:
    """Of each core, whoever used it: ticks busy so far, and all."""
    found = {}
    for text in stat.read_text(encoding="ascii").splitlines():
        name, _, rest = text.partition(" ")
        if name.startswith("cpu") and name != "cpu":
            ticks = [int(word) for word in rest.split()[:8]]  # the guests' are in the user's
            idle = ticks[3] + ticks[4]
            found[int(name[3:])] = sum(ticks) - idle, sum(ticks)
    return found


def core_percent(
    before: dict[int, tuple[int, int]], after: dict[int, tuple[int, int]]
) -> dict[str, float]:
    """How busy each core was between two looks."""
    found = {}
    for core, (busy, total) in sorted(after.items()):
        busy_before, total_before = before.get(core, (busy, total))
        found[str(core)] = round(100 * (busy - busy_before) / max(1, total - total_before), 1)
    return found


def line(machine: dict[str, Any]) -> str:
    """The same for people."""
    compiled = "compiled part in use" if machine["compiled"] else "pure Python, no compiled part"
    return (
        f"{machine['cpu']}, {machine['cores']} cores, load {machine['load_1m']},"
        f" Linux {machine['kernel'].split('-')[0]}, Python {machine['python']}, {compiled}"
    )


def _cpu_model(info: Path) -> str:
    """arm64 has no such line."""
    try:
        lines = info.read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    for text in lines:
        if text.startswith("model name"):
            return text.partition(": ")[2].strip()
    return platform.processor() or platform.machine()
