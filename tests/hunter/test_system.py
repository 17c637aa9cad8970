"""The composition root: what stands before the first actor, and what is left after the last."""

from __future__ import annotations

import dataclasses
import logging
import os
import select
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from fakes.actor_stage import SWAP, LogLines, Stage

from hunter import system
from hunter.access import Instance
from hunter.bus.messages import Describe, RestartActor, StopAll
from hunter.bus.sockets import ControlClient, ControlServer
from hunter.config import Config, load_effective
from hunter.errors import AlreadyRunning
from hunter.ring.layout import capacities_of
from hunter.ring.rows import Kind
from hunter.ring.writer import RingWriter
from hunter.status.block import PAGES_MAX, SUPERVISOR
from hunter.status.documents import SupervisorDocument, decode
from hunter.status.page import ActorState, is_alive
from hunter.system import (
    LOCK_FILE,
    Prepared,
    child_specs,
    free_port,
    hunter_version,
    prepare,
    remove_leftovers,
    ring_layout,
    running_pid,
    with_simulator,
)
from supervisor.commands import Answer, RestartChild
from supervisor.commands import Describe as DescribeTree
from supervisor.commands import StopAll as StopTree
from supervisor.events import Report, ReportKind
from supervisor.lifecycle import ChildState
from supervisor.lock import InstanceLock
from supervisor.spec import TreeSpec
from supervisor.tree import Tree, initial_tree

TWO = 'okx.instruments=["BTC-USDT-SWAP", "ETH-USDT-SWAP"]'


@pytest.fixture
def stage() -> Iterator[Stage]:
    made = Stage(TWO)
    yield made
    made.close()


@pytest.fixture
def prepared(stage: Stage) -> Iterator[Prepared]:
    made = prepare(stage.config, quiet(), demo=False)
    yield made
    made.status.close()


def quiet() -> logging.Logger:
    logger = logging.Logger("supervisor")
    logger.addHandler(logging.NullHandler())
    return logger


def test_version_is_a_text() -> None:
    assert hunter_version()


def test_version_of_a_bare_source_tree_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> str:
        raise system.PackageNotFoundError(name)

    monkeypatch.setattr(system, "version", missing)
    assert hunter_version() == "0+source"


def with_channels(config: Config, channels: list[str]) -> Config:
    replace = msgspec.structs.replace
    return replace(config, okx=replace(config.okx, channels=tuple(channels)))


@pytest.mark.parametrize(
    ("channels", "lanes"),
    [
        (["trades"], {}),
        (["trades-all"], {}),
        (["trades", "bbo-tbt"], {Kind.BBO: 512}),
        (["trades", "tickers", "books"], {Kind.TICKER: 128, Kind.BOOK: 128}),
        (["trades", "books5"], {Kind.BOOK: 128}),
        (["trades", "instruments", "status"], {}),
        (["trades", "mark-price"], {Kind.MARK: 1024}),
        (["trades", "index-tickers"], {Kind.INDEX: 1024}),
        (["trades", "funding-rate"], {Kind.FUNDING: 256}),
        (["trades", "open-interest"], {Kind.OPEN_INTEREST: 256}),
        (["trades", "liquidation-orders"], {Kind.LIQUIDATION: 1024}),
        (["trades", "candle1m"], {Kind.CANDLE: 1024}),
        (["trades", "candle1m", "candle1H", "candle1Dutc"], {Kind.CANDLE: 4096}),
        (["trades", *(f"candle{bar}" for bar in ("1s", "1m", "3m", "5m", "1H", "2H"))],
         {Kind.CANDLE: 8192}),
    ],
    ids=lambda value: value[-1] if isinstance(value, list) else "",
)  # fmt: skip
def test_ring_layout_has_the_lanes_that_are_fed(
    channels: list[str], lanes: dict[Kind, int]
) -> None:
    stage = Stage("ring.capacity=512")
    try:
        config = with_channels(stage.config, channels)
        layout = ring_layout(config, 0, "somewhere")
    finally:
        stage.close()
    assert layout.capacities == capacities_of({Kind.TRADE: 512, Kind.INSTRUMENT: 64} | lanes)
    assert layout.instruments == (SWAP,)


def test_ring_layout_of_small_capacity_keeps_enough_slow_rows() -> None:
    stage = Stage("ring.capacity=64")
    try:
        made = (Kind.TRADE, Kind.BBO, Kind.TICKER, Kind.BOOK, Kind.INSTRUMENT)
        wanted = capacities_of(dict.fromkeys(made, 64))
        assert ring_layout(stage.config, 0, "x").capacities == wanted
        assert ring_layout(stage.config, 0, "x") != ring_layout(stage.config, 0, "y")
    finally:
        stage.close()


def test_with_simulator_points_at_this_host(stage: Stage) -> None:
    port = free_port()
    okx = with_simulator(stage.config, port).okx
    assert okx.public_url == f"ws://127.0.0.1:{port}/ws/v5/public"
    assert okx.business_url == f"ws://127.0.0.1:{port}/ws/v5/business"
    assert okx.rest_url == f"http://127.0.0.1:{port}"
    assert okx.instruments == stage.config.okx.instruments


def test_child_specs_in_start_order(stage: Stage) -> None:
    names = [child.name for child in child_specs(stage.config, demo=True)]
    assert names == ["exchange", "stream-0", "brain-0", "watchdog"]
    stream, _, watchdog = child_specs(stage.config, demo=False)
    assert stream.argv[1:] == ("-m", "hunter.stream", "stream-0", str(stage.config.runtime_dir))
    assert stream.log_path == str(stage.config.log_dir / "stream-0.log")
    assert stream.hang_after_ns is None
    assert watchdog.hang_after_ns == 5_000_000_000, "the watchdog is watched by the supervisor"


def test_prepare_makes_everything_actors_find(stage: Stage, prepared: Prepared) -> None:
    assert prepared.status.actors == [SUPERVISOR, "stream-0", "brain-0", "watchdog"]
    assert load_effective(stage.config.runtime_dir / "effective.json") == stage.config
    with Instance(stage.config) as instance:
        assert instance.instruments == [SWAP, "ETH-USDT-SWAP"]
    assert stage.shared.stat().st_mode & 0o777 == 0o700
    assert prepared.ring_ids[0]


def test_prepare_adopts_the_ring_of_the_run_before(stage: Stage, prepared: Prepared) -> None:
    writer = RingWriter(stage.ring_path(), 1)
    writer.put_trade(0, 1, (5, 1, 1.0, 1.0, 1, 1))
    writer.publish()
    writer.close()
    again = prepare(stage.config, quiet(), demo=False)
    again.status.close()
    assert again.ring_ids == prepared.ring_ids
    assert len(stage.rows(Kind.TRADE)) == 1


def test_prepare_never_continues_the_market_with_the_demo(stage: Stage, prepared: Prepared) -> None:
    demo = prepare(stage.config, quiet(), demo=True)
    demo.status.close()
    assert demo.ring_ids != prepared.ring_ids


def test_prepare_removes_rings_of_shards_that_are_gone(stage: Stage) -> None:
    for name in ("ring-7", "ring-0.rejected"):
        (stage.shared / name).write_bytes(b"x")
    prepare(stage.config, quiet(), demo=False).status.close()
    assert sorted(path.name for path in stage.shared.glob("ring-*")) == [
        "ring-0",
        "ring-0.rejected",
    ]


def test_running_pid_is_the_lock_holders(stage: Stage) -> None:
    assert running_pid(stage.config) is None
    lock = InstanceLock(str(stage.config.runtime_dir / LOCK_FILE))
    lock.acquire()
    assert running_pid(stage.config) == os.getpid()
    lock.release()
    assert running_pid(stage.config) is None


def test_leftovers_of_a_killed_run_are_removed(stage: Stage, prepared: Prepared) -> None:
    run = stage.config.runtime_dir
    for name in ("control.ipc", "ring-0.lock", LOCK_FILE):
        (run / name).touch()
    assert remove_leftovers(stage.config)
    assert not stage.shared.exists()
    assert [path.name for path in run.iterdir()] == [LOCK_FILE]
    assert not remove_leftovers(stage.config), "nothing is left to remove"


def test_leftovers_of_a_running_instance_are_not_touched(stage: Stage) -> None:
    lock = InstanceLock(str(stage.config.runtime_dir / LOCK_FILE))
    lock.acquire()
    try:
        with pytest.raises(AlreadyRunning, match=rf"already running \(pid {os.getpid()}\)"):
            remove_leftovers(stage.config)
    finally:
        lock.release()
    assert stage.shared.exists()


class Observed:
    """The supervisor's page and log as its observer writes them."""

    def __init__(self, prepared: Prepared) -> None:
        self.log = LogLines()
        logger = logging.Logger("supervisor")
        logger.addHandler(self.log)
        self.page = prepared.status.pages[SUPERVISOR]
        self.tree: Tree = initial_tree(TreeSpec(children=prepared.children))
        self.writer = system._StatusWriter(prepared, logger)

    @property
    def document(self) -> SupervisorDocument:
        found = decode(self.page.read_document(), SupervisorDocument)
        assert found is not None
        return found

    def change(self, *reports: Report, stopping: bool = False, **states: ChildState) -> None:
        records = [
            dataclasses.replace(
                record, state=states.get(record.name.replace("-", "_"), record.state)
            )
            for record in self.tree.records
        ]
        self.tree = dataclasses.replace(self.tree, records=tuple(records), stopping=stopping)
        self.writer.changed(self.tree, reports)

    def give_pids(self, **pids: int) -> None:
        records = [
            dataclasses.replace(record, pid=pids.get(record.name.replace("-", "_"), record.pid))
            for record in self.tree.records
        ]
        self.tree = dataclasses.replace(self.tree, records=tuple(records))
        self.writer.changed(self.tree, ())


@pytest.fixture
def observed(prepared: Prepared) -> Observed:
    return Observed(prepared)


def test_status_page_is_ours_from_the_start(observed: Observed) -> None:
    beat = observed.page.beat()
    assert is_alive(beat)
    assert beat.pid == os.getpid()
    assert beat.rss_bytes > 0
    assert observed.document.state == "starting"
    assert {child.state for child in observed.document.children} == {"starting"}
    assert observed.document.version == hunter_version()


def test_status_is_running_once_every_child_was_ready(observed: Observed) -> None:
    ready = ChildState.READY
    observed.change(stream_0=ready, brain_0=ready)
    assert observed.document.state == "starting"
    observed.change(watchdog=ready)
    assert observed.document.state == "running"
    observed.change(stream_0=ChildState.BACKOFF)
    assert observed.document.state == "running", "a restart is told by the child's own state"
    assert observed.document.children[0].state == "backoff"
    observed.change(stopping=True)
    assert observed.document.state == "stopping"
    observed.writer.finish()
    assert observed.page.beat().state is ActorState.STOPPED


def test_status_keeps_each_process_start_however_many_there_were(observed: Observed) -> None:
    observed.give_pids(stream_0=10, brain_0=100)
    started = observed.document.children[0].started_wall_ns
    assert started > 0
    for pid in range(101, 101 + 2 * PAGES_MAX):
        observed.give_pids(brain_0=pid)
    assert observed.document.children[0].started_wall_ns == started
    assert observed.document.children[1].started_wall_ns > started
    assert observed.document.children[2].started_wall_ns == 0


def test_status_tick_beats_and_measures(
    observed: Observed, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = observed.page.beat().beat_monotonic_ns
    cpu_ns = system.clock.process_cpu_ns()
    monkeypatch.setattr(system.clock, "process_cpu_ns", lambda: cpu_ns + 1_000_000_000)
    monkeypatch.setattr(
        observed.writer._clock, "monotonic_ns", lambda: before + 2_000_000_000, raising=False
    )
    observed.writer.tick()
    beat = observed.page.beat()
    assert beat.beat_monotonic_ns == before + 2_000_000_000
    assert 450 <= beat.cpu_permille <= 550


def test_log_tells_what_happened_and_how_bad_it_is(observed: Observed) -> None:
    reports = (
        Report(ReportKind.READY, "stream-0", pid=5),
        Report(ReportKind.DIED, "stream-0", "signal 9", pid=5, uptime_ns=1_500_000_000),
        Report(ReportKind.DIED, "brain-0", "exit 0", pid=6, asked=True),
        Report(ReportKind.STOPPING, ""),
    )
    observed.change(*reports)
    assert observed.log.lines == [
        "INFO stream-0 ready (pid 5)",
        "WARNING stream-0 died (pid 5) after 1.5 s: signal 9",
        "INFO brain-0 ended (pid 6): exit 0",
        "INFO tree stopping",
    ]


def test_commands_of_the_bus_reach_the_tree_and_are_answered(stage: Stage) -> None:
    server = ControlServer(stage.config.runtime_dir)
    client = ControlClient(stage.config.runtime_dir)
    source = system._ControlSource(server)
    asked = [RestartActor(actor="stream-0", reason="operator", pid=7), StopAll(), Describe()]
    answers: list[Any] = []

    def ask() -> None:
        answers.extend(client.ask(command, 10_000) for command in asked)

    asking = threading.Thread(target=ask)
    asking.start()
    received = []
    try:
        while asking.is_alive():
            select.select([source.fileno()], [], [], 0.02)
            for request in source.receive():
                received.append(request.command)
                request.answer(Answer(ok=len(received) != 2, text=f"number {len(received)}"))
    finally:
        asking.join(10)
        server.close()
    assert received == [RestartChild("stream-0", "operator", 7), StopTree(), DescribeTree()]
    assert [(answer.ok, answer.text) for answer in answers] == [
        (True, "number 1"),
        (False, "number 2"),
        (True, "number 3"),
    ]


RUN = """
import sys
from pathlib import Path
from hunter.config import load
from hunter.system import free_port, run, with_simulator

config = with_simulator(load(Path(sys.argv[1])), free_port())
code = run(config, demo=True, take_output=print, before_loop=lambda: print("loop", flush=True))
print("code", code, flush=True)
"""


@pytest.mark.system
def test_run_starts_everything_and_leaves_nothing(stage: Stage) -> None:
    """One whole life, ended by SIGTERM; a second run of the same instance is refused meanwhile."""
    words = [sys.executable, "-c", RUN, str(stage.config_file)]
    stage.shared.joinpath("status").unlink()
    pipe = subprocess.PIPE
    with subprocess.Popen(words, stdout=pipe, stderr=pipe, text=True) as process:
        try:
            assert process.stdout is not None
            assert Path(process.stdout.readline().strip()).name == "supervisor.log"
            assert process.stdout.readline() == "loop\n"
            wait_until_running(stage)
            assert running_pid(stage.config) == process.pid
            second = subprocess.run(words, capture_output=True, text=True, timeout=30, check=False)
            assert "AlreadyRunning" in second.stderr
            process.send_signal(signal.SIGTERM)
            output, log = process.communicate(timeout=30)
        finally:
            process.kill()
    assert not stage.shared.exists()
    left = {path.name for path in stage.config.runtime_dir.iterdir()}
    assert left == {LOCK_FILE, "server.limits"}, "what was asked of the exchange counts later too"
    assert output == "code 0\n"
    assert log.endswith(" INFO supervisor stopped\n")


def wait_until_running(stage: Stage) -> None:
    poller = select.poll()
    for _ in range(500):
        with Instance(stage.config) as instance:
            report = instance.status()
        if report.state == "running" and len(report.actors) == 4:
            return
        poller.poll(20)
    raise AssertionError(f"not running: {report}")
