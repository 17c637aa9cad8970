"""The verbs keep a record consistent: state, deadline and action change together."""

from __future__ import annotations

import pytest

from supervisor.events import Diagnose, Kill, Reply, Report, ReportKind, Spawn, Terminate
from supervisor.lifecycle import ChildState, Trigger
from supervisor.spec import SECOND_NS, ChildSpec, Strategy, TreeSpec
from supervisor.tree import Leaving, initial_tree
from supervisor.turn import DIAGNOSE_GRACE_NS, STUCK_AFTER_NS, Turn

NOW_NS = 50 * SECOND_NS


@pytest.fixture
def turn():
    return make_turn()


def make_turn(strategy=Strategy.ONE_FOR_ONE):
    children = tuple(ChildSpec(name=name, argv=("true",)) for name in "abc")
    return Turn(initial_tree(TreeSpec(children=children, strategy=strategy)), NOW_NS)


@pytest.mark.parametrize(
    ("strategy", "groups"),
    [
        (Strategy.ONE_FOR_ONE, [[], [], []]),
        (Strategy.REST_FOR_ONE, [[1, 2], [2], []]),
        (Strategy.ONE_FOR_ALL, [[1, 2], [0, 2], [0, 1]]),
    ],
)
def test_the_strategy_says_who_goes_with_whom(strategy, groups):
    assert [make_turn(strategy).group(i) for i in range(3)] == groups


def test_spawn_waits_for_readiness_and_has_those_behind_wait(turn):
    turn.spawn(0)
    record = turn.records[0]
    assert record.state is ChildState.STARTING
    assert record.deadline_ns == record.unsettled_until_ns == NOW_NS + 20 * SECOND_NS
    assert not record.half_open
    assert turn.actions == [Spawn("a")]


def test_spawn_of_a_parked_child_is_its_one_try_and_nobody_waits(turn):
    turn.spawn(0)
    turn.move(0, Trigger.GONE_PARK, unsettled_until_ns=None)
    turn.spawn(0)
    assert turn.records[0].half_open
    assert turn.records[0].unsettled_until_ns is None


def test_terminate_gives_the_child_its_stop_timeout(turn):
    turn.spawn(1)
    turn.terminate(1)
    assert turn.records[1].state is ChildState.STOPPING
    assert turn.records[1].deadline_ns == NOW_NS + 5 * SECOND_NS
    assert turn.actions[-1] == Terminate("b")


def test_kill_is_looked_after(turn):
    turn.spawn(1)
    turn.kill(1)
    assert turn.records[1].state is ChildState.KILLING
    assert turn.records[1].deadline_ns == NOW_NS + STUCK_AFTER_NS
    assert turn.actions[-1] == Kill("b")


def test_hang_asks_for_a_dump_and_leaves_little_time(turn):
    turn.spawn(0)
    turn.hang(0, "hang")
    record = turn.records[0]
    assert (record.leaving, record.blame) == (Leaving.FAILURE, "hang")
    assert record.deadline_ns == NOW_NS + DIAGNOSE_GRACE_NS
    assert [type(action) for action in turn.actions] == [Spawn, Report, Diagnose]


def test_hang_of_one_that_a_signal_has_stopped_kills_it_at_once(turn):
    turn.spawn(0)
    turn.set(0, stopped_since_ns=NOW_NS - 1_234_000_000, stop_signal=19)
    turn.hang(0, "hang")
    assert turn.records[0].state is ChildState.KILLING
    assert (turn.records[0].leaving, turn.records[0].blame) == (Leaving.FAILURE, "hang")
    _, report, action = turn.actions
    assert report.text == "stopped by signal 19 for 1.2 s"
    assert action == Kill("a"), "it would not take the request for a dump"


def test_begin_stop_condemns_the_living_and_stills_the_rest(turn):
    turn.spawn(0)
    turn.begin_stop()
    assert turn.records[0].leaving is Leaving.DOWN
    assert turn.records[1].leaving is None
    assert turn.records[1].state is ChildState.STOPPED


def test_the_state_is_changed_by_the_table_only(turn):
    with pytest.raises(AssertionError):
        turn.set(0, state=ChildState.READY)
    with pytest.raises(AssertionError):
        turn.move(0, Trigger.KILL)


def test_the_tree_it_came_from_is_left_alone(turn):
    before = turn.before
    turn.spawn(0)
    turn.reply(True, "fine")
    turn.exit_code = 3
    after = turn.tree()
    assert before.records[0].state is ChildState.STOPPED
    assert after.records[0].state is ChildState.STARTING
    assert (after.exit_code, after.decided_ns) == (3, NOW_NS)
    assert turn.actions[-1] == Reply(True, "fine")


def test_a_report_has_the_pid_and_age_of_the_incarnation(turn):
    turn.spawn(0)
    turn.set(0, pid=9, started_ns=NOW_NS - 3)
    turn.report(ReportKind.READY, 0, "text", asked=True)
    assert turn.actions[-1] == Report(ReportKind.READY, "a", "text", 9, 3, True)


def test_a_child_has_an_index_by_name(turn):
    assert turn.index("c") == 2
    assert turn.index("d") is None
