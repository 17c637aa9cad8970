from __future__ import annotations

from math import isnan, log, nan

import numpy as np
import pytest

from hunter.brain.learning.horizon import published_belief
from hunter.brain.learning.learned import Learned
from hunter.brain.learning.samples import NEVER_NS
from hunter.brain.plugins.budget import Budget
from hunter.brain.plugins.outside import Guarded, Panel
from hunter.brain.settings import BrainSettings
from hunter.brain.window.features import NAMES
from hunter.clock import SystemClock

S = 1_000_000_000
T0 = 1_700_000_000 * S


class Sure:
    """An expert that says what it is told to, and remembers what it learns."""

    name = "sure"

    def __init__(self, answer: float | None) -> None:
        self.answer = answer
        self.labels: list[tuple[int, int, float]] = []

    def predict(self, x: np.ndarray, horizon_ms: int) -> float | None:
        assert x.shape == (30,)
        return self.answer

    def learn(self, x: np.ndarray, horizon_ms: int, move: int, weight: float) -> None:
        assert isnan(x[11])
        self.labels.append((horizon_ms, move, weight))

    def state(self) -> bytes:
        return b""

    def load(self, state: bytes) -> None:
        assert state == b""


def learned(*experts: Sure, **options: float) -> Learned:
    guards = [Guarded(one, one.name, Budget(SystemClock(), 10**6)) for one in experts]
    settings = BrainSettings(**options)  # type: ignore[arg-type]
    return Learned(settings, Panel(guards), published_belief)


def vector(**values: float) -> tuple[float, ...]:
    return tuple(values.get(name, nan if "mate" in name else 0.0) for name in NAMES)


def test_own_horizon_is_one_of_those_looked_at() -> None:
    made = learned(horizon_ms=2_000)
    assert [one.horizon_ms for one in made.horizons] == [1_000, 2_000, 5_000, 10_000]
    assert made.horizons[made.own].horizon_ms == 2_000


def test_labels_teach_each_horizon_and_the_outside_experts_with_their_weight() -> None:
    expert = Sure(0.7)
    made = learned(expert)
    before = [one.mixture.state() for one in made.horizons]
    made.sample(T0, 100.0, 0.5, vector(queue_imbalance=0.5))
    made.resolve(T0 + 2 * S, 100.5, NEVER_NS)
    after = [one.mixture.state() for one in made.horizons]
    assert [one == other for one, other in zip(before, after, strict=True)] == [False, True, True]
    assert expert.labels == [(1_000, 1, 0.1)]
    made.resolve(T0 + 6 * S, 99.0, NEVER_NS)
    made.resolve(T0 + 11 * S, None, NEVER_NS)
    assert expert.labels[1:] == [(5_000, -1, 0.02)]


def test_expert_that_abstains_has_no_vote_and_one_that_speaks_is_named_in_the_terms() -> None:
    for answer, heard in ((None, False), (0.9, True)):
        made = learned(Sure(answer))
        for second in range(400):
            up = second % 2 == 0
            made.panel.experts[0]._expert.answer = None if answer is None else 0.9 if up else 0.1
            made.sample(T0 + 2 * second * S, 100.0, 0.5, vector())
            made.resolve(T0 + (2 * second + 1) * S + 1, 100.5 if up else 99.5, NEVER_NS)
        made.sample(T0 + 999 * S, 100.0, 0.5, vector())
        assert isnan(made._outside[0][0]) == (answer is None)
        (opinion, _, _) = made.opinions(vector())
        assert (opinion.weights[4] > 0.1) == heard
        assert (opinion.probability_up < 0.4) == heard
        assert made.expert_names[4] == "sure"


def test_judgement_names_what_speaks_against_it() -> None:
    made = learned()
    opinion = made.opinions(vector(queue_imbalance=0.9))[made.own]
    assert made.judge(made.own, opinion, 13, None) == ("up", "")
    assert made.judge(made.own, opinion, 13, S)[1].startswith("gap 1.0 s ago")
    for _ in range(60):
        made._regimes.learn(13, log(2) + 0.1)
    assert made.judge(made.own, opinion, 13, None)[1].startswith("regime steady/usual/normal")
    assert made.judge(made.own - 1, opinion, 13, None) == ("up", "")


def test_coverage_is_of_the_own_horizon_and_of_all_decisions_counted() -> None:
    made = learned()
    sure, less = (made.opinions(vector(queue_imbalance=one))[made.own] for one in (0.9, 0.6))
    assert made.judge(made.own, less, 13, None) == ("up", "")
    for _ in range(60):
        made.count(sure)
    assert made.judge(made.own, less, 13, None)[1].startswith("coverage: ")
    assert made.judge(made.own, sure, 13, None) == ("up", "")
    assert made.judge(made.own - 1, less, 13, None) == ("up", "")


def test_drift_of_a_shorter_horizon_asks_the_longer_ones_for_more() -> None:
    made = learned()
    opinion = made.opinions(vector(queue_imbalance=0.55))[1]
    assert made.judge(1, opinion, 13, None) == ("up", "")
    while not made.horizons[0].drift.rung:
        made.horizons[0].drift.observe(2.0, 2.0, 0.9, right=False)
    assert made.judge(1, opinion, 13, None)[1].endswith("doubled by drift")
    assert made.regime_name(13) == "steady/usual/normal"
    while not made.horizons[1].drift.rung:
        made.horizons[1].drift.observe(2.0, 2.0, 0.9, right=False)
    assert made.regime_name(13) == "steady/usual/normal/break"


def test_reasons_speak_of_the_own_horizon() -> None:
    made = learned()
    said = made.reasons(vector(queue_imbalance=0.5), "why not", "bbo")
    assert said[0] == "why not"
    assert said[1].startswith("queue imbalance +0.50 adds +0.")
    assert len(said) == 2


def test_state_goes_round_and_other_experts_are_refused() -> None:
    one, other = learned(Sure(0.6)), learned(Sure(0.6))
    for second in range(20):
        one.sample(T0 + second * S, 100.0 + second % 3, 0.5, vector(queue_imbalance=0.1 * second))
        one.resolve(T0 + second * S + 1, 100.0 + second % 3, NEVER_NS)
    other.load(one.state())
    assert str(other.state()) == str(one.state())
    with pytest.raises(ValueError, match="do not fit"):
        learned().load(one.state())
