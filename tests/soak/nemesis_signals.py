"""What the journal of signals has to hold, worked out from the ring alone, and what it holds.

The nemesis runs the eager brain, which has something to say at each boundary: so each decision is a
signal, and which rows make a decision follows from the rows. No brain is killed in here.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hunter.brain.inputs import BboRow, TradeRow, book_row, ticker_row
from hunter.brain.intake import Intake
from hunter.brain.settings import BrainSettings
from hunter.errors import MalformedMessage
from hunter.ring.layout import RingLayout
from hunter.ring.merge import MergedReader
from hunter.ring.rows import Kind
from hunter.ring.segment import Segment
from hunter.signals.journal_reader import journal_files, journal_path
from hunter.signals.line import decode_line
from hunter.signals.signal import parse_signal_id

INTERVAL_MS = 500


class Oracle:
    """The boundaries of one instrument at which a brain has to decide; reads the ring itself."""

    def __init__(
        self, shared: Segment, layout: RingLayout, index: int, settings: BrainSettings
    ) -> None:
        self.instrument = layout.instruments[index]
        self.due: dict[int, int] = {}
        """Boundary in ms -> sequence of the newest trade then."""
        self._reader = MergedReader(shared, layout, index)
        self._intake = Intake(settings)

    def look(self) -> list[str]:
        """Takes in what is new."""
        while rows := self._reader.poll():
            for kind, row in rows:
                self._take(kind, row)
        if self._reader.lapped:
            return [f"signal {self.instrument}: the check was lapped; nothing can be said"]
        return []

    def _take(self, kind: Kind, row: Any) -> None:
        intake = self._intake
        if kind is Kind.TRADE:
            now_ns = intake.on_trade(TradeRow._make(row))
        elif kind is Kind.BBO:
            now_ns = intake.on_bbo(BboRow._make(row))
        elif kind is Kind.TICKER:
            now_ns = intake.on_ticker(ticker_row(row))
        else:
            now_ns = intake.on_book(book_row(row))
        if now_ns >= intake.next_boundary_ns:
            self.due[intake.pass_boundary()] = intake.trade_sequence

    @property
    def last_ms(self) -> int:
        """The newest boundary so far."""
        return next(reversed(self.due), 0)


def journalled(directory: Path) -> tuple[list[tuple[str, int, int]], list[str]]:
    """(instrument, boundary, trade sequence) of every line, oldest first; and what is wrong with
    the lines. One without an end is: after an orderly stop nobody is writing.
    """
    found, failures = [], []
    for number in journal_files(directory):
        path = journal_path(directory, number)
        *lines, rest = path.read_bytes().split(b"\n")
        malformed = int(bool(rest))
        for line in lines:
            try:
                signal = decode_line(line)
                boundary_ms = parse_signal_id(signal.id).boundary_ms
            except MalformedMessage:
                malformed += 1
            else:
                found.append((signal.instrument, boundary_ms, signal.trade_sequence))
        if malformed:
            failures.append(f"signal lines of {path.name} that are none: {malformed}")
    return found, failures
