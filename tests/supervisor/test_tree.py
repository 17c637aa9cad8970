"""What a tree tells about itself."""

from __future__ import annotations

import json

from supervisor.lifecycle import ChildState
from supervisor.spec import ChildSpec, TreeSpec
from supervisor.tree import describe, initial_tree

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
        "uptime_ns": 5,
    }


def test_describe_of_a_tree_that_is_down_has_no_ages():
    told = json.loads(describe(initial_tree(SPEC)))
    assert told["children"][0]["role"] == "worker"
    assert told["children"][0]["uptime_ns"] is None
