from __future__ import annotations

import faulthandler
import gc
import itertools
import logging
import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from hunter.config import Config
from hunter.errors import ConfigError
from hunter.runtime import runner
from hunter.runtime.actor import Context
from hunter.runtime.garbage import Garbage
from hunter.runtime.placement import Placement
from hunter.runtime.runner import Runner, run_process
from hunter.status import documents
from hunter.status.block import StatusBlock
from hunter.status.documents import WatchdogDocument
from hunter.status.histogram import index_of
from hunter.status.latency import Latencies
from hunter.status.page import ActorState, Page, is_alive, process_start_ticks

MS = 1_000_000


class FakeClock:
    """Moves by `step_ns` whenever it is read for monotonic time."""

    def __init__(self) -> None:
        self.now_ns = 1_000 * MS
        self.step_ns = 0

    def wall_ns(self) -> int:
        return 1_700_000_000_000_000_000

    def monotonic_ns(self) -> int:
        self.now_ns += self.step_ns
        return self.now_ns


class FakeActor:
    """Remembers what the runner did to it. `each_turn` runs in do_work and says how much it did."""

    def __init__(self, context: Context, each_turn: Callable[[int], int]) -> None:
        self.context = context
        self.calls: list[str] = []
        self.turns = 0
        self._each_turn = each_turn
        self.documents = 0

    def on_start(self, now_ns: int) -> None:
        self.calls.append(f"start {self.context.page.beat().state.name}")

    def do_work(self, now_ns: int) -> int:
        self.turns += 1
        done = self._each_turn(self.turns)
        self.calls.append(f"work {done}")
        return done

    def wait(self, timeout_ms: int) -> None:
        self.calls.append(f"wait {timeout_ms}")

    def on_stop(self) -> None:
        self.calls.append(f"stop {self.context.page.beat().state.name}")

    def state(self) -> ActorState:
        return ActorState.DEGRADED

    def document(self) -> msgspec.Struct:
        self.documents += 1
        return WatchdogDocument(("sample",), self.documents)


@pytest.fixture(autouse=True)
def process_as_it_was() -> Iterator[None]:
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    yield
    for number, handler in handlers.items():
        signal.signal(number, handler)
    gc.unfreeze()
    gc.enable()


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def run(
    instance: tuple[Config, StatusBlock], page: Page, clock: FakeClock, tmp_path: Path
) -> Callable[..., FakeActor]:
    """Run an actor in this process until its turn number `turns`."""

    def start(each_turn: Callable[[int], int], turns: int, errors: int = 0) -> FakeActor:
        made: list[FakeActor] = []

        def until_stopped(turn: int) -> int:
            done = each_turn(turn)
            if turn == turns:
                looping.request_stop()
            return done

        def make(context: Context) -> FakeActor:
            made.append(FakeActor(context, until_stopped))
            return made[0]

        log = logging.getLogger("sample-0")
        context = Context("sample-0", instance[0], clock, page, tmp_path, log)
        looping = Runner(context, make, lambda: errors)
        looping.run()
        return made[0]

    return start


def test_actor_lives_its_life_in_order(run: Callable[..., FakeActor]) -> None:
    actor = run(lambda turn: turn % 2, turns=3)
    assert actor.calls == [
        "start STARTING", "work 1", "work 0", "wait 50", "work 1", "stop STOPPING",
    ]  # fmt: skip


def test_actor_that_may_spin_sleeps_only_when_nothing_came_for_so_long(
    run: Callable[..., FakeActor], clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runner, "placement", lambda *_: Placement(busy_poll_ns=5 * MS))
    clock.step_ns = 2 * MS
    actor = run(lambda turn: int(turn == 2), turns=7)
    assert actor.calls[1:-1] == [
        "work 0", "wait 50", "work 1", "work 0", "work 0", "work 0", "wait 50", "work 0",
        "wait 50", "work 0", "wait 50",
    ]  # fmt: skip


def test_garbage_is_looked_for_before_a_wait_and_with_each_beat(
    run: Callable[..., FakeActor], clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[str] = []
    monkeypatch.setattr(Garbage, "before_wait", lambda *_: looks.append("wait"))
    monkeypatch.setattr(Garbage, "now_and_then", lambda *_: looks.append("beat"))
    clock.step_ns = 10 * MS
    run(lambda turn: int(turn < 4), turns=5)
    assert looks == ["beat", "beat", "wait", "beat", "wait"]
    assert not gc.isenabled()


def test_latencies_are_marked_each_minute(
    run: Callable[..., FakeActor], page: Page, clock: FakeClock
) -> None:
    clock.step_ns = 30_000 * MS
    seen: list[int] = []

    def work(turn: int) -> int:
        Latencies(page).record(0, 1000)
        seen.append(sum(Latencies(page).counts(0).recent))
        return 1

    run(work, turns=12)
    assert seen[-1] == Latencies(page).counts(0).every[index_of(1000)] - 8
    assert max(seen) <= 4, "two minutes at most"


def test_document_that_outgrew_its_page_ends_nobody_and_is_said_once(
    run: Callable[..., FakeActor],
    clock: FakeClock,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """What is in it comes from outside, too."""
    huge = WatchdogDocument(("x" * 100_000,), 1)
    monkeypatch.setattr(FakeActor, "document", lambda self: huge)
    clock.step_ns = 200 * MS
    run(lambda turn: 1, turns=5)
    said = [record for record in caplog.records if "outgrown its page" in record.getMessage()]
    assert len(said) == 1


def test_page_tells_who_it_is_and_how_it_ended(run: Callable[..., FakeActor], page: Page) -> None:
    page.store("progress", 99)  # of a predecessor
    run(lambda turn: 5, turns=3, errors=4)
    beat = page.beat()
    assert is_alive(beat)
    assert (beat.pid, beat.process_start) == (os.getpid(), process_start_ticks(os.getpid()))
    assert beat.state is ActorState.STOPPED
    assert beat.started_wall_ns == 1_700_000_000_000_000_000
    assert beat.errors == 4
    assert beat.rss_bytes > 1_000_000


def test_state_and_document_are_on_the_page_while_it_runs(
    run: Callable[..., FakeActor], page: Page
) -> None:
    seen = []

    def look(turn: int) -> int:
        seen.append(page.beat().state)
        return 1

    run(look, turns=2)
    assert seen == [ActorState.DEGRADED] * 2
    document = documents.decode(page.read_document(), WatchdogDocument)
    assert document == WatchdogDocument(("sample",), 2), "the last word is said after on_stop"


def test_beat_comes_from_the_loop_every_20_ms(
    run: Callable[..., FakeActor], page: Page, clock: FakeClock
) -> None:
    clock.step_ns = 5 * MS
    beats: set[int] = set()

    def look(turn: int) -> int:
        beats.add(page.beat().beat_monotonic_ns)
        return 1

    run(look, turns=40)
    ages = sorted(beats)
    assert {later - former for former, later in itertools.pairwise(ages)} == {20 * MS}


def test_progress_grows_with_work_and_not_with_turns(
    run: Callable[..., FakeActor], page: Page, clock: FakeClock
) -> None:
    clock.step_ns = 20 * MS
    seen = []

    def look(turn: int) -> int:
        seen.append(page.beat().progress)
        return 3 if turn <= 2 else 0

    run(look, turns=5)
    assert seen == [0, 3, 6, 6, 6]


def test_document_is_written_every_100_ms(run: Callable[..., FakeActor], clock: FakeClock) -> None:
    clock.step_ns = 20 * MS
    actor = run(lambda turn: 1, turns=50)
    assert actor.documents == 10 + 1


@pytest.mark.parametrize(
    ("state", "cost_us", "every_ms"),
    [
        (ActorState.READY, 50, 100),
        (ActorState.DEGRADED, 50, 100),
        (ActorState.READY, 1_000, 300),
        (ActorState.READY, 30_000, 1_000),
        (ActorState.STARTING, 50, 20),
        (ActorState.STARTING, 30_000, 300),
    ],
)
def test_document_that_costs_much_is_written_less_often(
    run: Callable[..., FakeActor],
    clock: FakeClock,
    monkeypatch: pytest.MonkeyPatch,
    state: ActorState,
    cost_us: int,
    every_ms: int,
) -> None:
    ticks = itertools.count(0, cost_us * 1000)
    monkeypatch.setattr(runner, "process_cpu_ns", lambda: next(ticks))
    monkeypatch.setattr(FakeActor, "state", lambda _: state)
    clock.step_ns = 20 * MS
    actor = run(lambda turn: 1, turns=3_000 // 20)
    assert actor.documents == 3_000 // every_ms + 1


def test_supervisor_is_told_every_250_ms(
    run: Callable[..., FakeActor], clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[int] = []
    monkeypatch.setattr("supervisor.child.beat", lambda: told.append(clock.now_ns))
    clock.step_ns = 50 * MS
    run(lambda turn: 1, turns=40)
    assert len(told) == 2_000 // 250


def test_supervisor_hears_as_often_of_an_actor_whose_document_costs_much(
    run: Callable[..., FakeActor], clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a busy host, on which everything costs more, would have it ended for its silence."""
    told: list[int] = []
    monkeypatch.setattr("supervisor.child.beat", lambda: told.append(clock.now_ns))
    ticks = itertools.count(0, 30 * MS)
    monkeypatch.setattr(runner, "process_cpu_ns", lambda: next(ticks))
    clock.step_ns = 50 * MS
    run(lambda turn: 1, turns=40)
    assert len(told) == 2_000 // 250


def test_usage_is_measured_every_second(
    run: Callable[..., FakeActor],
    page: Page,
    clock: FakeClock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("hunter.clock.process_cpu_ns", lambda: clock.now_ns // 4)
    clock.step_ns = 100 * MS
    run(lambda turn: 1, turns=25)
    assert page.beat().cpu_permille == 250


def test_sigterm_is_a_request_to_stop_and_sigint_is_not_ours(
    run: Callable[..., FakeActor],
) -> None:
    def interrupt(turn: int) -> int:
        signal.raise_signal(signal.SIGINT if turn < 3 else signal.SIGTERM)
        return 1

    assert run(interrupt, turns=99).turns == 3


def test_failure_in_the_actor_passes_through(run: Callable[..., FakeActor], page: Page) -> None:
    with pytest.raises(ZeroDivisionError):
        run(lambda turn: 1 // 0, turns=1)
    assert page.beat().state is ActorState.DEGRADED, "no word of a stop that was none"


class Left(BaseException):
    """os._exit, for a test that stays."""


@pytest.mark.parametrize(
    ("error", "code", "told"),
    [
        (None, 0, ""),
        (ConfigError("brain.kind: no such class"), 78, "ConfigError: brain.kind: no such class"),
        (ValueError("a bug"), 1, "ValueError: a bug"),
    ],
)
def test_process_ends_with_the_code_of_its_error(
    instance: tuple[Config, StatusBlock],
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    error: Exception | None,
    code: int,
    told: str,
) -> None:
    def terminate(turn: int) -> int:
        signal.raise_signal(signal.SIGTERM)
        return 1

    def make(context: Context) -> FakeActor:
        if error is not None:
            raise error
        return FakeActor(context, terminate)

    def leave(code: int) -> None:
        raise Left(code)

    monkeypatch.setattr(os, "_exit", leave)
    monkeypatch.setattr(runner, "_set_title", lambda title: None)
    monkeypatch.setattr(faulthandler, "enable", lambda: None)
    monkeypatch.setattr(faulthandler, "register", lambda *_, **__: None)
    monkeypatch.setattr(sys, "argv", ["x", "sample-0", str(instance[0].runtime_dir)])
    with pytest.raises(Left, match=rf"^{code}$"):
        run_process(make)
    output = capfd.readouterr().err
    assert told in output
    assert ("Traceback" in output) == (code == 1)


def test_runner_that_was_long_in_starting_beats_before_it_says_ready(
    run: Callable[..., FakeActor],
    page: Page,
    clock: FakeClock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Who hears of "ready" judges the beat from then on, and the one of the start is old by now."""
    ages_ns: list[int] = []

    def ready() -> None:
        ages_ns.append(clock.now_ns - page.beat().beat_monotonic_ns)

    def start_slowly(actor: FakeActor, now_ns: int) -> None:
        clock.now_ns += 3_000 * MS

    monkeypatch.setattr(FakeActor, "on_start", start_slowly)
    monkeypatch.setattr(runner.supervisor.child, "notify_ready", ready)
    run(lambda _: 1, 1)
    assert ages_ns == [0]


def test_r13_process_without_memory_for_its_log_line_has_one_ready(
    capfd: pytest.CaptureFixture[str],
) -> None:
    class Poor(logging.Logger):
        def exception(self, *_: object, **__: object) -> None:
            raise MemoryError

    runner._tell_out_of_memory(Poor("poor"))
    assert capfd.readouterr().err == "ERROR out of memory, even for this line\n"
