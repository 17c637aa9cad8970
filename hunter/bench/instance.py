"""A whole instance of hunter in a directory of its own, streaming from a load process; and what its
processes have used and brought at a moment.

Started as a user starts it. Everything it makes ends with it.
"""

from __future__ import annotations

import contextlib
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import msgspec

from hunter import clock
from hunter.access import Instance
from hunter.bench.loadclient import pinned
from hunter.bench.machine import core_ticks
from hunter.bench.traffic import TrafficPlan
from hunter.clock import SystemClock
from hunter.config import Config, load
from hunter.errors import HunterError, SegmentError
from hunter.ring import segment
from hunter.ring.adopt import open_ring
from hunter.ring.rows import Kind
from hunter.status.shapes import StatusReport

START_S: Final = 60
STOP_S: Final = 30
MARKET_KINDS: Final = (Kind.TRADE, Kind.BBO, Kind.TICKER, Kind.BOOK)
_LOG_LINES: Final = 12


@dataclass(frozen=True)
class Mark:
    """Rows published and CPU used up to a moment (monotonic). `cpu_ns` by actor; `core_ticks` as
    `machine` counts them.
    """

    at_ns: int
    rows: int
    cpu_ns: dict[str, int]
    core_ticks: dict[int, tuple[int, int]]


class BenchInstance:
    """An instance that reads from `port`. `settings` are `section.key=value` texts."""

    def __init__(
        self, plan: TrafficPlan, port: int, settings: Sequence[str], cpus: frozenset[int]
    ) -> None:
        self._stack = contextlib.ExitStack()
        self._home = Path(
            self._stack.enter_context(
                # what a killed process left in there is nobody's loss
                tempfile.TemporaryDirectory(prefix="hunter-bench-", ignore_cleanup_errors=True)
            )
        )
        self.file = self._home / "hunter.toml"
        self.file.write_text(
            '[hunter]\nname = "bench"\nruntime_dir = "run"\ndata_dir = "data"\n', encoding="utf-8"
        )
        self._settings = [
            f'okx.public_url="ws://127.0.0.1:{port}/ws/v5/public"',
            f'okx.business_url="ws://127.0.0.1:{port}/ws/v5/business"',
            f'okx.rest_url="http://127.0.0.1:{port}"',
            "okx.instruments=" + msgspec.json.encode(plan.instruments).decode(),
            "okx.channels=" + msgspec.json.encode(plan.channels).decode(),
            *settings,
        ]
        self._words: list[tuple[memoryview, list[int]]] = []
        self._access: Instance | None = None
        with contextlib.ExitStack() as undo:
            undo.callback(self.close)
            self.config: Config = load(self.file, self._settings)
            self._start(cpus)
            self.pids = {actor.name: actor.pid for actor in self.status().actors}
            undo.pop_all()

    @property
    def access(self) -> Instance:
        assert self._access is not None, "only after the start"
        return self._access

    def _start(self, cpus: frozenset[int]) -> None:
        overrides = [word for setting in self._settings for word in ("--set", setting)]
        self._stack.callback(self._stop)
        with pinned(cpus):
            done = self._hunter("start", "-d", "--wait", str(START_S), *overrides)
        if done.returncode:
            lines = (done.stdout + done.stderr).strip().splitlines()[-_LOG_LINES:]
            raise HunterError("the measured instance did not start: " + " | ".join(lines))
        self._access = self._stack.enter_context(Instance(self.config))
        directory = segment.shared_dir(self.config.hunter.name, self.config.runtime_dir)
        for path in sorted(directory.glob("ring-*[0-9]")):
            try:
                shared, layout = open_ring(path)
            except SegmentError as error:
                raise HunterError(f"the measured instance has no ring: {error}") from error
            self._stack.callback(shared.close)
            heads = [
                layout.intent_word(index, kind) + 1
                for index in range(len(layout.instruments))
                for kind in MARKET_KINDS
                if layout.capacities[kind]
            ]
            self._words.append((shared.words, heads))

    def _hunter(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "hunter", *words, "-c", str(self.file)],
            capture_output=True,
            text=True,
            timeout=START_S + STOP_S,
            check=False,
        )

    def _stop(self) -> None:
        self._hunter("stop")

    def close(self) -> None:
        self._words.clear()
        self._stack.close()

    def rows(self) -> int:
        """Rows of the market published so far: one for each message."""
        return sum(words[head] for words, heads in self._words for head in heads)

    def mark(self) -> Mark:
        """Where things stand now."""
        rows = self.rows()
        cpu_ns = {name: clock.process_cpu_ns_of(pid) for name, pid in self.pids.items()}
        return Mark(SystemClock().monotonic_ns(), rows, cpu_ns, core_ticks())

    def status(self) -> StatusReport:
        """What `hunter status` says."""
        return self.access.status()

    def status_fields(self) -> dict[str, Any]:
        """The same as plain objects."""
        found: dict[str, Any] = msgspec.to_builtins(self.status())
        return found

    def trade_times(self, instrument: str, row_count: int) -> list[tuple[int, int]]:
        """(match id, time of reception) of the newest trades, oldest first."""
        rows = self.access.trades(instrument).last(row_count)
        return list(zip(rows["trade_id"].tolist(), rows["received_ts_ns"].tolist(), strict=True))


def cost_ns(before: Mark, after: Mark, role: str) -> int:
    """CPU that the actors of a role have used between two marks."""
    return sum(
        after.cpu_ns[name] - used
        for name, used in before.cpu_ns.items()
        if name.startswith(role) and name in after.cpu_ns
    )
