"""Levels and ids of one book. Pure.

One truth in two hands: compiled code and `OrderBook` change the same record. Compiled code may
merge an update whose `prevSeqId` is `seq_id` while that is >= 0; `OrderBook` sets it to NO_SEQUENCE
for as long as an update needs more thought than that. This class is the twin of the compiled one,
for where there is none.
"""

from __future__ import annotations

from bisect import bisect_left, insort

from hunter.exchange.okx.rows import NO_SEQUENCE, BookLevel
from hunter.native import kernel


class BookState:
    """Prices are kept sorted ascending on both sides, so the best bid is the last of its list."""

    __slots__ = (
        "_ask_prices",
        "_ask_sizes",
        "_bid_prices",
        "_bid_sizes",
        "exchange_ts_ns",
        "orphan_delete_count",
        "seq_id",
        "snapshot_count",
        "update_count",
    )

    def __init__(self) -> None:
        self.seq_id = NO_SEQUENCE
        self.exchange_ts_ns = 0
        self.snapshot_count = 0
        self.update_count = 0
        self.orphan_delete_count = 0
        self._bid_prices: list[float] = []
        self._ask_prices: list[float] = []
        self._bid_sizes: dict[float, float] = {}
        self._ask_sizes: dict[float, float] = {}

    @property
    def best_bid(self) -> float | None:
        return self._bid_prices[-1] if self._bid_prices else None

    @property
    def best_ask(self) -> float | None:
        return self._ask_prices[0] if self._ask_prices else None

    @property
    def level_counts(self) -> tuple[int, int]:
        """Levels of bids and of asks."""
        return len(self._bid_prices), len(self._ask_prices)

    def top(self, level_count: int) -> tuple[list[float], list[float]]:
        """Bids and asks as [price, size, price, size, ...], best first, at most `level_count`."""
        bids: list[float] = []
        sizes = self._bid_sizes
        for price in self._bid_prices[: -level_count - 1 : -1]:
            bids += (price, sizes[price])
        asks: list[float] = []
        sizes = self._ask_sizes
        for price in self._ask_prices[:level_count]:
            asks += (price, sizes[price])
        return bids, asks

    def replace(self, bids: list[BookLevel], asks: list[BookLevel]) -> None:
        """All levels of both sides anew; those of size 0 are none."""
        self._bid_sizes = {level.price: level.size for level in bids if level.size}
        self._ask_sizes = {level.price: level.size for level in asks if level.size}
        self._bid_prices = sorted(self._bid_sizes)
        self._ask_prices = sorted(self._ask_sizes)

    def merge_bids(self, levels: list[BookLevel]) -> int:
        """Absolute sizes; returns how many deletes met no level."""
        return _merge(self._bid_prices, self._bid_sizes, levels)

    def merge_asks(self, levels: list[BookLevel]) -> int:
        """Absolute sizes; returns how many deletes met no level."""
        return _merge(self._ask_prices, self._ask_sizes, levels)

    def clear(self) -> None:
        """No levels; ids and counts stay."""
        self.replace([], [])


def new_book_state() -> BookState:
    """The compiled one where there is a kernel."""
    if kernel is None:
        return BookState()
    compiled: BookState = kernel.BookState()
    return compiled


def _merge(prices: list[float], sizes: dict[float, float], levels: list[BookLevel]) -> int:
    """Set absolute sizes, delete at size 0; return how many deleted nothing.

    Such orphans are normal: a level may come and go between two updates.
    """
    orphan_count = 0
    for level in levels:
        price = level.price
        size = level.size
        if price in sizes:
            if size:
                sizes[price] = size
            else:
                del sizes[price]
                del prices[bisect_left(prices, price)]
        elif size:
            sizes[price] = size
            insort(prices, price)
        else:
            orphan_count += 1
    return orphan_count
