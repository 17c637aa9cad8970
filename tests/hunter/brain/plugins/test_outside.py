from __future__ import annotations

from math import isnan, log, nan
from typing import Any

import numpy as np
import pytest
from fakes.actor_stage import HandClock

from hunter.brain.plugins.budget import CLEAN_CALLS, Budget
from hunter.brain.plugins.outside import (
    STATE_BYTES_MAX,
    Guarded,
    GuardedState,
    Panel,
    frozen_array,
)
from hunter.brain.protocol import StateError

HORIZONS = (1_000, 5_000)
VECTOR = tuple(number / 10 for number in range(30))
X = frozen_array(VECTOR)


class Scripted:
    """Answers what it is told to; counts what it learnt."""

    name = "scripted"

    def __init__(self, answer: Any = 0.75) -> None:
        self.answer = answer
        self.learnt: list[Any] = []
        self.raise_in: set[str] = set()
        self.clock = HandClock()
        self.takes_ns = 0

    def _enter(self, method: str) -> None:
        self.clock.now_ns += self.takes_ns
        if method in self.raise_in:
            raise RuntimeError(f"no {method} today")

    def predict(self, x: np.ndarray, horizon_ms: int) -> Any:
        self._enter("predict")
        return self.answer[horizon_ms] if isinstance(self.answer, dict) else self.answer

    def learn(self, x: np.ndarray, horizon_ms: int, move: int, weight: float) -> None:
        self._enter("learn")
        self.learnt.append((float(x[3]), horizon_ms, move, weight))

    def state(self) -> bytes:
        self._enter("state")
        return str(len(self.learnt)).encode()

    def load(self, state: bytes) -> None:
        self._enter("load")
        self.learnt = [None] * int(state)


def said(answers: tuple[float, ...]) -> tuple[float | None, ...]:
    """With None for who has no vote."""
    return tuple(None if isnan(answer) else answer for answer in answers)


def guarded(expert: Scripted, name: str = "scripted") -> Guarded:
    return Guarded(expert, name, Budget(expert.clock, 200))


def test_expert_says_probability_guard_gives_log_odds_by_horizon() -> None:
    guard = guarded(Scripted({1_000: 0.75, 5_000: np.float32(0.25)}))
    assert guard.ask(X, HORIZONS) == pytest.approx((log(3), -log(3)))
    assert (guard.asked, guard.failures, guard.trouble) == (1, 0, "")


@pytest.mark.parametrize("p", [0.0, 1e-9, 0.3, 0.4999999, 0.5, 0.9, 1.0])
def test_expert_on_the_mirrored_market_has_the_same_weight_on_the_other_side(p: float) -> None:
    up = guarded(Scripted(p)).ask(X, HORIZONS)
    down = guarded(Scripted(1.0 - p)).ask(X, HORIZONS)
    assert up == tuple(-value for value in down)
    assert max(map(abs, up)) < 9.22


def test_expert_that_says_nothing_abstains_without_a_strike() -> None:
    guard = guarded(Scripted(None))
    for _ in range(10):
        assert said(guard.ask(X, HORIZONS)) == (None, None)
    assert guard.failures == 0
    assert not guard.in_shadow


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (nan, "predict returned nan, expected 0 to 1"),
        (-0.1, "predict returned -0.1, expected 0 to 1"),
        (1.5, "predict returned 1.5, expected 0 to 1"),
        (10**400, "predict returned int, expected a number or None"),
        ("0.7", "predict returned str, expected a number or None"),
        (True, "predict returned bool, expected a number or None"),
        (np.array([0.7]), "predict returned ndarray, expected a number or None"),
    ],
)
def test_expert_says_no_probability_abstains_and_is_in_shadow_after_three(
    answer: Any, says: str
) -> None:
    expert = Scripted({1_000: 0.75, 5_000: answer})
    guard = guarded(expert)
    for _ in range(2):
        assert said(guard.ask(X, HORIZONS)) == (pytest.approx(log(3)), None)
    assert guard.trouble == ""
    assert said(guard.ask(X, HORIZONS)) == (None, None)
    assert guard.trouble == f"scripted: in shadow after 3 failures: {says}"
    assert guard.failures == 3


def test_expert_that_raises_for_every_horizon_has_one_strike_a_sample() -> None:
    expert = Scripted()
    expert.raise_in = {"predict"}
    guard = guarded(expert)
    guard.ask(X, HORIZONS)
    guard.ask(X, HORIZONS)
    assert not guard.in_shadow
    assert guard.failures == 4
    guard.ask(X, HORIZONS)
    assert guard.trouble.endswith("predict raised RuntimeError: no predict today")


def test_expert_in_shadow_is_asked_and_learns_and_comes_back_after_600_clean_samples() -> None:
    expert = Scripted(nan)
    guard = guarded(expert)
    for _ in range(3):
        guard.ask(X, HORIZONS)
    expert.answer = 0.75
    for _ in range(CLEAN_CALLS - 1):
        assert said(guard.ask(X, HORIZONS)) == (None, None)
    guard.learn(X, 1_000, 1, 0.1)
    assert len(expert.learnt) == 1
    assert guard.in_shadow
    assert said(guard.peek(X, HORIZONS)) == (None, None)
    assert guard.ask(X, HORIZONS) == pytest.approx((log(3), log(3)))
    assert guard.trouble == ""


def test_expert_that_cannot_learn_is_in_shadow_however_well_it_predicts() -> None:
    expert = Scripted()
    expert.raise_in = {"learn"}
    guard = guarded(expert)
    for _ in range(3):
        guard.ask(X, HORIZONS)
        guard.learn(X, 1_000, -1, 0.1)
    assert guard.trouble.endswith("learn raised RuntimeError: no learn today")


def test_expert_beyond_its_budget_is_told_and_heard_all_the_same() -> None:
    prompt, slow = Scripted(), Scripted()
    slow.takes_ns = 300_000
    guard = guarded(slow)
    heard = guarded(prompt).ask(X, HORIZONS)
    assert [guard.ask(X, HORIZONS) for _ in range(20)] == [heard] * 20
    assert guard.budget.overruns == 40
    assert guard.trouble == "scripted: predict takes longer than brain.budget_us = 200"
    assert guard.state() == guarded_state(prompt, 20), "time is in no state"


def guarded_state(expert: Scripted, asked: int) -> GuardedState:
    guard = guarded(expert)
    for _ in range(asked):
        guard.ask(X, HORIZONS)
    return guard.state()


def test_expert_for_one_horizon_is_asked_and_taught_at_that_alone() -> None:
    expert = Scripted({5_000: 0.75})
    guard = Guarded(expert, "scripted", Budget(expert.clock, 200), 5_000)
    assert said(guard.ask(X, HORIZONS)) == said(guard.peek(X, HORIZONS)) == (None, log(3.0))
    guard.learn(X, 1_000, 1, 0.1)
    guard.learn(X, 5_000, 1, 0.1)
    assert [horizon_ms for _, horizon_ms, _, _ in expert.learnt] == [5_000]
    assert guard.failures == 0


def test_expert_cannot_write_to_what_others_are_given() -> None:
    class Greedy(Scripted):
        def predict(self, x: np.ndarray, horizon_ms: int) -> Any:
            x[0] = 7.0
            return 0.9

    panel = Panel([guarded(Greedy(), "greedy"), guarded(Scripted(), "other")])
    assert [said(one) for one in panel.ask(VECTOR, HORIZONS)] == [(None, pytest.approx(log(3)))] * 2
    assert panel.failures == 2


def test_peek_answers_as_ask_does_and_counts_nothing() -> None:
    expert = Scripted({1_000: 0.75, 5_000: nan})
    panel = Panel([guarded(expert)])
    before = panel.state()
    for _ in range(5):
        peeked = [said(one) for one in panel.peek(VECTOR, HORIZONS)]
        assert peeked == [(pytest.approx(log(3)),), (None,)]
    assert panel.state() == before
    assert [said(one) for one in panel.ask(VECTOR, HORIZONS)] == peeked


def test_panel_of_nobody_is_false_and_has_empty_answers() -> None:
    panel = Panel()
    assert not panel
    assert panel.ask(VECTOR, HORIZONS) == panel.peek(VECTOR, HORIZONS) == ((), ())
    panel.learn(VECTOR, 1_000, 1, 1.0)
    panel.load(panel.state())
    assert panel.trouble == ""


def test_panel_hands_labels_to_all_and_sums_what_went_wrong() -> None:
    good, bad = Scripted(), Scripted(nan)
    panel = Panel([guarded(good, "good"), guarded(bad, "bad")])
    for _ in range(3):
        panel.ask(VECTOR, HORIZONS)
    panel.learn(VECTOR, 5_000, -1, 0.02)
    assert good.learnt == bad.learnt == [(0.3, 5_000, -1, 0.02)]
    assert panel.names == ("good", "bad")
    assert (panel.failures, panel.overruns) == (6, 0)
    assert panel.trouble.startswith("bad: in shadow after 3 failures")
    assert panel.failure == "bad: predict returned nan, expected 0 to 1"
    assert Panel().failure == ""


def test_panel_goes_on_from_its_state() -> None:
    panel = Panel([guarded(Scripted(), "a"), guarded(Scripted(nan), "b")])
    for _ in range(2):
        panel.ask(VECTOR, HORIZONS)
    panel.learn(VECTOR, 1_000, 1, 0.1)
    again = Panel([guarded(Scripted(), "a"), guarded(Scripted(nan), "b")])
    again.load(panel.state())
    assert again.state() == panel.state()
    panel.ask(VECTOR, HORIZONS)
    again.ask(VECTOR, HORIZONS)
    assert again.experts[1].in_shadow
    assert again.state() == panel.state()


def test_panel_refuses_a_state_that_is_not_its_own() -> None:
    panel = Panel([guarded(Scripted(), "a")])
    other = Panel([guarded(Scripted(), "b")])
    for state in (b"", b"\xff", other.state(), Panel().state()):
        with pytest.raises(ValueError, match="state"):
            panel.load(state)


def test_panel_with_an_expert_that_cannot_load_refuses() -> None:
    panel, expert = Panel([guarded(Scripted())]), Scripted()
    expert.raise_in = {"load"}
    with pytest.raises(ValueError, match="scripted: load raised RuntimeError: no load today"):
        Panel([guarded(expert)]).load(panel.state())


@pytest.mark.parametrize("state", [None, "text", b"." * (STATE_BYTES_MAX + 1)])
def test_expert_that_cannot_say_its_state_is_a_state_error(state: Any) -> None:
    expert = Scripted()
    expert.state = lambda: state  # type: ignore[method-assign]
    with pytest.raises(StateError, match="scripted"):
        Panel([guarded(expert)]).state()
    expert.raise_in = {"state"}
    del expert.state  # type: ignore[method-assign]
    with pytest.raises(StateError, match="no state today"):
        Panel([guarded(expert)]).state()
