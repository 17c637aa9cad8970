"""What a command does in each state, and that asking at a bad moment is answered, not obeyed."""

from __future__ import annotations

import pytest

from supervisor.commands import HANG, RestartChild, StartChild, StopAll, StopChild
from supervisor.events import Diagnose, Kill, ReportKind, Spawn, Terminate
from supervisor.spec import Strategy

MS = 1_000_000
S = 1000 * MS


@pytest.mark.parametrize("command", [RestartChild("x"), StopChild("x"), StartChild("x")])
def test_a_name_that_nobody_has_is_refused_with_those_there_are(running_world, command):
    world = running_world("abc")
    reply = world.ask(command)
    assert not reply.ok
    assert "a, b, c" in reply.text


@pytest.mark.parametrize("command", [RestartChild("a"), StopChild("a"), StartChild("a")])
def test_while_everything_stops_nothing_is_begun(running_world, command):
    world = running_world("ab")
    world.feed(StopAll())
    before = world.states()
    assert not world.ask(command).ok
    assert world.states() == before


def test_an_operators_restart_is_polite_immediate_and_free(running_world):
    world = running_world("ab")
    for _ in range(20):
        assert world.ask(RestartChild("a")).ok
        assert world.actions[-2:-1] == [Terminate("a")]
        world.exit("a", code=0)
        assert world.states() == ["starting", "ready"]
        world.ready("a")
    assert world.record("a").failures_ns == ()
    assert world.record("a").restarts == 20
    assert all(report.asked for report in world.reports(ReportKind.DIED))


def test_an_answer_names_the_process_that_goes_and_none_that_stays(running_world):
    world = running_world("a")
    first = world.pids["a"]
    for _ in range(2):  # the second finds it on its way out
        assert world.ask(RestartChild("a")).leaving_pid == first
    world.exit("a", code=0)
    assert "starting already" in (reply := world.ask(RestartChild("a"))).text
    assert reply.leaving_pid == 0, "nobody goes: the one that is there gets ready"
    second = world.pids["a"]
    world.ready("a")
    assert world.ask(RestartChild("a", HANG, pid=first)).leaving_pid == 0
    assert world.ask(StopChild("a")).leaving_pid == second
    assert world.ask(StartChild("a")).leaving_pid == second, "it goes all the same"
    world.exit("a", code=0)
    world.crash("a")
    assert world.states() == ["starting"], "a crash frees no one from its turn"


def test_an_answer_about_a_child_that_was_killed_as_hung_names_it(running_world):
    world = running_world("a")
    pid = world.pids["a"]
    world.ask(RestartChild("a", HANG))
    assert world.ask(RestartChild("a")).leaving_pid == pid
    world.exit("a", signal=9)
    world.exit("a", code=78)
    assert world.states() == ["parked"]
    assert world.ask(RestartChild("a")).leaving_pid == 0


def test_a_stop_by_name_is_told_once(running_world):
    world = running_world("a")
    for _ in range(3):
        world.ask(StopChild("a"))
    (report,) = world.reports(ReportKind.STOPPING)
    assert (report.name, report.text) == ("a", "operator")
    world.exit("a", code=0)
    assert len(world.reports(ReportKind.STOPPING)) == 1


def test_an_operators_restart_of_a_deaf_child_ends_in_a_kill(running_world):
    world = running_world("a")
    world.ask(RestartChild("a"))
    assert Kill("a") not in world.pass_ns(5 * S - 1)
    assert Kill("a") in world.pass_ns(1)
    world.crash("a")
    assert world.states() == ["starting"]


def test_a_hang_is_diagnosed_then_killed_then_counted(running_world):
    world = running_world("a")
    assert world.ask(RestartChild("a", HANG)).ok
    assert Diagnose("a") in world.actions
    assert Terminate("a") not in world.actions
    assert Kill("a") not in world.pass_ns(200 * MS - 1)
    assert Kill("a") in world.pass_ns(1)
    world.crash("a")
    assert world.states() == ["starting"]
    assert world.record("a").last_exit == "hang"
    assert len(world.record("a").failures_ns) == 1


def test_another_reason_is_polite_counted_and_told(running_world):
    world = running_world("a")
    world.ask(RestartChild("a", "memory"))
    assert Terminate("a") in world.actions
    world.exit("a", code=0)
    assert world.record("a").last_exit == "memory"
    assert len(world.record("a").failures_ns) == 1
    assert world.reports(ReportKind.RESTARTING)[0].text == "memory"


@pytest.mark.parametrize("reason", [HANG, "memory"])
def test_a_verdict_about_a_child_that_is_not_ready_changes_nothing(running_world, reason):
    world = running_world("a")
    moments = [
        lambda: world.crash("a"),  # starting
        lambda: world.crash("a"),  # backoff
        lambda: world.ask(StopChild("a")),  # stopped
        lambda: (world.ask(StartChild("a")) and world.ready("a")) or world.ask(StopChild("a")),
    ]
    seen = []
    for reach in moments:
        reach()
        seen += world.states()
        before = world.tree.records
        reply = world.ask(RestartChild("a", reason))
        assert reply.ok
        assert "nothing to do" in reply.text
        assert world.tree.records == before
    assert seen == ["starting", "backoff", "stopped", "stopping"]


def test_a_second_request_for_the_same_restart_changes_nothing(running_world):
    world = running_world("a")
    world.ask(RestartChild("a"))
    before = world.tree.records
    assert world.ask(RestartChild("a")).ok
    assert world.ask(RestartChild("a", HANG)).ok
    assert world.tree.records == before


@pytest.mark.parametrize("reason", ["operator", HANG])
def test_a_restart_of_one_that_is_about_to_be_restarted_changes_nothing(running_world, reason):
    world = running_world("abc", strategy=Strategy.REST_FOR_ONE)
    world.crash("a")
    assert world.states() == ["backoff", "ready", "stopping"]
    before = world.tree.records
    assert "nothing to do" in world.ask(RestartChild("b", reason)).text
    assert world.tree.records == before


def test_a_verdict_about_an_earlier_incarnation_does_not_hit_its_successor(running_world):
    world = running_world("a")
    old_pid = world.pids["a"]
    world.crash("a")
    world.ready("a")
    reply = world.ask(RestartChild("a", HANG, pid=old_pid))
    assert "replaced" in reply.text
    assert world.states() == ["ready"]
    world.ask(RestartChild("a", HANG, pid=world.pids["a"]))
    assert world.states() == ["stopping"]


def test_an_operators_restart_overrides_the_delay(running_world):
    world = running_world("a")
    world.crash("a")
    world.crash("a")
    assert world.states() == ["backoff"]
    assert Spawn("a") in world.feed(RestartChild("a"))
    assert world.record("a").attempts == 0


def test_an_operators_restart_frees_what_is_parked_for_good(running_world):
    world = running_world("a")
    world.exit("a", code=78)
    assert world.states() == ["parked"]
    world.ask(RestartChild("a"))
    assert world.states() == ["starting"]
    world.crash("a")
    assert world.states() == ["starting"], "it has its whole intensity again"


def test_a_stop_by_name_holds(running_world):
    world = running_world("abc")
    assert world.ask(StopChild("b")).ok
    assert Terminate("b") in world.actions
    world.exit("b", code=1)
    world.pass_ns(24 * 3600 * S)
    assert world.states() == ["ready", "stopped", "ready"]


@pytest.mark.parametrize("how", [{"code": 78}, {"signal": 9}])
def test_a_stop_of_what_has_no_process_is_done_at_once(running_world, how):
    world = running_world("a")
    world.exit("a", **how)
    if world.pids:
        world.crash("a")
    assert world.states()[0] in ("parked", "backoff")
    assert "is stopped" in world.ask(StopChild("a")).text
    world.pass_ns(24 * 3600 * S)
    assert world.states() == ["stopped"]


def test_a_stop_during_the_start_lets_those_behind_start(make_world):
    world = make_world("ab")
    world.ask(StopChild("a"))
    assert world.states() == ["stopping", "starting"]


def test_a_stop_during_a_hang_ends_it_for_good(running_world):
    world = running_world("a")
    world.ask(RestartChild("a", HANG))
    world.ask(StopChild("a"))
    world.pass_ns(1 * S)
    world.crash("a")
    assert world.states() == ["stopped"]


def test_a_stopped_child_starts_when_it_is_asked_for(running_world):
    world = running_world("a")
    world.ask(StopChild("a"))
    world.exit("a", code=0)
    assert "being started" in world.ask(StartChild("a")).text
    assert world.states() == ["starting"]


@pytest.mark.parametrize("command", [StartChild("a"), RestartChild("a")])
def test_a_start_while_it_still_stops_brings_it_back(running_world, command):
    world = running_world("a")
    world.ask(StopChild("a"))
    assert "when it is gone" in world.ask(command).text
    world.exit("a", code=0)
    assert world.states() == ["starting"]


def test_a_start_of_what_runs_changes_nothing(running_world):
    world = running_world("a")
    before = world.tree.records
    assert "ready already" in world.ask(StartChild("a")).text
    assert world.tree.records == before
