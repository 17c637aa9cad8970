"""Walking forward: what a block is scored on was not fitted on, and scores are per label."""

from __future__ import annotations

import numpy as np
import pytest

from hunter.brain.learning.movement import published_movement
from hunter.brain.learning.prior import published_prior
from hunter.evaluation.heldout import (
    HeldOut,
    block_of,
    even_sheet,
    future_of,
    held_out_scores,
    odd_sheet,
    past_of,
)
from hunter.evaluation.labelled import HorizonLabels


def drawn(seed: int, count: int = 4_000, slope: float = 3.0, still: float = 0.5) -> HeldOut:
    """A market whose queue imbalance tells where it goes, and nothing when."""
    dice = np.random.default_rng(seed)
    odd = dice.uniform(-1.0, 1.0, (count, 20))
    up = dice.random(count) < 1.0 / (1.0 + np.exp(-slope * odd[:, 0]))
    move = np.where(dice.random(count) < still, 0.0, np.where(up, 1.0, -1.0))
    times = np.arange(count, dtype=np.int64) * 100
    even = np.exp(dice.normal(size=(count, 10)))
    return HeldOut(HorizonLabels(odd, even, move, np.ones(count), times, times + 50), 1.0)


def test_slope_of_a_market_is_learnt_and_shows_on_what_comes_later() -> None:
    parts = [drawn(1), drawn(2)]
    scores = held_out_scores(parts, published_prior(1_000), published_movement(1_000))
    queue = scores[0]
    assert [one.expert for one in scores] == ["queue", "held", "free", "full", "movement"]
    # Three blocks of four, two recordings, half of them still.
    assert queue.labels == pytest.approx(3_000, rel=0.1)
    assert scores[4].labels == 6_000
    assert queue.log_loss is not None
    assert queue.log_loss_published is not None
    assert queue.auc is not None
    assert queue.log_loss < queue.log_loss_published - 0.003
    assert queue.auc == queue.auc_published  # one coefficient ranks as another does
    assert 0.75 < queue.auc < 0.9


def test_moves_without_direction_are_of_the_movement_alone() -> None:
    part = drawn(3, 200)
    moved = int((part.labels.move_bp != 0.0).sum())
    sheet = odd_sheet(part, np.ones(20))
    assert (len(sheet.towards), set(sheet.towards)) == (moved, {1.0, -1.0})
    assert int((even_sheet(part).towards > 0).sum()) == moved
    assert even_sheet(part._replace(weight=3.0)).weight.sum() == 600.0


def test_nothing_to_score_is_none() -> None:
    part = drawn(4, 8, still=0.0)
    one_way = part._replace(labels=part.labels._replace(move_bp=np.ones(8)))
    scores = held_out_scores([one_way], published_prior(1_000), published_movement(1_000))
    assert scores[0].auc is None
    assert scores[0].log_loss is not None


def test_walk_forward_learns_nothing_from_windows_that_reach_into_what_is_scored() -> None:
    times = np.arange(0, 400, dtype=np.int64)
    columns = np.zeros((400, 20)), np.zeros((400, 10)), np.ones(400), np.ones(400)
    labels = HorizonLabels(*columns, times, times + 30)
    part = HeldOut(labels, 1.0)
    begin, end = block_of(part, 2)
    assert (begin, end) == (200, 300)
    past, future = past_of(part, 2, []), future_of(part, 2)
    assert past.labels.ends_ns.max() == 200
    assert (future.labels.times_ns.min(), future.labels.times_ns.max()) == (200, 299)
    # Another recording of the same time, whose block lies elsewhere.
    elsewhere = past_of(part, 2, [(begin, end), (100, 150)])
    assert not ((elsewhere.labels.ends_ns > 100) & (elsewhere.labels.times_ns < 150)).any()
