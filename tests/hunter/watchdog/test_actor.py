"""WatchdogActor over a real status block, real processes and a real control socket."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from fakes.actor_stage import SWAP, HandClock, Stage
from fakes.instance import wait_until

from hunter.bus.messages import RestartActor
from hunter.bus.sockets import ControlServer
from hunter.ring.rows import Kind
from hunter.ring.writer import RingWriter
from hunter.status.block import SUPERVISOR
from hunter.status.documents import (
    BrainDocument,
    BrainInputs,
    ChildDocument,
    FeedDocument,
    StreamDocument,
    SupervisorDocument,
)
from hunter.status.page import ActorState, process_start_ticks
from hunter.watchdog.actor import ASK_AGAIN_NS, WatchdogActor
from hunter.watchdog.braintroubles import TROUBLE_SHOWN_NS
from hunter.watchdog.headroom import Headroom
from hunter.watchdog.silence import Cpu, read_cpu

MS = 1_000_000
NOW = 1_790_000_000_000_000_000
BUSY = Cpu(True, 0, 0)
ACTORS = ("stream-0", "brain-0", "watchdog")
SLEEPER = [sys.executable, "-c", "import signal; print(flush=True); signal.pause()"]


def wait_until_idle(pid: int) -> None:
    wait_until("the process to rest", lambda: not (read_cpu(pid) or BUSY).is_runnable)


class Watch:
    """A watchdog, the supervisor it asks, and the processes it looks at."""

    def __init__(self, interval_ms: int = 250) -> None:
        self.stage = Stage(
            f"watchdog.interval_ms={interval_ms}", "watchdog.hang_after_ms=1000", actors=ACTORS
        )
        self.stage.make_rings()
        self.clock = HandClock()
        self.control = ControlServer(self.stage.config.runtime_dir)
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self.children: dict[str, ChildDocument] = {}
        self.actor = WatchdogActor(self.stage.context("watchdog", self.clock))
        self.actor.on_start(self.clock.now_ns)

    def run(self, name: str, state: str = "ready") -> int:
        """A process that beats when told to."""
        if name in self.processes:
            self._end(self.processes[name])
        process = self.processes[name] = subprocess.Popen(SLEEPER, stdout=subprocess.PIPE)
        assert process.stdout is not None
        assert process.stdout.readline()
        # Time that is skipped is no time to a real processor: who can run would pass for starved.
        wait_until_idle(process.pid)
        page = self.stage.status.pages[name]
        page.store("process_start", process_start_ticks(process.pid))
        page.store("pid", process.pid)
        self.beat(name)
        self.tell(name, state, process.pid)
        return process.pid

    def tell(self, name: str, state: str, pid: int) -> None:
        """What the supervisor says of a child."""
        self.children[name] = ChildDocument(name, name.split("-")[0], state, pid)
        self.stage.show(SUPERVISOR, SupervisorDocument("running", "1", (*self.children.values(),)))

    def beat(self, *names: str) -> None:
        for name in names:
            self.stage.status.pages[name].store("beat_monotonic_ns", self.clock.now_ns)

    def live(self, milliseconds: int, *beating: str, step_ms: int = 250) -> None:
        """Time passes; the watchdog looks in time, and some beat."""
        for _ in range(milliseconds // step_ms):
            self.clock.skip(step_ms)
            self.beat(*beating)
            self.actor.do_work(self.clock.now_ns)

    def asked(self, wait: bool = False) -> list[RestartActor]:
        """What came at the supervisor's socket; a message takes a moment."""
        found: list[Any] = []
        for _ in range(100 if wait else 5):
            found += [command for _, command in self.control.receive()]
            if found:
                break
            self.actor.wait(20)
        return found

    @staticmethod
    def _end(process: subprocess.Popen[bytes]) -> None:
        process.kill()
        process.communicate(timeout=10)

    def close(self) -> None:
        for process in self.processes.values():
            self._end(process)
        self.actor.on_stop()
        self.control.close()
        self.stage.close()


@pytest.fixture
def watch() -> Iterator[Watch]:
    made = Watch()
    yield made
    made.close()


def test_watchdog_asks_for_the_restart_of_a_stopped_process(watch: Watch) -> None:
    pid = watch.run("stream-0")
    watch.run("brain-0")
    os.kill(pid, signal.SIGSTOP)
    wait_until_idle(pid)
    watch.live(1_000, "brain-0")
    assert watch.asked() == []
    watch.live(250, "brain-0")
    assert watch.asked(wait=True) == [RestartActor(actor="stream-0", reason="hang", pid=pid)]
    document = watch.actor.document()
    assert document.reasons == ("stream-0: hang; the supervisor was asked to restart it",)
    assert document.restarts_asked == 1
    assert watch.stage.log.having(f"stream-0 (pid {pid}): hang; asking for a restart")


def test_watchdog_asks_again_only_after_its_pause(watch: Watch) -> None:
    watch.run("stream-0")
    pause_ms = ASK_AGAIN_NS // MS
    watch.live(1_250 + pause_ms - 250)
    assert len(watch.asked(wait=True)) == 1
    assert watch.actor.document().restarts_asked == 1
    watch.live(250)
    assert len(watch.asked(wait=True)) == 1
    assert watch.actor.document().restarts_asked == 2


def test_watchdog_asks_at_once_about_the_next_incarnation(watch: Watch) -> None:
    first = watch.run("stream-0")
    watch.live(1_250)
    watch.processes["stream-0"].kill()
    watch.processes["stream-0"].wait(10)
    second = watch.run("stream-0")
    watch.live(1_250)
    found = watch.asked(wait=True)
    found += watch.asked() if len(found) == 1 else []
    assert [command.pid for command in found] == [first, second]


def test_watchdog_is_content_again_when_the_beats_are_back(watch: Watch) -> None:
    watch.run("stream-0")
    watch.live(1_500)
    assert watch.actor.document().reasons
    watch.live(250, "stream-0")
    assert watch.actor.document().reasons == ()


@pytest.mark.parametrize("state", ["starting", "stopping", "backoff", "parked", "stopped"])
def test_watchdog_leaves_to_the_supervisor_what_is_not_ready(watch: Watch, state: str) -> None:
    watch.run("stream-0", state)
    watch.live(10_000)
    assert watch.asked() == []
    assert watch.actor.document().reasons == ()


def test_watchdog_leaves_a_dead_process_to_the_supervisor(watch: Watch) -> None:
    watch.run("stream-0")
    watch.processes["stream-0"].kill()
    watch.processes["stream-0"].wait(10)
    watch.live(3_000)
    assert watch.asked() == []


def test_watchdog_does_not_judge_a_page_of_the_former_process(watch: Watch) -> None:
    """The supervisor has spawned a new one which has not written its page yet."""
    watch.run("stream-0")
    watch.tell("stream-0", "ready", os.getpid())
    watch.live(3_000)
    assert watch.asked() == []


def test_watchdog_that_overslept_gives_grace_once(watch: Watch) -> None:
    watch.run("stream-0")
    watch.live(500, "stream-0")
    watch.clock.skip(60_000)
    watch.actor.do_work(watch.clock.now_ns)
    assert watch.asked() == [], "the host was suspended: nobody could beat"
    watch.live(1_250)
    assert len(watch.asked(wait=True)) == 1, "now it could have"


def test_watchdog_asks_for_the_restart_of_a_process_over_its_memory(watch: Watch) -> None:
    pid = watch.run("stream-0")
    watch.actor._limits = watch.actor._limits._replace(memory_limit_bytes=100_000)
    watch.live(250, "stream-0")
    assert watch.asked(wait=True) == [RestartActor(actor="stream-0", reason="memory", pid=pid)]


@pytest.fixture
def writer(watch: Watch) -> Iterator[RingWriter]:
    made = RingWriter(watch.stage.ring_path(), NOW)
    yield made
    made.close()


def put_trades(writer: RingWriter, count: int) -> None:
    for trade_id in range(1, count + 1):
        writer.put_trade(0, NOW, (trade_id, NOW, 100.0, 1.0, 1, 1))
    writer.publish()


def feed(messages: int, state: str = "live", lag_ms: float = 1.0) -> StreamDocument:
    one = FeedDocument(SWAP, "trades", state, messages=messages, lag_ms_p50=lag_ms)
    return StreamDocument(feeds=(one,))


def test_watchdog_asks_for_the_restart_of_a_brain_that_lets_rows_lie(
    watch: Watch, writer: RingWriter
) -> None:
    pid = watch.run("brain-0")
    watch.stage.show("brain-0", BrainDocument(BrainInputs(trades=5)))
    watch.live(250, "brain-0")
    put_trades(writer, 40)
    watch.live(10_000, "brain-0")
    assert watch.actor.document().reasons == ()
    watch.live(250, "brain-0")
    assert watch.asked(wait=True) == [RestartActor(actor="brain-0", reason="stalled", pid=pid)]


def test_watchdog_is_content_with_a_brain_that_reads(watch: Watch, writer: RingWriter) -> None:
    watch.run("brain-0")
    for second in range(30):
        put_trades(writer, 40)
        watch.stage.show("brain-0", BrainDocument(BrainInputs(trades=40 * second), lapped=second))
        watch.live(1_000, "brain-0")
    assert watch.actor.document().restarts_asked == 0


def test_watchdog_expects_nothing_of_a_brain_when_rows_are_not_for_it(
    watch: Watch, writer: RingWriter
) -> None:
    watch.run("brain-0")
    watch.stage.show("brain-0", BrainDocument(BrainInputs(trades=5)))
    facts = (0.1, 0.01, 0.01, 0.01, 1.0, 0, 0, 1, 1, b"BTC")
    for _ in range(30):
        for _ in range(5):
            writer.put(0, Kind.INSTRUMENT, NOW, NOW, facts)
        writer.publish()
        watch.live(1_000, "brain-0")
    assert watch.actor.document().restarts_asked == 0


@pytest.mark.parametrize(("state", "asked"), [("live", 1), ("resync", 0), ("connecting", 0)])
def test_watchdog_asks_for_the_restart_of_a_stream_that_writes_nothing(
    watch: Watch, state: str, asked: int
) -> None:
    watch.run("stream-0")
    for second in range(12):
        watch.stage.show("stream-0", feed(100 * second, state))
        watch.live(1_000, "stream-0")
    assert watch.actor.document().restarts_asked == asked


@pytest.mark.parametrize(
    ("lag_ms", "said"),
    [
        (2_000.0, ()),
        (2_500.0, (f"{SWAP}: data are 2.5 s late",)),
        (1.8e6, (f"{SWAP}: data are 1800.0 s late; is this host's clock right?",)),
        (9e9, ()),
    ],
)
def test_watchdog_says_that_data_come_late(
    watch: Watch, lag_ms: float, said: tuple[str, ...]
) -> None:
    watch.run("stream-0")
    watch.stage.show("stream-0", feed(1, lag_ms=lag_ms))
    watch.live(250, "stream-0")
    assert watch.actor.document().reasons == said


def test_watchdog_does_not_watch_itself(watch: Watch) -> None:
    watch.run("watchdog")
    watch.live(10_000)
    assert watch.asked() == []


def test_watchdog_without_the_supervisors_page_waits(watch: Watch) -> None:
    watch.live(1_000)
    assert watch.actor.document().reasons == ()
    assert watch.actor.state() is ActorState.READY


def test_watchdog_looks_at_its_interval_only(watch: Watch) -> None:
    assert watch.actor.do_work(watch.clock.now_ns) == 1
    watch.clock.skip(249)
    assert watch.actor.do_work(watch.clock.now_ns) == 0
    watch.clock.skip(1)
    assert watch.actor.do_work(watch.clock.now_ns) == 1


def test_watchdog_says_for_a_minute_that_the_brain_was_lapped(watch: Watch) -> None:
    watch.run("brain-0")

    def lapped(count: int) -> None:
        watch.stage.show("brain-0", BrainDocument(lapped=count))

    lapped(0)
    watch.live(250, "brain-0")
    assert watch.actor.document().reasons == ()
    lapped(100)
    watch.live(TROUBLE_SHOWN_NS // MS, "brain-0")
    (reason,) = watch.actor.document().reasons
    assert reason == "the brain was lapped: 100 rows went by unread; raise ring.capacity"
    watch.live(250, "brain-0")
    assert watch.actor.document().reasons == ()
    lapped(0)  # restarted
    watch.live(250, "brain-0")
    lapped(7)
    watch.live(250, "brain-0")
    assert len(watch.actor.document().reasons) == 1, "fewer than before the restart, but new"


def test_c2_watchdog_that_overslept_does_not_take_the_pause_for_a_stall(
    watch: Watch, writer: RingWriter
) -> None:
    """The stream woke up first and wrote; the brain has had no time to read."""
    watch.run("brain-0")
    watch.stage.show("brain-0", BrainDocument(BrainInputs(trades=5)))
    watch.live(1_000, "brain-0")
    watch.clock.skip(60_000)
    put_trades(writer, 40)
    watch.live(1_000, "brain-0")
    assert watch.asked() == []


def test_c2_watchdog_that_overslept_does_not_blame_those_who_wake_up_after_it(
    watch: Watch,
) -> None:
    watch.run("brain-0")
    watch.live(1_000, "brain-0")
    watch.clock.skip(60_000)
    watch.live(750)
    assert watch.asked() == []
    watch.live(1_000)
    assert len(watch.asked(wait=True)) == 1, "now it could have beaten"


def test_watchdog_looks_at_beats_more_often_than_at_documents() -> None:
    watch = Watch(interval_ms=100)
    try:
        pid = watch.run("stream-0")
        watch.run("brain-0")
        watch.live(1_000, "brain-0", step_ms=100)
        watch.stage.show("brain-0", BrainDocument(journal_trouble="No space left on device"))
        watch.live(100, "brain-0", step_ms=100)
        assert watch.asked(wait=True) == [RestartActor(actor="stream-0", reason="hang", pid=pid)]
        watch.live(300, "brain-0", step_ms=100)
        assert watch.actor.document().reasons == (
            "stream-0: hang; the supervisor was asked to restart it",
            "the journal cannot be written: No space left on device; no signal waits for it yet",
        )
    finally:
        watch.close()


def test_r10_watchdog_says_what_the_disk_does_not_take(watch: Watch) -> None:
    watch.run("brain-0")
    full = "No space left on device"

    def shown(**values: Any) -> tuple[str, ...]:
        watch.stage.show("brain-0", BrainDocument(**values))
        watch.live(250, "brain-0")
        return watch.actor.document().reasons

    assert shown(journal_trouble=full, journal_waiting=3) == (
        f"the journal cannot be written: {full}; 3 signals wait for it",
    )
    assert shown(checkpoint_trouble=full) == (f"the brain's checkpoint cannot be written: {full}",)
    assert shown(write_through_trouble=full) == (
        f"the journal is not written through to the disk: {full}",
    )
    assert shown() == ()
    assert shown(journal_lost=2) == ("2 signals were lost: the disk has refused too many",)
    assert shown(journal_lost=2) != (), "for a minute"


def test_watchdog_says_when_memory_or_room_on_the_disk_run_short(watch: Watch) -> None:
    watch.run("brain-0")
    watch.actor._headroom = Headroom(1 << 20, 1 << 60)
    watch.live(250, "brain-0")
    wait_until("the disk's answer", lambda: watch.actor._disk.rooms)
    watch.live(250, "brain-0")
    document = watch.actor.document()
    assert [(fact.kind, fact.subject) for fact in document.facts] == [
        ("disk", str(watch.stage.config.data_dir)),
        ("memory", "brain-0"),
    ]
    assert document.reasons == tuple(fact.text for fact in document.facts)


def test_watchdog_says_what_plugins_do_wrong_as_long_as_it_lasts(watch: Watch) -> None:
    watch.run("brain-0")
    troubles: tuple[str, ...] = ("BTC-USDT: m: in shadow", "ETH-USDT: n: late")
    failed = "the brain failed 6 times: see hunter logs brain-0"
    for shown, expected in ((troubles, troubles), ((), (failed,))):
        watch.stage.show("brain-0", BrainDocument(plugin_troubles=shown, overruns=9, failures=6))
        watch.live(250, "brain-0")
        assert watch.actor.document().reasons == expected, "who is told why needs no count"


def test_r14_watchdog_without_descriptors_says_so_and_still_finds_a_hang(
    watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    pid = watch.run("stream-0")
    watch.live(250, "stream-0")

    def refuse(*_: object, **__: object) -> int:
        raise OSError(24, "Too many open files")

    with monkeypatch.context() as patch:
        patch.setattr(os, "open", refuse)
        patch.setattr("pathlib.Path.read_bytes", refuse)
        watch.live(1_250)
        reasons = watch.actor.document().reasons
        watch.processes["stream-0"].kill()
        watch.processes["stream-0"].wait(10)
        watch.live(250)
        assert "stream-0: hang" not in "".join(watch.actor.document().reasons), "it is gone"
    assert watch.asked(wait=True) == [RestartActor(actor="stream-0", reason="hang", pid=pid)]
    assert "the watchdog sees little: Too many open files" in reasons
    assert len(watch.stage.log.having("sees little: Too many open files")) == 1
    watch.live(250, "stream-0")
    assert watch.actor.document().reasons == ()
    assert len(watch.stage.log.having("sees again")) == 1


def test_r14_watchdog_without_a_descriptor_to_ask_with_lives_and_asks_when_it_has_one(
    watch: Watch,
) -> None:
    pid = watch.run("stream-0")
    watch.live(250, "stream-0")
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, before[1]))
    try:
        watch.live(2_000)
        document = watch.actor.document()
        assert watch.asked() == []
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
    assert document.restarts_asked == 0
    assert "stream-0: hang; the supervisor cannot be asked for a restart" in document.reasons
    said = f"WARNING stream-0 (pid {pid}): hang; cannot ask for a restart: no socket to be had"
    assert watch.stage.log.having("stream-0 (pid") == [f"{said}; tried again until there is one"]
    watch.live(250)
    assert watch.asked(wait=True) == [RestartActor(actor="stream-0", reason="hang", pid=pid)]
    document = watch.actor.document()
    assert document.restarts_asked == 1
    assert document.reasons == ("stream-0: hang; the supervisor was asked to restart it",)


def test_r17_watchdog_leaves_alone_an_actor_that_had_no_processor(
    watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    watch.run("stream-0")
    monkeypatch.setattr("hunter.watchdog.actor.read_cpu", lambda _: Cpu(True, 5 * MS, 0))
    watch.live(5_000)
    assert watch.actor.document().restarts_asked == 0
    monkeypatch.setattr("hunter.watchdog.actor.read_cpu", lambda _: Cpu(False, 5 * MS, 0))
    watch.live(2_500)
    assert watch.actor.document().restarts_asked == 1, "now it could have run"
