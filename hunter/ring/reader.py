"""LaneReader: one lane as a reader sees it. Copies, then validates; never disturbs the writer.

Loss is not an error: a reader that was lapped counts the rows it missed in `lapped` and jumps an
eighth of the lane ahead of the writer, not to its heels. A published row that is not as it was put
(its check or its sequence is wrong) is copied once more, then left out and counted in `damaged`:
memory fails. Always: rows returned + lapped + damaged = rows published meanwhile.

Where there is a compiled half, it is asked for the next rows first: it takes them by the same steps
when nothing about them is unusual, and declines otherwise, before anything has changed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from hunter import native
from hunter.errors import SegmentError
from hunter.ring.check import are_sound
from hunter.ring.layout import RingLayout
from hunter.ring.rows import NUMBER_OFFSET, ROW_BYTES, STRUCTS, Kind
from hunter.ring.segment import Segment

ROWS_PER_POLL_MAX = 4096
_SEQUENCE_BYTES: Final = 8  # it opens every row, which is a multiple of it
Row = tuple[float, ...]
# By the compiled half: the next rows, or None when anything about them is unusual.
_Take = Callable[[int, int], bytearray | None]


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
        self.damaged = 0
        self.polled_row_count = 0
        """Rows the last poll went by: those it returned and the damaged ones among them."""
        self._damaged_positions: list[int] = []
        self._row_bytes = ROW_BYTES[kind]
        self._struct = STRUCTS[kind]
        self._words = shared.words
        self._intent_word = layout.intent_word(instrument_index, kind)
        start = layout.lane_offset(instrument_index, kind)
        self._lane = shared.part(start, start + self.capacity * self._row_bytes)
        self._take: _Take | None = None
        if native.kernel is not None and self.capacity:
            self._take = native.kernel.Window(
                shared.words, self._intent_word, start, self.capacity, self._row_bytes
            ).take

    @property
    def head(self) -> int:
        """Rows published so far."""
        return self._words[self._intent_word + 1] if self.capacity else 0

    @property
    def is_believed(self) -> bool:
        """Whether the head may be the writer's: never ahead of the intent, which is stored before.

        If it is, the word is damaged. The writer has its own copy, which comes with its next batch.
        """
        head = self.head  # loaded first
        return not self.capacity or head <= self._words[self._intent_word]

    @property
    def tail(self) -> int:
        """Position of the oldest row that is safe to read now."""
        return max(0, self._words[self._intent_word] - self.capacity) if self.capacity else 0

    def poll_bytes(self, row_count_max: int = ROWS_PER_POLL_MAX) -> bytearray:
        """Copy the rows from `cursor` on, at most `row_count_max`, and advance; empty when there is
        no news.

        Raises SegmentError when head lies behind the cursor: then this is not the ring it was.
        """
        rows = None if self._take is None else self._take(self.cursor, row_count_max)
        if rows is None:
            return self._poll_in_steps(row_count_max)
        if rows:
            self.polled_row_count = row_count = len(rows) // self._row_bytes
            self.cursor += row_count
            self._damaged_positions = []
        return rows

    def _poll_in_steps(self, row_count_max: int) -> bytearray:
        """What `take` does, and whatever else may be found."""
        assert row_count_max > 0, row_count_max
        while True:
            head = self.head
            available = head - self.cursor
            if available <= 0:
                if available < 0:
                    raise SegmentError("the ring's head went back; attach again")
                return bytearray()
            intent = self._words[self._intent_word]
            if head > intent:
                return bytearray()  # see is_believed
            if self.cursor < intent - self.capacity:
                self._jump(intent - self.capacity + (self.capacity >> 3))
                continue
            row_count = min(available, row_count_max)
            rows = self._copy(self.cursor, row_count)
            # Second look: whatever the writer has begun to overwrite since is not to be believed.
            if self.tail > self.cursor:
                self._jump(self.tail + (self.capacity >> 3))
                continue
            damaged: list[int] = []
            if not self._is_sound(rows, self.cursor):
                rows, damaged = self._without_damaged(rows, self.cursor)
                if self.tail > self.cursor:
                    continue  # lapped meanwhile: what was copied again may be of the next lap
            self.polled_row_count, self._damaged_positions = row_count, damaged
            self.damaged += len(damaged)
            self.cursor += row_count
            if rows:
                return rows

    def poll(self, row_count_max: int = ROWS_PER_POLL_MAX) -> list[Row]:
        """As `poll_bytes`, unpacked: tuples in the order of rows.py."""
        return list(self._struct.iter_unpack(self.poll_bytes(row_count_max)))

    def rewind(self, position: int) -> None:
        """Read on at `position`, which the last poll went by; damaged rows are met again."""
        position = max(position, self.cursor - self.polled_row_count)
        again = [place for place in self._damaged_positions if place >= position]
        self.damaged -= len(again)
        self.cursor = position

    @property
    def newest_number(self) -> int:
        """Of the row that was read last, what tells it from others of its lane: its trade id, seq
        id, or exchange stamp. 0 when there is none, or it has been overwritten since.
        """
        position = self.cursor - 1
        if position < self.tail:
            return 0
        row = self._copy(position, 1)
        if not self._is_sound(row, position) or position < self.tail:
            return 0
        return int.from_bytes(row[NUMBER_OFFSET : NUMBER_OFFSET + 8], "little", signed=True)

    def last_bytes(self, row_count: int) -> bytearray:
        """Copy of the newest `row_count` readable rows; leaves the cursor alone. Damaged rows are
        left out of them, and not counted: a poll does that once.
        """
        while True:
            # Tail first: head never lies behind a tail that was loaded before it.
            tail, head = self.tail, self.head
            # a head beyond the intent is damaged; the writer's next batch puts it right
            head = min(head, self._words[self._intent_word])
            start = max(tail, head - row_count)
            rows = self._copy(start, head - start)
            # Rows that were overwritten during the copy are the oldest ones: cut them off.
            overwritten = max(0, self.tail - start)
            if overwritten >= head - start > 0:
                continue
            start += overwritten
            rows = rows[overwritten * self._row_bytes :]
            return rows if self._is_sound(rows, start) else self._without_damaged(rows, start)[0]

    def last(self, row_count: int) -> list[Row]:
        """As `last_bytes`, unpacked, oldest first."""
        return list(self._struct.iter_unpack(self.last_bytes(row_count)))

    def _is_sound(self, rows: bytearray, position: int) -> bool:
        """Whether these are the rows from `position` on: whole, and each in its place. A row of an
        earlier lap, where a store never arrived, has a check that is right.
        """
        size = self._row_bytes
        count = len(rows) // size
        return not count or (
            are_sound(rows, size)
            and memoryview(rows).cast("Q")[:: size // _SEQUENCE_BYTES].tolist()
            == list(range(position + 1, position + count + 1))
        )

    def _without_damaged(self, rows: bytearray, position: int) -> tuple[bytearray, list[int]]:
        """The sound ones of these rows, and the positions of the others, each copied once more."""
        size = self._row_bytes
        sound, damaged = bytearray(), []
        for start in range(0, len(rows), size):
            row = rows[start : start + size]
            if not self._is_sound(row, position):
                row = self._copy(position, 1)
            if self._is_sound(row, position):
                sound += row
            else:
                damaged.append(position)
            position += 1
        return sound, damaged

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
