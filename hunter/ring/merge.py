"""MergedReader: what moves the market, trades, quotes, tickers and books of one instrument, as one
sequence in the order the rows came.

The arrival head is loaded first. Every row up to it was published before it was stored, so rows
with arrival numbers up to it are complete in all lanes; later ones wait for the next poll. Reading
the same ring again from the same cursors gives the same sequence: that is what makes the brain's
restart exact. Rows of the other kinds take no arrival numbers. While a lane's head is damaged so
that it is not to be believed, no lane is read: the order is worth more than the time, and the
writer's next batch for that lane mends it.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from hunter.ring.layout import RingLayout
from hunter.ring.reader import ROWS_PER_POLL_MAX, LaneReader, Row
from hunter.ring.rows import Kind
from hunter.ring.segment import Segment

MERGED_KINDS: Final = (Kind.TRADE, Kind.BBO, Kind.TICKER, Kind.BOOK)


class Cursors(NamedTuple):
    """Where a reader stands in each lane; part of the brain's checkpoint."""

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


class MergedReader:
    """The merged lanes of one instrument. `lapped` counts rows missed in any of them."""

    def __init__(
        self,
        shared: Segment,
        layout: RingLayout,
        instrument_index: int,
        cursors: Cursors | None = None,
    ) -> None:
        start = cursors or Cursors()
        self._words = shared.words
        self._arrival_word = layout.arrival_word(instrument_index)
        self._arrival_seen = -1
        self.lanes = [
            LaneReader(shared, layout, instrument_index, kind, start[kind]) for kind in MERGED_KINDS
        ]
        # Where a lane's intent stands among those of the merged kinds, which lie side by side.
        self._first_word = layout.intent_word(instrument_index, MERGED_KINDS[0])
        self._fed = [(lane, 2 * lane.kind) for lane in self.lanes if lane.capacity]

    @property
    def cursors(self) -> Cursors:
        return Cursors(*(lane.cursor for lane in self.lanes))

    def seek(self, cursors: Cursors) -> None:
        """Go on where another reader stood. Rows that have been overwritten since will count as
        lapped.
        """
        for lane in self.lanes:
            lane.cursor = cursors[lane.kind]
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
        a, b, c, d = self.lanes
        lapped = a.lapped + b.lapped + c.lapped + d.lapped
        return lapped + a.damaged + b.damaged + c.damaged + d.damaged

    @property
    def arrival_head(self) -> int:
        return self._words[self._arrival_word]

    def poll(self, row_count_max: int = ROWS_PER_POLL_MAX) -> list[tuple[Kind, Row]]:
        """The next rows of all lanes by arrival number; at most `row_count_max` per lane."""
        limit = self._words[self._arrival_word]
        if limit == self._arrival_seen:
            return []
        news = self._with_news()
        if news is None:
            return []
        batches: list[tuple[LaneReader, list[Row]]] = []
        for lane in news:
            rows = lane.poll(row_count_max)
            if rows:
                batches.append((lane, rows))
                if lane.polled_row_count == row_count_max:
                    # The lane may hold more rows below the limit than were copied.
                    limit = min(limit, int(rows[-1][1]))
        merged: list[tuple[Kind, Row]] = []
        for lane, rows in batches:
            kind = lane.kind
            if rows[-1][1] > limit:
                keep = sum(1 for row in rows if row[1] <= limit)
                lane.rewind(int(rows[keep][0]) - 1)
                rows = rows[:keep]
            merged.extend((kind, row) for row in rows)
        if len(batches) > 1:
            merged.sort(key=_arrival_of)
        self._arrival_seen = limit
        return merged

    def _with_news(self) -> list[LaneReader] | None:
        """Lanes with rows to read, by one look at all of them; None while one is not believed: rows
        of the others would come before rows that they came after.
        """
        first, found = self._first_word, []
        line = self._words[first : first + 2 * len(MERGED_KINDS)].tolist()
        for lane, place in self._fed:
            head = line[place + 1]
            # The look loads an intent before its head: a head beyond it may only be newer.
            if head > line[place] and not lane.is_believed:
                return None
            if head != lane.cursor:
                found.append(lane)
        return found


def _arrival_of(item: tuple[Kind, Row]) -> float:
    return item[1][1]
