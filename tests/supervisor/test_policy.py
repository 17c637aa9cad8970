"""What children say, what time brings, and what must hold whatever happens.

The world of conftest.py checks with each decision: never two processes of one name, no spawn while
stopping, no signal to nobody, pid and state agree, finished only when all are gone.
"""

from __future__ import annotations

import json

import pytest

from supervisor.commands import (
    Describe,
    StartChild,
    StopAll,
)
from supervisor.events import (
    ChildBeat,
    ChildContinued,
    ChildExited,
    ChildReady,
    ChildStopped,
    Diagnose,
    Finished,
    Kill,
    ReportKind,
    Spawn,
    StartExtended,
    Tick,
)
from supervisor.policy import decide, next_deadline_ns
from supervisor.spec import ChildSpec, Restart, Strategy, TreeSpec
from supervisor.tree import initial_tree

MS = 1_000_000
S = 1000 * MS
BEATING = {"hang_after_ns": 1 * S}


def test_readiness_is_told_with_the_time_it_took(make_world):
    world = make_world("a")
    world.now_ns += 3 * S
    world.ready("a")
    (report,) = world.reports(ReportKind.READY)
    assert report.uptime_ns == 3 * S
    assert world.record("a").ready_ns == world.now_ns


def test_readiness_is_heard_once(running_world):
    world = running_world("a")
    ready_ns = world.record("a").ready_ns
    world.now_ns += 1 * S
    world.ready("a")
    assert world.record("a").ready_ns == ready_ns
    assert not world.actions


def test_readiness_comes_too_late_for_one_that_is_being_killed(make_world):
    world = make_world("a")
    world.pass_ns(20 * S)
    world.ready("a")
    assert world.states() == ["killing"]


def test_a_start_timeout_kills_counts_and_is_told(make_world):
    world = make_world("a")
    assert Kill("a") not in world.pass_ns(20 * S - 1)
    assert Kill("a") in world.pass_ns(1)
    world.crash("a")
    assert world.record("a").last_exit == "start timeout"
    assert len(world.record("a").failures_ns) == 1
    assert world.states() == ["starting"]


def test_more_time_to_start_is_counted_from_now_and_never_less(make_world):
    world = make_world("a")
    world.feed(StartExtended("a", 1 * S))
    world.pass_ns(20 * S - 1)
    assert world.states() == ["starting"]
    world.feed(StartExtended("a", 5 * S))
    world.pass_ns(5 * S - 1)
    assert world.states() == ["starting"]
    world.pass_ns(1)
    assert world.states() == ["killing"]


def test_more_time_to_start_after_the_start_means_nothing(running_world):
    world = running_world("a")
    before = world.tree.records
    world.feed(StartExtended("a", 5 * S))
    assert world.tree.records == before


def test_missing_beats_are_diagnosed_then_killed(running_world):
    world = running_world("a", child=BEATING)
    world.pass_ns(900 * MS)
    world.feed(ChildBeat("a"))
    assert not world.pass_ns(1 * S - 1)
    assert Diagnose("a") in world.pass_ns(1)
    assert Kill("a") in world.pass_ns(200 * MS)
    world.crash("a")
    assert world.record("a").last_exit == "hang"
    assert len(world.reports(ReportKind.HUNG)) == 1


def test_a_stop_is_told_and_does_not_restart_by_itself(running_world):
    world = running_world("a")
    world.feed(ChildStopped("a", 19))
    record = world.record("a")
    assert (record.stopped_since_ns, record.stop_signal) == (world.now_ns, 19)
    world.pass_ns(3600 * S)
    assert world.states() == ["ready"]
    world.feed(ChildContinued("a"))
    assert world.record("a").stopped_since_ns is None
    (suspended,) = world.reports(ReportKind.SUSPENDED)
    (resumed,) = world.reports(ReportKind.RESUMED)
    assert (suspended.text, resumed.text) == ("stopped by signal 19", "was stopped for 3600.0 s")


def test_a_continuation_of_one_that_was_not_seen_stopped_is_no_news(running_world):
    world = running_world("a")
    assert world.feed(ChildContinued("a")) == []


def test_a_stopped_child_that_misses_its_beats_is_killed_without_being_asked(running_world):
    world = running_world("a", child=BEATING)
    world.pass_ns(100 * MS)
    world.feed(ChildStopped("a", 20))
    actions = world.pass_ns(900 * MS)
    assert Kill("a") in actions
    assert Diagnose("a") not in actions
    (report,) = world.reports(ReportKind.HUNG)
    assert report.text == "stopped by signal 20 for 0.9 s"
    world.exit("a", signal=9)
    assert world.record("a").last_exit == "hang"
    assert world.states() == ["starting"]


def test_a_stopped_child_that_goes_on_in_time_keeps_its_place(running_world):
    world = running_world("a", child=BEATING)
    world.feed(ChildStopped("a", 19))
    world.pass_ns(500 * MS)
    world.feed(ChildContinued("a"))
    world.feed(ChildBeat("a"))
    world.pass_ns(900 * MS)
    assert world.states() == ["ready"]
    world.pass_ns(100 * MS)
    assert Diagnose("a") in world.actions, "it runs again, and can be asked"


def test_a_child_that_promised_no_beats_is_not_missed(running_world):
    world = running_world("a")
    assert not world.pass_ns(24 * 3600 * S)


def test_a_child_that_is_starting_owes_no_beats(make_world):
    world = make_world("a", child=BEATING)
    world.pass_ns(19 * S)
    assert world.states() == ["starting"]


def test_a_child_that_waits_for_its_turn_to_go_owes_no_beats(running_world):
    world = running_world("ab", child=BEATING)
    world.feed(StopAll())
    world.pass_ns(4 * S)
    assert world.states() == ["ready", "stopping"]


def test_a_supervisor_that_slept_blames_nobody(running_world):
    world = running_world("abc", child=BEATING)
    world.now_ns += 30 * S
    world.feed(Tick(late_ns=29 * S))
    assert world.states() == ["ready"] * 3
    world.pass_ns(999 * MS)
    assert world.states() == ["ready"] * 3
    world.feed(ChildBeat("a"))
    world.feed(ChildBeat("b"))
    world.pass_ns(1 * MS)
    assert world.states() == ["ready", "ready", "stopping"], "one that really hangs is still found"


def test_a_supervisor_that_was_a_little_late_forgives_as_much(running_world):
    world = running_world("a", child=BEATING)
    world.now_ns += 1 * S + 300 * MS
    world.feed(Tick(late_ns=400 * MS))
    assert world.states() == ["ready"]
    assert world.pass_ns(100 * MS - 1) == []
    assert Diagnose("a") in world.pass_ns(1)


def test_a_supervisor_that_slept_gives_a_starting_child_its_whole_time(make_world):
    world = make_world("a")
    world.now_ns += 30 * S
    world.feed(Tick(late_ns=29 * S))
    assert world.states() == ["starting"]


def test_lateness_never_dates_a_beat_into_the_future(running_world):
    world = running_world("a", child=BEATING)
    world.feed(Tick(late_ns=100 * S))
    assert world.record("a").beat_ns == world.now_ns


def test_a_deaf_child_is_killed_at_its_stop_timeout(running_world):
    world = running_world("a")
    world.feed(StopAll())
    assert Kill("a") not in world.pass_ns(5 * S - 1)
    assert Kill("a") in world.pass_ns(1)
    world.crash("a")
    assert world.actions[-1] == Finished(0)


def test_a_child_that_survives_a_kill_is_reported_and_killed_again(running_world):
    world = running_world("a")
    world.feed(StopAll(fast=True))
    actions = world.pass_ns(5 * S)
    assert Kill("a") in actions
    assert world.reports(ReportKind.STUCK)


def test_a_fast_stop_kills_all_at_once(running_world):
    world = running_world("abc")
    world.feed(StopAll())
    actions = world.feed(StopAll(fast=True))
    assert [a for a in actions if isinstance(a, Kill)] == [Kill("a"), Kill("b"), Kill("c")]
    assert [a for a in world.feed(StopAll(fast=True)) if isinstance(a, Kill)] == []


def test_a_second_stop_changes_nothing(running_world):
    world = running_world("ab")
    world.feed(StopAll())
    before = world.tree.records
    assert world.ask(StopAll()).ok
    assert world.tree.records == before
    assert len(world.reports(ReportKind.STOPPING)) == 1


def test_a_stop_of_a_tree_without_processes_is_finished_at_once(running_world):
    world = running_world("a")
    world.exit("a", code=78)
    world.feed(StopAll())
    assert world.actions[-1] == Finished(0)
    world.pass_ns(3600 * S)
    assert world.actions.count(Finished(0)) == 1


def test_a_tree_whose_children_have_all_finished_goes_on(running_world):
    world = running_world("a", child={"restart": Restart.TEMPORARY})
    world.exit("a", code=0)
    assert not any(isinstance(action, Finished) for action in world.actions)
    world.ask(StartChild("a"))
    assert world.states() == ["starting"]


def test_describe_answers_with_the_tree_and_changes_nothing(running_world):
    world = running_world("ab")
    before = world.tree.records
    told = json.loads(world.ask(Describe()).text)
    assert [child["name"] for child in told["children"]] == ["a", "b"]
    assert world.tree.records == before


@pytest.mark.parametrize(
    "event",
    [
        ChildReady("a"),
        ChildBeat("a"),
        ChildExited("a", 0),
        StartExtended("a", 1),
        ChildStopped("a", 19),
        ChildContinued("a"),
    ],
)
def test_the_last_words_of_one_that_is_gone_change_nothing(running_world, event):
    world = running_world("a")
    world.exit("a", code=78)
    before = world.tree.records
    world.feed(event)
    assert world.tree.records == before


def test_an_event_about_a_stranger_is_an_error_of_the_runner(running_world):
    with pytest.raises(AssertionError, match="no child"):
        running_world("a").feed(ChildReady("x"))


def test_next_deadline_is_nothing_for_a_healthy_tree_without_beats(running_world):
    assert next_deadline_ns(running_world("ab").tree) is None


def test_next_deadline_is_the_earliest(running_world):
    world = running_world("ab", child=BEATING)
    world.now_ns += 100 * MS
    world.feed(ChildBeat("a"))
    assert next_deadline_ns(world.tree) == world.record("b").beat_ns + 1 * S


def test_next_deadline_does_not_name_a_start_that_waits_for_another_child(running_world):
    world = running_world("ab", strategy=Strategy.REST_FOR_ONE)
    world.crash("a")
    assert world.states() == ["backoff", "stopping"]
    assert next_deadline_ns(world.tree) > world.now_ns


def test_a_decision_depends_on_nothing_but_its_arguments(running_world):
    world = running_world("abc")
    event = ChildExited("b", 1)
    first = decide(world.tree, event, world.now_ns)
    assert decide(world.tree, event, world.now_ns) == first


def test_the_first_tick_starts_the_first_child():
    spec = TreeSpec(children=(spec_of("a"), spec_of("b")))
    _, actions = decide(initial_tree(spec), Tick(), 5)
    assert actions == (Spawn("a"),)


def spec_of(name, **changes):
    return ChildSpec(name=name, argv=("true",), **changes)
