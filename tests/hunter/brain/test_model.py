from __future__ import annotations

import random
from math import exp, log

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hunter.brain.model import (
    PRIOR_PRECISION,
    PRIOR_SLOPES,
    QueueImbalanceLogit,
    prior_slope,
    sigmoid,
)

IMBALANCES = st.floats(-1.0, 1.0)


@pytest.mark.parametrize(("horizon_ms", "slope"), PRIOR_SLOPES)
def test_prior_slope_is_the_published_one_at_its_horizons(horizon_ms: int, slope: float) -> None:
    assert prior_slope(horizon_ms) == slope


@given(st.integers(1, 600_000), st.integers(1, 600_000))
def test_prior_slope_never_rises_with_the_horizon(one: int, other: int) -> None:
    near, far = sorted((one, other))
    assert prior_slope(near) >= prior_slope(far) > 0.0


def test_prior_slope_beyond_the_last_horizon_goes_on_falling_as_before() -> None:
    assert prior_slope(20_000) == pytest.approx(0.4 * 0.4 / 0.6)
    assert prior_slope(100) == 1.5


@given(st.floats(-800, 800))
def test_sigmoid_of_the_negative_is_the_complement_exactly(x: float) -> None:
    assert sigmoid(-x) == 1.0 - sigmoid(x)
    assert 1.0 - sigmoid(-x) == sigmoid(x)


def test_sigmoid_is_the_logistic_function() -> None:
    assert sigmoid(0.0) == 0.5
    assert sigmoid(1.3) == pytest.approx(1 / (1 + exp(-1.3)))


@given(st.lists(st.tuples(IMBALANCES, st.sampled_from((1, -1))), max_size=60), IMBALANCES)
def test_mirrored_labels_teach_the_same_slope_bit_for_bit(
    labels: list[tuple[float, int]], value: float
) -> None:
    model, mirror = QueueImbalanceLogit(1_000), QueueImbalanceLogit(1_000)
    for imbalance, move in labels:
        model.learn((imbalance,), move, 0.2)
        mirror.learn((-imbalance,), -move, 0.2)
    assert mirror.state() == model.state()
    assert mirror.probability_up((-value,)) == 1.0 - model.probability_up((value,))


@given(IMBALANCES)
def test_contributions_sum_to_the_log_odds(value: float) -> None:
    model = QueueImbalanceLogit(1_000)
    p = model.probability_up((value,))
    assert sum(model.contributions((value,))) == pytest.approx(log(p / (1 - p)), abs=1e-12)


def test_balanced_queue_is_a_half_whatever_was_learnt() -> None:
    model = QueueImbalanceLogit(5_000)
    for _ in range(50):
        model.learn((0.9,), -1, 1.0)
    assert model.probability_up((0.0,)) == 0.5


def test_one_label_moves_the_slope_by_the_laplace_step() -> None:
    model = QueueImbalanceLogit(1_000)
    model.learn((0.5,), 1, 0.1)
    p = 1 / (1 + exp(-1.5 * 0.5))
    precision = PRIOR_PRECISION + 0.1 * p * (1 - p) * 0.25
    assert model.precision == pytest.approx(precision)
    assert model.slope == pytest.approx(1.5 + 0.1 * (1 - p) * 0.5 / precision)


@pytest.mark.parametrize("true_slope", [0.4, 2.2, -1.0])
def test_slope_is_found_and_probabilities_are_calibrated(true_slope: float) -> None:
    dice = random.Random(11)
    model = QueueImbalanceLogit(1_000)
    told: list[tuple[float, int]] = []
    for step in range(60_000):
        imbalance = dice.uniform(-1, 1)
        up = dice.random() < 1 / (1 + exp(-true_slope * imbalance))
        if step >= 40_000:
            told.append((model.probability_up((imbalance,)), int(up)))
        model.learn((imbalance,), 1 if up else -1, 1.0)
    assert model.slope == pytest.approx(true_slope, abs=0.15)
    for low in (0.2, 0.4, 0.5, 0.6):
        bucket = [(p, up) for p, up in told if low <= p < low + 0.1]
        if len(bucket) > 1_000:
            said = sum(p for p, _ in bucket) / len(bucket)
            came = sum(up for _, up in bucket) / len(bucket)
            assert came == pytest.approx(said, abs=0.04)


def test_model_asks_for_a_move() -> None:
    with pytest.raises(AssertionError, match="without a move"):
        QueueImbalanceLogit(1_000).learn((0.1,), 0, 1.0)


def test_state_continues_and_a_wrong_one_is_refused() -> None:
    model, other = QueueImbalanceLogit(1_000), QueueImbalanceLogit(9_000)
    model.learn((0.3,), 1, 0.7)
    other.load(model.state())
    assert other.state() == model.state()
    with pytest.raises(ValueError, match="unpack"):
        other.load((1.0,))
    with pytest.raises(ValueError, match="precision"):
        other.load((1.0, float("nan")))
    assert other.state() == model.state()
