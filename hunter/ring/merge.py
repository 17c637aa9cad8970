"""What moves the market, trades, quotes, tickers and books, as one sequence in the order the rows
came: of one instrument by MergedReader, of the instruments of a group by GroupReader.

The arrival heads are loaded first. Every row up to them was published before they were stored, so
rows with arrival numbers up to the highest of a group's are complete in all its lanes; later ones
wait for the next poll. Reading the same ring again from the same cursors gives the same sequence:
that is what makes the brain's restart exact. The numbers of one instrument have holes where its
mates' rows are. Rows of the other kinds take no arrival numbers. While a lane's head is damaged so
that it is not to be believed, no lane is read: the order is worth more than the time, and the
writer's next batch for that lane mends it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Generic, NamedTuple, TypeVar

from hunter.ring.layout import RingLayout
from hunter.ring.reader import ROWS_PER_POLL_MAX, LaneReader, Row
from hunter.ring.rows import Kind
from hunter.ring.segment import Segment

MERGED_KINDS: Final = (Kind.TRADE, Kind.BBO, Kind.TICKER, Kind.BOOK)
MERGED_KIND_COUNT: Final = len(MERGED_KINDS)
_Label = TypeVar("_Label")


class Cursors(NamedTuple):
    """Where a reader stands in each lane of an instrument; part of the brain's checkpoint."""

    trade: int = 0
    bbo: int = 0
    ticker: int = 0
    book: int = 0


def merged_row_count(shared: Segment, layout: RingLayout) -> int:
    """Rows published so far that merged readers of all instruments would read: what the brain has
    to show for itself, whatever else comes in.
    """
    return sum(
        shared.words[layout.intent_word(index, kind) + 1]
        for index in range(len(layout.instruments))
        for kind in MERGED_KINDS
    )


class MergingReader(Generic[_Label]):
    """What both readers do: the lanes of instruments that share one arrival counter, merged.

    `lanes`: those of the merged kinds, instrument by instrument. `lapped` counts rows missed in any
    of them. A row comes out with the label of its lane.
    """

    def __init__(
        self,
        shared: Segment,
        layout: RingLayout,
        members: Sequence[int],
        labels: Sequence[_Label],
    ) -> None:
        self._words = shared.words
        self._arrival_seen = -1
        # Most instruments are alone: for what their mates need there are empty loops.
        self._arrival_word, *self._mates_arrival_words = map(layout.arrival_word, members)
        self.lanes = [
            LaneReader(shared, layout, index, kind) for index in members for kind in MERGED_KINDS
        ]
        # Where the lanes' intents and heads stand: those of one instrument lie side by side.
        starts = [layout.intent_word(index, MERGED_KINDS[0]) for index in members]
        self._line, *self._mates_lines = [slice(at, at + 2 * MERGED_KIND_COUNT) for at in starts]
        self.label(labels)

    def label(self, labels: Sequence[_Label]) -> None:
        """What the rows of each lane come out with."""
        self._fed = [
            (lane, 2 * place, label)
            for place, (lane, label) in enumerate(zip(self.lanes, labels, strict=True))
            if lane.capacity
        ]

    @property
    def positions(self) -> tuple[Cursors, ...]:
        """Where it stands, by instrument."""
        cursors = [lane.cursor for lane in self.lanes]
        starts = range(0, len(cursors), MERGED_KIND_COUNT)
        return tuple(Cursors(*cursors[start : start + MERGED_KIND_COUNT]) for start in starts)

    @property
    def newest_numbers(self) -> tuple[tuple[int, int, int, int], ...]:
        """By instrument, what LaneReader.newest_number says of its lanes."""
        numbers = [lane.newest_number for lane in self.lanes]
        starts = range(0, len(numbers), MERGED_KIND_COUNT)
        return tuple(
            (numbers[at], numbers[at + 1], numbers[at + 2], numbers[at + 3]) for at in starts
        )

    def go_to(self, positions: Sequence[Sequence[int]]) -> None:
        """Go on where another reader stood. Rows that have been overwritten since will count as
        lapped.
        """
        cursors = [cursor for part in positions for cursor in part]
        for lane, cursor in zip(self.lanes, cursors, strict=True):
            lane.cursor = cursor
        self._arrival_seen = -1

    def seek_oldest(self) -> None:
        """Start at the oldest rows that are safe to read; what is gone was never ours to miss."""
        for lane in self.lanes:
            tail = lane.tail
            margin = lane.capacity >> 3 if tail else 0
            lane.cursor = min(tail + margin, lane.head)
        self._arrival_seen = -1

    @property
    def lapped(self) -> int:
        return sum(lane.lapped for lane in self.lanes)

    @property
    def damaged(self) -> int:
        """Rows of any lane that were left out because they are not as they were put."""
        return sum(lane.damaged for lane in self.lanes)

    @property
    def missed(self) -> int:
        """Both together: one number to compare after each poll."""
        return sum([lane.lapped + lane.damaged for lane in self.lanes])

    @property
    def arrival_head(self) -> int:
        """Every row up to it can be read: it was published before any of the group's arrival heads
        was stored that says so, in the lanes of all its instruments.
        """
        words = self._words
        limit = words[self._arrival_word]
        for word in self._mates_arrival_words:
            limit = max(limit, words[word])
        return limit

    def poll(self, row_count_max: int = ROWS_PER_POLL_MAX) -> list[tuple[_Label, Row]]:
        """The next rows of all lanes by arrival number; at most `row_count_max` per lane."""
        words = self._words
        limit = words[self._arrival_word]
        for word in self._mates_arrival_words:
            limit = max(limit, words[word])
        if limit == self._arrival_seen:
            return []
        news = self._with_news()
        if news is None:
            return []
        batches: list[tuple[LaneReader, list[Row], _Label]] = []
        for lane, _, label in news:
            rows = lane.poll(row_count_max)
            if rows:
                batches.append((lane, rows, label))
                if lane.polled_row_count == row_count_max:
                    # The lane may hold more rows below the limit than were copied.
                    limit = min(limit, int(rows[-1][1]))
        merged: list[tuple[_Label, Row]] = []
        for lane, rows, label in batches:
            if rows[-1][1] > limit:
                keep = sum(1 for row in rows if row[1] <= limit)
                lane.rewind(int(rows[keep][0]) - 1)
                rows = rows[:keep]
            merged.extend((label, row) for row in rows)
        if len(batches) > 1:
            merged.sort(key=_arrival_of)
        self._arrival_seen = limit
        return merged

    def _with_news(self) -> list[tuple[LaneReader, int, _Label]] | None:
        """Lanes with rows to read, by one look at all of them; None while one is not believed: rows
        of the others would come before rows that they came after.
        """
        found: list[tuple[LaneReader, int, _Label]] = []
        line = self._words[self._line].tolist()  # intent and head of each lane
        for words in self._mates_lines:
            line += self._words[words].tolist()
        for fed in self._fed:
            lane, place, _ = fed
            head = line[place + 1]
            # The look loads an intent before its head: a head beyond it may only be newer.
            if head > line[place] and not lane.is_believed:
                return None
            if head != lane.cursor:
                found.append(fed)
        return found


class MergedReader(MergingReader[Kind]):
    """The merged lanes of one instrument; rows come out with their kinds."""

    def __init__(
        self,
        shared: Segment,
        layout: RingLayout,
        instrument_index: int,
        cursors: Cursors | None = None,
    ) -> None:
        super().__init__(shared, layout, (instrument_index,), MERGED_KINDS)
        if cursors is not None:
            self.seek(cursors)

    @property
    def cursors(self) -> Cursors:
        return self.positions[0]

    def seek(self, cursors: Cursors) -> None:
        """As `go_to`."""
        self.go_to((cursors,))

    @property
    def missed(self) -> int:
        """As above, in fewer steps: it is asked for with each batch."""
        a, b, c, d = self.lanes
        lapped = a.lapped + b.lapped + c.lapped + d.lapped
        return lapped + a.damaged + b.damaged + c.damaged + d.damaged


class GroupReader(MergingReader[int]):
    """The merged lanes of a group's instruments; rows come out with their lane's place, which is
    MERGED_KIND_COUNT times the instrument's place among `members`, plus the kind.
    """

    def __init__(self, shared: Segment, layout: RingLayout, members: Sequence[int]) -> None:
        assert len({layout.groups[index] for index in members}) == 1, members
        labels = range(MERGED_KIND_COUNT * len(members))
        super().__init__(shared, layout, members, labels)


def _arrival_of(item: tuple[object, Row]) -> float:
    return item[1][1]
