"""Batch fits of what the brain learns online: logits held to a prior, over several recordings.

The maximum of the posterior is found by Newton's method with the full Hessian; the objective is
convex, so there is one. Experts of direction have no intercept and learn in the direction of the
move, so a mirrored market gives the same coefficients. How firm a fitted coefficient is to be held
follows from how sure the fit is and from how far recordings differ by themselves: with one
recording nothing is known of that, and no coefficient becomes firmer than the prior had it.
Deterministic on one machine. Pure. Called by training.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hunter.brain.learning.experts import INPUT_MAX
from hunter.brain.learning.mixture import SCALED_MAX
from hunter.brain.learning.movement import CENTERS, LOGARITHM_FROM, LOGARITHMS, SPREADS
from hunter.evaluation.scores import auc

Floats = NDArray[np.float64]
Features = NDArray[np.floating[Any]]
NEWTON_STEPS_MAX: Final = 60
HALVINGS_MAX: Final = 30
STEP_LEAST: Final = 1e-10
PRECISION_LEAST: Final = 1.0
SCALE_LEAST: Final = 0.05
DIGITS: Final = 10
"""Of coefficients: more are rounding."""


class Fit(NamedTuple):
    """Mean and inverse variance of each coefficient."""

    mean: Floats
    precision: Floats


class Sheet(NamedTuple):
    """Labels of one recording and instrument as a fit takes them, shapes (n, d), (n,), (n,).

    `inputs` are scaled; `towards` is +1 or -1: what happened; `weight` counts overlaps once.
    """

    inputs: Floats
    towards: Floats
    weight: Floats

    def first(self, count: int) -> Sheet:
        """With the first inputs alone."""
        return self._replace(inputs=self.inputs[:, :count])


def scales_of(odd: Features, published: Sequence[float]) -> Floats:
    """Root mean square of each odd feature; where there is none, and for the first feature, which
    is never scaled, the published one.
    """
    known = np.isfinite(odd)
    counts = known.sum(axis=0)
    squares = np.where(known, odd, 0.0).astype(np.float64) ** 2
    means = squares.sum(axis=0) / np.maximum(1, counts)
    scales = np.where(counts > 0, np.sqrt(means), published)
    scales = np.maximum(scales, SCALE_LEAST * np.asarray(published))
    scales[0] = published[0]
    return np.asarray(scales)


def pooled_scales(each: Sequence[Floats], weights: Sequence[float]) -> Floats:
    """The root of the weighted mean of the squares."""
    shares = np.asarray(weights) / np.sum(weights)
    squares = np.array([share * one * one for share, one in zip(shares, each, strict=True)])
    return np.asarray(np.sqrt(squares.sum(axis=0)))


def odd_inputs(odd: Features, scales: Floats) -> Floats:
    """As a mixture scales them: NaN is 0, and all within its limit."""
    return np.clip(np.nan_to_num(odd.astype(np.float64) / scales, nan=0.0), -SCALED_MAX, SCALED_MAX)


def even_inputs(even: Features) -> Floats:
    """As hunter.brain.learning.movement takes them: 1, then each feature in its standard form."""
    columns = [np.ones(len(even))]
    forms = zip(LOGARITHMS, CENTERS, SPREADS, strict=True)
    for values, (is_logarithm, center, spread) in zip(
        even.astype(np.float64).T, forms, strict=True
    ):
        taken = np.log(np.maximum(values, LOGARITHM_FROM)) if is_logarithm else values
        standard = np.nan_to_num((taken - center) / spread, nan=0.0)
        columns.append(np.clip(standard, -INPUT_MAX, INPUT_MAX))
    return np.column_stack(columns)


def fit_logit(sheets: Sequence[Sheet], prior: Fit) -> Fit:
    """Mean and *marginal* inverse variance of Laplace's approximation of the posterior."""
    inputs = np.concatenate([one.inputs * one.towards[:, None] for one in sheets])
    weight = np.concatenate([one.weight for one in sheets])
    mean = prior.mean.copy()
    loss = _objective(mean, inputs, weight, prior)
    for _ in range(NEWTON_STEPS_MAX):
        surprise = _logistic(-(inputs @ mean))
        slope = -(inputs.T @ (weight * surprise)) + prior.precision * (mean - prior.mean)
        step = np.linalg.solve(_hessian(inputs, weight, surprise, prior), slope)
        share = 1.0
        for _ in range(HALVINGS_MAX):
            tried = _objective(mean - share * step, inputs, weight, prior)
            if tried <= loss:
                break
            share /= 2.0
        else:
            break
        mean, loss = mean - share * step, tried
        if float(np.max(np.abs(step))) < STEP_LEAST:
            break
    surprise = _logistic(-(inputs @ mean))
    covariance = np.linalg.inv(_hessian(inputs, weight, surprise, prior))
    return Fit(mean, 1.0 / np.diag(covariance))


def _objective(mean: Floats, inputs: Floats, weight: Floats, prior: Fit) -> float:
    off = mean - prior.mean
    losses = np.logaddexp(0.0, -(inputs @ mean))
    return float(weight @ losses + 0.5 * np.sum(prior.precision * off * off))


def _hessian(inputs: Floats, weight: Floats, surprise: Floats, prior: Fit) -> Floats:
    curvature = weight * surprise * (1.0 - surprise)
    hessian = inputs.T @ (inputs * curvature[:, None]) + np.diag(prior.precision)
    return np.asarray(hessian)


def _logistic(log_odds: Floats) -> Floats:
    return np.asarray(0.5 * (1.0 + np.tanh(0.5 * log_odds)))


def fit_over_recordings(sheets: Sequence[Sheet], prior: Fit) -> Fit:
    """One fit over all, held as firmly as recordings agree.

    A coefficient's variance is that of the pooled fit and that between recordings, which is
    estimated from the fits of each by itself, the prior counted as one more recording.
    """
    pooled = fit_logit(sheets, prior)
    between = 1.0 / prior.precision
    for sheet in sheets:
        off = fit_logit([sheet], prior).mean - pooled.mean
        between = between + off * off
    between = between / len(sheets)
    precision = 1.0 / (1.0 / pooled.precision + between)
    return Fit(pooled.mean, np.maximum(precision, PRECISION_LEAST))


def loss_of(sheet: Sheet, mean: Floats) -> float:
    """Mean log-loss in nats, labels by their weight; NaN without any."""
    total = float(sheet.weight.sum())
    if not total > 0.0:
        return float("nan")
    losses = np.logaddexp(0.0, -sheet.towards * (sheet.inputs @ mean))
    return float(sheet.weight @ losses) / total


def auc_of(sheet: Sheet, mean: Floats) -> float:
    """P(a label that went up has the higher log-odds), ties by half; NaN without both kinds."""
    return auc(sheet.inputs @ mean, sheet.towards > 0.0)


def rounded(values: Floats) -> tuple[float, ...]:
    """To DIGITS significant digits."""
    return tuple(float(f"{value:.{DIGITS}g}") for value in values)
