"""Windows of both halves driven by rows, without a brain around them."""

from __future__ import annotations

import struct
from typing import Any

from fakes.brain_rows import Row

from hunter.brain.eventtime import EventClock
from hunter.brain.inputs import BboRow, BookRow, TradeRow
from hunter.brain.window.quote import Source
from hunter.brain.window.window import DEPTH_LEVELS

STALE_MS = 2_000
Window = Any


class Feed:
    """Gives the rows of one instrument to any number of windows, as a brain does."""

    def __init__(self, *windows: Window) -> None:
        self.windows = windows
        self._clock = EventClock()

    @property
    def now_ns(self) -> int:
        return self._clock.now_ns

    def give(self, row: Row) -> int:
        """Event time after it."""
        now_ns = self._clock.advance(row.exchange_ts_ns, row.received_ts_ns)
        for window in self.windows:
            apply(window, row, now_ns)
        return now_ns


def apply(window: Window, row: Row, now_ns: int) -> None:
    stamp_ns = min(row.exchange_ts_ns, now_ns)
    if isinstance(row, TradeRow):
        window.on_trade(stamp_ns, row.price, row.size, row.side, row.count)
    elif isinstance(row, BookRow):
        if not row.valid:
            window.on_invalid_book()
            return
        bids = row.bids[: 2 * min(DEPTH_LEVELS, row.bid_count)]
        asks = row.asks[: 2 * min(DEPTH_LEVELS, row.ask_count)]
        window.on_book(stamp_ns, now_ns, bids, asks)
    else:
        source = Source.BBO if isinstance(row, BboRow) else Source.TICKER
        touch = (row.bid_price, row.bid_size, row.ask_price, row.ask_size)
        window.on_quote(stamp_ns, now_ns, int(source), *touch)


def bits(vector: tuple[float, ...]) -> bytes:
    """For a comparison that tells -0 from 0 and NaN from nothing else."""
    return struct.pack(f"<{len(vector)}d", *vector)
