"""RingWriter: the one process that puts rows into a segment.

Order of stores, per batch and lane: intent, rows, head; then the instrument's arrival head. On
x86-64 other cores see stores in program order, so a reader that sees a head sees the rows before
it, and one that still sees the old intent has copied rows nobody has touched. A writer killed
between any two of these stores leaves rows above head that nobody reads and an intent that only
makes a few of the oldest rows unreadable until the next writer has overwritten them. The writer
never waits for a reader.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

from hunter.errors import WriterFenced
from hunter.ring import segment
from hunter.ring.adopt import check_heads, last_row
from hunter.ring.layout import (
    EPOCH_LOG_ENTRIES,
    EPOCH_LOG_OFFSET,
    EPOCH_WORD,
    WRITER_PID_WORD,
    WRITER_SINCE_WORD,
    RingLayout,
)
from hunter.ring.rows import BOOK_LEVELS, ROW_BYTES, STRUCTS, Kind

_NO_LEVELS: Final = (0.0,) * (2 * BOOK_LEVELS)
_trade = STRUCTS[Kind.TRADE].pack_into
_bbo = STRUCTS[Kind.BBO].pack_into
_ticker = STRUCTS[Kind.TICKER].pack_into
_book = STRUCTS[Kind.BOOK].pack_into


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
        "capacity",
        "head",
        "intent",
        "intent_word",
        "mask",
        "offset",
        "position",
        "row_bytes",
    )

    def __init__(self, shared: segment.Segment, layout: RingLayout, index: int, kind: Kind) -> None:
        self.capacity = layout.capacities[kind]
        self.mask = self.capacity - 1
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
        self._segment = segment.attach(path, writable=True)
        self.layout = layout = RingLayout.read_header(self._segment.view)
        self.check()
        self._view, self._words = self._segment.view, self._segment.words
        count = len(layout.instruments)
        self._lanes = [
            [_Lane(self._segment, layout, index, kind) for kind in Kind] for index in range(count)
        ]
        self._arrivals = [self._adopted_arrival(index) for index in range(count)]
        self._dirty: set[int] = set()
        self.epoch = self._begin_epoch(now_wall_ns)
        for index in range(count):
            self._words[layout.arrival_word(index)] = self._arrivals[index]

    def check(self) -> None:
        """Raise SegmentError when a head names no row: then the segment must not be continued."""
        check_heads(self._segment, self.layout)

    def _adopted_arrival(self, index: int) -> int:
        # A former writer may have died after a lane's head and before the arrival head.
        published = self._words[self.layout.arrival_word(index)]
        lasts = (last_row(self._segment, self.layout, index, kind) for kind in Kind)
        return max([published, *(int(row[1]) for row in lasts if row is not None)])

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
        offset, sequence, arrival = self._claim(index, Kind.TRADE)
        _trade(
            self._view, offset, sequence, arrival, trade_id, exchange_ts_ns, received_ts_ns,
            price, size, count, side, flags, self.epoch & 0xFFFF,
        )  # fmt: skip

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
        offset, sequence, arrival = self._claim(index, Kind.BBO)
        _bbo(
            self._view, offset, sequence, arrival, seq_id, exchange_ts_ns, received_ts_ns,
            bid_price, bid_size, ask_price, ask_size, 0, self.epoch & 0xFFFFFFFF,
        )  # fmt: skip

    def put_ticker(
        self, index: int, received_ts_ns: int, exchange_ts_ns: int, numbers: Sequence[float]
    ) -> None:
        """`numbers`: last price and size, bid price and size, ask price and size, then open, high,
        low, volume and volume in currency of 24 h; what the exchange left empty is NaN.
        """
        offset, sequence, arrival = self._claim(index, Kind.TICKER)
        _ticker(
            self._view, offset, sequence, arrival, exchange_ts_ns, received_ts_ns,
            *numbers[:6], 0, self.epoch & 0xFFFFFFFF, *numbers[6:],
        )  # fmt: skip

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
        offset, sequence, arrival = self._claim(index, Kind.BOOK)
        _book(
            self._view, offset, sequence, arrival, seq_id, exchange_ts_ns, received_ts_ns,
            top is not None, len(bids) // 2, len(asks) // 2, self.epoch & 0xFFFFFFFF,
            *bids, *_NO_LEVELS[len(bids) :], *asks, *_NO_LEVELS[len(asks) :],
        )  # fmt: skip

    def _claim(self, index: int, kind: Kind) -> tuple[int, int, int]:
        lane = self._lanes[index][kind]
        if lane.position - lane.head >= lane.capacity >> 1:
            # An unpublished batch may never lap itself; readers keep half the lane meanwhile.
            assert lane.capacity, f"no {kind.name} lane: no channel feeds it"
            self.publish()
        sequence = lane.position + 1
        if sequence > lane.intent:
            lane.intent = self._words[lane.intent_word] = sequence
        offset = lane.offset + (lane.position & lane.mask) * lane.row_bytes
        lane.position = sequence
        arrival = self._arrivals[index] = self._arrivals[index] + 1
        self._dirty.add(index)
        return offset, sequence, arrival

    def publish(self) -> int:
        """Make all rows put so far visible; returns how many instruments have news.

        Raises WriterFenced when another writer has taken the segment over.
        """
        if not self._dirty:
            return 0
        words = self._words
        if words[EPOCH_WORD] != self.epoch:
            raise WriterFenced("another process writes this ring now; this one must stop")
        for index in self._dirty:
            for lane in self._lanes[index]:
                if lane.head != lane.position:
                    words[lane.intent_word + 1] = lane.head = lane.position
            words[self.layout.arrival_word(index)] = self._arrivals[index]
        news = len(self._dirty)
        self._dirty.clear()
        return news

    def close(self) -> None:
        self._segment.close()
