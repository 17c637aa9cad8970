from __future__ import annotations

import random
from math import exp, inf, log, nan

import numpy as np
import pytest
from fakes.brain_labels import move_after, negated, vector
from hypothesis import given
from hypothesis import strategies as st

from hunter.brain.learning.experts import (
    INPUT_MAX,
    LOG_ODDS_MAX,
    LaplaceLogit,
    Temperature,
    clipped,
    log_loss,
    unpacked,
)

INPUTS = st.lists(st.floats(-INPUT_MAX, INPUT_MAX), min_size=3, max_size=3)
LABELS = st.lists(st.tuples(INPUTS, st.sampled_from((1, -1)), st.floats(0.01, 1.0)), max_size=40)


def fresh(growth: float = 0.0) -> LaplaceLogit:
    return LaplaceLogit((1.5, 0.0, 0.2), (50.0, 20.0, 5.0), growth)


def test_one_label_is_the_laplace_step() -> None:
    """Against the textbook: precision plus curvature, then a Newton step with the new one."""
    expert = fresh()
    x, weight = np.array([0.4, -1.0, 2.0]), 0.3
    expert.learn(x.tolist(), -1, weight)
    prior = np.diag([50.0, 20.0, 5.0])
    mean = np.array([1.5, 0.0, 0.2])
    p = 1.0 / (1.0 + exp(-float(mean @ x)))
    precision = prior + weight * p * (1.0 - p) * np.outer(x, x)
    assert np.allclose(np.linalg.inv(expert.covariance), precision, rtol=1e-12)
    assert np.allclose(expert.mean, mean - weight * p * np.linalg.solve(precision, x), rtol=1e-12)


@given(LABELS, INPUTS)
def test_mirrored_labels_teach_the_same_bit_for_bit(
    labels: list[tuple[list[float], int, float]], x: list[float]
) -> None:
    one, other = fresh(1e-2), fresh(1e-2)
    for inputs, move, weight in labels:
        one.learn(inputs, move, weight)
        other.learn(negated(inputs), -move, weight)
    assert one.state() == other.state()
    assert one.log_odds(negated(x)) == -one.log_odds(x)


def test_truth_is_found() -> None:
    dice, truth = random.Random(3), (0.8, -0.5, 0.0)
    expert = fresh()
    for _ in range(20_000):
        x = [dice.gauss(0.0, 1.0) for _ in truth]
        expert.learn(x, move_after(dice, sum(a * b for a, b in zip(truth, x, strict=True))), 1.0)
    assert expert.mean == pytest.approx(truth, abs=0.06)


def test_covariance_stays_positive_symmetric_and_below_the_prior() -> None:
    dice = random.Random(4)
    expert = LaplaceLogit((0.0,) * 20, (30.0,) * 20, 1e-2)
    for _ in range(4_000):
        x = [clipped(one, INPUT_MAX) for one in vector(dice, spoil=0.1)]
        # most directions are never seen: those that are get narrow, the others stay wide
        x = [one if i < 6 else 0.0 for i, one in enumerate(x)]
        expert.learn(x, dice.choice((-1, 1)), dice.choice((0.01, 0.1, 1.0)))
        assert expert.covariance[7][7] == 1 / 30
    covariance = np.array(expert.covariance)
    assert (covariance == covariance.T).all()
    assert np.linalg.eigvalsh(covariance).min() > 0.0
    assert covariance.diagonal().max() <= 1 / 30 * (1 + 1e-12)


def test_growth_keeps_an_old_expert_able_to_learn() -> None:
    dice = random.Random(5)
    firm, open_ = LaplaceLogit((0.0,), (10.0,)), LaplaceLogit((0.0,), (10.0,), 1e-2)
    for step in range(6_000):
        x, slope = [dice.uniform(-1.0, 1.0)], 1.5 if step < 5_000 else -1.5
        move = move_after(dice, slope * x[0])
        firm.learn(x, move, 1.0)
        open_.learn(x, move, 1.0)
    assert open_.mean[0] < -1.0 < firm.mean[0]


def test_inputs_of_a_constant_give_no_opinion() -> None:
    assert fresh().log_odds([0.0, -0.0, 0.0]) == 0.0


def test_log_odds_are_limited() -> None:
    expert = LaplaceLogit((1e6, 0.0), (1.0, 1.0))
    assert expert.log_odds([8.0, 0.0]) == LOG_ODDS_MAX
    assert expert.log_odds([-8.0, 0.0]) == -LOG_ODDS_MAX


def test_reset_widens_and_keeps_the_mean() -> None:
    expert = fresh()
    expert.learn([1.0, 1.0, 1.0], 1, 1.0)
    mean = list(expert.mean)
    expert.reset()
    assert expert.mean == mean
    assert expert.covariance == fresh().covariance


def test_state_continues_bit_for_bit_and_a_wrong_one_is_refused() -> None:
    expert = fresh(1e-3)
    expert.learn([1.0, -0.5, 0.3], 1, 0.7)
    other = expert.twin()
    assert other.covariance == fresh().covariance
    other.load(expert.state())
    assert len(expert.state()) == expert.state_bytes
    for one in (expert, other):
        one.learn([0.2, 0.1, -3.0], -1, 0.1)
    assert other.state() == expert.state()
    before = other.state()
    broken = LaplaceLogit((1.0, nan, 1.0), (1.0, 1.0, 1.0)).state()
    negative = LaplaceLogit((1.0, 1.0, 1.0), (1.0, -1.0, 1.0)).state()
    for wrong, what in ((b"", "bytes"), (broken, "finite"), (negative, "positive")):
        with pytest.raises(ValueError, match=what):
            other.load(wrong)
    assert other.state() == before


def test_expert_asks_for_a_move() -> None:
    with pytest.raises(AssertionError, match="without a move"):
        fresh().learn([0.0, 0.0, 0.0], 0, 1.0)


def test_unpacked_takes_exactly_so_many_finite_doubles() -> None:
    with pytest.raises(ValueError, match="16"):
        unpacked(b"\0" * 8, 2)
    assert unpacked(b"\0" * 16, 2) == (0.0, 0.0)


@given(st.floats(-700, 700))
def test_log_loss_is_minus_the_logarithm_of_the_probability(x: float) -> None:
    assert log_loss(x) == pytest.approx(float(np.logaddexp(0.0, -x)), rel=1e-12, abs=1e-15)


@pytest.mark.parametrize(
    ("value", "kept"), [(nan, 0.0), (inf, 3.0), (-inf, -3.0), (2.0, 2.0), (-9.0, -3.0)]
)
def test_clipped_value_is_finite(value: float, kept: float) -> None:
    assert clipped(value, 3.0) == kept


def test_temperature_finds_how_much_too_sure_an_expert_is() -> None:
    dice, temperature = random.Random(6), Temperature(12.0, 1_000.0)
    losses, tempered = 0.0, 0.0
    for step in range(20_000):
        said = dice.gauss(0.0, 2.0)
        towards = said * move_after(dice, 0.4 * said)
        if step > 10_000:
            losses += log_loss(towards)
            tempered += log_loss(temperature.factor * towards)
        temperature.learn(towards, 0.1)
    assert temperature.factor == pytest.approx(0.4, abs=0.05)
    assert tempered < losses


def test_temperature_of_an_expert_that_is_always_wrong_never_turns_it_round() -> None:
    temperature = Temperature(12.0, 100.0)
    for _ in range(5_000):
        temperature.learn(-2.0, 1.0)
    assert temperature.factor == Temperature.FACTOR_MIN
    for _ in range(5_000):
        temperature.learn(0.3, 1.0)
    assert 1.0 < temperature.factor <= Temperature.FACTOR_MAX
    assert temperature.precision <= 100.0
    temperature.reset()
    assert temperature.precision == 12.0


def test_first_step_of_a_temperature_is_laplace_s() -> None:
    temperature = Temperature(12.0, 1_000.0)
    temperature.learn(0.8, 0.1)
    p = 1.0 / (1.0 + exp(0.8))
    precision = 12.0 + 0.1 * p * (1.0 - p) * 0.64
    assert temperature.precision == pytest.approx(precision)
    assert temperature.factor == pytest.approx(1.0 + 0.1 * p * 0.8 / precision)
    assert log(temperature.factor) > 0.0
