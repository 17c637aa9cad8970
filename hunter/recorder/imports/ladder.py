"""A book of an import: every level known, and the best of them in order. Pure."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterable
from typing import Final

from hunter.exchange.okx.rows import BookLevel

DEPTH: Final = 400
"""Levels a side in OKX's channel `books`."""
Quote = tuple[float, float, float, float]
"""Bid, its size, ask, its size; an empty side is 0, 0."""


class ImportedSide:
    """One side; `is_bid` says which end is the best."""

    __slots__ = ("_is_bid", "_prices", "sizes")

    def __init__(self, is_bid: bool) -> None:
        self._is_bid = is_bid
        self._prices: list[float] = []  # ascending
        self.sizes: dict[float, float] = {}

    def update(self, levels: Iterable[BookLevel]) -> None:
        """Absolute sizes; 0 takes a level away."""
        sizes, prices = self.sizes, self._prices
        for level in levels:
            price, size = level.price, level.size
            if size:
                if price not in sizes:
                    insort(prices, price)
                sizes[price] = size
            elif price in sizes:
                del sizes[price]
                del prices[bisect_left(prices, price)]

    def replace(self, levels: Iterable[BookLevel]) -> None:
        """Forget everything, and take these."""
        self.sizes.clear()
        self._prices.clear()
        self.update(levels)

    def best(self) -> tuple[float, float]:
        """Price and size; zeros when there is no level."""
        if not self._prices:
            return 0.0, 0.0
        price = self._prices[-1] if self._is_bid else self._prices[0]
        return price, self.sizes[price]

    def top(self, level_count: int) -> dict[float, float]:
        """The best levels, best first."""
        prices, sizes = self._prices, self.sizes
        chosen = prices[-level_count:][::-1] if self._is_bid else prices[:level_count]
        return {price: sizes[price] for price in chosen}


class ImportedBook:
    """Both sides."""

    __slots__ = ("asks", "bids")

    def __init__(self) -> None:
        self.bids, self.asks = ImportedSide(is_bid=True), ImportedSide(is_bid=False)

    def update(self, bids: Iterable[BookLevel], asks: Iterable[BookLevel]) -> None:
        self.bids.update(bids)
        self.asks.update(asks)

    def replace(self, bids: Iterable[BookLevel], asks: Iterable[BookLevel]) -> None:
        self.bids.replace(bids)
        self.asks.replace(asks)

    def quote(self) -> Quote:
        """The best level of both sides."""
        return self.bids.best() + self.asks.best()


def differences(before: dict[float, float], after: dict[float, float]) -> list[tuple[float, float]]:
    """(price, size) of every level that an update from one to the other has to name, 0 for gone."""
    changed = [(price, size) for price, size in after.items() if before.get(price) != size]
    return changed + [(price, 0.0) for price in before if price not in after]
