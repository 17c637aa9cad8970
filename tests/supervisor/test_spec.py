"""A specification that exists can be run; all others are refused when they are made."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from supervisor.errors import SpecError
from supervisor.spec import (
    SECOND_NS,
    Backoff,
    ChildSpec,
    Restart,
    RestartIntensity,
    Strategy,
    TreeSpec,
)


def child(name="a", **changes):
    return ChildSpec(name=name, **{"argv": ("true",), **changes})


def test_defaults_are_the_documented_ones():
    spec = child()
    assert spec.restart is Restart.PERMANENT
    assert (spec.ready_timeout_ns, spec.stop_timeout_ns) == (20 * SECOND_NS, 5 * SECOND_NS)
    assert spec.no_retry_exit_codes == {78}
    assert not spec.critical
    assert spec.oom_score_adj is None
    assert spec.open_files_max is None
    tree = TreeSpec(children=(spec,))
    assert tree.strategy is Strategy.ONE_FOR_ONE
    assert (tree.intensity.max_restarts, tree.intensity.period_ns) == (5, 60 * SECOND_NS)
    assert tree.parked_retry_ns == 60 * SECOND_NS


@pytest.mark.parametrize(
    "changes",
    [
        {"name": ""},
        {"name": "a b"},
        {"name": "a/b"},
        {"name": "a" * 65},
        {"argv": ()},
        {"argv": "true"},
        {"argv": ["true"]},
        {"argv": ("true", 1)},
        {"argv": ("true", "a\0b")},
        {"restart": "permanent"},
        {"ready_timeout_ns": 0},
        {"ready_timeout_ns": 1.5},
        {"ready_timeout_ns": True},
        {"stop_timeout_ns": -1},
        {"hang_after_ns": 0},
        {"oom_score_adj": -1001},
        {"oom_score_adj": 1001},
        {"oom_score_adj": 1.5},
        {"open_files_max": 0},
        {"open_files_max": True},
        {"no_retry_exit_codes": frozenset({0})},
        {"no_retry_exit_codes": frozenset({256})},
    ],
    ids=str,
)
def test_a_child_that_cannot_be_meant_is_refused(changes):
    with pytest.raises(SpecError):
        child(**changes)


def test_an_unknown_field_is_impossible():
    with pytest.raises(TypeError):
        child(silly_flag=True)


def test_a_specification_cannot_be_changed():
    with pytest.raises(dataclasses.FrozenInstanceError):
        child().name = "b"


def test_the_environment_is_a_copy_that_nobody_can_write_to():
    env = {"A": "1"}
    spec = child(env=env)
    env["A"] = "2"
    assert spec.env == {"A": "1"}
    with pytest.raises(TypeError):
        spec.env["A"] = "3"


@pytest.mark.parametrize(
    "make",
    [
        lambda: TreeSpec(children=()),
        lambda: TreeSpec(children=[child()]),
        lambda: TreeSpec(children=(child("a"), child("b"), child("a"))),
        lambda: TreeSpec(children=(child(),), strategy="one_for_one"),
        lambda: TreeSpec(children=(child(),), parked_retry_ns=0),
        lambda: RestartIntensity(max_restarts=-1),
        lambda: RestartIntensity(max_restarts=1.5),
        lambda: RestartIntensity(period_ns=0),
        lambda: Backoff(delay_min_ns=0),
        lambda: Backoff(delay_min_ns=2, delay_max_ns=1),
        lambda: Backoff(jitter_ratio=1.0),
        lambda: Backoff(jitter_ratio=-0.1),
        lambda: Backoff(reset_after_ns=0),
    ],
)
def test_a_tree_that_cannot_be_meant_is_refused(make):
    with pytest.raises(SpecError):
        make()


def test_a_name_that_is_used_twice_is_named():
    with pytest.raises(SpecError, match="used twice: b"):
        TreeSpec(children=(child("a"), child("b"), child("b")))


def test_backoff_is_nothing_at_first_then_doubles_up_to_its_limit():
    delays_ms = [Backoff().delay_ns(attempt, 0.5) // 1_000_000 for attempt in range(10)]
    assert delays_ms == [0, 100, 200, 400, 800, 1600, 3200, 6400, 10_000, 10_000]


@given(attempt=st.integers(1, 10_000), draw=st.floats(0, 1, exclude_max=True))
def test_backoff_jitter_stays_within_its_ratio(attempt, draw):
    plain_ns = Backoff(jitter_ratio=0).delay_ns(attempt, draw)
    assert abs(Backoff().delay_ns(attempt, draw) - plain_ns) <= 0.2 * plain_ns + 1


@pytest.mark.parametrize("name", ["b", "c", "zzz"])
def test_child_can_wait_only_for_one_before_it(name):
    children = tuple(
        ChildSpec(name=each, argv=("true",), after=frozenset({name} if each == "b" else ()))
        for each in "abc"
    )
    with pytest.raises(SpecError, match=f"b: nobody before it is called {name}"):
        TreeSpec(children=children)
