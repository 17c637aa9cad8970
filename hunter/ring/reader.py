"""LaneReader: one lane as a reader sees it. Copies, then validates; never disturbs the writer.

Loss is not an error: a reader that was lapped counts the rows it missed in `lapped` and jumps an
eighth of the lane ahead of the writer, not to its heels. Always: rows returned + lapped = rows
published meanwhile.
"""

from __future__ import annotations

from hunter.errors import SegmentError
from hunter.ring.layout import RingLayout
from hunter.ring.rows import ROW_BYTES, STRUCTS, Kind
from hunter.ring.segment import Segment

ROWS_PER_POLL_MAX = 4096
Row = tuple[float, ...]


class LaneReader:
    """`cursor` is the position of the next row to read; start it anywhere <= head."""

    def __init__(
        self,
        shared: Segment,
        layout: RingLayout,
        instrument_index: int,
        kind: Kind,
        cursor: int = 0,
    ) -> None:
        self.kind = kind
        self.capacity = layout.capacities[kind]
        self.cursor = cursor
        self.lapped = 0
        self._row_bytes = ROW_BYTES[kind]
        self._struct = STRUCTS[kind]
        self._words = shared.words
        self._intent_word = layout.intent_word(instrument_index, kind)
        start = layout.lane_offset(instrument_index, kind)
        self._lane = shared.part(start, start + self.capacity * self._row_bytes)

    @property
    def head(self) -> int:
        """Rows published so far."""
        return self._words[self._intent_word + 1] if self.capacity else 0

    @property
    def tail(self) -> int:
        """Position of the oldest row that is safe to read now."""
        return max(0, self._words[self._intent_word] - self.capacity) if self.capacity else 0

    def poll_bytes(self, row_count_max: int = ROWS_PER_POLL_MAX) -> bytearray:
        """Copy the rows from `cursor` on, at most `row_count_max`, and advance; empty when there is
        no news.

        Raises SegmentError when head lies behind the cursor: then this is not the ring it was.
        """
        while True:
            available = self.head - self.cursor
            if available <= 0:
                if available < 0:
                    raise SegmentError("the ring's head went back; attach again")
                return bytearray()
            if self.cursor < self.tail:
                self._jump(self.tail + (self.capacity >> 3))
                continue
            rows = self._copy(self.cursor, min(available, row_count_max))
            # Second look: whatever the writer has begun to overwrite since is not to be believed.
            overwritten = self.tail - self.cursor
            if overwritten > 0:
                self._jump(self.tail + (self.capacity >> 3))
                continue
            self.cursor += len(rows) // self._row_bytes
            return rows

    def poll(self, row_count_max: int = ROWS_PER_POLL_MAX) -> list[Row]:
        """As `poll_bytes`, unpacked: tuples in the order of rows.py."""
        return list(self._struct.iter_unpack(self.poll_bytes(row_count_max)))

    def last_bytes(self, row_count: int) -> bytearray:
        """Copy of the newest `row_count` readable rows; leaves the cursor alone."""
        while True:
            # Tail first: head never lies behind a tail that was loaded before it.
            tail, head = self.tail, self.head
            start = max(tail, head - row_count)
            rows = self._copy(start, head - start)
            # Rows that were overwritten during the copy are the oldest ones: cut them off.
            overwritten = self.tail - start
            if overwritten <= 0:
                return rows
            if overwritten < head - start:
                return rows[overwritten * self._row_bytes :]

    def last(self, row_count: int) -> list[Row]:
        """As `last_bytes`, unpacked, oldest first."""
        return list(self._struct.iter_unpack(self.last_bytes(row_count)))

    def _jump(self, target: int) -> None:
        target = min(target, self.head)
        self.lapped += target - self.cursor
        self.cursor = target

    def _copy(self, position: int, row_count: int) -> bytearray:
        size, mask = self._row_bytes, self.capacity - 1
        first = position & mask
        run = min(row_count, self.capacity - first)
        rows = bytearray(self._lane[first * size : (first + run) * size])
        if run < row_count:
            rows += self._lane[: (row_count - run) * size]
        return rows
