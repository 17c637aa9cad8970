"""The composition root: from a configuration to shared memory, child specifications and a running
supervisor.

Order at the start: lock, directories, rings (adopted or made), status block, effective
configuration, control socket, actors. At an orderly end everything but the lock file and the data
is removed again; after a kill it stays, and the next start goes on from it.
"""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import signal
import socket
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final

import msgspec

from hunter import clock
from hunter.bus.messages import Answer, Describe, RestartActor, StopAll
from hunter.bus.sockets import ControlServer
from hunter.clock import SystemClock
from hunter.config import Config, save_effective
from hunter.errors import AlreadyRunning, SegmentError
from hunter.ring.adopt import adopt_or_create
from hunter.ring.layout import RingLayout, capacities_of, source_hash
from hunter.ring.rows import Kind
from hunter.ring.segment import make_private_dir, shared_dir
from hunter.runtime.logs import log_path, start_logging
from hunter.runtime.runner import EFFECTIVE_CONFIG, resident_bytes
from hunter.status import block, documents
from hunter.status.page import ActorState, Page, is_alive, process_start_ticks
from supervisor import commands as tree_commands
from supervisor.commands import Answer as TreeAnswer
from supervisor.commands import Request
from supervisor.errors import LockHeld
from supervisor.events import Report, ReportKind
from supervisor.lock import InstanceLock, holder
from supervisor.runner import Supervisor
from supervisor.spec import ChildSpec, RestartIntensity, TreeSpec
from supervisor.tree import Tree

LOCK_FILE: Final = "supervisor.lock"
DATA_LOCK_FILE: Final = "in-use.lock"
SIMULATED: Final = "simulator"
_SECOND_NS: Final = 1_000_000_000
# Lanes other than trades: quotes come about as often as trades, books and tickers ten times a
# second.
_SLOW_LANE_DIVISOR: Final = 4
_LANE_ROWS_MIN: Final = 64
# Lanes whose pace is the exchange's and not the market's: minutes of marks and indexes, hours of
# the others.
_FIXED_LANES: Final = {
    "mark-price": (Kind.MARK, 1024),
    "index-tickers": (Kind.INDEX, 1024),
    "funding-rate": (Kind.FUNDING, 256),
    "open-interest": (Kind.OPEN_INTEREST, 256),
    "liquidation-orders": (Kind.LIQUIDATION, 1024),
}
_CANDLE_ROWS: Final = 1024
_CANDLE_DOUBLINGS_MAX: Final = 3
_DOCUMENT_BYTES_BASE: Final = 64 << 10
_DOCUMENT_BYTES_PER_FEED: Final = 512


def hunter_version() -> str:
    """The installed distribution's version; a source tree that is not installed says so."""
    try:
        return version("okx-hunter")
    except PackageNotFoundError:
        return "0+source"


def running_pid(config: Config) -> int | None:
    """Pid of the supervisor of this instance, None when it does not run.

    The lock says it; so does the supervisor's page, should somebody have swept the lock file away.
    """
    return holder(str(config.runtime_dir / LOCK_FILE)) or _pid_on_page(config)


def _pid_on_page(config: Config) -> int | None:
    try:
        status = block.attach(shared_dir(config.hunter.name, config.runtime_dir))
    except SegmentError:
        return None
    beat = status.pages[block.SUPERVISOR].beat()
    status.close()
    return beat.pid if is_alive(beat) else None


def ring_layout(config: Config, shard: int, source: str) -> RingLayout:
    """Lanes of one stream process: a lane is made only when a subscribed channel feeds it."""
    channels, capacity = set(config.okx.channels), config.ring.capacity
    slow = max(_LANE_ROWS_MIN, capacity // _SLOW_LANE_DIVISOR)
    # Trades come by one channel or another, and what an instrument is has to be known anyway.
    row_counts = {Kind.TRADE: capacity, Kind.INSTRUMENT: _LANE_ROWS_MIN}
    if "bbo-tbt" in channels:
        row_counts[Kind.BBO] = capacity
    if "tickers" in channels:
        row_counts[Kind.TICKER] = slow
    if channels & {"books", "books5"}:
        row_counts[Kind.BOOK] = slow
    row_counts |= {kind: rows for name, (kind, rows) in _FIXED_LANES.items() if name in channels}
    candle_count = sum(name.startswith("candle") for name in channels)
    if candle_count:
        doublings = min(candle_count - 1, _CANDLE_DOUBLINGS_MAX)
        row_counts[Kind.CANDLE] = _CANDLE_ROWS << doublings
    return RingLayout(
        config.shard_instruments(shard), capacities_of(row_counts), source_hash(source)
    )


def free_port() -> int:
    """A TCP port of the loopback that nobody has now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def with_simulator(config: Config, port: int) -> Config:
    """The same configuration, pointed at an exchange on this host."""
    replace = msgspec.structs.replace
    okx = replace(
        config.okx,
        public_url=f"ws://127.0.0.1:{port}/ws/v5/public",
        business_url=f"ws://127.0.0.1:{port}/ws/v5/business",
        rest_url=f"http://127.0.0.1:{port}",
    )
    return replace(config, okx=okx)


def child_specs(config: Config, *, demo: bool) -> tuple[ChildSpec, ...]:
    """Actors in start order; they stop in reverse."""
    names = [("exchange", "exchange", "hunter.simulator")] if demo else []
    for shard in range(config.stream.shards):
        names.append((f"stream-{shard}", "stream", "hunter.stream"))
        if config.stream.standby:
            names.append((f"stream-{shard}b", "stream", "hunter.stream"))
    names += [("brain-0", "brain", "hunter.brain"), ("watchdog", "watchdog", "hunter.watchdog")]
    environment = dict(os.environ, PYTHONUNBUFFERED="1")
    return tuple(
        ChildSpec(
            name=name,
            role=role,
            argv=(sys.executable, "-m", module, name, str(config.runtime_dir)),
            env=environment,
            log_path=str(log_path(config.log_dir, name)),
            stop_timeout_ns=int(config.supervisor.stop_timeout_s * _SECOND_NS),
            # The others' beats are read by the watchdog; its own go to the supervisor.
            hang_after_ns=5 * config.watchdog.hang_after_ms * 1_000_000
            if role == "watchdog"
            else None,
        )
        for name, role, module in names
    )


@dataclass
class Prepared:
    """What stands before the first actor is started."""

    config: Config
    children: tuple[ChildSpec, ...]
    status: block.StatusBlock
    ring_ids: tuple[str, ...]


def prepare(config: Config, log: logging.Logger, *, demo: bool) -> Prepared:
    """Make or adopt everything in shared memory. The caller holds the instance lock."""
    now = SystemClock()
    directory = shared_dir(config.hunter.name, config.runtime_dir)
    make_private_dir(directory)
    source = SIMULATED if demo else config.okx.public_url
    ring_ids = []
    for shard in range(config.stream.shards):
        layout = ring_layout(config, shard, source)
        adopted = adopt_or_create(directory / f"ring-{shard}", layout, now.wall_ns())
        state = "continues" if adopted.kept else f"is new ({adopted.reason})"
        log.info("ring-%d %s: %s bytes", shard, state, f"{layout.total_bytes:,}")
        ring_ids.append(adopted.ring_id)
    for stale in set(directory.glob("ring-*")) - {
        directory / f"ring-{i}" for i in range(len(ring_ids))
    }:
        if stale.suffix != ".rejected":
            stale.unlink()  # of a former run with more shards
    children = child_specs(config, demo=demo)
    feeds = len(config.okx.instruments) * len(config.okx.channels)
    status = block.create(
        directory,
        config.hunter.name,
        [child.name for child in children],
        _DOCUMENT_BYTES_BASE + _DOCUMENT_BYTES_PER_FEED * feeds,
        now.wall_ns(),
    )
    save_effective(config, config.runtime_dir / EFFECTIVE_CONFIG)
    return Prepared(config, children, status, tuple(ring_ids))


def run(
    config: Config,
    *,
    demo: bool,
    take_output: Callable[[Path], None] = lambda _: None,
    before_loop: Callable[[], None] = lambda: None,
) -> int:
    """Run an instance until it is told to stop; returns the exit code.

    Call from the main thread of a process of its own. `take_output` is called with the supervisor's
    log file once the instance is ours, `before_loop` when status can be read. Raises
    AlreadyRunning, ConfigError or SegmentUnusable before anything has been started.
    """
    lock = _take_lock(config)
    early = _EarlySignals()
    for path in (config.data_dir, config.log_dir):
        path.mkdir(parents=True, exist_ok=True)
    data_lock = _take_data_lock(config)
    log_file = log_path(config.log_dir, "supervisor")
    take_output(log_file)
    log, _ = start_logging("supervisor", log_file)
    control = ControlServer(config.runtime_dir)
    prepared = prepare(config, log, demo=demo)
    spec = TreeSpec(
        children=prepared.children,
        intensity=RestartIntensity(
            max_restarts=config.supervisor.max_restarts,
            period_ns=config.supervisor.period_s * _SECOND_NS,
        ),
    )
    observer = _StatusWriter(prepared, log)
    before_loop()
    # From here on the supervisor has handlers of its own; until then a signal is only remembered.
    code = 0 if early.came else Supervisor(spec, _ControlSource(control), observer).run()
    observer.finish()
    control.close()
    prepared.status.close()
    _remove_shared(config)
    data_lock.release()
    lock.release()
    return code


class _EarlySignals:
    """A request to stop that comes while the instance is being put up, or taken down, must not end
    the process where it stands: shared memory would be left behind.
    """

    def __init__(self) -> None:
        self.came = False
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            if signal.getsignal(number) is not signal.SIG_IGN:  # nohup stays nohup
                signal.signal(number, self._note)

    def _note(self, *_: object) -> None:
        self.came = True


def remove_leftovers(config: Config) -> bool:
    """Of an instance whose supervisor was killed; whether there was anything.

    Raises AlreadyRunning when the instance is up after all.
    """
    if not shared_dir(config.hunter.name, config.runtime_dir).exists():
        return False
    lock = _take_lock(config)
    _remove_shared(config)
    lock.release()
    return True


def _take_data_lock(config: Config) -> InstanceLock:
    """Journal, checkpoints and logs have one writer, whatever the instance is called."""
    lock = InstanceLock(str(config.data_dir / DATA_LOCK_FILE))
    try:
        lock.acquire()
    except LockHeld as error:
        raise AlreadyRunning(
            f"{config.data_dir} is in use by another instance (pid {error.pid});"
            " give each its own [hunter] data_dir"
        ) from None
    return lock


def _take_lock(config: Config) -> InstanceLock:
    make_private_dir(config.runtime_dir)
    lock = InstanceLock(str(config.runtime_dir / LOCK_FILE))
    try:
        lock.acquire()
    except LockHeld as error:
        raise AlreadyRunning(
            f'hunter "{config.hunter.name}" is already running (pid {error.pid});'
            " see: hunter status"
        ) from None
    pid = _pid_on_page(config)
    if pid is not None:
        raise AlreadyRunning(
            f'hunter "{config.hunter.name}" is running (pid {pid}), but its lock file was removed;'
            " stop it: hunter stop"
        )
    return lock


def _remove_shared(config: Config) -> None:
    """After an orderly end: nothing in shared memory, no socket."""
    shutil.rmtree(shared_dir(config.hunter.name, config.runtime_dir), ignore_errors=True)
    # *.limits stay: what was asked of the exchange a moment ago counts after a restart too.
    for pattern in ("*.ipc", "*.lock"):
        for path in config.runtime_dir.glob(pattern):
            if path.name != LOCK_FILE:
                with contextlib.suppress(OSError):  # somebody's folder of that name, say
                    path.unlink()
    with contextlib.suppress(OSError):
        (config.runtime_dir / EFFECTIVE_CONFIG).unlink()


class _StatusWriter:
    """Writes the supervisor's page and log: the Observer of the supervisor package."""

    def __init__(self, prepared: Prepared, log: logging.Logger) -> None:
        self._page: Page = prepared.status.pages[block.SUPERVISOR]
        self._ring_ids = prepared.ring_ids
        self._log = log
        self._clock = SystemClock()
        self._settled: set[str] = set()
        self._cpu_seen = (0, 0)
        self._started_wall_ns: dict[int, int] = {}
        page = self._page
        page.store("started_wall_ns", self._clock.wall_ns())
        page.store("process_start", process_start_ticks(os.getpid()))
        page.store("state", ActorState.STARTING)
        children = tuple(
            documents.ChildDocument(child.name, child.role, "starting")
            for child in prepared.children
        )
        self._write("starting", children)
        self.tick()
        page.store("pid", os.getpid())

    def changed(self, tree: Tree, reports: tuple[Report, ...]) -> None:
        for report in reports:
            self._tell(report)
        children = []
        live = {record.pid for record in tree.records}
        self._started_wall_ns = {
            pid: at for pid, at in self._started_wall_ns.items() if pid in live
        }
        for record in tree.records:
            if record.state.value in ("ready", "parked"):  # settled, for good or ill
                self._settled.add(record.name)
            children.append(
                documents.ChildDocument(
                    record.name,
                    record.spec.role,
                    record.state.value,
                    record.pid or 0,
                    record.restarts,
                    record.last_exit,
                    self._started(record.pid or 0),
                )
            )
        if tree.stopping:
            state = "stopping"
        else:
            state = "running" if len(self._settled) == len(children) else "starting"
        self._write(state, tuple(children))

    def tick(self) -> None:
        now_ns, cpu_ns = self._clock.monotonic_ns(), clock.process_cpu_ns()
        page = self._page
        page.store("beat_monotonic_ns", now_ns)
        page.store("rss_bytes", resident_bytes(os.getpid()))
        before_ns, before_cpu_ns = self._cpu_seen
        if now_ns - before_ns > _SECOND_NS:
            if before_ns:
                page.store("cpu_permille", 1000 * (cpu_ns - before_cpu_ns) // (now_ns - before_ns))
            self._cpu_seen = (now_ns, cpu_ns)

    def finish(self) -> None:
        self._page.store("state", ActorState.STOPPED)
        self._log.info("stopped")

    def _started(self, pid: int) -> int:
        """Wall time at which a pid was first seen: the policy knows monotonic time only."""
        if not pid:
            return 0
        return self._started_wall_ns.setdefault(pid, self._clock.wall_ns())

    def _write(self, state: str, children: tuple[documents.ChildDocument, ...]) -> None:
        document = documents.SupervisorDocument(state, hunter_version(), children, self._ring_ids)
        self._page.write_document(documents.encode(document))

    def _tell(self, report: Report) -> None:
        quiet = report.asked or report.kind in (
            ReportKind.STARTED, ReportKind.READY, ReportKind.RESTARTING, ReportKind.STOPPING,
        )  # fmt: skip
        level = logging.INFO if quiet else logging.WARNING
        lived = f" after {report.uptime_ns / 1e9:.1f} s" if report.uptime_ns else ""
        pid = f" (pid {report.pid})" if report.pid else ""
        what = "ended" if report.asked and report.kind is ReportKind.DIED else report.kind.value
        about = f"{report.name or 'tree'} {what}"
        self._log.log(
            level, "%s%s%s%s", about, pid, lived, f": {report.text}" if report.text else ""
        )


class _BusRequest:
    """One command of the bus, as the supervisor package wants it."""

    def __init__(
        self, control: ControlServer, address: bytes, command: tree_commands.Command
    ) -> None:
        self._control = control
        self._address = address
        self._command = command

    @property
    def command(self) -> tree_commands.Command:
        return self._command

    def answer(self, answer: TreeAnswer) -> None:
        self._control.answer(self._address, Answer(ok=answer.ok, text=answer.text))


class _ControlSource:
    """The bus as the supervisor's CommandSource."""

    def __init__(self, control: ControlServer) -> None:
        self._control = control

    def fileno(self) -> int:
        return self._control.fileno()

    def receive(self) -> list[Request]:
        return [
            _BusRequest(self._control, address, _tree_command(command))
            for address, command in self._control.receive()
        ]


def _tree_command(command: RestartActor | StopAll | Describe) -> tree_commands.Command:
    if isinstance(command, RestartActor):
        return tree_commands.RestartChild(command.actor, command.reason, command.pid)
    return tree_commands.StopAll() if isinstance(command, StopAll) else tree_commands.Describe()
