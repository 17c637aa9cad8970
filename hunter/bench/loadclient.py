"""The load process as its starter sees it: where it listens, who has subscribed, and how the run
went.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from typing import Any, Final

import msgspec

from hunter.bench.traffic import TrafficPlan
from hunter.clock import SystemClock
from hunter.errors import HunterError, TimedOut

START_S: Final = 60.0
LAG_US_MAX: Final = 1_000.0
IDLE_SHARE_MIN: Final = 0.1


class LoadReport(msgspec.Struct, frozen=True):
    """How a run went, in the load's own words."""

    sent: int
    seconds: float
    start_monotonic_ns: int
    start_wall_ns: int
    idle_share: float
    lag_us: dict[str, float] | None = None
    blocked_share: float = 0.0

    @property
    def narrow(self) -> str:
        """Why the load itself may have been the narrow place; "" when it was not."""
        if self.blocked_share > 0.01:
            return ""  # the receiver held it up
        if self.lag_us is None:
            if self.idle_share < IDLE_SHARE_MIN:
                return f"the load generator was idle for only {self.idle_share:.0%} of the run"
        elif self.lag_us["p99"] > LAG_US_MAX:
            return f"the load generator sent late (p99 {self.lag_us['p99'] / 1000:.1f} ms)"
        return ""


class Load:
    """A load process, which ends with this object."""

    def __init__(self, plan: TrafficPlan, cpus: frozenset[int]) -> None:
        self.plan = plan
        self._buffer = b""
        with pinned(cpus):
            self._process = subprocess.Popen(
                [sys.executable, "-m", "hunter.bench.load", msgspec.json.encode(plan).decode()],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
            )
        try:
            self.port = int(self._next("listening", START_S)["port"])
        except HunterError:
            self.close()
            raise

    @property
    def pid(self) -> int:
        return self._process.pid

    def await_subscriptions(self, count: int, timeout_s: float) -> None:
        """Until so many subscriptions were answered; raises TimedOut."""
        while int(self._next("subscribed", timeout_s)["count"]) < count:
            pass

    def go(self) -> None:
        """Begin to send."""
        assert self._process.stdin is not None
        self._process.stdin.write(b"go\n")
        self._process.stdin.flush()

    def report(self, timeout_s: float) -> LoadReport | None:
        """When everything was sent; None if that takes longer."""
        try:
            return msgspec.convert(self._next("done", timeout_s), LoadReport)
        except TimedOut:
            return None

    def close(self) -> None:
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGKILL)
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()

    def _next(self, event: str, timeout_s: float) -> dict[str, Any]:
        """The next line about this event; others are passed over."""
        deadline_ns = SystemClock().monotonic_ns() + int(timeout_s * 1e9)
        assert self._process.stdout is not None
        descriptor = self._process.stdout.fileno()
        while True:
            line, newline, rest = self._buffer.partition(b"\n")
            if newline:
                self._buffer = rest
                found: dict[str, Any] = json.loads(line)
                if found.pop("event") == event:
                    return found
                continue
            left_s = (deadline_ns - SystemClock().monotonic_ns()) / 1e9
            if left_s <= 0 or not select.select([descriptor], [], [], left_s)[0]:
                raise TimedOut(f"the load process did not say {event!r} in time; try again")
            data = os.read(descriptor, 1 << 16)
            if not data:
                raise HunterError("the load process has ended; its reason is above")
            self._buffer += data


@contextlib.contextmanager
def pinned(cpus: frozenset[int]) -> Iterator[None]:
    """What is started within runs on these cores."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cpus or before)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)
