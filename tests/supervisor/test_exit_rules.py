"""What follows a death: restart type by kind of exit, intensity, back-off, group, giving up.

Names are the cross product: permanent | transient | temporary by normal (exit 0) | abnormal
(exit 1) | signal | no_retry (exit 78).
"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from supervisor.commands import HANG, RestartChild, StopChild
from supervisor.events import Finished, ReportKind, StartExtended, Terminate
from supervisor.spec import Backoff, ChildSpec, Restart, RestartIntensity, Strategy, TreeSpec

MS = 1_000_000
S = 1000 * MS
EVEN = Backoff(jitter_ratio=0)

NORMAL, ABNORMAL, SIGNAL, NO_RETRY = {"code": 0}, {"code": 1}, {"signal": 9}, {"code": 78}


@pytest.mark.parametrize(
    ("restart", "how", "state", "wanted"),
    [
        pytest.param(Restart.PERMANENT, NORMAL, "starting", True, id="permanent_normal"),
        pytest.param(Restart.PERMANENT, ABNORMAL, "starting", True, id="permanent_abnormal"),
        pytest.param(Restart.PERMANENT, SIGNAL, "starting", True, id="permanent_signal"),
        pytest.param(Restart.PERMANENT, NO_RETRY, "parked", True, id="permanent_no_retry"),
        pytest.param(Restart.TRANSIENT, NORMAL, "stopped", False, id="transient_normal"),
        pytest.param(Restart.TRANSIENT, ABNORMAL, "starting", True, id="transient_abnormal"),
        pytest.param(Restart.TRANSIENT, SIGNAL, "starting", True, id="transient_signal"),
        pytest.param(Restart.TRANSIENT, NO_RETRY, "parked", True, id="transient_no_retry"),
        pytest.param(Restart.TEMPORARY, NORMAL, "stopped", False, id="temporary_normal"),
        pytest.param(Restart.TEMPORARY, ABNORMAL, "stopped", False, id="temporary_abnormal"),
        pytest.param(Restart.TEMPORARY, SIGNAL, "stopped", False, id="temporary_signal"),
        pytest.param(Restart.TEMPORARY, NO_RETRY, "stopped", False, id="temporary_no_retry"),
    ],
)
def test_restart_type_by_kind_of_exit(running_world, restart, how, state, wanted):
    world = running_world("ab", child={"restart": restart})
    world.exit("a", **how)
    assert world.record("a").state.value == state
    assert world.record("a").wanted is wanted
    assert world.record("b").state.value == "ready"


@pytest.mark.parametrize(
    ("how", "text"), [(NORMAL, "exit 0"), (ABNORMAL, "exit 1"), (SIGNAL, "signal 9")]
)
def test_a_death_is_reported_with_pid_and_uptime_and_kept_as_last_exit(running_world, how, text):
    world = running_world("a")
    pid = world.pids["a"]
    world.now_ns += 3 * S
    world.exit("a", **how)
    (report,) = world.reports(ReportKind.DIED)
    assert (report.name, report.text, report.pid, report.asked) == ("a", text, pid, False)
    assert report.uptime_ns == 3 * S
    assert world.record("a").last_exit == text


def test_permanent_normal_is_not_a_failure_but_takes_its_place_on_the_curve(running_world):
    world = running_world("a", backoff=EVEN)
    for _ in range(20):
        world.exit("a", code=0)
        world.pass_ns(10 * S)
        world.ready("a")
    assert not world.reports(ReportKind.PARKED)
    assert world.record("a").failures_ns == ()
    assert world.record("a").attempts == 20


def test_permanent_normal_before_ready_is_a_failure(make_world):
    world = make_world("a")
    world.exit("a", code=0)
    assert len(world.record("a").failures_ns) == 1


def test_transient_normal_before_ready_is_finished(make_world):
    world = make_world("ab", first={"restart": Restart.TRANSIENT})
    world.exit("a", code=0)
    assert world.states() == ["stopped", "starting"]


def test_the_delay_is_nothing_then_doubles(running_world):
    world = running_world("a", backoff=EVEN, intensity=RestartIntensity(max_restarts=100))
    waits_ms = []
    for _ in range(10):
        world.crash("a")
        died_ns = world.now_ns
        if world.states() == ["backoff"]:
            deadline_ns = world.record("a").deadline_ns
            world.pass_ns(deadline_ns - world.now_ns - 1)
            assert world.states() == ["backoff"]
            world.pass_ns(1)
        assert world.states() == ["starting"]
        waits_ms.append((world.now_ns - died_ns) // MS)
    assert waits_ms == [0, 100, 200, 400, 800, 1600, 3200, 6400, 10_000, 10_000]


def test_the_jitter_differs_by_child_and_not_by_run(make_world):
    waits = {}
    for run in range(2):
        world = make_world("ab")
        world.ready("a", "b")
        for name in "ab":
            world.crash(name)
            world.crash(name)
            waits[name, run] = world.record(name).deadline_ns - world.now_ns
    assert waits["a", 0] == waits["a", 1]
    assert waits["a", 0] != waits["b", 0]
    assert all(80 * MS <= wait <= 120 * MS for wait in waits.values())


def test_health_resets_the_delay_and_the_window(running_world):
    world = running_world("a", backoff=EVEN)
    for _ in range(4):
        world.crash("a")
        world.pass_ns(1 * S)
    world.ready("a")
    world.pass_ns(60 * S)
    world.crash("a")
    assert world.states() == ["starting"]
    assert len(world.record("a").failures_ns) == 1
    assert world.record("a").attempts == 1


def test_being_up_without_being_ready_is_not_health(make_world):
    world = make_world("a", backoff=EVEN, child={"ready_timeout_ns": 1000 * S})
    world.crash("a")
    world.pass_ns(100 * S)
    world.crash("a")
    assert world.record("a").attempts == 2


def crash_loop(world, name, count):
    for _ in range(count):
        world.pass_ns(max(0, (world.record(name).deadline_ns or 0) - world.now_ns))
        world.crash(name)


def test_one_failure_more_than_the_intensity_parks_and_the_others_run(running_world):
    world = running_world("abc")
    crash_loop(world, "b", 5)
    assert not world.reports(ReportKind.PARKED)
    crash_loop(world, "b", 1)
    assert world.states() == ["ready", "parked", "ready"]
    assert world.record("b").restarts == 5
    (report,) = world.reports(ReportKind.PARKED)
    assert "6 failures" in report.text
    assert "signal 11" in report.text


def test_failures_outside_the_period_do_not_count(running_world):
    world = running_world("a")
    for _ in range(30):
        world.pass_ns(12 * S)
        world.crash("a")
        world.pass_ns(0)
    assert not world.reports(ReportKind.PARKED)


def test_an_intensity_of_nothing_parks_at_the_first_failure(running_world):
    world = running_world("a", intensity=RestartIntensity(max_restarts=0))
    world.crash("a")
    assert world.states() == ["parked"]


def test_a_parked_child_gets_one_try_and_is_parked_again(running_world):
    world = running_world("a")
    crash_loop(world, "a", 6)
    starts = len(world.starts())
    for round_number in range(1, 4):
        world.pass_ns(60 * S - 1)
        assert world.states() == ["parked"]
        world.pass_ns(1)
        assert world.states() == ["starting"]
        world.ready("a")
        world.crash("a")
        assert world.states() == ["parked"]
        assert len(world.starts()) == starts + round_number
    assert "one try" in world.reports(ReportKind.PARKED)[-1].text


def test_a_parked_child_that_recovers_is_one_like_any_other(running_world):
    world = running_world("a")
    crash_loop(world, "a", 6)
    world.pass_ns(60 * S)
    world.ready("a")
    world.pass_ns(60 * S)
    world.crash("a")
    assert world.states() == ["starting"]
    assert not world.record("a").half_open


def test_no_retry_is_not_tried_again_ever(running_world):
    world = running_world("ab")
    world.exit("a", code=78)
    world.pass_ns(24 * 3600 * S)
    assert world.states() == ["parked", "ready"]
    assert "until asked" in world.reports(ReportKind.PARKED)[0].text


def test_the_no_retry_codes_are_the_childs_own(running_world):
    world = running_world("a", child={"no_retry_exit_codes": frozenset({3})})
    world.exit("a", code=78)
    assert world.states() == ["starting"]
    world.exit("a", code=3)
    assert world.states() == ["parked"]


def test_a_program_that_cannot_be_started_counts_as_failures(make_world):
    world = make_world("ab")
    world.ready("a")
    world.unspawnable.add("a")
    world.crash("a")
    world.pass_ns(10 * S)
    assert world.states() == ["parked", "starting"]
    assert world.record("a").last_exit == "spawn error"
    assert world.record("a").restarts == 0
    assert len(world.reports(ReportKind.START_ERROR)) == 5


def test_critical_at_the_limit_ends_the_tree_in_order(running_world):
    world = running_world("abc", first={"critical": True})
    crash_loop(world, "a", 6)
    (report,) = world.reports(ReportKind.GAVE_UP)
    assert report.name == "a"
    assert world.states() == ["stopped", "ready", "stopping"]
    world.exit("c", code=0)
    world.exit("b", code=0)
    assert world.actions[-1] == Finished(1)


def test_critical_no_retry_ends_the_tree_with_its_code(running_world):
    world = running_world("a", first={"critical": True})
    world.exit("a", code=78)
    assert world.actions[-1] == Finished(78)


def test_one_for_one_other_child_fails_nobody_else_is_touched(running_world):
    world = running_world("abc")
    world.crash("a")
    assert world.states() == ["starting", "ready", "ready"]


def test_rest_for_one_stops_the_rest_in_reverse_and_starts_it_in_order(running_world):
    world = running_world("abcd", strategy=Strategy.REST_FOR_ONE)
    world.crash("b")
    assert world.actions[-1] == Terminate("d")
    assert world.states() == ["ready", "backoff", "ready", "stopping"]
    world.exit("d", code=0)
    assert world.states() == ["ready", "backoff", "stopping", "stopped"]
    world.exit("c", code=0)
    assert world.states() == ["ready", "starting", "stopped", "stopped"]
    world.ready("b")
    assert world.states() == ["ready", "ready", "starting", "stopped"]
    world.ready("c")
    assert world.states() == ["ready", "ready", "ready", "starting"]
    assert [world.record(n).failures_ns != () for n in "abcd"] == [False, True, False, False]


def test_rest_for_one_a_failed_start_takes_nobody_down_and_is_waited_for(running_world):
    world = running_world("ab", strategy=Strategy.REST_FOR_ONE)
    world.crash("a")
    world.exit("b", code=0)
    world.crash("a")
    assert world.states() == ["backoff", "stopped"]
    world.pass_ns(1 * S)
    world.ready("a")
    assert world.states() == ["ready", "starting"]


def test_rest_for_one_the_rest_starts_without_one_that_is_parked(running_world):
    world = running_world(
        "ab", strategy=Strategy.REST_FOR_ONE, intensity=RestartIntensity(max_restarts=0)
    )
    world.crash("a")
    assert world.states() == ["parked", "stopping"]
    world.exit("b", code=0)
    assert world.states() == ["parked", "starting"]


def test_rest_for_one_a_try_that_fails_leaves_those_alone_who_run_without_it(running_world):
    world = running_world(
        "ab", strategy=Strategy.REST_FOR_ONE, intensity=RestartIntensity(max_restarts=0)
    )
    world.crash("a")
    world.exit("b", code=0)
    world.ready("b")
    world.pass_ns(60 * S)
    world.crash("a")
    assert world.states() == ["parked", "ready"]


def test_rest_for_one_the_rest_does_not_wait_longer_than_the_ready_timeout(running_world):
    world = running_world("ab", strategy=Strategy.REST_FOR_ONE, backoff=EVEN)
    world.crash("a")
    world.exit("b", code=0)
    world.feed(StartExtended("a", 30 * S))
    world.pass_ns(30 * S - 1)
    assert world.states() == ["starting", "stopped"]
    world.pass_ns(1)
    assert world.states() == ["killing", "starting"]


def test_rest_for_one_a_child_in_backoff_joins_the_order(running_world):
    world = running_world("abc", strategy=Strategy.REST_FOR_ONE, backoff=EVEN)
    world.crash("c")
    world.crash("c")
    assert world.states() == ["ready", "ready", "backoff"]
    world.crash("a")
    assert world.states() == ["backoff", "stopping", "stopped"]
    world.exit("b", code=0)
    world.pass_ns(1 * S)
    assert world.states() == ["starting", "stopped", "stopped"]


def test_one_for_all_stops_all_and_starts_all_in_order(running_world):
    world = running_world("abc", strategy=Strategy.ONE_FOR_ALL)
    world.crash("b")
    assert world.states() == ["ready", "backoff", "stopping"]
    world.exit("c", code=0)
    assert world.states() == ["stopping", "backoff", "stopped"]
    world.exit("a", code=0)
    assert world.states() == ["starting", "backoff", "stopped"]
    world.ready("a")
    assert world.states() == ["ready", "starting", "stopped"]
    world.ready("b", "c")
    assert world.states() == ["ready", "ready", "ready"]


def test_one_for_all_transient_normal_takes_nobody_down(running_world):
    world = running_world(
        "abc", strategy=Strategy.ONE_FOR_ALL, first={"restart": Restart.TRANSIENT}
    )
    world.exit("a", code=0)
    assert world.states() == ["stopped", "ready", "ready"]


@given(gaps_ms=st.lists(st.integers(0, 30_000), min_size=1, max_size=60), seed=st.integers(0, 99))
def test_within_one_period_never_more_restarts_than_the_intensity(world_class, gaps_ms, seed):
    spec = TreeSpec(children=(ChildSpec(name="a", argv=("true",)),))
    world = world_class(spec, seed)
    spawned_ns = []
    for gap_ms in gaps_ms:
        before = len(world.starts())
        world.pass_ns(gap_ms * MS)
        if len(world.starts()) > before:
            spawned_ns.append(world.now_ns)
        if "a" in world.pids:
            before = len(world.starts())
            world.crash("a")
            if len(world.starts()) > before:
                spawned_ns.append(world.now_ns)
    in_period = [
        sum(1 for at_ns in spawned_ns if start_ns <= at_ns < start_ns + 60 * S)
        for start_ns in spawned_ns
    ]
    # 5 restarts, one half-open try, and one because a restart seen late is dated late
    assert max(in_period, default=0) <= 7


@pytest.mark.parametrize("signal", [9, 15])
def test_ready_child_killed_by_others_is_back_at_once_however_often(running_world, signal):
    world = running_world("a", intensity=RestartIntensity(max_restarts=2))
    for count in range(1, 20):
        world.now_ns += S
        world.exit("a", signal=signal)
        assert world.record("a").state.value == "starting"
        world.ready("a")
        assert world.record("a").restarts == count
    assert world.record("a").failures_ns == ()
    assert not world.reports(ReportKind.PARKED)


@pytest.mark.parametrize(
    ("signal", "ready_for_ns"),
    [pytest.param(9, 499 * MS, id="killed_early"), pytest.param(11, 10 * S, id="own_crash")],
)
def test_other_deaths_by_signal_count_towards_the_limit(running_world, signal, ready_for_ns):
    world = running_world("a", intensity=RestartIntensity(max_restarts=0))
    world.now_ns += ready_for_ns
    world.exit("a", signal=signal)
    assert world.record("a").state.value == "parked"


def fail_by(world, cause):
    """Bring about one end of `a`, which is ready, for this cause."""
    match cause:
        case "exit":
            world.exit("a", code=3)
        case "signal":
            world.exit("a", signal=11)
        case "out of memory":
            world.exit("a", signal=9, out_of_memory=True)
        case "asked":
            world.ask(RestartChild("a"))
            world.exit("a", code=0)
        case "start timeout":
            world.exit("a", code=0)
            world.pass_ns(1 * S)
            assert world.states() == ["starting"]
            world.pass_ns(30 * S)
            world.exit("a", signal=9)
        case "spawn error":
            world.unspawnable.add("a")
            world.exit("a", code=0)
        case reason:
            world.ask(RestartChild("a", reason))
            world.exit("a", signal=9, out_of_memory=True)  # whatever ends it after the verdict


@pytest.mark.parametrize(
    ("cause", "before"),
    [
        ("exit", {}),
        ("signal", {}),
        ("out of memory", {}),
        ("asked", {}),
        (HANG, {}),
        ("stalled", {}),
        ("start timeout", {"exit": 1}),
        ("spawn error", {"exit": 1}),
    ],
)
def test_an_end_is_reported_and_counted_by_its_cause(running_world, cause, before):
    world = running_world("a", backoff=EVEN)
    fail_by(world, cause)
    kinds = (ReportKind.DIED, ReportKind.START_ERROR)
    causes = [report.cause for kind in kinds for report in world.reports(kind)]
    assert causes == [*before, cause]
    assert world.record("a").exits == {**before, cause: 1}


def test_a_stop_after_a_hang_is_still_counted_as_the_hang_it_was(running_world):
    world = running_world("a")
    world.ask(RestartChild("a", HANG))
    world.ask(StopChild("a"))
    world.exit("a", signal=9)
    assert world.record("a").exits == {"hang": 1}


def test_counts_last_as_long_as_the_tree(running_world):
    world = running_world("a")
    for _ in range(2):
        world.exit("a", signal=11)
        world.ready("a")
        world.pass_ns(100 * S)
    world.ask(RestartChild("a"))
    world.exit("a", code=0)
    assert world.record("a").exits == {"signal": 2, "asked": 1}


def test_r13_loop_of_kills_for_memory_is_parked_like_any_crash_loop(running_world):
    """A foreign SIGKILL is nobody's fault; the kernel's, for memory, is the child's own."""
    world = running_world("ab", intensity=RestartIntensity(max_restarts=2))
    for _ in range(3):
        world.pass_ns(5 * S)
        world.ready("a")
        world.pass_ns(5 * S)
        world.exit("a", signal=9, out_of_memory=True)
    assert world.states() == ["parked", "ready"]
    assert world.record("a").last_exit == "signal 9, perhaps out of memory"
    assert world.record("a").exits == {"out of memory": 3}


def test_our_own_kill_is_not_taken_for_one_of_the_kernels(make_world):
    world = make_world("a")
    world.pass_ns(20 * S)
    assert world.states() == ["killing"]
    world.exit("a", signal=9, out_of_memory=True)
    assert world.record("a").last_exit == "start timeout"
    world.ready("a")
    world.ask(StopChild("a"))
    world.pass_ns(5 * S)
    world.exit("a", signal=9, out_of_memory=True)
    assert world.record("a").last_exit == "stop timeout"
