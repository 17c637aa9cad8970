"""Training: a prior for the brain's experts, fitted on recordings up to where the test begins.

From the first line received at or after the boundary on, nothing of a recording is decoded, hashed
or turned into a feature: the model file is the same whatever stands there. Held-out scores come
from walking forward through blocks of the span that was read: each block is scored by a fit on
those before it, without the labels whose windows reach into it. Called by `hunter train`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from math import isfinite
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np

from hunter.brain.modelfile import (
    FORMAT,
    Coefficients,
    FittedData,
    FittedHorizon,
    FittingScore,
    FittingSettings,
    ModelFile,
    feature_names,
)
from hunter.brain.movement import MovementPrior, published_movement
from hunter.brain.prior import EXPERT_NAMES, EXPERT_SIZES, Prior, published_prior
from hunter.brain.samples import STEP_MS_MIN
from hunter.brain.settings import BrainSettings
from hunter.errors import HunterError, NotFound
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
from hunter.evaluation.labelled import HorizonLabels, Labelled, Labeller
from hunter.evaluation.rows import ALWAYS_NS, RowCounts, recorded_rows
from hunter.simulator.lines import Counts, merged_lines

BLOCKS: Final = 4
LABELS_LEAST: Final = 10.0
"""Of independent labels that moved, over all recordings; fewer fit nothing."""
TOLD_EVERY_ROWS: Final = 20_000
MOVEMENT_NAME: Final = "movement"


class TrainingError(HunterError):
    """What was given is not enough to fit anything."""


class RecordingSource(NamedTuple):
    """A recording to be fitted on; `weight` is how much a label of it counts."""

    name: str
    paths: tuple[Path, ...]
    weight: float = 1.0


class Boundary(NamedTuple):
    """Where the test begins: at a receive time, or at a share before each recording's end."""

    until_ns: int | None = None
    test_share: float = 0.0


class Read(NamedTuple):
    """What was read of one recording."""

    data: FittedData
    test_from_ns: int
    labelled: list[Labelled]


Tell = Callable[[str, int], None]
"""Is told a recording's name and the receive time reached, now and then."""


def train(
    sources: Sequence[RecordingSource],
    boundary: Boundary,
    horizons_ms: tuple[int, ...],
    name: str,
    tell: Tell = lambda *_: None,
) -> ModelFile:
    """Raises NotFound for a recording without market data, TrainingError for too little of it."""
    assert sources
    settings = BrainSettings()
    horizons_ms = tuple(sorted(set(horizons_ms)))
    reads = [_read(one, boundary, horizons_ms, settings, tell) for one in sources]
    fitted = []
    for horizon_ms in horizons_ms:
        tell(f"fitting {horizon_ms} ms", 0)
        fitted.append(_fit_horizon(horizon_ms, reads))
    return ModelFile(
        format=FORMAT,
        name=name,
        features=feature_names(),
        settings=FittingSettings(
            step_ms=max(STEP_MS_MIN, -(-horizons_ms[-1] // 100)),
            stale_ms=settings.stale_ms,
            warm_ms=settings.warm_ms,
            blocks=BLOCKS,
            test_from_ns=tuple(one.test_from_ns for one in reads),
        ),
        data=tuple(one.data for one in reads),
        horizons=tuple(fitted),
    )


# ---- reading


def test_from_ns(source: RecordingSource, boundary: Boundary) -> int:
    """The receive time from which on nothing is read. Only the lines' times are looked at."""
    if boundary.until_ns is not None:
        return boundary.until_ns
    if not boundary.test_share:
        return ALWAYS_NS
    first_ns, last_ns = None, 0
    for received_ns, _ in merged_lines(source.paths, Counts()):
        first_ns = received_ns if first_ns is None else first_ns
        last_ns = max(last_ns, received_ns)
    if first_ns is None:
        raise NotFound(f"{source.name} holds no market data; a line is: TIME_NS FRAME")
    return first_ns + int((last_ns - first_ns) * (1.0 - boundary.test_share))


test_from_ns.__test__ = False  # type: ignore[attr-defined]


def _read(
    source: RecordingSource,
    boundary: Boundary,
    horizons_ms: tuple[int, ...],
    settings: BrainSettings,
    tell: Tell,
) -> Read:
    before_ns = test_from_ns(source, boundary)
    digest, first_ns, last_ns = _digest(source, before_ns)
    labeller, counts = Labeller(settings, horizons_ms), RowCounts()
    for number, item in enumerate(recorded_rows(source.paths, counts, before_ns=before_ns)):
        labeller.take(item)
        if number % TOLD_EVERY_ROWS == 0:
            tell(source.name, item.row.received_ts_ns)
    labelled = labeller.labelled()
    if not labelled:
        raise NotFound(f"{source.name} holds no market data before the boundary of the test")
    labels = sum(len(one.move_bp) for each in labelled for one in each.horizons.values())
    data = FittedData(
        recording=source.name,
        sha256=digest,
        instruments=tuple(one.instrument for one in labelled),
        first_ns=first_ns,
        last_ns=last_ns,
        rows=counts.rows,
        labels=labels,
        weight=source.weight,
    )
    return Read(data, 0 if before_ns == ALWAYS_NS else before_ns, labelled)


def _digest(source: RecordingSource, before_ns: int) -> tuple[str, int, int]:
    """Of the lines that are read, and the first and last of their times."""
    digest, first_ns, last_ns = hashlib.sha256(), None, 0
    for received_ns, frame in merged_lines(source.paths, Counts()):
        if received_ns >= before_ns:
            break
        first_ns = received_ns if first_ns is None else first_ns
        last_ns = max(last_ns, received_ns)
        digest.update(b"%d %b\n" % (received_ns, frame))
    if first_ns is None:
        raise NotFound(f"{source.name} holds nothing before the boundary of the test")
    return digest.hexdigest(), first_ns, last_ns


# ---- fitting


class _Part(NamedTuple):
    """Labels of one instrument of one recording, and how they enter a fit."""

    labels: HorizonLabels
    weight: float


def _fit_horizon(horizon_ms: int, reads: Sequence[Read]) -> FittedHorizon:
    parts = [
        _Part(one.horizons[horizon_ms], read.data.weight) for read in reads for one in read.labelled
    ]
    parts = [part for part in parts if np.any(part.labels.move_bp != 0.0)]
    moved = sum(float(one.labels.weight[one.labels.move_bp != 0.0].sum()) for one in parts)
    if moved < LABELS_LEAST:
        raise TrainingError(
            f"only {moved:.0f} independent moves within {horizon_ms} ms, {LABELS_LEAST:.0f} are"
            " needed: record longer, or leave less to the test"
        )
    published, even_published = published_prior(horizon_ms), published_movement(horizon_ms)
    scales = [scales_of(part.labels.odd, published.scales) for part in parts]
    sheets = [_odd_sheet(part, one) for part, one in zip(parts, scales, strict=True)]
    experts = tuple(
        _coefficients(name, fit_over_recordings([one.first(size) for one in sheets], prior))
        for name, size, prior in zip(EXPERT_NAMES, EXPERT_SIZES, _fits(published), strict=True)
    )
    even_sheets = [_even_sheet(part) for part in parts]
    movement = fit_over_recordings(even_sheets, _movement_fit(even_published))
    moves = np.concatenate([np.abs(one.labels.move_bp) for one in parts])
    weights = np.concatenate([one.labels.weight * one.weight for one in parts]) * (moves > 0.0)
    return FittedHorizon(
        horizon_ms=horizon_ms,
        scales=rounded(pooled_scales(scales, [one.weight for one in parts])),
        experts=experts,
        movement=_coefficients(MOVEMENT_NAME, movement),
        move_bp=rounded(np.array([moves @ weights / weights.sum()]))[0],
        scores=_scores(parts, published, even_published),
    )


def _coefficients(name: str, fit: Fit) -> Coefficients:
    return Coefficients(name, rounded(fit.mean), rounded(fit.precision))


def _fits(prior: Prior) -> list[Fit]:
    return [Fit(np.array(one.mean), np.array(one.precision)) for one in prior.experts]


def _movement_fit(prior: MovementPrior) -> Fit:
    return Fit(np.array(prior.mean), np.array(prior.precision))


def _odd_sheet(part: _Part, scales: Floats) -> Sheet:
    """Of the labels that moved: the others tell nothing of direction."""
    labels = part.labels
    moved = labels.move_bp != 0.0
    return Sheet(
        odd_inputs(labels.odd[moved], scales),
        np.sign(labels.move_bp[moved]),
        labels.weight[moved] * part.weight,
    )


def _even_sheet(part: _Part) -> Sheet:
    labels = part.labels
    towards = np.where(labels.move_bp != 0.0, 1.0, -1.0)
    return Sheet(even_inputs(labels.even), towards, labels.weight * part.weight)


# ---- held-out scores


class _Held(NamedTuple):
    """What a block is scored on: its labels, and coefficients fitted on what came before."""

    sheet: Sheet
    mean: Floats
    mean_published: Floats


def _scores(
    parts: Sequence[_Part], published: Prior, even_published: MovementPrior
) -> tuple[FittingScore, ...]:
    held: dict[str, list[_Held]] = {name: [] for name in (*EXPERT_NAMES, MOVEMENT_NAME)}
    for block in range(1, BLOCKS):
        spans = [_block(part, block) for part in parts]
        before = [_past(part, block, spans) for part in parts]
        after = [_future(part, block) for part in parts]
        scales = [scales_of(part.labels.odd, published.scales) for part in before]
        past = [_odd_sheet(part, one) for part, one in zip(before, scales, strict=True)]
        future = [_odd_sheet(part, one) for part, one in zip(after, scales, strict=True)]
        for name, size, prior in zip(EXPERT_NAMES, EXPERT_SIZES, _fits(published), strict=True):
            mean = fit_logit([one.first(size) for one in past], prior).mean
            held[name] += [_Held(one.first(size), mean, prior.mean) for one in future]
        prior = _movement_fit(even_published)
        mean = fit_logit([_even_sheet(part) for part in before], prior).mean
        held[MOVEMENT_NAME] += [_Held(_even_sheet(one), mean, prior.mean) for one in after]
    return tuple(_score(name, each) for name, each in held.items())


def _block(part: _Part, block: int) -> tuple[int, int]:
    """When a block of a part's span begins and ends."""
    times_ns = part.labels.times_ns
    first_ns, span_ns = int(times_ns[0]), int(times_ns[-1]) + 1 - int(times_ns[0])
    return first_ns + span_ns * block // BLOCKS, first_ns + span_ns * (block + 1) // BLOCKS


def _past(part: _Part, block: int, others: Sequence[tuple[int, int]]) -> _Part:
    """The labels that were over when the block began, but for those whose windows reach into what
    is scored of another recording of the same time.
    """
    labels = part.labels
    chosen = labels.ends_ns <= _block(part, block)[0]
    for begin_ns, end_ns in others:
        chosen &= (labels.ends_ns <= begin_ns) | (labels.times_ns >= end_ns)
    return part._replace(labels=labels.chosen(chosen))


def _future(part: _Part, block: int) -> _Part:
    """The labels of the block."""
    begin_ns, end_ns = _block(part, block)
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
