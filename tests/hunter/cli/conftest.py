"""An instance that seems to run: pages, ring and journal of the test's own process, and a command
line to look at it, inside this process or in one of its own.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from click.testing import CliRunner, Result
from fakes.actor_stage import SWAP, Stage

from hunter.cli.main import cli
from hunter.ring.writer import RingWriter
from hunter.signals.decision import Decision
from hunter.signals.journal import Journal
from hunter.signals.signal import signal_of
from hunter.status.block import SUPERVISOR
from hunter.status.documents import (
    BrainDocument,
    BrainInputs,
    ChildDocument,
    ConnectionDocument,
    FeedDocument,
    Percentiles,
    StreamDocument,
    SupervisorDocument,
    WatchdogDocument,
)
from hunter.status.page import ActorState, process_start_ticks
from supervisor.lock import InstanceLock

NOW = 1_790_000_000_000_000_000
ACTORS = ("stream-0", "brain-0", "watchdog")


class Shown:
    """`up` makes it run in everybody's eyes; before, only its configuration is there."""

    def __init__(self, *settings: str) -> None:
        self.stage = Stage(*settings, actors=ACTORS)
        self.stage.make_rings()
        self.config = self.stage.config
        self.writer = RingWriter(self.stage.ring_path(), NOW)
        self.journal: Journal | None = None
        self._lock: InstanceLock | None = None
        self._is_over = threading.Event()
        self._beating = threading.Thread(target=self._beat_on, daemon=True)

    def down(self) -> None:
        """As if it had never been started."""
        for path in self.stage.shared.iterdir():
            path.unlink()

    def up(self, state: str = "running", **restarts: int) -> None:
        pid = os.getpid()
        children = tuple(
            ChildDocument(
                name, name.split("-")[0], "ready", pid, restarts.get(name[:5], 0), None, NOW
            )
            for name in ACTORS
        )
        self.stage.show(SUPERVISOR, SupervisorDocument(state, "0.1", children))
        for name in (SUPERVISOR, *ACTORS):
            page = self.stage.status.pages[name]
            page.store("pid", pid)
            page.store("process_start", process_start_ticks(pid))
            page.store("started_wall_ns", self.stage.clock.wall_ns())
            page.store("rss_bytes", 50_000_000)
            page.store("cpu_permille", 15)
        self.states(*(["ready"] * len(ACTORS)))
        self.beat()
        if not self._beating.is_alive():
            self._beating.start()
        self.show_feed("live")
        counts = BrainInputs(trades=10, books=4)
        latency = Percentiles(180.0, 900.0, 2_000.0)
        self.stage.show("brain-0", BrainDocument(counts, 9, 3, warm=True, latency_us=latency))
        self.stage.show("watchdog", WatchdogDocument())

    def states(self, *names: str) -> None:
        for actor, name in zip(ACTORS, names, strict=True):
            self.stage.status.pages[actor].store("state", ActorState[name.upper()])

    def beat(self) -> None:
        for page in self.stage.status.pages.values():
            page.store("beat_monotonic_ns", self.stage.clock.monotonic_ns())

    def _beat_on(self) -> None:
        """As the processes would, however long the test is held up."""
        while not self._is_over.wait(0.1):
            self.beat()

    def show_feed(self, state: str, **other: Any) -> None:
        last_ns = self.stage.clock.monotonic_ns()
        feed = FeedDocument(SWAP, "trades", state, messages=1_234, last_data_ns=last_ns, **other)
        link = ConnectionDocument("ws://127.0.0.1:1/ws/v5/public", "open", 2, "closed 1001")
        self.stage.show("stream-0", StreamDocument(feeds=(feed,), connections=(link,)))

    def put_trades(self, *trade_ids: int, flags: int = 0) -> None:
        for trade_id in trade_ids:
            values = (trade_id, NOW, 42_219.9, 12.06, 3, 1 if trade_id % 2 else -1)
            self.writer.put_trade(0, NOW + 1, values, flags)
        self.writer.publish()

    def put_book(self, valid: bool = True) -> None:
        bids, asks = [100.0, 2.0, 99.5, 4.0, 99.0, 1.0], [100.5, 3.0]
        self.writer.put_book(
            0, self.stage.clock.wall_ns(), 77, NOW, (bids, asks) if valid else None
        )
        self.writer.publish()

    def put_signal(self, boundary_ms: int, direction: Any = "up") -> None:
        if self.journal is None:
            self.journal = Journal(self.config.data_dir / "signals")
        decision = Decision(
            direction=direction,
            probability_up=0.62,
            probability_move=0.8,
            edge_bp=0.25,
            edge_after_fee_bp=-9.75,
            outlook={"1000": 0.7, "5000": 0.62},
            horizon_ms=5_000,
            regime="calm/tight/quiet",
            reason="queues lean up",
            instrument=SWAP,
            decided_ts_ns=NOW,
            boundary_ms=boundary_ms,
        )
        told = signal_of(decision, "18c0ffee00000001", direction, decision.reason, 180.0)
        assert self.journal.append(told)

    def lock(self) -> None:
        """Hold the instance's lock, as its supervisor would."""
        self._lock = InstanceLock(str(self.config.runtime_dir / "supervisor.lock"))
        self._lock.acquire()

    def log(self, actor: str, *lines: str) -> None:
        self.config.log_dir.mkdir(parents=True, exist_ok=True)
        with (self.config.log_dir / f"{actor}.log").open("a") as file:
            file.writelines(line + "\n" for line in lines)

    def call(self, *words: str) -> Result:
        """The command inside this process; errors of hunter's own are the result's `exception`."""
        return CliRunner().invoke(cli, [*words, "-c", str(self.stage.config_file)])

    def output(self, *words: str) -> str:
        result = self.call(*words)
        assert result.exit_code == 0, (result.output, result.exception)
        return result.output

    def spawn(self, *words: str, **environment: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "hunter", *words, "-c", str(self.stage.config_file)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=dict(os.environ, **environment),
        )

    def run(self, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """The command as a process of its own."""
        with self.spawn(*words, **environment) as process:
            output, errors = process.communicate(timeout=60)
        return subprocess.CompletedProcess(words, process.returncode, output, errors)

    def close(self) -> None:
        self._is_over.set()
        if self._beating.is_alive():
            self._beating.join()
        if self.journal is not None:
            self.journal.close()
        if self._lock is not None:
            self._lock.release()
        self.writer.close()
        self.stage.close()


@pytest.fixture
def shown() -> Iterator[Shown]:
    made = Shown()
    yield made
    made.close()
