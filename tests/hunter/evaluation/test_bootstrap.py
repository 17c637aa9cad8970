"""Intervals: against a plain bootstrap, wide where windows overlap, the same at each run."""

from __future__ import annotations

import math
import random

import numpy as np
import pytest

from hunter.evaluation import scores
from hunter.evaluation.bootstrap import NO_INTERVAL, Blocks, block_ns, interval

S = 1_000_000_000


def told(count: int, seed: int = 1) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """One decision a second, worth an AUC of about .75: times, scores, what came."""
    dice = np.random.default_rng(seed)
    score = dice.random(count).round(2)
    return np.arange(count) * S, score, dice.random(count) < 0.1 + 0.8 * score


def test_blocks_are_at_least_three_horizons() -> None:
    assert [block_ns(ms) // S for ms in (100, 1_000, 5_000, 10_000)] == [10, 10, 15, 30]


def test_auc_of_each_draw_is_that_of_the_drawn_decisions() -> None:
    times, score, up = told(60)
    blocks = Blocks(times, 10 * S, seed=3)
    found = blocks.auc(score, up)
    dice = np.random.default_rng(3)
    for auc in found[:25]:
        chosen = [
            place
            for block in dice.integers(0, 6, 6)
            for place in range(block * 10, block * 10 + 10)
        ]
        assert auc == pytest.approx(scores.auc(score[chosen], up[chosen]), abs=1e-12)


def test_mean_of_each_draw_is_that_of_the_drawn_decisions() -> None:
    values = np.array([float(i % 7) for i in range(25)])
    blocks = Blocks(np.arange(25) * S, 10 * S, seed=5)
    dice = np.random.default_rng(5)
    means = []
    for _ in range(1_000):
        chosen = [
            place
            for block in dice.integers(0, 3, 3)
            for place in range(block * 10, min(25, block * 10 + 10))
        ]
        means.append(values[chosen].mean())
    assert blocks.mean(values) == pytest.approx(interval(np.array(means)))


def test_interval_of_independent_decisions_has_the_known_width() -> None:
    """Of a mean of 4,000 coins: 1.96 * 0.5 / sqrt(4,000) each side."""
    coins = np.array([float(random.Random(i).random() < 0.5) for i in range(4_000)])
    found = Blocks(np.arange(4_000) * S, 10 * S).mean(coins)
    assert found.high - found.low == pytest.approx(2 * 1.96 * 0.5 / math.sqrt(4_000), rel=0.15)
    assert found.deviation == pytest.approx(0.5 / math.sqrt(4_000), rel=0.15)


def test_overlapping_decisions_do_not_narrow_the_interval() -> None:
    """Every coin ten times within its block is no more than every coin once."""
    coins = np.random.default_rng(2).random(300) < 0.5
    once = Blocks(np.arange(300) * 10 * S, 10 * S).mean(coins.astype(float))
    many = Blocks(np.arange(3_000) * S, 10 * S).mean(np.repeat(coins, 10).astype(float))
    assert many.deviation == pytest.approx(once.deviation, rel=0.05)


def test_difference_of_a_score_to_itself_is_nothing() -> None:
    times, score, up = told(200)
    blocks = Blocks(times, 10 * S)
    draws = blocks.auc(score, up)
    assert interval(draws - blocks.auc(score * 3.0, up)) == (0.0, 0.0, 0.0)


def test_the_same_input_gives_the_same_interval_in_any_chunk(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    times, score, up = told(120)
    whole = Blocks(times, 10 * S).auc(score, up)
    monkeypatch.setattr("hunter.evaluation.bootstrap._CHUNK_VALUES", 120 * 7)
    assert Blocks(times, 10 * S).auc(score, up).tolist() == whole.tolist()


def test_one_block_has_no_interval() -> None:
    blocks = Blocks(np.arange(5), 10 * S)
    assert blocks.mean(np.ones(5)) is NO_INTERVAL
    assert interval(blocks.auc(np.ones(5), np.array([True] * 5))) is NO_INTERVAL
    assert interval(np.array([math.nan, math.nan])) is NO_INTERVAL
    assert Blocks(np.zeros(0, dtype=np.int64), S).count == 0


def test_many_decisions_are_drawn_less_often() -> None:
    times, score, up = told(60_000)
    assert len(Blocks(times, 1_000 * S).auc(score, up)) == 400
