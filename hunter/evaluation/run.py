"""An evaluation from end to end: recordings in, lines out. Called by `hunter evaluate`.

Each recording starts with fresh brains. What a brain's model file was fitted on is left out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from hunter.clock import Clock
from hunter.evaluation.assessment import (
    RecordedSide,
    Span,
    Terms,
    assess,
    told_horizons,
)
from hunter.evaluation.cell import Cell, MeanScore
from hunter.evaluation.means import means
from hunter.evaluation.rows import RowCounts, mates_name, recorded_rows
from hunter.evaluation.walk import BrainWalk, Entrant, InstrumentWalk, Walk
from hunter.market.instrument import mate_of

REPORT_SCHEMA: Final = 1


class Recorded(NamedTuple):
    """One recording: its name in the output, and its files."""

    name: str
    paths: tuple[Path, ...]


class FittedOn(msgspec.Struct, frozen=True):
    """A stretch of the market that a brain was fitted on."""

    kind: str
    recording: str
    instruments: tuple[str, ...]
    first_ns: int
    last_ns: int


class RecordingSummary(msgspec.Struct, frozen=True):
    """What reading a recording found."""

    recording: str
    files: tuple[str, ...]
    rows: int
    malformed: int
    torn: int
    gaps: int
    lost: int
    took_s: float


class EvaluationReport(msgspec.Struct):
    """report.json; `notes` say what was left out, and why."""

    schema: int
    step_ms: int
    cost_bp: float
    recordings: list[RecordingSummary]
    fitted_on: list[FittedOn]
    cells: list[Cell]
    means: list[MeanScore]
    notes: list[str]
    shortfalls: list[str] | None = None


class Evaluation:
    """`add` recordings one by one; the report grows. `tell` hears the recording's name and the
    receive time reached.
    """

    def __init__(
        self,
        entrants: Iterable[Entrant],
        terms: Terms,
        stale_ms: int,
        clock: Clock,
        fitted: Sequence[FittedOn] = (),
        tell: Callable[[str, int], None] = lambda _name, _ns: None,
    ) -> None:
        self.report = EvaluationReport(
            REPORT_SCHEMA, terms.step_ms, terms.cost_bp, [], list(fitted), [], [], []
        )
        self._entrants = tuple(entrants)
        self._terms = terms
        self._stale_ms = stale_ms
        self._clock = clock
        self._tell = tell

    def add(self, recorded: Recorded, only: Sequence[str] = ()) -> list[Cell]:
        """Evaluate a recording; `only` of these instruments, whose mates are followed too."""
        began_ns = self._clock.monotonic_ns()
        counts = RowCounts()
        walk = Walk(
            self._entrants,
            self._terms.horizons_ms,
            (self._terms.step_ms, self._stale_ms),
            self._clock,
            lambda at_ns: self._tell(recorded.name, at_ns),
        )
        followed = {each for name in only for each in (name, mate_of(name)) if each}
        walks = walk.run(recorded_rows(recorded.paths, counts, followed))
        cells = [
            cell
            for found in walks
            if not only or found.instrument in only
            for cell in self._cells(recorded.name, found)
        ]
        took_s = (self._clock.monotonic_ns() - began_ns) / 1e9
        self.report.recordings.append(_summary(recorded, counts, took_s))
        self.report.cells += cells
        self.report.means = means(self.report.cells)
        if not walks:
            self._note(
                f"{recorded.name}: no market data ({counts.malformed:,} lines cannot be read);"
                " a line is: TIME_NS FRAME"
            )
        return cells

    def _cells(self, recording: str, walk: InstrumentWalk) -> list[Cell]:
        side = RecordedSide.of(recording, walk, self._terms)
        cells: list[Cell] = []
        for brain in walk.brains:
            fitted = self._fitted(brain.kind, walk.instrument)
            for horizon_ms in self._horizons(brain, walk):
                cell = assess(side, brain, horizon_ms, fitted)
                if cell is None:
                    self._note(self._why_not(recording, walk, brain, horizon_ms))
                else:
                    cells.append(cell)
                    if cell.left_out_fitted:
                        self._note(
                            f"{recording} {walk.instrument} at {horizon_ms} ms:"
                            f" {cell.left_out_fitted:,} points are not scored: {brain.name} was"
                            " fitted on them"
                        )
        return cells

    def _horizons(self, brain: BrainWalk, walk: InstrumentWalk) -> list[int]:
        told = told_horizons(brain)
        if not told:
            return list(self._terms.horizons_ms[:1])  # to say why
        missing = [each for each in self._terms.horizons_ms if each not in told]
        if missing:
            self._note(f"{brain.name} says nothing of {walk.instrument} at {missing} ms")
        return [each for each in self._terms.horizons_ms if each in told]

    def _why_not(
        self, recording: str, walk: InstrumentWalk, brain: BrainWalk, horizon_ms: int
    ) -> str:
        place = f"{recording} {walk.instrument}"
        fitted = self._fitted(brain.kind, walk.instrument)
        if any(span.last_ns >= walk.first_ns and span.first_ns <= walk.last_ns for span in fitted):
            return f"{place}: {brain.name} was fitted on it, so it is not scored"
        span_s = (walk.last_ns - walk.first_ns) / 1e9
        longest_s = (horizon_ms + max(self._terms.delays_ms, default=0)) / 1e3
        if span_s < 120.0 + longest_s:
            return (
                f"{place}: {span_s:.0f} s are too short; 120 s to warm up and {longest_s:g} s to"
                " look ahead are needed"
            )
        return f"{place}: no quote (bbo-tbt or books) that could be scored"

    def _fitted(self, kind: str, instrument: str) -> list[Span]:
        """The market that a model has seen of an instrument is its mate's too."""
        mine = mates_name(instrument)
        return [
            Span(item.first_ns, item.last_ns)
            for item in self.report.fitted_on
            if item.kind == kind and mine in map(mates_name, item.instruments)
        ]

    def _note(self, text: str) -> None:
        if text not in self.report.notes:
            self.report.notes.append(text)


def _summary(recorded: Recorded, counts: RowCounts, took_s: float) -> RecordingSummary:
    return RecordingSummary(
        recorded.name,
        tuple(path.name for path in recorded.paths),
        counts.rows,
        counts.malformed,
        counts.torn,
        counts.gaps,
        counts.lost,
        took_s,
    )
