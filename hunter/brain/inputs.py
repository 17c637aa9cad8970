"""The rows a brain consumes, one named tuple per lane of the ring.

Invariants: rows of one instrument reach a brain merged in arrival order. `sequence` counts in the
row's lane, `arrival` over all lanes of the instrument and, if that is followed too, of its mate. A
missing price is NaN and its size 0: an empty side. Anybody may build them; only the brain and the
tests read them.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from hunter.ring.rows import BOOK_LEVELS

PlainBook = tuple[Any, ...]
"""A book row as the ring unpacks it."""
BIDS_PLACE: Final = 9
ASKS_PLACE: Final = BIDS_PLACE + 2 * BOOK_LEVELS
"""Where its levels stand."""


class TradeRow(NamedTuple):
    """Matches of one taker order at one price: they cover (trade_id - count, trade_id]."""

    sequence: int
    arrival: int
    trade_id: int
    exchange_ts_ns: int
    received_ts_ns: int
    price: float
    size: float
    count: int  # type: ignore[assignment]  # hides tuple.count: nobody needs it
    side: int
    """+1 when the taker bought, -1 when it sold."""
    flags: int
    check: int


class BboRow(NamedTuple):
    """The best bid and offer."""

    sequence: int
    arrival: int
    seq_id: int
    exchange_ts_ns: int
    received_ts_ns: int
    bid_price: float
    bid_size: float
    ask_price: float
    ask_size: float
    flags: int
    check: int


class TickerRow(NamedTuple):
    """Last trade and best quote as the tickers channel says them, at most every 100 ms."""

    sequence: int
    arrival: int
    exchange_ts_ns: int
    received_ts_ns: int
    last_price: float
    last_size: float
    bid_price: float
    bid_size: float
    ask_price: float
    ask_size: float
    flags: int
    check: int


class BookRow(NamedTuple):
    """The top of the book; `bids` and `asks` are flat, best first: price, size, price, size, ..."""

    sequence: int
    arrival: int
    seq_id: int
    exchange_ts_ns: int
    received_ts_ns: int
    valid: int
    bid_count: int
    ask_count: int
    bids: tuple[float, ...]
    asks: tuple[float, ...]
    check: int

    def bid_levels(self) -> list[tuple[float, float]]:
        """(price, size) of the bids there are, best first."""
        return _levels(self.bids, self.bid_count)

    def ask_levels(self) -> list[tuple[float, float]]:
        """(price, size) of the asks there are, best first."""
        return _levels(self.asks, self.ask_count)


def _levels(flat: tuple[float, ...], count: int) -> list[tuple[float, float]]:
    return list(zip(flat[0 : 2 * count : 2], flat[1 : 2 * count : 2], strict=True))


def ticker_row(raw: tuple[Any, ...]) -> TickerRow:
    """From a ticker row as the ring unpacks it: the brain drops the day's statistics."""
    return TickerRow._make((*raw[:10], *raw[-2:]))


def book_row(raw: PlainBook) -> BookRow:
    """From a book row as the ring unpacks it: head, 40 numbers of bids, 40 of asks, check."""
    bids, asks = raw[BIDS_PLACE:ASKS_PLACE], raw[ASKS_PLACE:-1]
    return BookRow._make((*raw[:8], bids, asks, raw[-1]))
