"""What the brain process follows: every instrument of a ring, with its checkpoint files.

Owned by the brain actor. A checkpoint is of all instruments of a ring, each as it stood at a moment
of its own: no instrument's brain knows of another's. Rows that a reader could not give (it was
lapped, also before a restore, or they were damaged) are a gap, which the brain is told of before it
sees the next row; a checkpoint made until then says so, because after a restart the brain has to be
told all the same.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Callable
from itertools import compress
from operator import ne
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec

from hunter.brain.checkpoint import (
    CheckpointStore,
    EncodedCheckpoint,
    InstrumentCheckpoint,
    encode_part,
)
from hunter.brain.flow import FlowBrain
from hunter.brain.inputs import BboRow, TradeRow, book_row, ticker_row
from hunter.brain.load import load_brain
from hunter.brain.protocol import Brain, StateError
from hunter.brain.settings import settings_of
from hunter.config import Config
from hunter.ring.adopt import open_ring
from hunter.ring.merge import Cursors, MergedReader
from hunter.ring.reader import Row
from hunter.ring.rows import Kind
from hunter.signals.decision import Decision
from hunter.signals.rules import RuleStateError, SignalRule

ARRIVALS_PER_LOOK: Final = 32


class Missed(NamedTuple):
    """Rows that a reader could not give."""

    lapped: int
    damaged: int


_NONE_MISSED: Final = Missed(0, 0)
Handler = Callable[[Any], Decision | None]


class TrackedCounts(NamedTuple):
    """What one instrument adds to the brain process's counters."""

    trades: int = 0
    tickers: int = 0
    books: int = 0
    bbo: int = 0
    decisions: int = 0
    lapped: int = 0
    damaged: int = 0
    failures: int = 0


class Tracked:
    """One instrument: where it is read, who thinks about it, and what was told last."""

    def __init__(self, name: str, reader: MergedReader, brain: Brain, rule: SignalRule) -> None:
        self.name = name
        self.reader = reader
        self.brain = brain
        self.rule = rule
        self.handlers = row_handlers(brain)
        """What takes a row as the ring unpacks it, by its kind."""
        self.arrival = 0
        """Of the newest row that the brain was given."""
        self.errors_told = 0
        self.gap = False
        """Rows went by unread since the last one that the brain has seen."""
        self.part: msgspec.Raw | None = None
        """What a checkpoint says of it, as it was made last."""
        self.is_part_new = False
        """Whether it would be the same if it were made now."""
        self.counted: TrackedCounts | None = None
        """What it adds to the counters; None when that has to be added up."""
        self._missed = _NONE_MISSED
        self._missed_count = 0

    def poll(self, row_count_max: int) -> tuple[list[tuple[Kind, Row]], Missed]:
        """The next rows, and how many are missing before or among them. The caller gives them all
        to the brain.
        """
        reader = self.reader
        rows = reader.poll(row_count_max)
        missed = _NONE_MISSED
        if reader.missed != self._missed_count:
            missed = self._note_missed()
        elif not rows:
            return rows, missed
        self.is_part_new, self.counted = False, None
        if rows:
            if self.gap:
                self.gap = False
                self.brain.on_gap()
            self.arrival = int(rows[-1][1][1])
        return rows, missed

    def _note_missed(self) -> Missed:
        reader, before = self.reader, self._missed
        self._missed_count = reader.missed
        self._missed = now = Missed(reader.lapped, reader.damaged)
        self.gap = True
        return Missed(now.lapped - before.lapped, now.damaged - before.damaged)

    def counts(self) -> TrackedCounts:
        """As it stands now."""
        if self.counted is None:
            brain = self.brain
            trades, tickers, books, bbo = brain.inputs.values()
            others = (brain.decisions, *self._missed, brain.errors)
            self.counted = TrackedCounts(trades, tickers, books, bbo, *others)
        return self.counted

    def make_part(self) -> msgspec.Raw:
        """Its part of a checkpoint, encoded. Raises StateError."""
        self.part = encode_part(
            InstrumentCheckpoint(
                self.name,
                self.arrival,
                self.reader.cursors,
                self.brain.snapshot(),
                self.rule.snapshot(),
                self.gap,
            )
        )
        self.is_part_new = True
        return self.part


def row_handlers(brain: Brain) -> tuple[Handler, Handler, Handler, Handler]:
    """What takes a row as the ring unpacks it, in the order of Kind. The built-in brain reads its
    numbers where they stand; a user's is given them under their names.
    """
    if isinstance(brain, FlowBrain):
        return brain.on_trade, brain.on_bbo, brain.on_ticker, brain.on_plain_book
    return (
        lambda row: brain.on_trade(TradeRow._make(row)),
        lambda row: brain.on_bbo(BboRow._make(row)),
        lambda row: brain.on_ticker(ticker_row(row)),
        lambda row: brain.on_book(book_row(row)),
    )


class RingTracked:
    """All instruments of one ring, with the ring's checkpoint files."""

    def __init__(self, path: Path, config: Config) -> None:
        self.segment, self.layout = open_ring(path)
        layout = self.layout
        self.store = CheckpointStore(config.data_dir / "checkpoints" / path.name)
        self.config_hash = _config_hash(config)
        count = len(layout.instruments)
        first = 8 * layout.arrival_word(0)
        self._heads = self.segment.part(first, first + 8 * count)
        self._seen = b"\xff" * len(self._heads)  # no arrival number: the first look names all
        self._part_count = count
        settings = settings_of(config.brain)
        search_dir = Path(config.base_dir)
        self.tracked = []
        for index, name in enumerate(layout.instruments):
            reader = MergedReader(self.segment, layout, index)
            brain = load_brain(config.brain.kind, name, settings, search_dir)
            self.tracked.append(Tracked(name, reader, brain, SignalRule(layout.ring_id)))
        self._pieces = [
            (8 * start, 8 * (start + len(some)), _words(len(some)), some)
            for start in range(0, count, ARRIVALS_PER_LOOK)
            if (some := self.tracked[start : start + ARRIVALS_PER_LOOK])
        ]

    def restore(self) -> str:
        """Go on from the last checkpoint of this ring; returns what was done, in words.

        Whatever cannot be restored starts cold, at the oldest row that is still there.
        """
        checkpoint = self.store.load(self.config_hash, self.layout.ring_id)
        known = {item.instrument: item for item in (checkpoint.instruments if checkpoint else ())}
        cold = []
        for tracked in self.tracked:
            if not _restore(tracked, known.get(tracked.name)):
                cold.append(tracked.name)
                tracked.reader.seek_oldest()
        return f"cold: {', '.join(cold)}" if cold else "restored from its checkpoint"

    def changed(self) -> list[Tracked]:
        """Instruments with rows that were not there at the last look. The arrival heads lie side by
        side, so what is compared is bytes: all of them, then pieces, then the heads of the pieces
        that differ. Work is in the news, not in the number of instruments.
        """
        heads = bytes(self._heads)
        if heads == self._seen:
            return []
        before, self._seen = self._seen, heads
        found: list[Tracked] = []
        for start, end, words, some in self._pieces:
            if heads[start:end] != before[start:end]:
                differ = map(ne, words(heads, start), words(before, start))
                found += compress(some, differ)
        return found

    @property
    def has_news(self) -> bool:
        """Whether `changed` would name one."""
        return bytes(self._heads) != self._seen

    def begin_save(self) -> None:
        """A checkpoint is due; `save_some` makes it."""
        self._part_count = 0

    @property
    def is_saving(self) -> bool:
        return self._part_count < len(self.tracked)

    def save_some(self, part_count_max: int) -> None:
        """Make at most so many of the parts that have changed, so that the loop never stands still
        for all instruments at once. Parts need not be of one moment: each says how far it had read.
        Raises StateError, and then this checkpoint is given up.
        """
        while part_count_max and self.is_saving:
            tracked = self.tracked[self._part_count]
            self._part_count += 1
            if not tracked.is_part_new:
                part_count_max -= 1
                try:
                    tracked.make_part()
                except StateError:
                    tracked.counted = None  # it counts that as an error
                    self._part_count = len(self.tracked)
                    raise

    def write(self) -> None:
        """Write the parts as they were made last; `store` says whether it could be."""
        parts = tuple(tracked.part or tracked.make_part() for tracked in self.tracked)
        self.store.save(EncodedCheckpoint(self.config_hash, self.layout.ring_id, parts))

    def save(self) -> None:
        """Write a checkpoint of all as it stands now. Raises StateError."""
        self.begin_save()
        self.save_some(len(self.tracked))
        self.write()


def _words(count: int) -> Callable[[bytes, int], tuple[int, ...]]:
    return struct.Struct(f"<{count}Q").unpack_from


def _restore(tracked: Tracked, found: InstrumentCheckpoint | None) -> bool:
    """Whether the instrument goes on from its checkpoint."""
    if found is None:
        return False
    try:
        tracked.brain.restore(found.brain)
        tracked.rule.restore(found.rule)
    except (StateError, RuleStateError):
        return False
    tracked.reader.seek(Cursors(*found.positions))
    tracked.arrival = found.arrival
    tracked.gap = found.gap
    return True


def _config_hash(config: Config) -> bytes:
    """Of everything that shapes a brain's state."""
    digest = settings_of(config.brain).digest().hex()
    text = f"{config.brain.kind} {digest} {' '.join(config.brain.experts)}"
    return hashlib.blake2s(text.encode(), digest_size=8).digest()
