"""What subscribers of the synthetic market were last shown; pushes are made of the difference.

Net changes only: a level that went and came back unchanged within an interval is not sent
(ws-order-book-channel). Owned by one market.
"""

from __future__ import annotations

from typing import Final

from hunter.simulator.frames import (
    BookChange,
    Level,
    PublishedTrade,
    Push,
    bbo_push,
    book_push,
    books5_push,
    ticker_push,
)
from hunter.simulator.instruments import Listing
from hunter.simulator.ladder import Ladder
from hunter.simulator.options import Checksum
from hunter.simulator.state import checksum_field

DEPTH: Final = 400
Queue = tuple[int, int]  # (lots, orders)


class Published:
    """What subscribers were last shown: pushes are made of the difference."""

    def __init__(self, listing: Listing, middle: int, checksum: Checksum = Checksum.ZERO) -> None:
        self._listing = listing
        self._checksum = checksum
        self._windows: tuple[dict[int, Queue], dict[int, Queue]] = ({}, {})
        self._book_seq_id = -1
        self._top5: tuple[list[Level], list[Level]] = ([], [])
        self._top: tuple[int, Queue, int, Queue] | None = None
        self._bbo: tuple[Level, Level] = ([], [])
        self._ticker_is_due = False
        price = listing.price_text(middle)
        self._last, self._last_size = price, ""
        self._open, self._high, self._low = price, middle, middle
        self._volume_lots = 0

    def traded(self, row: PublishedTrade, ticks: int, lots: int) -> None:
        self._last, self._last_size = row.price, row.size
        self._high, self._low = max(self._high, ticks), min(self._low, ticks)
        self._volume_lots += lots
        self._ticker_is_due = True

    def best(self, pushes: list[Push], bids: Ladder, asks: Ladder, ts_ms: int, seq: int) -> None:
        top = (bids.keys[0], bids.levels[bids.keys[0]], asks.keys[0], asks.levels[asks.keys[0]])
        if top == self._top:
            return
        self._top = top
        bid, ask = self._level(bids, top[0], *top[1]), self._level(asks, top[2], *top[3])
        self._bbo = (bid, ask)
        self._ticker_is_due = True
        pushes.append(bbo_push(self._listing.inst_id, [bid], [ask], ts_ms, seq))

    def book(self, pushes: list[Push], bids: Ladder, asks: Ladder, ts_ms: int, seq: int) -> None:
        windows = (bids.window(DEPTH), asks.window(DEPTH))
        if windows == self._windows:
            return
        changes = [
            self._changes(ladder, old, new)
            for ladder, old, new in zip((bids, asks), self._windows, windows, strict=True)
        ]
        is_first = self._book_seq_id < 0
        change = BookChange(is_first, changes[0], changes[1], ts_ms, seq, self._book_seq_id)
        tops = (
            (self._levels(bids, 25), self._levels(asks, 25))
            if self._checksum is Checksum.CRC
            else ([], [])
        )
        pushes.append(
            book_push(self._listing.inst_id, change, checksum_field(self._checksum, *tops))
        )
        self._windows, self._book_seq_id = windows, seq
        top5 = (self._levels(bids, 5), self._levels(asks, 5))
        if top5 != self._top5:
            self._top5 = top5
            pushes.append(books5_push(self._listing.inst_id, top5[0], top5[1], ts_ms, seq))

    def ticker(self, pushes: list[Push], ts_ms: int) -> None:
        if not self._ticker_is_due or not self._last_size:
            return
        self._ticker_is_due = False
        item, (bid, ask) = self._listing, self._bbo
        volume = item.size_text(self._volume_lots)
        data = {
            "instType": item.inst_type,
            "instId": item.inst_id,
            "last": self._last,
            "lastSz": self._last_size,
            "askPx": ask[0],
            "askSz": ask[1],
            "bidPx": bid[0],
            "bidSz": bid[1],
            "open24h": self._open,
            "high24h": item.price_text(self._high),
            "low24h": item.price_text(self._low),
            "sodUtc0": self._open,
            "sodUtc8": self._open,
            "volCcy24h": item.volume_currency_text(self._volume_lots),
            "vol24h": volume,
            "ts": str(ts_ms),
        }
        pushes.append(ticker_push(item.inst_id, data))

    def _levels(self, ladder: Ladder, depth: int) -> list[Level]:
        return [self._level(ladder, key, *ladder.levels[key]) for key in ladder.keys[:depth]]

    def _level(self, ladder: Ladder, key: int, lots: int, orders: int) -> Level:
        item = self._listing
        return [item.price_text(key * ladder.sign), item.size_text(lots), "0", str(orders)]

    def _changes(
        self,
        ladder: Ladder,
        old: dict[int, Queue],
        new: dict[int, Queue],
    ) -> list[Level]:
        """Net changes, best first; a level pushed out of the window is deleted like a gone one."""
        rows = [
            (key, self._level(ladder, key, lots, orders))
            for key, (lots, orders) in new.items()
            if old.get(key) != (lots, orders)
        ]
        rows += [
            (key, [self._listing.price_text(key * ladder.sign), "0", "0", "0"])
            for key in old
            if key not in new
        ]
        rows.sort(key=lambda row: row[0])
        return [level for _, level in rows]
