from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hunter.signals.decision import Decision, Direction
from hunter.signals.rules import RuleStateError, SignalRule

MIRROR: dict[Direction, Direction] = {"up": "down", "down": "up", "flat": "flat"}
DIRECTIONS: tuple[Direction, ...] = ("up", "down", "flat")
Said = list[tuple[Direction, float, int]]

said_lists = st.lists(
    st.tuples(st.sampled_from(DIRECTIONS), st.floats(0, 1), st.integers(1, 4_000)), max_size=30
)


def decision_of(direction: Direction, confidence: float, boundary_ms: int = 1_000) -> Decision:
    sign = {"up": 1, "down": -1, "flat": 0}[direction]
    return Decision(
        direction=direction,
        probability_up=0.5 + sign * confidence / 2,
        confidence=confidence,
        horizon_ms=5_000,
        reason="because",
        instrument="BTC-USDT",
        boundary_ms=boundary_ms,
    )


def told(rule: SignalRule, said: Said) -> list[tuple[int, Direction]]:
    """(boundary, direction) of every signal; `said` has the time since the decision before."""
    found, at_ms = [], 1_000
    for direction, confidence, step_ms in said:
        at_ms += step_ms
        signal = rule.apply(decision_of(direction, confidence, at_ms), 1.0)
        if signal is not None:
            found.append((at_ms, signal.direction))
    return found


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ([("up", 0.01, 0)], ["up"]),
        ([("up", 0.2, 0), ("up", 0.01, 100)], ["up", "up"]),
        ([("up", 0.2, 0), ("flat", 0.0, 1_000), ("up", 0.2, 1)], ["up", "flat", "up"]),
        ([("flat", 0.0, 0)], []),
        ([("up", 0.2, 0), ("down", 0.15, 2_500)], ["up", "down"]),
        ([("up", 0.2, 0), ("down", 0.15, 2_499)], ["up", "flat"]),
        ([("up", 0.2, 0), ("down", 0.14, 9_000)], ["up", "flat"]),
        ([("up", 0.2, 0), ("down", 0.14, 9_000), ("down", 0.9, 2_499)], ["up", "flat"]),
        ([("up", 0.2, 0), ("down", 0.14, 9_000), ("down", 0.9, 2_500)], ["up", "flat", "down"]),
        ([("up", 0.2, 0), ("flat", 0.0, 9_000), ("down", 0.9, 2_499)], ["up", "flat"]),
        ([("up", 0.2, 0), ("up", 0.2, 2_400), ("down", 0.9, 100)], ["up", "up", "down"]),
    ],
)
def test_direction_turns_round_only_with_confidence_and_time(
    said: Said, expected: list[Direction]
) -> None:
    assert [direction for _, direction in told(SignalRule("ab12"), said)] == expected
    swapped: Said = [(MIRROR[direction], *rest) for direction, *rest in said]
    mirrored = [direction for _, direction in told(SignalRule("ab12"), swapped)]
    assert mirrored == [MIRROR[direction] for direction in expected]


@given(said_lists)
def test_rule_is_symmetric(said: Said) -> None:
    straight = told(SignalRule("ab12"), said)
    swapped = told(SignalRule("ab12"), [(MIRROR[one], *rest) for one, *rest in said])
    assert swapped == [(at_ms, MIRROR[direction]) for at_ms, direction in straight]


@given(said_lists)
def test_sides_change_at_most_once_in_half_a_horizon_and_never_weakly(said: Said) -> None:
    rule = SignalRule("ab12")
    confident = {}
    at_ms = 1_000
    for _, confidence, step_ms in said:
        at_ms += step_ms
        confident[at_ms] = confidence
    found = told(rule, said)
    for (_, one), (_, other) in pairwise(found):
        assert (one, other) != ("flat", "flat")
    sides = [(at, direction) for at, direction in found if direction != "flat"]
    begun = sides[:1]
    for (_, one), (at, other) in pairwise(sides):
        if one != other:
            begun.append((at, other))
            assert confident[at] >= 0.15
    for (one_ms, _), (other_ms, _) in pairwise(begun):
        assert other_ms - one_ms >= 2_500


@given(said_lists)
def test_signals_are_the_directions_and_their_ends(said: Said) -> None:
    rule = SignalRule("ab12", 0.5)
    for direction, confidence, step_ms in said:
        before = rule.held
        signal = rule.apply(decision_of(direction, confidence, step_ms), 1.0)
        assert (signal is None) == (rule.held == "flat" and before == "flat")
        if signal is not None:
            assert signal.direction == rule.held


def test_flat_is_told_once_at_the_end_of_a_direction() -> None:
    said: Said = [("flat", 0.0, 1), ("up", 0.3, 1), ("up", 0.3, 1), ("flat", 0.0, 1)]
    said += [("flat", 0.0, 1), ("down", 0.3, 4_000)]
    assert [d for _, d in told(SignalRule("ab12"), said)] == ["up", "up", "flat", "down"]


def test_contradiction_that_is_weak_or_early_ends_the_direction_and_says_why() -> None:
    rule = SignalRule("ab12", 0.2)
    rule.apply(decision_of("up", 0.3), 0.0)
    signal = rule.apply(decision_of("down", 0.15, 9_000), 7.0)
    assert signal is not None
    assert signal.direction == "flat"
    assert signal.reason == "not turned down after up: confidence 0.150 below 0.20; because"
    assert signal.latency_us == 7.0
    rule.apply(decision_of("up", 0.3, 10_000), 0.0)
    signal = rule.apply(decision_of("down", 0.9, 11_000), 0.0)
    assert signal is not None
    assert signal.reason == (
        "not turned down after up: 1000 ms after the last change, half a horizon is not over;"
        " because"
    )


def test_signal_carries_the_ring_in_its_id(make_decision: Callable[..., Decision]) -> None:
    signal = SignalRule("ab12").apply(make_decision(boundary_ms=5), 0.0)
    assert signal is not None
    assert signal.id == "ab12-BTC-USDT-SWAP-5"


@given(said_lists, said_lists)
def test_restored_rule_goes_on_as_the_first(before: Said, after: Said) -> None:
    rule, other = SignalRule("ab12"), SignalRule("ab12")
    told(rule, before)
    other.restore(rule.snapshot())
    assert told(other, after) == told(rule, after)


@pytest.mark.parametrize("held", DIRECTIONS)
def test_state_of_something_else_is_refused_and_changes_nothing(held: Direction) -> None:
    rule = SignalRule("ab12")
    rule.apply(decision_of(held, 0.5), 0.0)
    state = rule.snapshot()
    flat_side = bytes([1, 2]) + state[2:]
    for wrong in (b"", b"x", b"++", state[:-1], b"\xff" * 10, b"\3" + state[1:], flat_side):
        with pytest.raises(RuleStateError, match="fresh rule"):
            rule.restore(wrong)
    assert rule.snapshot() == state


@pytest.mark.parametrize("ring_id", ["", "a-b"])
def test_ring_id_has_to_be_one_word(ring_id: str) -> None:
    with pytest.raises(AssertionError):
        SignalRule(ring_id)
