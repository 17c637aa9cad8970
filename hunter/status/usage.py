"""What a process uses of the host, measured by itself for its page or by others from /proc."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from hunter import clock
from hunter.config import cpus_text
from hunter.status.page import Page

MEASURE_EVERY_NS: Final = 1_000_000_000


class UsageMeter:
    """Keeps the memory and processor words of this process's page; once a second is enough."""

    def __init__(self, page: Page) -> None:
        self._page = page
        self._due_ns = 0
        self._seen = (0, 0)

    def measure(self, now_ns: int) -> None:
        """Measure if it is time to; `now_ns` is monotonic."""
        if now_ns < self._due_ns:
            return
        self._due_ns = now_ns + MEASURE_EVERY_NS
        cpu_ns = clock.process_cpu_ns()
        before_ns, before_cpu_ns = self._seen
        self._seen = (now_ns, cpu_ns)
        if before_ns:
            permille = 1000 * (cpu_ns - before_cpu_ns) // (now_ns - before_ns)
            self._page.store("cpu_permille", permille)
        self._page.store("rss_bytes", resident_bytes(os.getpid()))


def private_bytes(pid: int) -> int:
    """Memory that is the process's own: without the rings, which all processes share."""
    try:
        statm = Path(f"/proc/{pid}/statm").read_bytes().split()
    except OSError:
        return 0
    return (int(statm[1]) - int(statm[2])) * os.sysconf("SC_PAGE_SIZE")


def resident_bytes(pid: int) -> int:
    """Memory of a process that is in RAM; 0 when it is gone."""
    try:
        statm = Path(f"/proc/{pid}/statm").read_bytes()
    except OSError:
        return 0
    return int(statm.split()[1]) * os.sysconf("SC_PAGE_SIZE")


def cpus_of(pid: int) -> str:
    """The cores that a process may run on; "" when it is gone."""
    try:
        return cpus_text(os.sched_getaffinity(pid))
    except OSError:
        return ""
