"""The market of one instrument on a grid of receive time: what was in force at each grid point, and
what two rules of thumb would have said. Rows received after a point do not count at that point.

Invariants: points are `step` apart but where nothing was received for long, which `times_ns` tells;
`mid` is NaN where the quote was stale, crossed, one-sided or not there; the quote is the best bid
and offer, else the top of the book, as in the brain (BestQuote), but by receive time. Memory is a
few numbers a point. Called by the walk.
"""

from __future__ import annotations

from array import array
from math import nan
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hunter.brain.inputs import BboRow, BookRow, TradeRow
from hunter.brain.window.quote import BestQuote, Source
from hunter.evaluation.heuristics import Floats, FlowAndDepth, TrendFlowBook
from hunter.evaluation.rows import RecordedRow
from hunter.ring.rows import Kind, TradeFlag

Touch = tuple[float, float]
"""Price and size."""
_NO_SIDE: Touch = (nan, 0.0)


class GridMarket(NamedTuple):
    """Arrays of one shape (points,)."""

    times_ns: NDArray[np.int64]
    mid: Floats
    queue_imbalance: Floats
    """Of the touch; NaN where the mid is."""
    last_move: Floats
    """+1 or -1 as the mid last moved, 0 before."""
    spread_bp: Floats
    gaps: NDArray[np.int64]
    """Holes in the trades and losses of the book so far."""
    trades: NDArray[np.int64]
    """Matches so far."""
    heuristic_a: Floats
    """P(up) as TrendFlowBook has it."""
    heuristic_b: Floats
    """FlowAndDepth's score."""


class MarketGrid:
    """Takes the rows of one instrument and keeps the points."""

    def __init__(self, stale_ms: int) -> None:
        self.quote = BestQuote(stale_ms)
        self.first_ns = 0
        self.last_ns = 0
        self._a, self._b = TrendFlowBook(), FlowAndDepth()
        self._last_move = 0.0
        self._gaps = 0
        self._matches = 0
        self._book_valid = False
        self._times: array[int] = array("q")
        self._counts: tuple[array[int], ...] = (array("q"), array("q"))
        self._columns: tuple[array[float], ...] = tuple(array("d") for _ in range(6))

    def take(self, item: RecordedRow) -> None:
        """A row; their receive times do not go back."""
        row = item.row
        self.last_ns = row.received_ts_ns
        self.first_ns = self.first_ns or self.last_ns
        if isinstance(row, TradeRow):
            self._matches += row.count
            self._gaps += bool(row.flags & TradeFlag.AFTER_LOSS)
            self._a.on_trade(row)
            self._b.on_trade(row)
        elif isinstance(row, BboRow):
            bid, ask = (row.bid_price, row.bid_size), (row.ask_price, row.ask_size)
            self._on_quote(Source.BBO, bid, ask)
        elif isinstance(row, BookRow):
            self._on_book(row)
        else:
            assert item.kind is Kind.TICKER, item.kind

    def is_quoted(self, now_ns: int) -> bool:
        """Whether there is a mid at `now_ns`."""
        return self.quote.usable and not self.quote.is_stale(now_ns)

    def add_point(self, now_ns: int) -> None:
        """What is in force at `now_ns`, after the rows received by then."""
        quote = self.quote
        mid = imbalance = spread = nan
        if self.is_quoted(now_ns):
            mid = quote.mid
            imbalance = (quote.bid_size - quote.ask_size) / (quote.bid_size + quote.ask_size)
            spread = (quote.ask - quote.bid) / mid * 1e4
        said = (self._a.probability_up(), self._b.score(now_ns))
        self._times.append(now_ns)
        values = (mid, imbalance, self._last_move, spread, *said)
        for column, value in zip(self._columns, values, strict=True):
            column.append(value)
        self._counts[0].append(self._gaps)
        self._counts[1].append(self._matches)

    def market(self) -> GridMarket:
        """All points so far."""
        mid, imbalance, last_move, spread, a, b = (np.array(column) for column in self._columns)
        gaps, trades = (_whole(counts) for counts in self._counts)
        times = _whole(self._times)
        return GridMarket(times, mid, imbalance, last_move, spread, gaps, trades, a, b)

    def _on_book(self, row: BookRow) -> None:
        self._a.on_book(row)
        self._b.on_book(row)
        if not row.valid:
            self._gaps += self._book_valid
            self._book_valid = False
            if self.quote.source == Source.BOOK:
                self.quote.update(self.last_ns, Source.BOOK, *_NO_SIDE, *_NO_SIDE)
            return
        self._book_valid = True
        bid = (row.bids[0], row.bids[1]) if row.bid_count else _NO_SIDE
        ask = (row.asks[0], row.asks[1]) if row.ask_count else _NO_SIDE
        self._on_quote(Source.BOOK, bid, ask)

    def _on_quote(self, source: Source, bid: Touch, ask: Touch) -> None:
        quote = self.quote
        if quote.outranks(source, self.last_ns):
            return
        followed, mid = quote.usable and quote.source == source, quote.mid
        quote.update(self.last_ns, source, *bid, *ask)
        # Two sources lag differently: a difference between them is no move.
        if followed and quote.usable and quote.mid != mid:
            self._last_move = 1.0 if quote.mid > mid else -1.0


def _whole(numbers: Any) -> NDArray[np.int64]:
    return np.array(numbers, dtype=np.int64)
