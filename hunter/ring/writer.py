"""RingWriter: the one process that puts rows into a segment.

Order of stores, per batch and lane: intent, rows, head; then the instrument's arrival head. On
x86-64 other cores see stores in program order, so a reader that sees a head sees the rows before
it, and one that still sees the old intent has copied rows nobody has touched. A writer killed
between any two of these stores leaves rows above head that nobody reads and an intent that only
makes a few of the oldest rows unreadable until the next writer has overwritten them. The writer
never waits for a reader.

That there is one writer is the lease's doing (segment.WriterLease): the kernel gives it to nobody
while its holder lives, stopped or not, so a writer that is stopped within a store and continued
later has had no successor. The epoch is the second guard, for a lease file that somebody removed.
It is looked at before a batch's first row and before the heads are stored, and plain stores cannot
be made to depend on that look: a writer fenced between two looks may still store rows and intents
of the batch it is in, and if it was stopped within `publish`, heads. After that it stores nothing
any more. Where its rows tear others, or lie in the place of a later lap's, readers leave them out;
one that lies whole where a row of the same sequence was passes for that. The next batch of the new
writer puts the heads right.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple
from zlib import crc32

from hunter.errors import WriterFenced
from hunter.ring import segment
from hunter.ring.adopt import check_heads, last_row, newest_arrival, open_ring
from hunter.ring.layout import (
    EPOCH_LOG_ENTRIES,
    EPOCH_LOG_OFFSET,
    EPOCH_WORD,
    WRITER_PID_WORD,
    WRITER_SINCE_WORD,
    RingLayout,
)
from hunter.ring.rows import BODIES, BOOK_LEVELS, FIRST_ALIKE, ROW_BYTES, SEALS, Kind, place_of

_NO_LEVELS: Final = (0.0,) * (2 * BOOK_LEVELS)
# A row is made aside, then stored with its check: that costs less than a look back at the store.
_trade = BODIES[Kind.TRADE].pack
_bbo = BODIES[Kind.BBO].pack
_ticker = BODIES[Kind.TICKER].pack
_book = BODIES[Kind.BOOK].pack
_PACKS: Final = tuple(BODIES[kind].pack for kind in Kind)
_STORES: Final = tuple(SEALS[kind].pack_into for kind in Kind)
_store_trade, _store_bbo, _store_ticker, _store_book = _STORES[: Kind.BOOK + 1]
_RECEIVED_PLACES: Final = tuple(place_of(kind, "received_ts_ns") for kind in Kind)
_FENCED: Final = "another process writes this ring now; this one must stop"


class LastTrade(NamedTuple):
    """Where the trade lane ends."""

    trade_id: int
    exchange_ts_ns: int


class LastBook(NamedTuple):
    """Where the book lane ends."""

    valid: bool
    seq_id: int
    exchange_ts_ns: int


class _Lane:
    """One lane as its writer sees it. `position` is the next row's; rows below `head` are
    published.
    """

    __slots__ = (
        "batch_row_count_max",
        "head",
        "index",
        "intent",
        "intent_word",
        "mask",
        "offset",
        "position",
        "row_bytes",
    )

    def __init__(self, shared: segment.Segment, layout: RingLayout, index: int, kind: Kind) -> None:
        self.index = index
        # An unpublished batch may never lap itself; readers keep half the lane meanwhile.
        self.batch_row_count_max = layout.capacities[kind] >> 1
        self.mask = layout.capacities[kind] - 1
        self.row_bytes = ROW_BYTES[kind]
        self.offset = layout.lane_offset(index, kind)
        self.intent_word = layout.intent_word(index, kind)
        # a former writer may have died with rows begun above its head: its intent stays in force
        self.intent = shared.words[self.intent_word]
        self.head = self.position = shared.words[self.intent_word + 1]


class RingWriter:
    """Puts rows into the lanes of a segment. Hold the lease before making one, and never fork.

    `put_*` writes a row that nobody sees yet; `publish` makes all of them visible. Rows are put in
    the order they came: each takes the next arrival number of its instrument.
    """

    def __init__(self, path: Path, now_wall_ns: int) -> None:
        self._segment, self.layout = open_ring(path, writable=True)
        layout = self.layout
        self.check()
        self._view, self._words = self._segment.view, self._segment.words
        count = len(layout.instruments)
        self._lanes = [
            [_Lane(self._segment, layout, index, kind) for index in range(count)] for kind in Kind
        ]
        # For what comes often: looking a lane up by an enum's member would cost as much as the row.
        self._trade_lanes, self._bbo_lanes = self._lanes[Kind.TRADE], self._lanes[Kind.BBO]
        self._ticker_lanes, self._book_lanes = self._lanes[Kind.TICKER], self._lanes[Kind.BOOK]
        self._unpublished: list[_Lane] = []
        self._arrivals = [self._adopted_arrival(index) for index in range(count)]
        self._first_arrival_word = layout.arrival_word(0)
        self.epoch = self._begin_epoch(now_wall_ns)
        for index in range(count):
            self._words[self._first_arrival_word + index] = self._arrivals[index]

    def check(self) -> None:
        """Raise SegmentError when a head names no row: then the segment must not be continued."""
        check_heads(self._segment, self.layout)

    def _adopted_arrival(self, index: int) -> int:
        # A former writer may have died after a lane's head and before the arrival head.
        published = self._words[self.layout.arrival_word(index)]
        return max(published, newest_arrival(self._segment, self.layout, index))

    def _begin_epoch(self, now_wall_ns: int) -> int:
        epoch = self._words[EPOCH_WORD] + 1
        entry = (EPOCH_LOG_OFFSET + 32 * (epoch % EPOCH_LOG_ENTRIES)) // 8
        for offset, value in enumerate((epoch, os.getpid(), now_wall_ns, sum(self._arrivals))):
            self._words[entry + offset] = value
        self._words[WRITER_PID_WORD] = os.getpid()
        self._words[WRITER_SINCE_WORD] = now_wall_ns
        self._words[EPOCH_WORD] = epoch
        return epoch

    def index_of(self, instrument: str) -> int:
        return self.layout.instruments.index(instrument)

    def last_trade(self, instrument_index: int) -> LastTrade | None:
        """The newest published match, or None for an empty lane: what a new writer resumes from."""
        row = last_row(self._segment, self.layout, instrument_index, Kind.TRADE)
        return None if row is None else LastTrade(int(row[2]), int(row[3]))

    def last_received_ts_ns(self) -> int:
        """When the newest row of any lane was received, wall time; 0 for an empty ring."""
        newest = 0
        for index in range(len(self.layout.instruments)):
            for kind in Kind:
                row = last_row(self._segment, self.layout, index, kind)
                if row is not None:
                    newest = max(newest, int(row[_RECEIVED_PLACES[kind]]))
        return newest

    def last_book(self, instrument_index: int) -> LastBook | None:
        """The book that a former writer left, as readers see it now; None for an empty lane."""
        row = last_row(self._segment, self.layout, instrument_index, Kind.BOOK)
        return None if row is None else LastBook(bool(row[5]), int(row[2]), int(row[3]))

    def put_trade(
        self,
        index: int,
        received_ts_ns: int,
        trade: tuple[int, int, float, float, int, int],
        flags: int = 0,
    ) -> None:
        """`trade`: (trade_id, exchange_ts_ns, price, size, count, side +1/-1)."""
        trade_id, exchange_ts_ns, price, size, count, side = trade
        offset, sequence, arrival = self._claim(self._trade_lanes[index])
        row = _trade(
            sequence, arrival, trade_id, exchange_ts_ns, received_ts_ns,
            price, size, count, side, flags,
        )  # fmt: skip
        _store_trade(self._view, offset, row, crc32(row))

    def put_bbo(
        self,
        index: int,
        received_ts_ns: int,
        quote: tuple[int, int, float, float, float, float],
    ) -> None:
        """`quote`: (seq_id, exchange_ts_ns, bid_price, bid_size, ask_price, ask_size); no side =
        NaN, 0.
        """
        seq_id, exchange_ts_ns, bid_price, bid_size, ask_price, ask_size = quote
        offset, sequence, arrival = self._claim(self._bbo_lanes[index])
        row = _bbo(
            sequence, arrival, seq_id, exchange_ts_ns, received_ts_ns,
            bid_price, bid_size, ask_price, ask_size, 0,
        )  # fmt: skip
        _store_bbo(self._view, offset, row, crc32(row))

    def put_ticker(
        self, index: int, received_ts_ns: int, exchange_ts_ns: int, numbers: Sequence[float]
    ) -> None:
        """`numbers`: last price and size, bid price and size, ask price and size, then open, high,
        low, volume and volume in currency of 24 h; what the exchange left empty is NaN.
        """
        offset, sequence, arrival = self._claim(self._ticker_lanes[index])
        row = _ticker(sequence, arrival, exchange_ts_ns, received_ts_ns, *numbers, 0)
        _store_ticker(self._view, offset, row, crc32(row))

    def put_book(
        self,
        index: int,
        received_ts_ns: int,
        seq_id: int,
        exchange_ts_ns: int,
        top: tuple[Sequence[float], Sequence[float]] | None,
    ) -> None:
        """`top`: bids and asks, best first, flat (price, size, price, size, ...), at most 20 levels
        a side; None marks the book invalid from this row on.
        """
        bids, asks = top if top is not None else ((), ())
        offset, sequence, arrival = self._claim(self._book_lanes[index])
        row = _book(
            sequence, arrival, seq_id, exchange_ts_ns, received_ts_ns,
            top is not None, len(bids) // 2, len(asks) // 2, 0,
            *bids, *_NO_LEVELS[len(bids) :], *asks, *_NO_LEVELS[len(asks) :],
        )  # fmt: skip
        _store_book(self._view, offset, row, crc32(row))

    def put(
        self,
        index: int,
        kind: Kind,
        received_ts_ns: int,
        exchange_ts_ns: int,
        values: Sequence[float | bytes],
    ) -> None:
        """A row of a kind from INSTRUMENT on; `values`: what follows the head in rows.py, in that
        order. It takes no arrival number: it says how many rows of the market came before it.
        """
        assert kind >= FIRST_ALIKE, kind
        offset, sequence, arrival = self._claim(self._lanes[kind][index])
        # Facts from REST and from another socket come when they come; the market's numbers must be
        # the same whenever that was.
        self._arrivals[index] = before = arrival - 1
        row = _PACKS[kind](sequence, before, exchange_ts_ns, received_ts_ns, *values)
        _STORES[kind](self._view, offset, row, crc32(row))

    def _claim(self, lane: _Lane) -> tuple[int, int, int]:
        """Where the lane's next row lies, its sequence and its arrival number."""
        position = lane.position
        unpublished_row_count = position - lane.head
        if unpublished_row_count >= lane.batch_row_count_max:
            assert lane.batch_row_count_max, "no such lane: no channel feeds it"
            self.publish()
            unpublished_row_count = 0
        if not unpublished_row_count:
            if self._words[EPOCH_WORD] != self.epoch:
                raise WriterFenced(_FENCED)
            self._unpublished.append(lane)
        lane.position = sequence = position + 1
        if sequence > lane.intent:
            self._words[lane.intent_word] = lane.intent = sequence
        index = lane.index
        self._arrivals[index] = arrival = self._arrivals[index] + 1
        return lane.offset + (position & lane.mask) * lane.row_bytes, sequence, arrival

    def publish(self) -> bool:
        """Make all rows put so far visible; returns whether there were any.

        Raises WriterFenced when another writer has taken the segment over.
        """
        lanes, words = self._unpublished, self._words
        if not lanes:
            return False
        if words[EPOCH_WORD] != self.epoch:
            raise WriterFenced(_FENCED)
        for lane in lanes:
            words[lane.intent_word + 1] = lane.head = lane.position
        # After the heads of all lanes: a reader takes rows up to here for complete in every lane.
        for lane in lanes:
            words[self._first_arrival_word + lane.index] = self._arrivals[lane.index]
        lanes.clear()
        return True

    def close(self) -> None:
        self._segment.close()
