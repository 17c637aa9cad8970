"""RingWriter: the one process that puts rows into a segment.

Order of stores, per batch and lane: intent, rows, head; after all of these the arrival heads. They
are made by `lanes`, in Python or compiled, and other cores see them in that order: on x86-64 by
itself, elsewhere because the compiled half asks for it. So a reader that sees a head sees the rows
before it, and one that still sees the old intent has copied rows nobody has touched. A writer
killed between any two of these stores leaves rows above head that nobody reads and an intent that
only makes a few of the oldest rows unreadable until the next writer has overwritten them. The
writer never waits for a reader.

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

from hunter.ring.adopt import check_heads, last_row, newest_arrival, open_ring
from hunter.ring.lanes import new_lanes
from hunter.ring.layout import (
    EPOCH_LOG_ENTRIES,
    EPOCH_LOG_OFFSET,
    EPOCH_WORD,
    WRITER_PID_WORD,
    WRITER_SINCE_WORD,
)
from hunter.ring.rows import BOOK_LEVELS, FACTS, FIRST_ALIKE, Kind, place_of

_NO_LEVELS: Final = (0.0,) * (2 * BOOK_LEVELS)
_TRADE, _BBO, _TICKER, _BOOK = (int(kind) for kind in Kind if kind < FIRST_ALIKE)
_PACKS: Final = tuple(FACTS[kind].pack for kind in Kind)
_trade, _bbo, _ticker, _book = _PACKS[:FIRST_ALIKE]
_RECEIVED_PLACES: Final = tuple(place_of(kind, "received_ts_ns") for kind in Kind)


class LastTrade(NamedTuple):
    """Where the trade lane ends."""

    trade_id: int
    exchange_ts_ns: int


class LastBook(NamedTuple):
    """Where the book lane ends."""

    valid: bool
    seq_id: int
    exchange_ts_ns: int


class RingWriter:
    """Puts rows into the lanes of a segment. Hold the lease before making one, and never fork.

    `put_*` writes a row that nobody sees yet; `publish` makes all of them visible. Rows are put in
    the order they came: each takes the next arrival number of its instrument's group.
    """

    def __init__(self, path: Path, now_wall_ns: int) -> None:
        self._segment, self.layout = open_ring(path, writable=True)
        layout = self.layout
        self.check()
        self._words = self._segment.words
        taken = {members[0]: self._adopted_arrival(members) for members in layout.members}
        self.epoch = self._begin_epoch(now_wall_ns, sum(taken.values()))
        arrivals = [taken[leader] for leader in layout.groups]
        first_arrival_word = layout.arrival_word(0)
        for index, arrival in enumerate(arrivals):
            self._words[first_arrival_word + index] = arrival
        self.lanes = new_lanes(self._segment, layout, self.epoch, arrivals)
        """Whoever else puts rows in this process does it by these: the compiled data path."""
        self._put = self.lanes.put

    def check(self) -> None:
        """Raise SegmentError when a head names no row: then the segment must not be continued."""
        check_heads(self._segment, self.layout)

    def _adopted_arrival(self, members: Sequence[int]) -> int:
        # A former writer may have died after a lane's head and before the arrival heads.
        published = max(self._words[self.layout.arrival_word(index)] for index in members)
        return max(published, newest_arrival(self._segment, self.layout, members))

    def _begin_epoch(self, now_wall_ns: int, first_arrival: int) -> int:
        epoch = self._words[EPOCH_WORD] + 1
        entry = (EPOCH_LOG_OFFSET + 32 * (epoch % EPOCH_LOG_ENTRIES)) // 8
        for offset, value in enumerate((epoch, os.getpid(), now_wall_ns, first_arrival)):
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
        facts = _trade(trade_id, exchange_ts_ns, received_ts_ns, price, size, count, side, flags)
        self._put(index, _TRADE, facts)

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
        facts = _bbo(
            seq_id, exchange_ts_ns, received_ts_ns, bid_price, bid_size, ask_price, ask_size, 0
        )
        self._put(index, _BBO, facts)

    def put_ticker(
        self, index: int, received_ts_ns: int, exchange_ts_ns: int, numbers: Sequence[float]
    ) -> None:
        """`numbers`: last price and size, bid price and size, ask price and size, then open, high,
        low, volume and volume in currency of 24 h; what the exchange left empty is NaN.
        """
        self._put(index, _TICKER, _ticker(exchange_ts_ns, received_ts_ns, *numbers, 0))

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
        facts = _book(
            seq_id, exchange_ts_ns, received_ts_ns,
            top is not None, len(bids) // 2, len(asks) // 2, 0,
            *bids, *_NO_LEVELS[len(bids) :], *asks, *_NO_LEVELS[len(asks) :],
        )  # fmt: skip
        self._put(index, _BOOK, facts)

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
        self._put(index, kind, _PACKS[kind](exchange_ts_ns, received_ts_ns, *values))

    def publish(self) -> bool:
        """Make all rows put so far visible; returns whether there were any.

        Raises WriterFenced when another writer has taken the segment over.
        """
        return self.lanes.publish()

    def close(self) -> None:
        self.lanes.close()
        self._segment.close()
