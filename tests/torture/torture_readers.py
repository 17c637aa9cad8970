"""Readers of the torture: usual ones, slow ones, faulty ones, and what each of them is given. One
instrument's lanes, or those of two mates, whose rows must come in the order of the writer's log.
"""

from __future__ import annotations

import mmap
import time
from collections.abc import Sequence
from typing import Any

from hunter.ring.layout import RingLayout
from hunter.ring.merge import MERGED_KINDS, GroupReader, MergedReader, MergingReader
from hunter.ring.reader import LaneReader, Row
from hunter.ring.rows import ROW_BYTES, Kind
from hunter.ring.segment import Segment

Item = tuple[int, Kind, Row]  # of which instrument


class SlowCopyReader(LaneReader):
    """Copies one row at a time: a wide window for the writer to overwrite what is being copied. It
    leaves nothing to the compiled half.
    """

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self._take = None

    def _copy(self, position: int, row_count: int) -> bytearray:
        rows = bytearray()
        for place in range(position, position + row_count):
            rows += super()._copy(place, 1)
        return rows


class BlindReader(SlowCopyReader):
    """Canary: believes what it copied, without the second look."""

    def poll_bytes(self, row_count_max: int = 4096) -> bytearray:
        if self.head > self.cursor and self.cursor < self.tail:
            self._jump(self.tail)
        row_count = min(self.head - self.cursor, row_count_max)
        if row_count:
            # Off the processor between look and copy, as it may happen to any reader; here often,
            # so that the canary is found on a busy machine as well.
            time.sleep(0.002)
        rows = self._copy(self.cursor, row_count)
        self.cursor += len(rows) // ROW_BYTES[self.kind]
        return rows


class NoCheckReader(SlowCopyReader):
    """Canary: believes whatever a published slot holds."""

    def _is_sound(self, rows: bytearray, position: int) -> bool:
        return True


READERS = {"blind-reader": BlindReader, "no-check": NoCheckReader}


class GroupOfLanes:
    """All rows of some instruments: the merged ones in their order, and each other lane's."""

    def __init__(
        self,
        shared: Segment,
        layout: RingLayout,
        members: Sequence[int],
        kind_of_reader: type[LaneReader],
    ) -> None:
        self._members = members
        self._merged: MergingReader[Any] = (
            GroupReader(shared, layout, members)
            if len(members) > 1
            else MergedReader(shared, layout, members[0])
        )
        self._merged.lanes = [
            kind_of_reader(shared, layout, index, kind)
            for index in members
            for kind in MERGED_KINDS
        ]
        self._merged.label([(index, kind) for index in members for kind in MERGED_KINDS])
        self._others = [
            (index, kind_of_reader(shared, layout, index, kind))
            for index in members
            for kind in Kind
            if kind not in MERGED_KINDS
        ]

    @property
    def lanes(self) -> list[tuple[int, LaneReader]]:
        merged = enumerate(self._merged.lanes)
        ours = [(self._members[place // len(MERGED_KINDS)], lane) for place, lane in merged]
        return [*ours, *self._others]

    @property
    def lapped(self) -> int:
        return sum(lane.lapped for _, lane in self.lanes)

    @property
    def damaged(self) -> int:
        return sum(lane.damaged for _, lane in self.lanes)

    def poll(self, row_count_max: int) -> list[Item]:
        items = [(*label, row) for label, row in self._merged.poll(row_count_max)]
        for index, lane in self._others:
            items += [(index, lane.kind, row) for row in lane.poll(row_count_max)]
        return items


class PutLog:
    """What a writer puts, by arrival number, in memory that outlives it: noted before it is put.
    The numbers of rows that died with their writer are given again, and noted again.
    """

    _ENTRIES = 1 << 20  # more than lie in all lanes

    def __init__(self) -> None:
        self._words = memoryview(mmap.mmap(-1, 16 * self._ENTRIES)).cast("Q")

    def note(self, arrival: int, index: int, kind: Kind, sequence: int) -> None:
        place = 2 * (arrival % self._ENTRIES)
        self._words[place + 1] = sequence << 8 | index << 4 | kind
        self._words[place] = arrival

    def is_right(self, index: int, kind: Kind, row: Row) -> bool:
        """Whether this is the row that was put with this number."""
        place = 2 * (int(row[1]) % self._ENTRIES)
        what = int(row[0]) << 8 | index << 4 | kind
        return (self._words[place], self._words[place + 1]) == (row[1], what)
