"""Every score against its definition, written out slowly."""

from __future__ import annotations

import math
import random
from itertools import pairwise

import numpy as np
import pytest

from hunter.evaluation import scores


def drawn(seed: int, count: int, levels: int = 0) -> tuple[list[float], list[bool]]:
    """Scores, of few different values where `levels` says so, and what came."""
    dice = random.Random(seed)
    values = [dice.randrange(levels) / levels if levels else dice.random() for _ in range(count)]
    return values, [dice.random() < 0.3 + 0.4 * value for value in values]


def auc_by_pairs(values: list[float], up: list[bool]) -> float:
    won = pairs = 0.0
    for value, rose in zip(values, up, strict=True):
        for other, other_rose in zip(values, up, strict=True):
            if rose and not other_rose:
                pairs += 1
                won += 1.0 if value > other else 0.5 if value == other else 0.0
    return won / pairs


@pytest.mark.parametrize("levels", [0, 2, 5])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_auc_is_the_share_of_pairs(seed: int, levels: int) -> None:
    values, up = drawn(seed, 80, levels)
    expected = auc_by_pairs(values, up)
    assert scores.auc(np.array(values), np.array(up)) == pytest.approx(expected, abs=1e-12)


def test_auc_of_one_class_cannot_be_said() -> None:
    for up in ([], [True, True], [False]):
        assert math.isnan(scores.auc(np.arange(len(up), dtype=float), np.array(up, dtype=bool)))


def test_auc_of_a_constant_is_a_coin() -> None:
    assert scores.auc(np.full(4, 0.7), np.array([True, False, True, False])) == 0.5


def test_ranks_are_shared_by_equals() -> None:
    assert scores.ranks(np.array([3.0, 1.0, 3.0, 2.0])).tolist() == [3.5, 1.0, 3.5, 2.0]


def test_losses_of_each_decision() -> None:
    values, up = drawn(4, 50)
    expected = [-math.log(p if rose else 1 - p) for p, rose in zip(values, up, strict=True)]
    assert scores.losses(np.array(values), np.array(up)) == pytest.approx(expected)


def test_loss_of_knowing_nothing_is_ln_2_and_of_being_sure_and_wrong_is_bounded() -> None:
    assert scores.losses(np.array([0.5]), np.array([True]))[0] == pytest.approx(math.log(2))
    assert scores.losses(np.array([0.0]), np.array([True]))[0] == pytest.approx(13.8, abs=0.1)
    assert scores.losses(np.array([1.0]), np.array([True]))[0] < 1e-5


def test_brier_is_the_mean_squared_error() -> None:
    values, up = drawn(5, 40)
    expected = sum((p - rose) ** 2 for p, rose in zip(values, up, strict=True)) / 40
    assert scores.brier(np.array(values), np.array(up)) == pytest.approx(expected)


def test_correctness_is_a_half_without_a_side() -> None:
    found = scores.correctness(np.array([0.9, 0.9, 0.1, 0.5]), np.array([True, False, False, True]))
    assert found.tolist() == [1.0, 0.0, 1.0, 0.5]


def test_balanced_accuracy_gives_both_sides_the_same_weight() -> None:
    probability = np.array([0.9] * 9 + [0.9])
    up = np.array([True] * 9 + [False])
    assert scores.balanced_accuracy(probability, up) == 0.5  # plain accuracy would be 0.9


def test_folded_ece_by_bins_of_equal_count() -> None:
    dice = random.Random(6)
    confidence = [dice.uniform(0.5, 1.0) for _ in range(47)]
    right = [float(dice.random() < c - 0.1) for c in confidence]
    order = sorted(range(47), key=confidence.__getitem__)
    edges = [int(47 * number / 10) for number in range(11)]
    total = 0.0
    for begin, end in pairwise(edges):
        here = order[begin:end]
        total += abs(sum(confidence[i] - right[i] for i in here))
    found = scores.folded_ece(np.array(confidence), np.array(right))
    assert found == pytest.approx(total / 47)


def test_folded_ece_of_few_and_of_none() -> None:
    assert scores.folded_ece(np.array([0.7, 0.9]), np.array([1.0, 1.0])) == pytest.approx(0.2)
    assert math.isnan(scores.folded_ece(np.zeros(0), np.zeros(0)))


def test_reliability_is_what_the_ece_is_made_of() -> None:
    dice = np.random.default_rng(7)
    confidence = dice.uniform(0.5, 1.0, 400)
    right = (dice.random(400) < confidence).astype(float)
    bins = scores.reliability(confidence, right)
    assert sum(item.decisions for item in bins) == 400
    error = sum(abs(item.confidence - item.right) * item.decisions for item in bins) / 400
    assert error == pytest.approx(scores.folded_ece(confidence, right))
    assert [item.confidence for item in bins] == sorted(item.confidence for item in bins)


def test_floor_is_the_ece_of_a_perfect_model() -> None:
    """Of known size: 0.0695 at 265 decisions that are right four times of five, sqrt(2/pi) of a
    binomial's deviation in bins of 26.5."""
    confidence = np.full(500, 0.8)
    expected = math.sqrt(2 / math.pi) * math.sqrt(0.8 * 0.2 / 26.5)
    assert scores.ece_floor(confidence, 265) == pytest.approx(expected, rel=0.06)
    assert scores.ece_floor(confidence, 26_500) == pytest.approx(expected / 10, rel=0.1)
    assert scores.ece_floor(confidence, 265) == scores.ece_floor(confidence, 265)
    assert math.isnan(scores.ece_floor(confidence, 0.2))


def test_covered_takes_the_most_confident() -> None:
    confidence = np.array([0.1, 0.5, 0.3, 0.4, 0.2])
    gain = np.array([0.0, 1.0, 0.0, 1.0, 0.0])
    assert scores.covered(confidence, gain, 0.4) == 1.0
    assert scores.covered(confidence, gain, 1.0) == pytest.approx(0.4)
    assert scores.covered(confidence, gain, 0.01) == 1.0
    assert math.isnan(scores.covered(np.zeros(0), np.zeros(0), 0.2))


def test_covered_takes_equal_confidences_alike() -> None:
    """Whichever comes first in time must not be what is scored."""
    confidence = np.array([0.9, 0.5, 0.5, 0.5, 0.5])
    gain = np.array([1.0, 1.0, 1.0, 0.0, 0.0])
    assert scores.covered(confidence, gain, 0.6) == pytest.approx((1 + 2 * 0.5) / 3)
    turned = scores.covered(confidence[::-1], gain[::-1], 0.6)
    assert turned == scores.covered(confidence, gain, 0.6)


def test_information_coefficient_is_the_rank_correlation() -> None:
    rising = np.array([1.0, 2.0, 5.0, 9.0])
    assert scores.information_coefficient(rising, rising**3) == pytest.approx(1.0)
    assert scores.information_coefficient(rising, -rising) == pytest.approx(-1.0)
    assert math.isnan(scores.information_coefficient(rising, np.zeros(4)))
    shared = scores.information_coefficient(rising, np.array([0.0, 0.0, 1.0, 1.0]))
    assert shared == pytest.approx(2 / math.sqrt(5))


def test_mean_of_nothing_cannot_be_said() -> None:
    assert math.isnan(scores.mean(np.zeros(0)))
