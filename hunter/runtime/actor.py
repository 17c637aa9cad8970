"""What an actor is: one process, one thread, one loop.

The runner calls `on_start` once, then `do_work` and `wait` in turn until it is told to stop, then
`on_stop`. An actor may be killed between any two instructions; `on_stop` is a courtesy, never a
need.
"""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Protocol

import msgspec

from hunter.clock import Clock
from hunter.config import Config
from hunter.status.latency import Latencies
from hunter.status.page import ActorState, Page


@dataclass(frozen=True)
class Context:
    """What an actor is given. `name` is its instance name, such as stream-0."""

    name: str
    config: Config
    clock: Clock
    page: Page
    shared_dir: Path
    log: logging.Logger

    @property
    def index(self) -> int:
        """The number in the name: the shard of stream-3, and of its standby stream-3b, is 3."""
        found = re.search(r"-(\d+)b?$", self.name)
        return int(found[1]) if found else 0

    @cached_property
    def latencies(self) -> Latencies:
        """Where this process counts how long its stages take."""
        return Latencies(self.page)


class Actor(Protocol):
    """The duty cycle. None of these may block for longer than `wait`'s timeout."""

    def on_start(self, now_ns: int) -> None:
        """Open files and sockets; raise a HunterError to exit with its code."""

    def do_work(self, now_ns: int) -> int:
        """Do what there is to do; returns how much that was, 0 = idle. `now_ns` is monotonic."""

    def wait(self, timeout_ms: int) -> None:
        """Sleep until there may be work, at most `timeout_ms`."""

    def on_stop(self) -> None:
        """Leave things tidy: last checkpoint, close frames."""

    def state(self) -> ActorState:
        """STARTING until it can do its job, then READY or DEGRADED."""

    def document(self) -> msgspec.Struct:
        """What to show on the status page."""
