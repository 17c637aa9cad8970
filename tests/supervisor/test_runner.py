"""The loop with real processes, real signals and a scripted operator.

Each scenario is a generator: it yields a condition to wait for (looked at a hundred times a second)
or a command to give, whose answer it gets back. A scenario that does not come to its end within
SCENARIO_LIMIT_S is a failure; a supervisor that has not been stopped is stopped after it.
"""

from __future__ import annotations

import json
import os
import signal

import pytest
from fakes.supervised import BEATS, DEAF, FAST, MS, MUTE, POLITE, WORK, S

from supervisor import runner as runner_module
from supervisor.commands import (
    HANG,
    Describe,
    NoCommands,
    RestartChild,
    StopAll,
    StopChild,
)
from supervisor.events import ReportKind
from supervisor.oom import OomKills
from supervisor.process import process_entry
from supervisor.runner import Supervisor
from supervisor.spec import Backoff, ChildSpec, Restart, RestartIntensity, TreeSpec

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
        yield lambda: stage.record("a").starts == 1
        pid = stage.record("a").pid  # None: it was faster than this look
        assert pid is None or is_gone(pid), "the loop waits, and finds both at once"
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
    (hung,) = stage.kinds(ReportKind.HUNG)
    assert hung.text.startswith("stopped by signal 19 for 0.")
    assert stage.record("a").exits == {"hang": 1, "asked": 1}


def test_a_stop_by_a_signal_is_noticed_at_once_and_costs_nothing_by_itself(play):
    """Long before the hang rule would find it, and for a child that promised no beats, too."""

    def scenario(stage):
        yield stage.is_in(a="ready")
        pid = stage.record("a").pid
        os.kill(pid, signal.SIGSTOP)
        yield lambda: stage.record("a").stopped_since_ns is not None
        assert stage.record("a").stop_signal == signal.SIGSTOP
        assert stage.record("a").state.value == "ready"
        yield lambda: stage.kinds(ReportKind.SUSPENDED)
        os.kill(pid, signal.SIGCONT)
        yield lambda: stage.record("a").stopped_since_ns is None
        yield lambda: stage.kinds(ReportKind.RESUMED)
        assert stage.record("a").pid == pid

    stage = play({"a": WORK}, scenario)
    (suspended,) = stage.kinds(ReportKind.SUSPENDED)
    (resumed,) = stage.kinds(ReportKind.RESUMED)
    assert suspended.text == "stopped by signal 19"
    assert resumed.text.startswith("was stopped for ")
    assert not stage.kinds(ReportKind.HUNG)


def test_a_child_that_was_killed_while_stopped_begins_anew(play):
    def scenario(stage):
        yield stage.is_in(a="ready")
        os.kill(stage.record("a").pid, signal.SIGSTOP)
        yield lambda: stage.record("a").stopped_since_ns is not None
        os.kill(stage.record("a").pid, signal.SIGKILL)
        yield lambda: stage.record("a").restarts == 1
        assert stage.record("a").stopped_since_ns is None
        yield stage.is_in(a="ready")

    play({"a": WORK}, scenario)


def test_r13_death_for_want_of_memory_is_told_from_a_foreign_kill(play, tmp_path):
    """The kernel's count decides; here a file stands in for it."""
    count_file = tmp_path / "memory.events"
    count_file.write_text("oom_kill 0\n")

    def scenario(stage):
        for restarts, count in ((1, 0), (2, 1)):
            yield stage.is_in(a="ready")
            count_file.write_text(f"oom_kill {count}\n")
            os.kill(stage.record("a").pid, signal.SIGKILL)
            yield lambda: stage.record("a").restarts == restarts  # noqa: B023
        yield stage.is_in(a="ready")
        assert stage.record("a").last_exit == "signal 9, perhaps out of memory"
        assert stage.record("a").exits == {"signal": 1, "out of memory": 1}

    oom_kills = OomKills([str(count_file)])
    stage = play({"a": WORK}, scenario, oom_kills=oom_kills, **FAST)
    died = [report.cause for report in stage.kinds(ReportKind.DIED)]
    assert died == ["signal", "out of memory", "asked"]


def test_descriptors_and_threads_are_as_many_after_fifty_kills(play):
    """Each death is noticed, counted by its cause, and costs nothing that stays."""
    kills = 50

    def used():
        with open("/proc/self/status", encoding="ascii") as status:
            (threads,) = [line for line in status if line.startswith("Threads:")]
        return len(os.listdir("/proc/self/fd")), threads

    def scenario(stage):
        yield stage.is_in(a="ready")
        before = used()
        for restarts in range(kills):
            os.kill(stage.record("a").pid, signal.SIGKILL)
            yield lambda: stage.record("a").restarts == restarts + 1  # noqa: B023
            yield stage.is_in(a="ready")
        assert used() == before
        assert stage.record("a").restarts == kills
        assert stage.record("a").exits == {"signal": kills}

    stage = play(
        {"a": "child.notify_ready(); signal.pause()"},
        scenario,
        intensity=RestartIntensity(max_restarts=1000),
        backoff=Backoff(delay_min_ns=1, delay_max_ns=1),
    )
    assert len(stage.kinds(ReportKind.STARTED)) == kills + 1


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
    assert stage.record("a").last_exit == "stop timeout"
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


@pytest.mark.parametrize("came", [True, False])
def test_a_request_to_stop_that_came_before_the_handlers_stood_is_not_lost(program, came):
    asked = []

    class Told(NoCommands):
        def __init__(self):
            self.reports = []

        def changed(self, tree, reports):
            self.reports += reports
            if tree.record("a").state.value == "ready":
                os.kill(os.getpid(), signal.SIGTERM)

        def tick(self):
            pass

    def was_stopped():
        asked.append(signal.getsignal(signal.SIGTERM))
        return came

    told, before = Told(), signal.getsignal(signal.SIGTERM)
    tree = TreeSpec(children=(ChildSpec(name="a", argv=program(POLITE)),))
    assert Supervisor(tree, told, told).run(was_stopped) == 0
    assert len(asked) == 1
    assert asked[0] is not before, "the handlers stand when it is asked"
    kinds = [report.kind for report in told.reports]
    assert (ReportKind.STARTED in kinds) is not came
    assert ReportKind.STOPPING in kinds


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


def test_p14_childrens_children_are_gone_after_a_stop(play, tmp_path):
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


def test_p14_childrens_children_are_swept_when_their_parent_dies(play, tmp_path):
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
