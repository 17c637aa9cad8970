"""The lanes of a segment as their writer sees them, in two halves that do the same: PlainLanes
here, and the compiled `hunter.native._kernel.Lanes`. RingWriter asks for one by `new_lanes`, and
the compiled data path puts rows into the very same object.

Order of stores, per batch and lane: intent, rows, head; then, when the heads of all lanes of all
instruments are stored, the arrival heads. So whoever loads an arrival head finds every row up to it
in the lanes of its whole group. Who holds the lease holds the one object that stores any of them.
"""

from __future__ import annotations

import struct
from typing import Final, Protocol
from zlib import crc32

from hunter import native
from hunter.errors import WriterFenced
from hunter.ring.layout import EPOCH_WORD, RingLayout
from hunter.ring.rows import FACTS, FIRST_ALIKE, ROW_BYTES, SEALS, Kind
from hunter.ring.segment import Segment

_head: Final = struct.Struct("<QQ").pack
# A row is made aside, then stored with its check: that costs less than a look back at the store.
_STORES: Final = tuple(SEALS[kind].pack_into for kind in Kind)
_FENCED: Final = "another process writes this ring now; this one must stop"


class Lanes(Protocol):
    """What both halves offer."""

    def put(self, instrument: int, kind: int, facts: bytes, /) -> None:
        """Put a row that nobody sees yet: what rows.FACTS packs. The lane's next sequence and the
        next arrival number of the instrument's group come before it, the check after it.

        Raises WriterFenced, before anything has changed.
        """

    def publish(self) -> bool:
        """Make all rows put so far visible; whether there were any. Raises WriterFenced."""

    def position(self, instrument: int, kind: int, /) -> int:
        """Where the lane's next row will lie."""

    def close(self) -> None:
        """Let go of the segment."""


class _Lane:
    """One lane as its writer sees it. `position` is the next row's; rows below `head` are
    published.
    """

    __slots__ = (
        "batch_row_count_max",
        "facts_bytes",
        "group",
        "head",
        "index",
        "intent",
        "intent_word",
        "mask",
        "offset",
        "position",
        "row_bytes",
        "takes_arrivals",
    )

    def __init__(self, shared: Segment, layout: RingLayout, index: int, kind: Kind) -> None:
        self.index = index
        self.group = layout.groups[index]
        # An unpublished batch may never lap itself; readers keep half the lane meanwhile.
        self.batch_row_count_max = layout.capacities[kind] >> 1
        self.mask = layout.capacities[kind] - 1
        self.row_bytes = ROW_BYTES[kind]
        self.facts_bytes = FACTS[kind].size
        self.takes_arrivals = kind < FIRST_ALIKE
        self.offset = layout.lane_offset(index, kind)
        self.intent_word = layout.intent_word(index, kind)
        # a former writer may have died with rows begun above its head: its intent stays in force
        self.intent = shared.words[self.intent_word]
        self.head = self.position = shared.words[self.intent_word + 1]


class PlainLanes:
    """In Python: on x86-64 other cores see stores in program order, and nothing else is needed.

    `_arrivals`: numbers taken so far, by group: its first instrument's place. `_newest`: of the
    newest row of each instrument.
    """

    def __init__(
        self, shared: Segment, layout: RingLayout, epoch: int, arrivals: list[int]
    ) -> None:
        self._view, self._words = shared.view, shared.words
        self._epoch = epoch
        self._arrivals = list(arrivals)
        self._newest = list(arrivals)
        self._first_arrival_word = layout.arrival_word(0)
        indexes = range(len(layout.instruments))
        self._lanes = [[_Lane(shared, layout, index, kind) for index in indexes] for kind in Kind]
        self._unpublished: list[_Lane] = []

    def put(self, instrument: int, kind: int, facts: bytes, /) -> None:
        lane = self._lanes[kind][instrument]
        assert len(facts) == lane.facts_bytes, "these facts are not of that kind"
        offset = self._claim(lane)
        arrivals = self._arrivals
        # Facts from REST and from another socket come when they come and take no number; the
        # market's must be the same whenever that was.
        arrival = arrivals[lane.group]
        if lane.takes_arrivals:
            arrivals[lane.group] = self._newest[instrument] = arrival = arrival + 1
        row = _head(lane.position, arrival) + facts
        _STORES[kind](self._view, offset, row, crc32(row))

    def _claim(self, lane: _Lane) -> int:
        """Where the lane's next row lies. Its sequence is the lane's position from now on."""
        position = lane.position
        unpublished_row_count = position - lane.head
        if unpublished_row_count >= lane.batch_row_count_max:
            assert lane.batch_row_count_max, "no such lane: no channel feeds it"
            self.publish()
            unpublished_row_count = 0
        if not unpublished_row_count:
            if self._words[EPOCH_WORD] != self._epoch:
                raise WriterFenced(_FENCED)
            self._unpublished.append(lane)
        lane.position = sequence = position + 1
        if sequence > lane.intent:
            self._words[lane.intent_word] = lane.intent = sequence
        return lane.offset + (position & lane.mask) * lane.row_bytes

    def publish(self) -> bool:
        lanes, words = self._unpublished, self._words
        if not lanes:
            return False
        if words[EPOCH_WORD] != self._epoch:
            raise WriterFenced(_FENCED)
        for lane in lanes:
            words[lane.intent_word + 1] = lane.head = lane.position
        # After the heads of all lanes: a reader takes rows up to here for complete in every lane of
        # the group, also in those of an instrument whose own arrival head it has seen before.
        for lane in lanes:
            words[self._first_arrival_word + lane.index] = self._newest[lane.index]
        lanes.clear()
        return True

    def position(self, instrument: int, kind: int, /) -> int:
        return self._lanes[kind][instrument].position

    def close(self) -> None:
        self._unpublished.clear()


def new_lanes(shared: Segment, layout: RingLayout, epoch: int, arrivals: list[int]) -> Lanes:
    """The lanes of a segment whose writer has begun `epoch`; `arrivals`: the arrival heads, that of
    a group's first instrument being the highest of the group.
    """
    if native.kernel is None:
        return PlainLanes(shared, layout, epoch, arrivals)
    places = [
        (
            layout.intent_word(index, kind),
            layout.lane_offset(index, kind),
            layout.capacities[kind],
            ROW_BYTES[kind],
        )
        for index in range(len(layout.instruments))
        for kind in Kind
    ]
    made: Lanes = native.kernel.Lanes(
        shared.view,
        epoch,
        EPOCH_WORD,
        layout.arrival_word(0),
        list(arrivals),
        places,
        list(layout.groups),
    )
    return made
