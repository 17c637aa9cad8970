"""Training: a prior for the brain's experts, fitted on recordings up to where the test begins.

From the first line received at or after the boundary on, nothing of a recording is decoded, hashed
or turned into a feature: the model file is the same whatever stands there. Called by
`hunter train`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np

from hunter.brain.learning.modelfile import (
    FORMAT,
    Coefficients,
    FittedData,
    FittedHorizon,
    FittingSettings,
    ModelFile,
    feature_names,
)
from hunter.brain.learning.movement import published_movement
from hunter.brain.learning.prior import EXPERT_NAMES, EXPERT_SIZES, published_prior
from hunter.brain.learning.samples import STEP_MS_MIN
from hunter.brain.settings import BrainSettings
from hunter.errors import HunterError, NotFound
from hunter.evaluation.fitting import (
    Fit,
    fit_over_recordings,
    pooled_scales,
    rounded,
    scales_of,
)
from hunter.evaluation.heldout import (
    BLOCKS,
    MOVEMENT_NAME,
    HeldOut,
    even_sheet,
    held_out_scores,
    movement_fit,
    odd_sheet,
    prior_fits,
)
from hunter.evaluation.labelled import Labelled, Labeller
from hunter.evaluation.rows import ALWAYS_NS, RowCounts, recorded_rows
from hunter.simulator.lines import Counts, merged_lines

LABELS_LEAST: Final = 10.0
"""Of independent labels that moved, over all recordings; fewer fit nothing."""
TOLD_EVERY_ROWS: Final = 20_000


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
    settings: BrainSettings | None = None,
    tell: Tell = lambda *_: None,
) -> ModelFile:
    """`settings` are those of the brain it is for: how long a quote counts, and warming up.

    Raises NotFound for a recording without market data, TrainingError for too little of it.
    """
    assert sources
    settings = settings or BrainSettings()
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


def _fit_horizon(horizon_ms: int, reads: Sequence[Read]) -> FittedHorizon:
    parts = [
        HeldOut(one.horizons[horizon_ms], read.data.weight)
        for read in reads
        for one in read.labelled
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
    sheets = [odd_sheet(part, one) for part, one in zip(parts, scales, strict=True)]
    experts = tuple(
        _coefficients(name, fit_over_recordings([one.first(size) for one in sheets], prior))
        for name, size, prior in zip(EXPERT_NAMES, EXPERT_SIZES, prior_fits(published), strict=True)
    )
    even_sheets = [even_sheet(part) for part in parts]
    movement = fit_over_recordings(even_sheets, movement_fit(even_published))
    moves = np.concatenate([np.abs(one.labels.move_bp) for one in parts])
    weights = np.concatenate([one.labels.weight * one.weight for one in parts]) * (moves > 0.0)
    return FittedHorizon(
        horizon_ms=horizon_ms,
        scales=rounded(pooled_scales(scales, [one.weight for one in parts])),
        experts=experts,
        movement=_coefficients(MOVEMENT_NAME, movement),
        move_bp=rounded(np.array([moves @ weights / weights.sum()]))[0],
        scores=held_out_scores(parts, published, even_published),
    )


def _coefficients(name: str, fit: Fit) -> Coefficients:
    return Coefficients(name, rounded(fit.mean), rounded(fit.precision))
