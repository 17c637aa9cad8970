"""The only reader of time.

Everything else takes time as an argument, so that tests can move it and a replay can repeat it.
Two clocks, never mixed: `wall_ns` stamps what people and other machines see; `monotonic_ns`
measures ages and deadlines, because the wall clock may be stepped under us.
"""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    """What an actor may ask about time."""

    def wall_ns(self) -> int:
        """Nanoseconds since the Unix epoch; may be stepped by the host."""

    def monotonic_ns(self) -> int:
        """Nanoseconds since a point that is the same for all processes of this boot."""


class SystemClock:
    """The host's clocks. All processes share CLOCK_MONOTONIC, so ages compare across them."""

    wall_ns = staticmethod(time.time_ns)
    monotonic_ns = staticmethod(time.monotonic_ns)


def sleep_s(seconds: float) -> None:
    """Wait in a command-line tool; actors wait on descriptors instead."""
    time.sleep(seconds)


def process_cpu_ns() -> int:
    """CPU time this process has used, all threads."""
    return time.process_time_ns()


def process_cpu_ns_of(pid: int) -> int:
    """CPU time another process has used, all threads, exact to the call.

    Raises OSError when it is gone. The number of its clock is what clock_getcpuclockid(3) makes of
    a pid; /proc says the same in hundredths of a second, or as of the last tick.
    """
    return time.clock_gettime_ns((~pid << 3) | 2)


def utc_text(wall_ns: int) -> str:
    """`2026-01-31T12:00:00.123Z`, for logs and screens."""
    seconds, rest = divmod(wall_ns, 1_000_000_000)
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)) + f".{rest // 1_000_000:03d}Z"


def local_clock_text(wall_ns: int) -> str:
    """`12:00:00` in the reader's time zone, for live screens."""
    return time.strftime("%H:%M:%S", time.localtime(wall_ns // 1_000_000_000))
