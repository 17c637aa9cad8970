"""Batch fits against known truths, plain definitions and the brain's own way of taking input."""

from __future__ import annotations

from math import inf, isnan, nan

import numpy as np
import pytest

from hunter.brain.learning.movement import EVEN_COUNT, Movement, MovementPrior
from hunter.brain.learning.prior import ODD_COUNT, SCALES
from hunter.evaluation.fitting import (
    Fit,
    Floats,
    Sheet,
    auc_of,
    even_inputs,
    fit_logit,
    fit_over_recordings,
    loss_of,
    odd_inputs,
    pooled_scales,
    rounded,
    scales_of,
)

TRUTH = np.array([1.5, -0.5, 0.0])


def drawn(seed: int, count: int, truth: Floats = TRUTH) -> Sheet:
    dice = np.random.default_rng(seed)
    inputs = dice.normal(size=(count, len(truth)))
    ups = dice.random(count) < 1.0 / (1.0 + np.exp(-(inputs @ truth)))
    return Sheet(inputs, np.where(ups, 1.0, -1.0), np.ones(count))


def flat_prior(size: int, precision: float = 1e-6) -> Fit:
    return Fit(np.zeros(size), np.full(size, precision))


def test_fit_finds_the_truth_and_knows_how_sure_it_is() -> None:
    fits = [fit_logit([drawn(seed, 4_000)], flat_prior(3)) for seed in range(40)]
    means = np.array([fit.mean for fit in fits])
    assert np.abs(means.mean(axis=0) - TRUTH).max() < 0.03
    sure = np.array([fit.precision for fit in fits]).mean(axis=0) ** -0.5
    assert np.abs(means.std(axis=0) / sure - 1.0).max() < 0.35


def test_fit_is_where_the_slope_of_the_posterior_is_zero() -> None:
    sheet = drawn(7, 500)._replace(weight=np.random.default_rng(1).random(500))
    prior = Fit(np.array([1.0, 0.0, 0.5]), np.array([200.0, 30.0, 5.0]))
    mean = fit_logit([sheet], prior).mean

    def objective(at: Floats) -> float:
        towards = sheet.towards * (sheet.inputs @ at)
        held = 0.5 * float(np.sum(prior.precision * (at - prior.mean) ** 2))
        return float(sheet.weight @ np.log1p(np.exp(-towards))) + held

    for i in range(3):
        for step in (-1e-4, 1e-4):
            moved = mean.copy()
            moved[i] += step
            assert objective(moved) > objective(mean)


def test_mirrored_labels_give_the_same_coefficients_to_the_last_bit() -> None:
    sheet = drawn(3, 1_000)
    mirrored = sheet._replace(inputs=-sheet.inputs, towards=-sheet.towards)
    one, other = (fit_logit([each], flat_prior(3, 1.0)) for each in (sheet, mirrored))
    assert (one.mean == other.mean).all()
    assert (one.precision == other.precision).all()


def test_labels_that_one_input_divides_are_held_by_the_prior() -> None:
    inputs = np.array([[1.0], [2.0], [-1.0]] * 50)
    sheet = Sheet(inputs, np.sign(inputs[:, 0]), np.ones(150))
    mean = fit_logit([sheet], flat_prior(1, 1.0)).mean
    assert 2.0 < mean[0] < 20.0


def test_weights_count_as_repetition_does() -> None:
    sheet = drawn(5, 300)
    prior = flat_prior(3, 10.0)
    twice = fit_logit([sheet, sheet], prior)
    heavy = fit_logit([sheet._replace(weight=np.full(300, 2.0))], prior)
    assert np.allclose(twice.mean, heavy.mean, atol=1e-9)


def test_recordings_that_disagree_are_held_loosely_and_one_alone_says_nothing_of_others() -> None:
    prior = Fit(np.zeros(3), np.full(3, 200.0))
    same = fit_over_recordings([drawn(seed, 3_000) for seed in range(4)], prior)
    other = [drawn(9, 3_000, np.array([-1.5, 2.0, 0.0])), *(drawn(n, 3_000) for n in range(3))]
    torn = fit_over_recordings(other, prior)
    assert (torn.precision[:2] < same.precision[:2] / 5).all()
    alone = fit_over_recordings([drawn(1, 50_000)], prior)
    assert (alone.precision <= 200.0).all()


def test_scales_are_root_mean_squares_or_the_published_ones() -> None:
    odd = np.full((4, ODD_COUNT), nan)
    odd[:, 0] = 0.1
    odd[:, 1] = (3.0, -3.0, nan, nan)
    odd[:, 2] = 0.0
    scales = scales_of(odd, SCALES)
    assert (scales[0], scales[1]) == (1.0, 3.0)
    assert scales[2] == 0.05 * SCALES[2]
    assert tuple(scales[3:]) == SCALES[3:]
    pooled = pooled_scales([np.array([1.0, 3.0]), np.array([1.0, 4.0])], [1.0, 3.0])
    assert np.allclose(pooled, [1.0, (0.25 * 9 + 0.75 * 16) ** 0.5])


def test_odd_inputs_are_scaled_and_limited_as_a_mixture_does_it() -> None:
    taken = odd_inputs(np.array([[1.0, nan, 100.0, -100.0]]), np.array([1.0, 1.0, 2.0, 2.0]))
    assert taken.tolist() == [[1.0, 0.0, 3.0, -3.0]]


def test_even_inputs_are_what_the_movement_takes() -> None:
    dice = np.random.default_rng(2)
    even = np.exp(dice.normal(size=(60, EVEN_COUNT)))
    even[dice.random(even.shape) < 0.2] = nan
    even[5] = 0.0
    taken = even_inputs(even)
    # Each coefficient by itself: the movement's log-odds are then the input.
    for i in range(EVEN_COUNT + 1):
        mean = tuple(0.01 if j == i else 0.0 for j in range(EVEN_COUNT + 1))
        movement = Movement(MovementPrior(1_000, mean, (1.0,) * (EVEN_COUNT + 1)))
        for row, want in zip(even, taken[:, i], strict=True):
            probability, _ = movement.assess(tuple(row))
            assert probability == pytest.approx(1.0 / (1.0 + np.exp(-0.01 * want)), abs=1e-15)


def test_auc_and_loss_are_those_of_their_definitions() -> None:
    dice = np.random.default_rng(4)
    scores = dice.integers(0, 6, 80).astype(float)
    towards = np.where(dice.random(80) < 0.5, 1.0, -1.0)
    weight = dice.random(80)
    sheet = Sheet(scores[:, None], towards, weight)
    ups, downs = scores[towards > 0], scores[towards < 0]
    wins = [1.0 if up > down else 0.5 if up == down else 0.0 for up in ups for down in downs]
    assert auc_of(sheet, np.ones(1)) == pytest.approx(sum(wins) / len(wins))
    losses = np.log1p(np.exp(-towards * scores))
    assert loss_of(sheet, np.ones(1)) == pytest.approx(float(weight @ losses / weight.sum()))
    none = Sheet(np.zeros((0, 1)), np.zeros(0), np.zeros(0))
    assert isnan(auc_of(none, np.ones(1)))
    assert isnan(loss_of(none, np.ones(1)))
    assert isnan(auc_of(Sheet(np.ones((2, 1)), np.ones(2), np.ones(2)), np.ones(1)))


def test_coefficients_are_rounded_to_what_they_mean() -> None:
    assert rounded(np.array([1.23456789012345, -1e-20, 0.0])) == (1.23456789, -1e-20, 0.0)
    assert inf not in rounded(np.array([1e6]))
