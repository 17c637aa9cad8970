"""A group as the brain process follows it: one instrument, or two mates (the spot and the swap of
one base), whose rows come merged in the order they came.

Owned by tracked.RingTracked. Mates' brains know of each other, so that they are driven in that one
order, restored together and snapshotted at one moment. Rows that the reader could not give (it was
lapped, also before a restore, or they were damaged) are a gap for the instrument they were of: its
brain is told of it before it sees its next row; a snapshot made until then says so, because after a
restart the brain has to be told all the same.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from operator import add
from typing import Any, Final, NamedTuple

import msgspec

from hunter.brain.checkpoint import GroupCheckpoint, InstrumentCheckpoint, encode_part
from hunter.brain.flow import FlowBrain
from hunter.brain.inputs import BboRow, TradeRow, book_row, ticker_row
from hunter.brain.protocol import Brain, StateError
from hunter.ring.merge import MERGED_KIND_COUNT, Cursors, MergingReader
from hunter.ring.reader import Row
from hunter.signals.decision import Decision
from hunter.signals.rules import RuleStateError, SignalRule

Handler = Callable[[Any], Decision | None]


class Missed(NamedTuple):
    """Rows that a reader could not give, since the group was told so last."""

    instrument: str
    lapped: int
    damaged: int


_NONE_MISSED: Final[tuple[Missed, ...]] = ()


class TrackedCounts(NamedTuple):
    """What a group adds to the brain process's counters."""

    trades: int = 0
    tickers: int = 0
    books: int = 0
    bbo: int = 0
    decisions: int = 0
    lapped: int = 0
    damaged: int = 0
    failures: int = 0


class Member:
    """One instrument of a group: who thinks about it, and what was told last."""

    def __init__(self, name: str, brain: Brain, rule: SignalRule) -> None:
        self.name = name
        self.brain = brain
        self.rule = rule
        self.errors_told = 0
        self.gap = False
        """Rows went by unread since the last one that the brain has seen."""
        self.lapped = 0
        self.damaged = 0


class TrackedGroup:
    """`arrival`: of the newest row that its brains were given."""

    def __init__(self, members: Sequence[Member], reader: MergingReader[Any]) -> None:
        self.members = tuple(members)
        self.reader = reader
        self.arrival = 0
        self.part: msgspec.Raw | None = None
        """What a checkpoint says of it, as it was made last."""
        self.is_part_new = False
        """Whether it would be the same if it were made now."""
        self.counted: TrackedCounts | None = None
        """What it adds to the counters; None when that has to be added up."""
        self._missed_count = 0
        self._has_gap = False
        self.handlers = tuple(
            handler for member in members for handler in row_handlers(member.brain)
        )
        """What takes a row as the ring unpacks it, by its place: see GroupReader."""
        if len(self.members) == 2:
            introduce(*(member.brain for member in members))

    @property
    def name(self) -> str:
        return " and ".join(member.name for member in self.members)

    def poll(self, row_count_max: int) -> tuple[list[tuple[int, Row]], Sequence[Missed]]:
        """The next rows, each with its place, and how many are missing before or among them. The
        caller gives them all to the brains, in this order.
        """
        reader = self.reader
        rows = reader.poll(row_count_max)
        missed: Sequence[Missed] = _NONE_MISSED
        if reader.missed != self._missed_count:
            missed = self._note_missed()
        elif not rows:
            return rows, missed
        self.is_part_new, self.counted = False, None
        if rows:
            if self._has_gap:
                self._tell_gaps({place // MERGED_KIND_COUNT for place, _ in rows})
            self.arrival = int(rows[-1][1][1])
        return rows, missed

    def member_of(self, place: int) -> Member:
        """Whose row it is."""
        return self.members[place // MERGED_KIND_COUNT]

    def _note_missed(self) -> list[Missed]:
        self._missed_count = self.reader.missed
        found = []
        for number, member in enumerate(self.members):
            lanes = self.reader.lanes[number * MERGED_KIND_COUNT :][:MERGED_KIND_COUNT]
            lapped = sum(lane.lapped for lane in lanes)
            damaged = sum(lane.damaged for lane in lanes)
            if (lapped, damaged) != (member.lapped, member.damaged):
                found.append(Missed(member.name, lapped - member.lapped, damaged - member.damaged))
                member.lapped, member.damaged = lapped, damaged
                member.gap = self._has_gap = True
        return found

    def _tell_gaps(self, numbers: set[int]) -> None:
        """Those of which there are rows again."""
        for number, member in enumerate(self.members):
            if member.gap and number in numbers:
                member.gap = False
                member.brain.on_gap()
        self._has_gap = any(member.gap for member in self.members)

    def counts(self) -> TrackedCounts:
        """As it stands now."""
        if self.counted is None:
            first, *others = map(_counts, self.members)
            for other in others:
                first = TrackedCounts(*map(add, first, other))
            self.counted = first
        return self.counted

    def make_part(self) -> msgspec.Raw:
        """Its part of a checkpoint, encoded. Raises StateError."""
        positions, newest = self.reader.positions, self.reader.newest_numbers
        self.part = encode_part(
            GroupCheckpoint(
                self.arrival,
                tuple(
                    InstrumentCheckpoint(
                        member.name,
                        cursors,
                        member.brain.snapshot(),
                        member.rule.snapshot(),
                        member.gap,
                        numbers,
                    )
                    for member, cursors, numbers in zip(
                        self.members, positions, newest, strict=True
                    )
                ),
            )
        )
        self.is_part_new = True
        return self.part

    def restore(self, found: GroupCheckpoint) -> bool:
        """Go on from a checkpoint of these instruments; if not whole, not to be used any further:
        a brain may go on already while its mate does not.
        """
        if [item.instrument for item in found.members] != [item.name for item in self.members]:
            return False
        try:
            for member, item in zip(self.members, found.members, strict=True):
                member.brain.restore(item.brain)
                member.rule.restore(item.rule)
                member.gap = item.gap
        except (StateError, RuleStateError):
            return False
        self.reader.go_to([Cursors(*item.positions) for item in found.members])
        self.arrival = found.arrival
        self._has_gap = any(member.gap for member in self.members)
        return True


def _counts(member: Member) -> TrackedCounts:
    brain = member.brain
    trades, tickers, books, bbo = brain.inputs.values()
    others = (brain.decisions, member.lapped, member.damaged, brain.errors)
    return TrackedCounts(trades, tickers, books, bbo, *others)


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


def introduce(one: Brain, other: Brain) -> None:
    """Mates' brains to each other. A user's brain knows of its own instrument only."""
    if isinstance(one, FlowBrain) and isinstance(other, FlowBrain):
        one.meet(other)
        other.meet(one)
