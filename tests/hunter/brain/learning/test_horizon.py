from __future__ import annotations

import random
from math import exp, log
from typing import Any

import pytest

from hunter.brain.learning.drift import Rung
from hunter.brain.learning.horizon import FEATURES_END, THOUGHT_NUMBERS, Horizon, published_belief
from hunter.brain.learning.samples import Label
from hunter.brain.window.features import EVEN_COUNT, ODD_COUNT

S = 1_000_000_000
QUIET = (0.0,) * ODD_COUNT
EVEN = (0.0,) * EVEN_COUNT


def queue(imbalance: float) -> tuple[float, ...]:
    return (imbalance, *(0.0,) * (ODD_COUNT - 1))


def horizon(outside_count: int = 0) -> Horizon:
    return Horizon(published_belief(1_000), outside_count)


def teach(made: Horizon, ts_ns: int, imbalance: float, move: float) -> float | None:
    kept = made.thought(queue(imbalance), ())
    label = Label(0, ts_ns, 100.0, move, 0.1, (*queue(imbalance), *EVEN))
    return made.learn(label, kept)


def test_opinion_starts_as_the_published_slope_and_multiplies_to_an_edge() -> None:
    made = horizon()
    opinion = made.opinion((*queue(0.5), *EVEN), ())
    assert 0.6 < opinion.probability_up < 0.7
    log_odds, *_ = made.thought(queue(0.5), ())
    assert opinion.probability_up == 1.0 / (1.0 + exp(-log_odds))
    assert opinion.confidence == 2 * opinion.probability_up - 1
    _, move_bp = made.movement.assess(EVEN)
    assert opinion.edge_bp == opinion.confidence * opinion.probability_move * move_bp
    mirrored = made.opinion((*queue(-0.5), *EVEN), ())
    assert mirrored.edge_bp == -opinion.edge_bp
    assert mirrored.confidence == opinion.confidence
    assert made.opinion((*QUIET, *EVEN), ()).probability_up == 0.5
    assert len(QUIET) + len(EVEN) == FEATURES_END


def test_loss_is_of_what_was_thought_then_and_of_labels_that_do_not_overlap() -> None:
    made = horizon()
    kept = made.thought(queue(1.0), ())
    assert len(kept) == THOUGHT_NUMBERS
    for _ in range(50):
        teach(made, 0, 1.0, -0.5)
    label = Label(0, 5 * S, 100.0, -0.5, 0.1, (*queue(1.0), *EVEN))
    assert made.learn(label, kept) == pytest.approx(log(1 + exp(kept[0])))
    assert teach(made, 5 * S + 900_000_000, 1.0, 0.5) is None
    assert teach(made, 6 * S, 1.0, 0.5) is not None


def test_window_without_a_move_teaches_movement_only_and_takes_its_turn() -> None:
    made = horizon()
    before = made.mixture.state(), made.movement.state()
    assert teach(made, S, 0.5, 0.0) is None
    assert made.mixture.state() == before[0]
    assert made.movement.state() != before[1]
    assert teach(made, S + 500_000_000, 0.5, 0.5) is None


def test_ladder_falls_back_and_resets_what_it_is_about() -> None:
    dice, made = random.Random(1), horizon()
    rungs, weights = set(), set()
    for second in range(120):
        imbalance = dice.choice((-0.9, 0.9))
        teach(made, second * S, imbalance, -0.5 if imbalance > 0 else 0.5)
        rungs.add(made.drift.rung)
        weights.add((made.drift.rung, made.opinion((*queue(0.5), *EVEN), ()).weights[0] == 1.0))
    assert {Rung.WIDE, Rung.PRIOR, Rung.RESET} <= rungs
    assert (Rung.PRIOR, True) in weights
    assert (Rung.RESET, True) not in weights
    assert made.drift.resets >= 1


class Told:
    """A mixture that always says up, and remembers what it is asked to do."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, Any]] = []

    def assess(self, x: Any, outside: Any) -> tuple[float, float, tuple[float, ...], Any]:
        return 2.0, 0.88, (1.0, 0.0, 0.0, 0.0), (0.1, 0.2, 0.3, 0.4)

    def learn(self, x: Any, outside: Any, move: int, weight: float, said: Any) -> None:
        self.calls.append(("learn", (outside, move, weight, said)))

    def reset(self) -> None:
        self.calls.append(("reset", None))

    def fall_back(self, on: bool) -> None:
        self.calls.append(("fall_back", on))


def test_mixture_is_told_what_it_said_then_and_what_the_ladder_asks_for() -> None:
    made, told = horizon(), Told()
    made.mixture = told  # type: ignore[assignment]
    for second in range(12):
        teach(made, second * S, 0.5, -0.5)
    assert told.calls.count(("learn", ((), -1, 0.1, (0.1, 0.2, 0.3, 0.4)))) == 12
    asked = [call for call in told.calls if call[0] != "learn"]
    assert asked == [
        ("fall_back", False),
        ("fall_back", True),
        ("reset", None),
        ("fall_back", False),
    ]


def test_outside_experts_are_part_of_what_is_kept() -> None:
    made = horizon(2)
    kept = (*made.thought(QUIET, (0.5, -0.2)), 0.5, -0.2)
    label = Label(0, S, 100.0, 0.5, 1.0, (*QUIET, *EVEN))
    assert made.learn(label, kept) is not None
    assert len(made.opinion((*QUIET, *EVEN), (0.5, -0.2)).weights) == 6


def test_state_goes_round_and_what_is_none_is_refused() -> None:
    one, other = horizon(), horizon()
    for second in range(30):
        teach(one, second * S, 0.3, 0.5)
    other.load(one.state())
    assert other.state() == one.state()
    assert teach(other, 29 * S + 1, 0.3, 0.5) is None
    for wrong in (
        b"",
        one.state()[:-1],
        one.state() + b"x",
        Horizon(published_belief(5_000)).state(),
    ):
        with pytest.raises(ValueError, match=r"state|prior"):
            horizon().load(wrong)
