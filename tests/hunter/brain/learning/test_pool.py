from __future__ import annotations

import random
from math import exp, nan

import pytest

from hunter.brain.learning.experts import log_loss
from hunter.brain.learning.pool import (
    HEARD_ABOVE,
    OUTSIDE_WEIGHT_FIRST,
    SHARE,
    TRIAL_LABELS,
    UNHEARD_BELOW,
    WEIGHTS_FIRST,
    WEIGHTS_RATE,
    Pool,
    pooled,
)

ALL_RIGHT = [1.0, 1.0, 1.0, 1.0]


def test_it_starts_with_most_of_the_say_at_the_queue() -> None:
    assert sum(WEIGHTS_FIRST) == pytest.approx(1.0)
    assert WEIGHTS_FIRST[0] > 0.5
    assert Pool(0).votes(ALL_RIGHT) == pytest.approx(WEIGHTS_FIRST)
    pool = Pool(2)
    assert pool.weights[4:] == [OUTSIDE_WEIGHT_FIRST] * 2
    assert sum(pool.weights) == pytest.approx(1.0)


def test_one_label_moves_the_weights_as_bayes_and_fixed_share_say() -> None:
    pool = Pool(0)
    towards, weight = [0.5, -1.0, 2.0, 0.0], 0.3
    pool.learn(towards, 0.4, weight)
    grown = [
        first * exp(-WEIGHTS_RATE * weight * log_loss(one))
        for first, one in zip(WEIGHTS_FIRST, towards, strict=True)
    ]
    share = SHARE * weight
    expected = [
        (1 - share) * one / sum(grown) + share * first
        for one, first in zip(grown, WEIGHTS_FIRST, strict=True)
    ]
    assert pool.weights == pytest.approx(expected, rel=1e-12)


def test_the_better_expert_takes_over_and_the_other_may_come_back() -> None:
    pool = Pool(0)
    for _ in range(400):
        pool.learn([0.2, 0.2, 0.2, 1.5], 0.2, 1.0)
    assert pool.weights[3] > 0.95
    for _ in range(60):
        pool.learn([1.5, 0.2, 0.2, -1.5], 0.2, 1.0)
    assert pool.weights[0] > 0.9
    pool.reset()
    assert pool.weights == list(WEIGHTS_FIRST)


def test_outside_expert_is_heard_once_it_has_earned_it_and_not_when_it_fails() -> None:
    pool = Pool(1)
    labels = 0
    while not pool.heard[0]:
        assert pool.votes([*ALL_RIGHT, 1.0])[4] == 0.0
        pool.learn([0.1, 0.1, 0.1, 0.1, 2.0], 0.1, 1.0)
        labels += 1
        assert labels < 1_000
    assert labels >= TRIAL_LABELS
    assert pool.weights[4] > HEARD_ABOVE
    assert sum(pool.votes([*ALL_RIGHT, 1.0])) == pytest.approx(1.0)
    assert pool.votes([*ALL_RIGHT, 1.0])[4] > HEARD_ABOVE
    while pool.heard[0]:
        pool.learn([0.5, 0.5, 0.5, 0.5, -2.0], 0.1, 1.0)
        labels += 1
        assert labels < 2_000
    assert pool.weights[4] < UNHEARD_BELOW


def test_outside_expert_that_rolls_dice_stays_in_shadow() -> None:
    dice, pool = random.Random(9), Pool(1)
    for _ in range(3_000):
        pool.learn([dice.choice((0.8, 0.8, -0.8))] * 4 + [dice.gauss(0.0, 1.0)], 0.3, 0.1)
        assert not pool.heard[0]


def test_silent_expert_neither_gains_nor_loses_nor_votes() -> None:
    pool = Pool(1)
    pool.heard[0] = True
    before = pool.weights[4]
    for _ in range(50):
        pool.learn([0.7, 0.7, 0.7, 0.7, nan], 0.7, 1.0)
    assert pool.weights[4] == pytest.approx(before)
    assert pool.trial_labels == [0.0]
    votes = pool.votes([*ALL_RIGHT, nan])
    assert votes[4] == 0.0
    assert sum(votes) == pytest.approx(1.0)
    assert pooled(votes, [2.0, 2.0, 2.0, 2.0, nan]) == pytest.approx(2.0)
