from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise, product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hunter.signals.decision import Decision, Direction
from hunter.signals.rules import RuleStateError, SignalRule, next_direction

MIRROR: dict[Direction, Direction] = {"up": "down", "down": "up", "flat": "flat"}
DIRECTIONS: tuple[Direction, ...] = ("up", "down", "flat")


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


@pytest.mark.parametrize(
    ("held", "said", "confidence", "told"),
    [
        ("flat", "up", 0.01, "up"),
        ("up", "up", 0.01, "up"),
        ("up", "flat", 0.0, "flat"),
        ("flat", "flat", 0.0, "flat"),
        ("up", "down", 0.10, "down"),
        ("up", "down", 0.09, "flat"),
        ("down", "up", 0.10, "up"),
        ("down", "up", 0.09, "flat"),
    ],
)
def test_direction_turns_round_only_over_the_threshold(
    held: Direction, said: Direction, confidence: float, told: Direction
) -> None:
    assert next_direction(held, decision_of(said, confidence), 0.10) == told


@given(st.sampled_from(DIRECTIONS), st.sampled_from(DIRECTIONS), st.floats(0, 1), st.floats(0, 1))
def test_rule_is_symmetric(
    held: Direction, said: Direction, confidence: float, threshold: float
) -> None:
    straight = next_direction(held, decision_of(said, confidence), threshold)
    swapped = next_direction(MIRROR[held], decision_of(MIRROR[said], confidence), threshold)
    assert swapped == MIRROR[straight]


@given(st.lists(st.tuples(st.sampled_from(DIRECTIONS), st.floats(0, 1)), max_size=30))
def test_signals_are_the_directions_and_their_ends(said: list[tuple[Direction, float]]) -> None:
    rule = SignalRule("ab12", 0.5)
    told: list[Direction] = ["flat"]
    for direction, confidence in said:
        before = rule.held
        signal = rule.apply(decision_of(direction, confidence), 1.0)
        assert (signal is None) == (rule.held == "flat" and before == "flat")
        if signal is not None:
            assert signal.direction == rule.held
            told.append(signal.direction)
    for one, other in pairwise(told):
        assert (one, other) != ("flat", "flat")


def test_flat_is_told_once_at_the_end_of_a_direction() -> None:
    rule = SignalRule("ab12")
    said: list[Direction] = ["flat", "up", "up", "flat", "flat", "down"]
    signals = [rule.apply(decision_of(d, 0.3 * (d != "flat")), 0.0) for d in said]
    told = [signal and signal.direction for signal in signals]
    assert told == [None, "up", "up", "flat", None, "down"]


def test_weak_contradiction_ends_the_direction_and_says_why() -> None:
    rule = SignalRule("ab12", 0.2)
    rule.apply(decision_of("up", 0.3), 0.0)
    signal = rule.apply(decision_of("down", 0.15), 7.0)
    assert signal is not None
    assert signal.direction == "flat"
    assert signal.reason == "not turned down: confidence 0.150 below 0.20 after up; because"
    assert signal.latency_us == 7.0
    again = rule.apply(decision_of("down", 0.15), 7.0)
    assert again is not None
    assert again.direction == "down"


def test_signal_carries_the_ring_in_its_id(make_decision: Callable[..., Decision]) -> None:
    signal = SignalRule("ab12").apply(make_decision(boundary_ms=5), 0.0)
    assert signal is not None
    assert signal.id == "ab12-BTC-USDT-SWAP-5"


@pytest.mark.parametrize(("held", "said"), [*product(DIRECTIONS, DIRECTIONS)])
def test_restored_rule_goes_on_as_the_first(held: Direction, said: Direction) -> None:
    rule, other = SignalRule("ab12"), SignalRule("ab12")
    rule.apply(decision_of(held, 0.5), 0.0)
    other.restore(rule.snapshot())
    decision = decision_of(said, 0.05)
    assert other.apply(decision, 0.0) == rule.apply(decision, 0.0)


@pytest.mark.parametrize("state", [b"", b"x", b"++"])
def test_state_of_something_else_is_refused(state: bytes) -> None:
    with pytest.raises(RuleStateError, match="fresh rule"):
        SignalRule("ab12").restore(state)


@pytest.mark.parametrize("ring_id", ["", "a-b"])
def test_ring_id_has_to_be_one_word(ring_id: str) -> None:
    with pytest.raises(AssertionError):
        SignalRule(ring_id)
