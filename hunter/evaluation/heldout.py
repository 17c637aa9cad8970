"""Sheets for the fits of training, and what the fits are worth on labels they have not seen.

Held-out scores come from walking forward through blocks of the span that was read: each block is
scored by a fit on the blocks before it, without the labels whose windows reach into it, or into
what is scored of another recording of the same time. Pure. Called by training.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite
from typing import Final, NamedTuple

import numpy as np

from hunter.brain.learning.modelfile import FittingScore
from hunter.brain.learning.movement import MovementPrior
from hunter.brain.learning.prior import EXPERT_NAMES, EXPERT_SIZES, Prior
from hunter.evaluation.fitting import (
    Fit,
    Floats,
    Sheet,
    auc_of,
    even_inputs,
    fit_logit,
    loss_of,
    odd_inputs,
    scales_of,
)
from hunter.evaluation.labelled import HorizonLabels

BLOCKS: Final = 4
MOVEMENT_NAME: Final = "movement"


class HeldOut(NamedTuple):
    """Labels of one instrument of one recording, and how they enter a fit."""

    labels: HorizonLabels
    weight: float


def prior_fits(prior: Prior) -> list[Fit]:
    """Of the experts, as the fits take them."""
    return [Fit(np.array(one.mean), np.array(one.precision)) for one in prior.experts]


def movement_fit(prior: MovementPrior) -> Fit:
    """As the fits take it."""
    return Fit(np.array(prior.mean), np.array(prior.precision))


def odd_sheet(part: HeldOut, scales: Floats) -> Sheet:
    """Of the labels that moved: the others tell nothing of direction."""
    labels = part.labels
    moved = labels.move_bp != 0.0
    return Sheet(
        odd_inputs(labels.odd[moved], scales),
        np.sign(labels.move_bp[moved]),
        labels.weight[moved] * part.weight,
    )


def even_sheet(part: HeldOut) -> Sheet:
    """Of all labels: whether the mid moved."""
    labels = part.labels
    towards = np.where(labels.move_bp != 0.0, 1.0, -1.0)
    return Sheet(even_inputs(labels.even), towards, labels.weight * part.weight)


class _Held(NamedTuple):
    """What a block is scored on: its labels, and coefficients fitted on what came before."""

    sheet: Sheet
    mean: Floats
    mean_published: Floats


def held_out_scores(
    parts: Sequence[HeldOut], published: Prior, even_published: MovementPrior
) -> tuple[FittingScore, ...]:
    """Of each expert and of the movement, beside the published prior on the same labels."""
    held: dict[str, list[_Held]] = {name: [] for name in (*EXPERT_NAMES, MOVEMENT_NAME)}
    for block in range(1, BLOCKS):
        spans = [block_of(part, block) for part in parts]
        before = [past_of(part, block, spans) for part in parts]
        after = [future_of(part, block) for part in parts]
        scales = [scales_of(part.labels.odd, published.scales) for part in before]
        past = [odd_sheet(part, one) for part, one in zip(before, scales, strict=True)]
        future = [odd_sheet(part, one) for part, one in zip(after, scales, strict=True)]
        for name, size, prior in zip(
            EXPERT_NAMES, EXPERT_SIZES, prior_fits(published), strict=True
        ):
            mean = fit_logit([one.first(size) for one in past], prior).mean
            held[name] += [_Held(one.first(size), mean, prior.mean) for one in future]
        prior = movement_fit(even_published)
        mean = fit_logit([even_sheet(part) for part in before], prior).mean
        held[MOVEMENT_NAME] += [_Held(even_sheet(one), mean, prior.mean) for one in after]
    return tuple(_score(name, each) for name, each in held.items())


def block_of(part: HeldOut, block: int) -> tuple[int, int]:
    """When a block of a part's span begins and ends."""
    times_ns = part.labels.times_ns
    first_ns, span_ns = int(times_ns[0]), int(times_ns[-1]) + 1 - int(times_ns[0])
    return first_ns + span_ns * block // BLOCKS, first_ns + span_ns * (block + 1) // BLOCKS


def past_of(part: HeldOut, block: int, others: Sequence[tuple[int, int]]) -> HeldOut:
    """The labels that were over when the block began, but for those whose windows reach into what
    is scored of another recording of the same time.
    """
    labels = part.labels
    chosen = labels.ends_ns <= block_of(part, block)[0]
    for begin_ns, end_ns in others:
        chosen &= (labels.ends_ns <= begin_ns) | (labels.times_ns >= end_ns)
    return part._replace(labels=labels.chosen(chosen))


def future_of(part: HeldOut, block: int) -> HeldOut:
    """The labels of the block."""
    begin_ns, end_ns = block_of(part, block)
    times_ns = part.labels.times_ns
    return part._replace(labels=part.labels.chosen((times_ns >= begin_ns) & (times_ns < end_ns)))


def _score(name: str, each: Sequence[_Held]) -> FittingScore:
    """Log-loss over all labels; the AUC is the mean of the blocks', by their labels: ranks of
    different recordings are not to be mixed.
    """
    return FittingScore(
        name,
        round(sum(float(one.sheet.weight.sum()) for one in each), 2),
        _mean([(loss_of(one.sheet, one.mean), one.sheet) for one in each]),
        _mean([(loss_of(one.sheet, one.mean_published), one.sheet) for one in each]),
        _mean([(auc_of(one.sheet, one.mean), one.sheet) for one in each]),
        _mean([(auc_of(one.sheet, one.mean_published), one.sheet) for one in each]),
    )


def _mean(values: Sequence[tuple[float, Sheet]]) -> float | None:
    known = [(value, float(one.weight.sum())) for value, one in values if isfinite(value)]
    total = sum(weight for _, weight in known)
    if not total > 0.0:
        return None
    return round(sum(value * weight for value, weight in known) / total, 6)
