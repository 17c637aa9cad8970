"""What children say, what time brings, and what must hold whatever happens.

The world of conftest.py checks with each decision: never two processes of one name, no spawn while
stopping, no signal to nobody, pid and state agree, finished only when all are gone.
"""

from __future__ import annotations

import json

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from supervisor.commands import (
    HANG,
    Describe,
    RestartChild,
    StartChild,
    StopAll,
    StopChild,
)
from supervisor.events import (
    ChildBeat,
    ChildExited,
    ChildReady,
    Diagnose,
    Finished,
    Kill,
    ReportKind,
    Spawn,
    StartExtended,
    Terminate,
    Tick,
)
from supervisor.policy import decide, next_deadline_ns
from supervisor.spec import ChildSpec, Restart, RestartIntensity, Strategy, TreeSpec
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
    "event", [ChildReady("a"), ChildBeat("a"), ChildExited("a", 0), StartExtended("a", 1)]
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


NAMES = "abcd"
names = st.sampled_from(NAMES)


class AnyHistory(RuleBasedStateMachine):
    """Whatever children, operators and time do, in any order: the world's checks hold, and a stop
    always comes to its end."""

    world_class = None  # set by the test below: fixtures are not for machines

    @initialize(
        strategy=st.sampled_from(Strategy),
        restarts=st.lists(st.sampled_from(Restart), min_size=4, max_size=4),
        critical=st.sampled_from([None, *NAMES]),
        max_restarts=st.integers(0, 3),
    )
    def begin(self, strategy, restarts, critical, max_restarts):
        children = tuple(
            spec_of(name, restart=restart, hang_after_ns=1 * S, critical=name == critical)
            for name, restart in zip(NAMES, restarts, strict=True)
        )
        intensity = RestartIntensity(max_restarts=max_restarts)
        self.world = self.world_class(
            TreeSpec(children=children, strategy=strategy, intensity=intensity)
        )
        self.stopped_by_name = set()

    @rule(name=names)
    def become_ready(self, name):
        self.world.feed(ChildReady(name))

    @rule(name=names)
    def beat(self, name):
        self.world.feed(ChildBeat(name))

    @rule(name=names, extra_ms=st.integers(0, 50_000))
    def extend(self, name, extra_ms):
        self.world.feed(StartExtended(name, extra_ms * MS))

    @precondition(lambda self: self.world.pids)
    @rule(data=st.data(), code=st.sampled_from([0, 1, 78, None]))
    def end(self, data, code):
        name = data.draw(st.sampled_from(sorted(self.world.pids)))
        self.world.exit(name, code, None if code is not None else 9)

    @rule(duration_ms=st.sampled_from([0, 1, 150, 1_000, 5_000, 25_000, 70_000]))
    def pass_time(self, duration_ms):
        self.world.pass_ns(duration_ms * MS)

    @rule(slept_s=st.integers(3, 100))
    def oversleep(self, slept_s):
        hung = len(self.world.reports(ReportKind.HUNG))
        for name in self.world.pids:
            self.world.feed(ChildBeat(name))
        self.world.now_ns += slept_s * S
        self.world.feed(Tick(late_ns=slept_s * S))
        assert len(self.world.reports(ReportKind.HUNG)) == hung

    @rule(name=names, reason=st.sampled_from(["operator", HANG, "memory"]))
    def restart(self, name, reason):
        assert self.world.ask(RestartChild(name, reason)).text
        if reason == "operator" and not self.world.tree.stopping:
            self.stopped_by_name.discard(name)

    @rule(name=names)
    def stop_one(self, name):
        if self.world.ask(StopChild(name)).ok:
            self.stopped_by_name.add(name)

    @rule(name=names)
    def start_one(self, name):
        if self.world.ask(StartChild(name)).ok:
            self.stopped_by_name.discard(name)

    @rule(name=names)
    def break_or_mend_the_program(self, name):
        self.world.unspawnable ^= {name}

    @rule(fast=st.booleans())
    def stop_all(self, fast):
        self.world.feed(StopAll(fast))

    @invariant()
    def what_was_stopped_by_name_stays_down(self):
        for name in self.stopped_by_name:
            assert self.world.record(name).state.value in ("stopped", "stopping", "killing")

    @invariant()
    def what_is_on_its_way_out_has_a_deadline(self):
        for record in self.world.tree.records:
            if record.state.value in ("starting", "stopping", "killing"):
                assert record.deadline_ns is not None

    @invariant()
    def while_stopping_something_is_asked_to_go(self):
        world = self.world
        if world.tree.stopping and not world.tree.finished:
            assert any(state in ("stopping", "killing") for state in world.states())

    @invariant()
    def what_waits_for_its_turn_waits_for_somebody(self):
        """Nobody is forgotten: one that is due is up, or another one is not settled yet."""
        world = self.world
        if world.tree.stopping:
            return
        for i, record in enumerate(world.tree.records):
            if record.is_waiting_turn:
                others = world.tree.records[:i] + world.tree.records[i + 1 :]
                assert any(
                    other.state.is_live or other.unsettled_until_ns is not None for other in others
                )

    def teardown(self):
        if not hasattr(self, "world"):
            return
        world = self.world
        world.feed(StopAll())
        for _ in range(4 * len(NAMES)):
            asked = [r.name for r in world.tree.records if r.state.value in ("stopping", "killing")]
            for name in asked:
                world.exit(name, signal=15)
        assert world.tree.finished
        assert sum(isinstance(action, Finished) for action in world.actions) == 1
        signalled = [a for a in world.actions if isinstance(a, Terminate | Kill)]
        assert len(signalled) < 10_000


def test_any_history_keeps_the_promises(world_class):
    AnyHistory.world_class = world_class
    run_state_machine_as_test(
        AnyHistory, settings=settings(max_examples=60, stateful_step_count=40, deadline=None)
    )
