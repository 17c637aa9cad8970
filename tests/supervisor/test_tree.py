"""What a tree tells about itself."""

from __future__ import annotations

import dataclasses
import json

import pytest

from supervisor.commands import StartChild
from supervisor.lifecycle import ChildState
from supervisor.spec import SECOND_NS, ChildSpec, Restart, TreeSpec
from supervisor.tree import CAUSES_MAX, counted, describe, initial_tree

SPEC = TreeSpec(
    children=(
        ChildSpec(name="a", argv=("true",), role="worker"),
        ChildSpec(name="b", argv=("true",)),
    )
)


def test_at_first_every_child_waits_for_its_turn():
    tree = initial_tree(SPEC, seed=3)
    assert [record.name for record in tree.records] == ["a", "b"]
    assert all(record.is_waiting_turn for record in tree.records)
    assert tree.seed == 3


def test_a_child_that_is_to_stay_down_is_not_wanted_until_it_is_asked_for(world_class):
    spec = dataclasses.replace(SPEC, down=frozenset(("a", "of another tree")))
    tree = initial_tree(spec)
    assert [record.wanted for record in tree.records] == [False, True]
    world = world_class(spec)
    assert world.states() == ["stopped", "starting"], "nobody waits for it"
    assert world.ask(StartChild("a")).ok
    assert world.states() == ["starting", "starting"]


def test_a_record_is_found_by_name():
    tree = initial_tree(SPEC)
    assert tree.record("b") is tree.records[1]
    assert tree.record("c") is None


def test_restarts_are_the_starts_after_the_first(running_world):
    world = running_world("a")
    assert world.record("a").restarts == 0
    world.crash("a")
    assert (world.record("a").starts, world.record("a").restarts) == (2, 1)
    assert initial_tree(SPEC).records[0].restarts == 0


def test_describe_tells_state_pid_and_last_exit(running_world):
    world = running_world("ab")
    world.crash("b")
    world.now_ns += 5
    world.ready("b")
    told = json.loads(describe(world.tree))
    assert told["stopping"] is False
    assert told["children"][1] == {
        "name": "b",
        "role": "",
        "state": ChildState.READY.value,
        "wanted": True,
        "pid": world.pids["b"],
        "restarts": 1,
        "last_exit": "signal 11",
        "exits": {"signal": 1},
        "uptime_ns": 5,
        "stopped_for_ns": None,
    }


def test_describe_of_a_tree_that_is_down_has_no_ages():
    told = json.loads(describe(initial_tree(SPEC)))
    assert told["children"][0]["role"] == "worker"
    assert told["children"][0]["uptime_ns"] is None


def test_exits_are_counted_by_cause_in_a_new_value():
    before = counted({}, "signal")
    after = counted(counted(before, "hang"), "signal")
    assert (before, after) == ({"signal": 1}, {"signal": 2, "hang": 1})
    with pytest.raises(TypeError):
        after["signal"] = 0


def test_reasons_without_an_end_are_counted_together():
    exits = {}
    for number in range(3 * CAUSES_MAX):
        exits = counted(exits, f"reason {number}")
    exits = counted(counted(exits, "reason 3"), "one more")
    assert len(exits) == CAUSES_MAX + 1
    assert exits["reason 3"] == 2
    assert exits["other"] == 2 * CAUSES_MAX + 1


def test_a_stopped_childs_age_is_told(running_world):
    world = running_world("a")
    stopped = dataclasses.replace(world.record("a"), stopped_since_ns=world.now_ns - 7)
    told = json.loads(describe(dataclasses.replace(world.tree, records=(stopped,))))
    assert told["children"][0]["stopped_for_ns"] == 7


def test_a_tree_is_settled_when_nobody_is_waited_for(make_world):
    world = make_world("ab", first={"restart": Restart.TEMPORARY})
    assert not world.tree.is_settled
    world.exit("a", code=0)
    assert not world.tree.is_settled
    world.pass_ns(20 * SECOND_NS - 1)
    assert not world.tree.is_settled
    world.pass_ns(1)
    assert world.states() == ["stopped", "killing"]
    assert world.tree.is_settled, "the second one's time is over"
