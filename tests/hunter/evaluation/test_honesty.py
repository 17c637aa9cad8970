"""Tests of the test: a placebo is a coin, what looks ahead is found, what does not is not."""

from __future__ import annotations

import random
from math import isnan, nan

import numpy as np
import pytest
from fakes.grid_markets import market

from hunter.evaluation.grid import GridMarket
from hunter.evaluation.honesty import Placebo, canary, look_ahead, placebo
from hunter.evaluation.scores import auc


def wandering(seed: int, count: int = 6_000, trend: float = 0.75) -> GridMarket:
    """Moves in bursts, each going on as the one before with `trend`: so the last move's sign tells
    something about the next, as in real markets."""
    dice = random.Random(seed)
    mid, sign = 1_000.0, 1
    mids, signs = [], []
    for _ in range(count):
        if dice.random() < 0.08:
            sign = sign if dice.random() < trend else -sign
            mid += sign * 0.1
        mids.append(mid)
        signs.append(float(sign))
    return market(mids, last_move=signs)


def shifted(values: np.ndarray, steps: int) -> np.ndarray:
    return np.concatenate((values[steps:], np.full(steps, nan)))


@pytest.mark.parametrize("seed", [1, 2, 3, 4])
def test_canary_is_caught_and_the_honest_one_passes(seed: int) -> None:
    here = wandering(seed)
    found = canary(here, 100, np.ones(len(here.mid), dtype=bool))
    assert found.works
    assert found.moves > 300


@pytest.mark.parametrize("ahead_ms", [200, 300, 500, 800])
def test_every_look_ahead_within_a_second_is_found(ahead_ms: int) -> None:
    here = wandering(7)
    reason = look_ahead(shifted(here.last_move, ahead_ms // 100), here, 100).reason
    assert f"up to {ahead_ms} ms ahead" in reason


@pytest.mark.parametrize("seed", range(12))
def test_honest_scores_are_not_suspected(seed: int) -> None:
    here = wandering(seed, 4_000, 0.5 + seed * 0.04)
    noise = np.random.default_rng(seed).normal(size=len(here.mid))
    for score in (here.last_move, noise, here.last_move + noise, -here.last_move):
        assert look_ahead(score, here, 100).reason == ""


def test_what_is_never_wrong_is_suspected() -> None:

    one_way = market([1_000.0 + i // 10 for i in range(2_000)])
    for score in (np.ones(2_000), -np.ones(2_000)):
        assert "never wrong" in look_ahead(score, one_way, 100).reason


def test_few_moves_prove_nothing() -> None:
    here = wandering(1, 300)
    assert look_ahead(shifted(here.last_move, 5), here, 100) == ((), 0, "")
    assert not canary(here, 100, np.ones(300, dtype=bool)).works


def test_shares_are_told_by_distance() -> None:
    here = wandering(2, 20_000)
    found = look_ahead(here.last_move, here, 100)
    assert found.right[0] == pytest.approx(0.75, abs=0.03)
    assert found.right[9] < found.right[0]
    assert len(found.right) == 10


def test_placebo_of_a_good_score_is_a_coin() -> None:
    dice = np.random.default_rng(1)
    move = dice.choice([-1.0, 0.0, 1.0], 3_000)
    score = move + dice.normal(size=3_000)
    found = placebo(score, move, 100)
    assert found.is_fair
    assert auc(score[move != 0], move[move != 0] > 0) > 0.85
    assert found.deviation < 0.05


def test_placebo_of_a_biased_test_is_not_fair() -> None:
    """Were what came paired with the score by its place, turning would not undo it."""
    move = np.tile([1.0, -1.0], 500)
    score = np.tile([1.0, -1.0], 500)
    found = placebo(score, move, 2)
    assert not found.is_fair or found.deviation > 0.4
    assert not Placebo(0.6, 0.04).is_fair
    assert not placebo(score[:4], move[:4], 1).is_fair
    assert isnan(placebo(score[:4], move[:4], 1).auc)
