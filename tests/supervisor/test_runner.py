"""The loop with real processes, real signals and a scripted operator.

Each scenario is a generator: it yields a condition to wait for (looked at a hundred times a second)
or a command to give, whose answer it gets back. A scenario that does not come to its end within
SCENARIO_LIMIT_S is a failure; a supervisor that has not been stopped is stopped after it.
"""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import threading
from collections import deque

import pytest

from supervisor import runner as runner_module
from supervisor.commands import (
    HANG,
    Answer,
    Describe,
    NoCommands,
    RestartChild,
    StopAll,
    StopChild,
)
from supervisor.events import ReportKind
from supervisor.process import process_entry
from supervisor.runner import Supervisor
from supervisor.spec import Backoff, ChildSpec, Restart, RestartIntensity, TreeSpec

MS = 1_000_000
S = 1000 * MS
SCENARIO_LIMIT_S = 15
FAST = {
    "backoff": Backoff(delay_min_ns=5 * MS, delay_max_ns=20 * MS),
    "parked_retry_ns": 300 * MS,
}

WORK = "child.protect(); child.notify_ready(); time.sleep(60)"
BEATS = """
child.protect(); child.notify_ready()
while True:
    child.beat(); time.sleep(0.02)
"""
POLITE = """
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
child.notify_ready(); time.sleep(60)
"""
DEAF = "signal.signal(signal.SIGTERM, signal.SIG_IGN); child.notify_ready(); time.sleep(60)"
MUTE = "time.sleep(60)"


class Scripted:
    """A command source and observer in one: plays a scenario against the supervisor it serves."""

    def __init__(self, scenario):
        self.scenario = scenario
        self.supervisor = None
        self.waiting_for = None
        self.reports = []
        self.states = []
        self.ticks = 0
        self.turns = 0
        self.error = None
        self.is_over = False
        self.turn_limit = SCENARIO_LIMIT_S * 100
        self.sent = deque()
        self.read_fd, self.write_fd = os.pipe2(os.O_NONBLOCK)
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self.drive)
        self.thread.start()

    def drive(self):
        while not self.ended.wait(0.01):
            os.write(self.write_fd, b".")

    def close(self):
        self.ended.set()
        self.thread.join()
        os.close(self.read_fd)
        os.close(self.write_fd)

    # CommandSource

    def fileno(self):
        return self.read_fd

    def receive(self):
        self.turns += 1
        try:
            self.turn_limit -= len(os.read(self.read_fd, 4096))
        except BlockingIOError:
            return []
        if self.turn_limit < 0 and not self.is_over:
            self.error = AssertionError(f"waited in vain; {self.supervisor.tree}")
        if self.error is not None or self.is_over:
            return [Asked(self, StopAll(fast=self.error is not None))]
        if self.waiting_for is None or self.waiting_for():
            self.step(None)
        return [self.sent.popleft()] if self.sent else []

    def step(self, value):
        try:
            wish = self.scenario.send(value)
        except StopIteration:
            self.is_over = True
            return
        except AssertionError as error:
            self.error = error
            return
        if callable(wish):
            self.waiting_for = wish
        else:
            self.waiting_for = lambda: False
            self.sent.append(Asked(self, wish))

    # Observer

    def changed(self, tree, reports):
        self.reports += reports
        self.states.append({record.name: record.state.value for record in tree.records})

    def tick(self):
        self.ticks += 1


class Asked:
    """One request of the scenario; its answer is what the yield gives back."""

    def __init__(self, script, command):
        self.script = script
        self.command = command

    def answer(self, answer):
        assert isinstance(answer, Answer)
        if self.script.error is None and not self.script.is_over:
            self.script.step(answer)


class Stage:
    """What a scenario sees of the supervisor."""

    def __init__(self):
        self.supervisor = None
        self.script = None

    def record(self, name):
        return self.supervisor.tree.record(name)

    def is_in(self, **states):
        return lambda: all(self.record(n).state.value == s for n, s in states.items())

    def kinds(self, kind):
        return [report for report in self.script.reports if report.kind is kind]


@pytest.fixture
def play(program):
    """Run a tree of {name: code} and a scenario; the exit code, when both are over."""

    def run(codes, scenario, *, each=None, limits=None, **tree):
        children = tuple(
            ChildSpec(name=n, argv=program(c), **(each or {}), **((limits or {}).get(n, {})))
            for n, c in codes.items()
        )
        stage = Stage()
        script = Scripted(scenario(stage))
        supervisor = Supervisor(TreeSpec(children=children, **tree), script, script, seed=1)
        stage.supervisor = script.supervisor = supervisor
        stage.script = script
        handlers = [signal.getsignal(number) for number in runner_module.SIGNALS]
        try:
            stage.exit_code = supervisor.run()
        finally:
            script.close()
        assert [signal.getsignal(number) for number in runner_module.SIGNALS] == handlers
        assert script.error is None, script.error
        assert script.is_over, "the tree ended before the scenario"
        return stage

    return run


# -- restarts -------------------------------------------------------------------------------------


def test_a_killed_child_is_started_again_and_the_others_are_not_touched(play):
    def scenario(stage):
        yield stage.is_in(a="ready", b="ready")
        pid, other_pid = stage.record("a").pid, stage.record("b").pid
        os.kill(pid, signal.SIGKILL)
        yield lambda: stage.record("a").restarts == 1
        yield stage.is_in(a="ready")
        assert stage.record("a").pid != pid
        assert stage.record("a").last_exit == "signal 9"
        assert stage.record("b").pid == other_pid

    stage = play({"a": WORK, "b": WORK}, scenario)
    (report,) = [r for r in stage.kinds(ReportKind.DIED) if not r.asked]
    assert (report.name, report.text) == ("a", "signal 9")
    assert report.uptime_ns > 0


def test_a_death_is_noticed_at_once(play):
    """By the pidfd, not by the next tick: the child is started again well within one."""

    def scenario(stage):
        yield stage.is_in(a="ready")
        for _ in range(5):
            ticks = stage.script.ticks
            os.kill(stage.record("a").pid, signal.SIGKILL)
            restarts = stage.record("a").restarts
            yield lambda: stage.record("a").restarts > restarts  # noqa: B023
            assert stage.script.ticks - ticks <= 1
            yield stage.is_in(a="ready")

    play({"a": WORK}, scenario, backoff=Backoff(delay_min_ns=1, delay_max_ns=1))


def test_a_crash_loop_is_parked_and_tried_again_while_the_others_run(play):
    def scenario(stage):
        yield stage.is_in(a="parked")
        assert stage.record("a").last_exit == "exit 1"
        assert stage.record("a").starts == 3
        yield stage.is_in(b="ready")
        yield lambda: stage.record("a").starts == 4
        yield stage.is_in(a="parked", b="ready")
        assert stage.record("b").restarts == 0

    intensity = RestartIntensity(max_restarts=2)
    play({"a": "sys.exit(1)", "b": WORK}, scenario, intensity=intensity, **FAST)


def test_a_bad_configuration_is_not_tried_again_until_asked(play, tmp_path):
    flag = tmp_path / "mended"
    code = f"os.path.exists({str(flag)!r}) or sys.exit(78)\n" + WORK

    def scenario(stage):
        yield stage.is_in(a="parked")
        assert stage.record("a").starts == 1
        assert stage.record("a").deadline_ns is None
        flag.touch()
        answer = yield RestartChild("a")
        assert answer.ok
        yield stage.is_in(a="ready")

    play({"a": code}, scenario, **FAST)


def test_a_critical_child_at_its_limit_ends_everything(play):
    def scenario(stage):
        yield stage.is_in(b="ready")
        stage.b_pid = stage.record("b").pid
        os.kill(stage.record("a").pid, signal.SIGKILL)

    stage = play(
        {"a": WORK, "b": POLITE},
        scenario,
        limits={"a": {"critical": True}},
        intensity=RestartIntensity(max_restarts=0),
    )
    assert stage.exit_code == 1
    assert stage.kinds(ReportKind.GAVE_UP)
    assert process_entry(stage.b_pid) is None


def test_a_program_that_does_not_exist_is_parked(tmp_path):
    class Ended:
        def __init__(self):
            self.reports = []

        def changed(self, tree, reports):
            self.reports += reports

        def tick(self):
            pass

    observer = Ended()
    spec = ChildSpec(name="a", argv=(str(tmp_path / "none"),), critical=True)
    tree = TreeSpec(children=(spec,), intensity=RestartIntensity(max_restarts=1), **FAST)
    assert Supervisor(tree, NoCommands(), observer).run() == 1
    errors = [r for r in observer.reports if r.kind is ReportKind.START_ERROR]
    assert len(errors) == 2
    assert "No such file" in errors[0].text


# -- readiness and beats --------------------------------------------------------------------------


def test_children_start_in_order_and_stop_in_reverse(play, tmp_path):
    def code(name):
        say = f"open({str(tmp_path / 'order')!r}, 'a').write"
        return (
            f"def end(*_): {say}('-{name}'); sys.exit(0)\n"
            "signal.signal(signal.SIGTERM, end)\n"
            f"{say}('+{name}'); time.sleep(0.05); {say}('!{name}'); child.notify_ready()\n"
            "time.sleep(60)"
        )

    def scenario(stage):
        yield stage.is_in(a="ready", b="ready", c="ready")

    stage = play({name: code(name) for name in "abc"}, scenario)
    assert (tmp_path / "order").read_text() == "+a!a+b!b+c!c-c-b-a"
    assert stage.exit_code == 0


def test_a_child_that_is_never_ready_is_killed_and_does_not_hold_up_the_rest(play):
    def scenario(stage):
        yield stage.is_in(b="ready")
        yield lambda: stage.record("a").last_exit == "start timeout"

    play({"a": MUTE, "b": WORK}, scenario, limits={"a": {"ready_timeout_ns": 100 * MS}}, **FAST)


def test_a_childs_last_words_are_heard_before_its_death(play, is_gone):
    def scenario(stage):
        yield stage.is_in(a="starting")
        assert is_gone(stage.record("a").pid), "the loop waits, and finds both at once"
        yield stage.is_in(a="stopped")

    each = {"restart": Restart.TEMPORARY}
    stage = play({"a": "child.notify_ready()"}, scenario, each=each)
    kinds = [report.kind for report in stage.script.reports]
    assert kinds[:3] == [ReportKind.STARTED, ReportKind.READY, ReportKind.DIED]


def test_a_child_may_ask_for_more_time_to_start(play):
    code = "child.extend_start(30); time.sleep(0.4); " + WORK

    def scenario(stage):
        yield stage.is_in(a="ready")
        assert stage.record("a").restarts == 0

    play({"a": code}, scenario, each={"ready_timeout_ns": 250 * MS})


def test_a_stopped_child_is_found_by_its_missing_beats_and_replaced(play):
    def scenario(stage):
        yield stage.is_in(a="ready", b="ready")
        pid = stage.record("a").pid
        os.kill(pid, signal.SIGSTOP)
        yield lambda: stage.record("a").restarts == 1
        yield stage.is_in(a="ready")
        assert stage.record("a").last_exit == "hang"
        assert process_entry(pid) is None
        assert stage.record("b").restarts == 0

    stage = play({"a": BEATS, "b": BEATS}, scenario, each={"hang_after_ns": 300 * MS}, **FAST)
    assert len(stage.kinds(ReportKind.HUNG)) == 1


def test_a_hanging_child_is_asked_where_it_hangs_before_it_is_killed(play, tmp_path):
    log = tmp_path / "log"
    code = "import faulthandler; faulthandler.register(signal.SIGUSR1)\n" + DEAF

    def scenario(stage):
        yield stage.is_in(a="ready")
        answer = yield RestartChild("a", HANG, pid=stage.record("a").pid)
        assert answer.ok
        again = yield RestartChild("a", HANG)
        assert "nothing to do" in again.text
        yield lambda: stage.record("a").last_exit == "hang"
        yield stage.is_in(a="ready")

    each = {"log_path": str(log), "stop_timeout_ns": 100 * MS}
    play({"a": code}, scenario, each=each, **FAST)
    assert "most recent call first" in log.read_text()


def test_a_program_that_closes_its_pipe_costs_no_processor_time(play):
    code = "fd = int(os.environ['SUPERVISOR_NOTIFY_FD']); child.notify_ready(); os.close(fd)\n"

    def scenario(stage):
        yield stage.is_in(a="ready")
        ticks = stage.script.ticks
        turns = stage.script.turns
        yield lambda: stage.script.ticks == ticks + 2
        assert stage.script.turns - turns < 250, "one for each step of the script, few more"

    play({"a": code + MUTE}, scenario)


# -- stopping -------------------------------------------------------------------------------------


def test_a_deaf_child_is_killed_at_its_stop_timeout(play):
    def scenario(stage):
        yield stage.is_in(a="ready")

    stage = play({"a": DEAF}, scenario, each={"stop_timeout_ns": 100 * MS})
    assert stage.record("a").last_exit == "signal 9"
    assert stage.exit_code == 0


def test_a_stopped_process_takes_the_sigterm(play):
    def scenario(stage):
        yield stage.is_in(a="ready")
        os.kill(stage.record("a").pid, signal.SIGSTOP)
        os.waitid(os.P_PID, stage.record("a").pid, os.WSTOPPED)

    stage = play({"a": POLITE}, scenario, each={"stop_timeout_ns": 10 * S})
    assert stage.record("a").last_exit == "exit 0"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_stops_everything_in_order(play, number):
    def scenario(stage):
        yield stage.is_in(a="ready", b="ready")
        os.kill(os.getpid(), number)
        yield stage.is_in(a="stopping", b="stopped")

    slow = POLITE.replace("sys.exit(0)", "(time.sleep(0.2), sys.exit(0))")
    stage = play({"a": slow, "b": POLITE}, scenario)
    assert stage.exit_code == 0
    assert len(stage.kinds(ReportKind.STOPPING)) == 1


def test_a_second_signal_kills(play):
    def scenario(stage):
        yield stage.is_in(a="ready", b="ready")
        os.kill(os.getpid(), signal.SIGINT)
        yield stage.is_in(b="stopping")
        os.kill(os.getpid(), signal.SIGINT)

    stage = play({"a": DEAF, "b": DEAF}, scenario, each={"stop_timeout_ns": 30 * S})
    assert [r.text for r in stage.kinds(ReportKind.DIED)] == ["signal 9"] * 2


def test_a_signal_that_the_terminals_end_must_not_give_stays_ignored(play):
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:

        def scenario(stage):
            yield stage.is_in(a="ready")
            os.kill(os.getpid(), signal.SIGHUP)
            ticks = stage.script.ticks
            yield lambda: stage.script.ticks > ticks
            assert not stage.supervisor.tree.stopping

        play({"a": POLITE}, scenario)
    finally:
        signal.signal(signal.SIGHUP, before)


def test_childrens_children_are_gone_after_a_stop(play, tmp_path):
    pids = tmp_path / "pids"
    code = (
        "ps = [subprocess.Popen(['sleep', '60'], start_new_session=own) for own in (True, False)]\n"
        f"open({str(pids)!r}, 'w').write(' '.join(str(p.pid) for p in ps))\n" + WORK
    )

    def scenario(stage):
        yield stage.is_in(a="ready")

    play({"a": code}, scenario)
    left = [int(word) for word in pids.read_text().split()]
    assert len(left) == 2
    assert [process_entry(pid) for pid in left] == [None, None]


def test_childrens_children_are_swept_when_their_parent_dies(play, tmp_path):
    pids = tmp_path / "pids"
    code = (
        f"os.path.exists({str(pids)!r}) or open({str(pids)!r}, 'w').write(\n"
        "    str(subprocess.Popen(['sleep', '60']).pid))\n" + WORK
    )

    def scenario(stage):
        yield stage.is_in(a="ready")
        grandchild = int(pids.read_text())
        assert process_entry(grandchild) is not None
        os.kill(stage.record("a").pid, signal.SIGKILL)
        yield lambda: process_entry(grandchild) is None
        yield stage.is_in(a="ready")

    play({"a": code}, scenario)


def test_a_child_that_was_stopped_by_name_stays_down(play):
    def scenario(stage):
        yield stage.is_in(a="ready", b="ready")
        yield StopChild("a")
        yield stage.is_in(a="stopped")
        ticks = stage.script.ticks
        yield lambda: stage.script.ticks > ticks
        answer = yield Describe()
        told = {child["name"]: child for child in json.loads(answer.text)["children"]}
        assert told["a"]["state"] == "stopped"
        assert told["b"]["state"] == "ready"
        refused = yield StopChild("x")
        assert not refused.ok

    play({"a": POLITE, "b": POLITE}, scenario, **FAST)


def test_an_error_in_the_policy_leaves_no_process_behind(play, monkeypatch):
    seen = []

    def scenario(stage):
        yield stage.is_in(a="ready", b="ready")
        seen.extend([stage.record("a").pid, stage.record("b").pid])

        def broken(*_):
            raise AssertionError("on purpose")

        monkeypatch.setattr(runner_module, "decide", broken)
        yield StopAll()

    with pytest.raises(AssertionError, match="on purpose"):
        play({"a": DEAF, "b": DEAF}, scenario)
    assert [process_entry(pid) for pid in seen] == [None, None]


# -- those we work for ----------------------------------------------------------------------------


def test_an_observer_that_fails_is_complained_about_and_survived(play, capfd):
    def scenario(stage):
        def broken(*_):
            raise OSError("the disk is full")

        stage.script.changed = stage.script.tick = broken
        yield stage.is_in(a="ready")
        for _ in range(2 * runner_module.COMPLAINTS_MAX):
            yield Describe()

    stage = play({"a": POLITE}, scenario)
    assert stage.exit_code == 0
    complaints = capfd.readouterr().err.count("OSError: the disk is full")
    assert complaints == runner_module.COMPLAINTS_MAX, "told, but not without an end"


def test_a_command_source_that_fails_is_survived(play, capfd):
    def scenario(stage):
        yield stage.is_in(a="ready")
        receive = stage.script.receive

        def broken():
            stage.script.receive = receive
            raise OSError("no more sockets")

        stage.script.receive = broken
        yield lambda: stage.script.receive == receive

    play({"a": POLITE}, scenario)
    assert "no more sockets" in capfd.readouterr().err


def test_a_flood_of_requests_does_not_keep_it_from_its_children(program):
    class Flood(NoCommands):
        def __init__(self):
            self.request_count = 0

        command = Describe()

        def answer(self, answer):
            self.request_count += 1

        def receive(self):
            return [self]

    class Observer:
        ready = False

        def changed(self, tree, reports):
            if any(report.kind is ReportKind.READY for report in reports):
                os.kill(os.getpid(), signal.SIGTERM)

        def tick(self):
            pass

    flood = Flood()
    tree = TreeSpec(children=(ChildSpec(name="a", argv=program(WORK)),))
    assert Supervisor(tree, flood, Observer()).run() == 0
    assert flood.request_count >= runner_module.REQUEST_ROUNDS_MAX


def test_the_observer_is_ticked_at_least_once_a_second(play):
    def scenario(stage):
        yield stage.is_in(a="ready")
        limit = stage.script.turn_limit
        ticks = stage.script.ticks
        yield lambda: stage.script.ticks == ticks + 2
        assert limit - stage.script.turn_limit <= 200, "two ticks within two seconds of steps"

    play({"a": POLITE}, scenario)


# -- the end of the supervisor itself -------------------------------------------------------------

SUPERVISOR = """
from supervisor.commands import NoCommands
from supervisor.runner import Supervisor
from supervisor.spec import ChildSpec, TreeSpec

class Observer:
    def changed(self, tree, reports):
        if all(record.state.value == "ready" for record in tree.records):
            print(*[record.pid for record in tree.records], flush=True)

    def tick(self):
        pass

argv = {argv!r}
children = tuple(ChildSpec(name=name, argv=argv, hang_after_ns={hang_after_ns}) for name in "abc")
sys.exit(Supervisor(TreeSpec(children=children), NoCommands(), Observer()).run())
"""


@pytest.fixture
def supervisor_process(program):
    """A supervisor in a process of its own, and the pids of its three children, all ready."""
    started = []

    def start(code, hang_after_ns=None):
        source = SUPERVISOR.format(argv=program(code), hang_after_ns=hang_after_ns)
        process = subprocess.Popen(program(source), stdout=subprocess.PIPE, text=True)
        started.append(process)
        return process, [int(word) for word in process.stdout.readline().split()]

    yield start
    for process in started:
        process.kill()
        process.wait()
        process.stdout.close()


def test_a_killed_supervisor_leaves_no_child_not_even_a_stopped_one(supervisor_process, is_gone):
    process, pids = supervisor_process(WORK)
    assert len(pids) == 3
    os.kill(pids[1], signal.SIGSTOP)
    process.kill()
    assert all(is_gone(pid, timeout_s=2) for pid in pids)


def test_a_killed_supervisor_is_noticed_on_the_life_line(supervisor_process, is_gone):
    code = "child.notify_ready(); os.read(child.life_fd(), 1)"
    process, pids = supervisor_process(code)
    process.kill()
    assert all(is_gone(pid, timeout_s=2) for pid in pids)


def test_a_supervisor_that_was_stopped_kills_nobody_when_it_goes_on(supervisor_process):
    process, pids = supervisor_process(BEATS, hang_after_ns=300 * MS)
    together = [*pids[:2], process.pid]  # as when a laptop or a container is paused
    for pid in together:
        os.kill(pid, signal.SIGSTOP)
    select.select([], [], [], 1.0)
    os.kill(process.pid, signal.SIGCONT)
    select.select([], [], [], 0.1)  # it looks, and the children have not said a word yet
    for pid in pids[:2]:
        os.kill(pid, signal.SIGCONT)
    # any restart within two ticks would print a line of pids
    assert not select.select([process.stdout], [], [], 1.0)[0]
    assert all(process_entry(pid) is not None for pid in pids)
    process.terminate()
    assert process.wait(timeout=10) == 0


def test_a_supervisor_must_run_on_the_main_thread(program):
    refused = []

    def attempt():
        tree = TreeSpec(children=(ChildSpec(name="a", argv=program(WORK)),))
        try:
            Supervisor(tree, NoCommands(), None).run()
        except AssertionError as error:
            refused.append(error)

    thread = threading.Thread(target=attempt)
    thread.start()
    thread.join()
    assert refused
