"""First to last, last to first."""

from __future__ import annotations

import pytest

from supervisor.commands import RestartChild, StartChild, StopAll, StopChild
from supervisor.events import Finished, ReportKind, StartExtended, Terminate
from supervisor.spec import Restart, Strategy

MS = 1_000_000
S = 1000 * MS


def test_a_child_starts_when_the_one_before_it_is_ready(make_world):
    world = make_world("abc")
    assert world.starts() == ["a"]
    world.pass_ns(1 * S)
    assert world.starts() == ["a"]
    world.ready("a")
    assert world.starts() == ["a", "b"]
    world.ready("b")
    assert world.starts() == ["a", "b", "c"]


def test_children_that_wait_for_nobody_begin_together(make_world):
    world = make_world("abcd", child={"after": frozenset()})
    assert world.starts() == ["a", "b", "c", "d"]


def test_a_child_waits_for_those_it_names_and_no_others(make_linked_world):
    world = make_linked_world(a="", b="a", c="", d=None)
    assert world.starts() == ["a", "c"]
    world.ready("a")
    assert world.starts() == ["a", "c", "b"]
    world.ready("b")
    assert world.starts() == ["a", "c", "b"], "d waits for all"
    world.ready("c")
    assert world.starts() == ["a", "c", "b", "d"]


def test_a_child_does_not_wait_for_one_that_is_parked_or_out_of_time(make_linked_world):
    world = make_linked_world(a="", b="", c="a", d="b")
    for _ in range(6):
        assert world.states()[2] == "stopped"
        world.pass_ns(2 * S)
        world.crash("a")
    assert world.states() == ["parked", "starting", "starting", "stopped"]
    world.pass_ns(20 * S)
    assert world.states()[1] == "killing"
    assert world.states()[3] == "starting"


def test_a_child_does_not_wait_for_one_that_the_operator_keeps_down(make_linked_world):
    world = make_linked_world(a="", b="a", tree={"down": frozenset({"a"})})
    assert world.states() == ["stopped", "starting"]
    world = make_linked_world(a="", b="a", c="b")
    world.ask(StopChild("a"))
    assert world.states()[0] == "stopping"
    world.exit("a", code=0)
    assert world.states() == ["stopped", "starting", "stopped"]


def test_a_child_that_the_operator_starts_waits_for_those_it_names(make_linked_world):
    world = make_linked_world(a="", b="a", c="b", tree={"down": frozenset({"b"})})
    assert world.states() == ["starting", "stopped", "starting"], "b is down: c does not wait"
    world.ask(StartChild("b"))
    assert world.states()[1] == "stopped"
    world.ready("a")
    assert world.states()[1] == "starting"


def test_of_a_group_that_went_down_each_waits_for_those_it_names(make_linked_world):
    world = make_linked_world(a="", b="a", c="", tree={"strategy": Strategy.REST_FOR_ONE})
    world.ready("a", "b", "c")
    world.crash("a")
    world.exit("c", code=0)
    world.exit("b", code=0)
    assert world.states() == ["starting", "stopped", "starting"]
    world.ready("a")
    assert world.states() == ["ready", "starting", "starting"]


def test_children_that_began_together_stop_one_after_the_other(make_world):
    world = make_world("ab", child={"after": frozenset()})
    world.ready("a", "b")
    world.feed(StopAll())
    assert [a for a in world.actions if isinstance(a, Terminate)] == [Terminate("b")]


def test_a_child_that_is_never_ready_holds_up_the_others_for_its_ready_timeout_only(make_world):
    world = make_world("ab")
    world.pass_ns(20 * S - 1)
    assert world.states() == ["starting", "stopped"]
    world.pass_ns(1)
    assert world.states() == ["killing", "starting"]


def test_a_child_that_crashes_at_its_start_holds_up_the_others_until_it_is_parked(make_world):
    world = make_world("ab")
    for _ in range(6):
        assert world.states()[1] == "stopped"
        world.pass_ns(2 * S)
        world.crash("a")
    assert world.states() == ["parked", "starting"]


def test_a_slow_crash_loop_cannot_hold_up_the_others_for_ever(make_world):
    world = make_world("ab")
    for _ in range(3):
        world.pass_ns(10 * S)
        if "a" in world.pids:
            world.crash("a")
    assert world.starts().count("a") > 1
    assert not world.reports(ReportKind.PARKED)
    assert world.states()[1] == "starting"


def test_more_time_to_start_holds_up_the_others_longer(make_world):
    world = make_world("ab")
    world.feed(StartExtended("a", 60 * S))
    world.pass_ns(60 * S - 1)
    assert world.states() == ["starting", "stopped"]
    world.pass_ns(1)
    assert world.states() == ["killing", "starting"]


def test_a_child_that_finished_is_not_waited_for(make_world):
    world = make_world("ab", first={"restart": Restart.TEMPORARY})
    world.exit("a", code=1)
    assert world.states() == ["stopped", "starting"]


def test_a_restart_of_one_child_waits_for_nobody(running_world):
    world = running_world("ab")
    world.crash("a")
    world.crash("b")
    assert world.states() == ["starting", "starting"]


def test_a_stop_goes_from_the_last_to_the_first(running_world):
    world = running_world("abc")
    world.feed(StopAll())
    for name in "cba":
        assert [a for a in world.actions if isinstance(a, Terminate)][-1] == Terminate(name)
        assert Finished(0) not in world.actions
        world.exit(name, code=0)
    assert world.actions[-1] == Finished(0)


def test_a_stop_waits_for_a_child_that_is_on_its_way_out_already(running_world):
    world = running_world("abc")
    world.ask(StopChild("b"))
    world.exit("c", code=0)
    world.feed(StopAll())
    world.exit("c", code=0)
    assert world.states() == ["ready", "stopping", "stopped"]
    world.exit("b", code=0)
    assert world.states() == ["stopping", "stopped", "stopped"]


def test_a_stop_during_the_start_starts_nobody_else(make_world):
    world = make_world("abc")
    world.ready("a")
    world.feed(StopAll())
    assert world.states() == ["ready", "stopping", "stopped"]
    world.ready("b")
    assert world.states() == ["ready", "stopping", "stopped"]
    world.exit("b", code=0)
    world.exit("a", code=0)
    assert world.starts() == ["a", "b"]


@pytest.mark.parametrize("strategy", [Strategy.REST_FOR_ONE, Strategy.ONE_FOR_ALL])
def test_the_old_generation_goes_before_the_new_one_comes(running_world, strategy):
    world = running_world("ab", strategy=strategy)
    world.ask(RestartChild("b"))
    world.crash("a")
    world.pass_ns(1 * S)
    assert world.states() == ["backoff", "stopping"]
    world.exit("b", code=0)
    assert world.states() == ["starting", "stopped"]
