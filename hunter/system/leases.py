"""The writers of a former run are gone before their rings are touched.

A ring's writer holds a lease, a flock on `ring-N.lock` in the runtime directory. When a supervisor
is killed the kernel kills its actors, but a process that sleeps in the kernel goes later, and one
that was started by hand not at all.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Final

from hunter import clock
from hunter.clock import SystemClock
from hunter.config import Config
from hunter.errors import AlreadyRunning
from hunter.ring.segment import WriterLease

WAIT_NS: Final = 5_000_000_000
POLL_S: Final = 0.05


def await_leases(
    config: Config, is_cancelled: Callable[[], bool] = lambda: False, wait_ns: int = WAIT_NS
) -> None:
    """Return when nobody writes any ring of this instance, or when `is_cancelled`.

    Raises AlreadyRunning, which names the writer, after `wait_ns`.
    """
    now = SystemClock()
    end_ns = now.monotonic_ns() + wait_ns
    for path in sorted(config.runtime_dir.glob("ring-*.lock")):
        lease = WriterLease(path)
        try:
            while not lease.acquire():
                if is_cancelled():
                    return
                if now.monotonic_ns() >= end_ns:
                    raise AlreadyRunning(_told(path))
                clock.sleep_s(POLL_S)
        finally:
            lease.close()


def _told(path: Path) -> str:
    pid = lease_holder(path)
    who = f"pid {pid}" if pid else "a process of a former run"
    what = f"kill -9 {pid}" if pid else f"find it: fuser {path}"
    return f"{path.stem} is still being written by {who}; nothing was started; end it: {what}"


def lease_holder(path: Path) -> int:
    """Pid of who holds a flock on a file, 0 when the kernel does not tell (proc_locks(5))."""
    try:
        info = path.stat()
        lines = Path("/proc/locks").read_text().splitlines()
    except OSError:
        return 0
    name = f"{os.major(info.st_dev):02x}:{os.minor(info.st_dev):02x}:{info.st_ino}"
    for line in lines:
        # 1: FLOCK  ADVISORY  WRITE 1234 08:01:5678 0 EOF; a waiting one has "->" before its kind
        words = line.split()
        if len(words) >= 6 and words[1] == "FLOCK" and words[5] == name:
            return max(0, int(words[4]))
    return 0
