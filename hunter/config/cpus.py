"""Sets of processor cores as they are written in the configuration: "2", "2-3", "0,4-6".

Pure but for `host_cpu_count`. `checks` says what is wrong with one; `runtime.placement` deals the
cores out to processes.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from typing import Final

CPUS_MAX: Final = 4096


def parse_cpus(text: str) -> tuple[int, ...]:
    """The cores in the order in which they are named, each once. Raises ValueError with the reason
    in words.
    """
    found: dict[int, None] = {}
    for part in text.split(",") if text.strip() else ():
        match = re.fullmatch(r"\s*(\d{1,4})\s*(?:-\s*(\d{1,4})\s*)?", part, re.ASCII)
        if match is None:
            raise ValueError('write core numbers as in "2", "2-3" or "0,4-6"')
        first, last = int(match[1]), int(match[2] or match[1])
        if last < first:
            raise ValueError(f"{first}-{last} is empty; write the smaller number first")
        if last >= CPUS_MAX:
            raise ValueError(f"core numbers are below {CPUS_MAX}")
        found |= dict.fromkeys(range(first, last + 1))
    return tuple(found)


def cpus_text(cpus: Iterable[int]) -> str:
    """The same set in as few characters: "0,2-4"."""
    runs: list[list[int]] = []
    for cpu in sorted(set(cpus)):
        if runs and cpu == runs[-1][1] + 1:
            runs[-1][1] = cpu
        else:
            runs.append([cpu, cpu])
    return ",".join(f"{a}" if a == b else f"{a}-{b}" for a, b in runs)


def host_cpu_count() -> int:
    """Cores that the host has, also those that this process may not use."""
    return os.sysconf("SC_NPROCESSORS_CONF")
