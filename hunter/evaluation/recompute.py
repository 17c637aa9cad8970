"""Signals computed once more from a recording: no socket, no ring, no clock.

A brain is a function of its rows. They are those of the recording from its first one on or, beside
an anchor, from the row after the newest that the running brain had seen when the anchor was made:
what it knew by then is in the anchor. Used by `hunter replay --verify`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from hunter.brain.checkpoint import Checkpoint, InstrumentCheckpoint
from hunter.brain.group import introduce
from hunter.brain.inputs import BboRow, BookRow, TickerRow, TradeRow
from hunter.brain.load import Plugins, load_brain
from hunter.brain.protocol import Brain, StateError
from hunter.brain.settings import settings_of
from hunter.config import Config
from hunter.errors import HunterError
from hunter.evaluation.rows import AnyRow, RowCounts, give, recorded_instruments, recorded_rows
from hunter.market.instrument import mate_of
from hunter.signals.decision import Decision
from hunter.signals.rules import RuleStateError, SignalRule
from hunter.signals.signal import Signal

NO_RING: Final = "0"
"""Stands where a ring's id would: these signals were never in one."""


@dataclass
class Recomputed:
    """`spans`: by instrument, the first and the last boundary that was decided, in ms."""

    signals: list[Signal] = field(default_factory=list)
    spans: dict[str, tuple[int, int]] = field(default_factory=dict)
    decisions: int = 0
    rows: int = 0

    def tell(self, rule: SignalRule, decision: Decision) -> None:
        boundary_ms = decision.boundary_ms
        first_ms, _ = self.spans.get(decision.instrument, (boundary_ms, 0))
        self.spans[decision.instrument] = (first_ms, boundary_ms)
        self.decisions += 1
        signal = rule.apply(decision, 0.0)
        if signal is not None:
            self.signals.append(signal)


def recompute(
    config: Config, paths: Sequence[Path], anchors: Sequence[Checkpoint] = ()
) -> Recomputed:
    """The configuration's instruments, or all of the recording if it has none of them; in one pass.

    Raises HunterError when an anchor is of another configuration or version.
    """
    starts = {
        member.instrument: member
        for anchor in anchors
        for group in anchor.groups
        for member in group.members
    }
    recorded = recorded_instruments(paths)
    names = [name for name in config.okx.instruments if name in recorded] or list(recorded)
    if starts:  # an anchor says what that brain followed
        names = [name for name in starts if name in recorded]
    seats = _seats(config, names, starts)
    found = Recomputed()
    for name, _, row in recorded_rows(paths, RowCounts(), seats):
        seat = seats[name]
        if seat.knows(row):
            continue
        found.rows += 1
        decision = seat.take(row)
        if decision is not None:
            found.tell(seat.rule, decision)
    return found


def _seats(
    config: Config, names: Sequence[str], starts: Mapping[str, InstrumentCheckpoint]
) -> dict[str, _Seat]:
    section, base_dir = config.brain, Path(config.base_dir)
    settings, plugins = settings_of(section), Plugins.of(section)
    seats = {
        name: _Seat(load_brain(section.kind, name, settings, base_dir, plugins)) for name in names
    }
    for name in names:
        mate = mate_of(name)
        if mate in seats and name < mate:
            introduce(seats[name].brain, seats[mate].brain)
    for name, start in starts.items():
        if name in seats:
            seats[name].go_on(start)
    return seats


class _Seat:
    """One instrument's brain and rule, and which rows it knows already."""

    def __init__(self, brain: Brain) -> None:
        self.brain = brain
        self.rule = SignalRule(NO_RING)
        self._trade_sequence = 0
        self._known: dict[type[AnyRow], int] = {}
        self._gap = False

    def go_on(self, start: InstrumentCheckpoint) -> None:
        try:
            self.brain.restore(start.brain)
            self.rule.restore(start.rule)
        except (StateError, RuleStateError) as error:
            raise HunterError(
                f"{start.instrument}: the recording's anchor does not fit this configuration:"
                f" {error}; name the configuration of that run with -c"
            ) from error
        self._trade_sequence = start.positions[0]
        kinds = (TradeRow, BboRow, TickerRow, BookRow)
        self._known = {
            kind: newest for kind, newest in zip(kinds, start.newest, strict=True) if newest
        }
        self._gap = start.gap

    def knows(self, row: AnyRow) -> bool:
        """Whether it was seen before the anchor. The first newer one of a lane ends the question
        for that lane: numbers may begin anew.
        """
        newest = self._known.get(type(row))
        if newest is None:
            return False
        if _number(row) <= newest:
            return True
        del self._known[type(row)]
        return False

    def take(self, row: AnyRow) -> Decision | None:
        brain = self.brain
        if self._gap:
            self._gap = False
            brain.on_gap()
        if isinstance(row, TradeRow):
            self._trade_sequence += 1
            row = row._replace(sequence=self._trade_sequence)
        return give(brain, row)


def _number(row: AnyRow) -> int:
    """What grows from row to row of a lane."""
    match row:
        case TradeRow():
            return row.trade_id
        case TickerRow():
            return row.exchange_ts_ns
        case BboRow() | BookRow():
            return row.seq_id
