"""One side of the synthetic book: whole ticks to whole lots, best first. Used by market.py alone.

Keys are `sign * tick` (sign +1 for asks, -1 for bids), so that on both sides the smallest key is
the best price and both sides share all code. Invariants: `keys` is sorted and holds exactly the
keys of `levels`; every level has at least one order and at least as many lots as orders.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from typing import NamedTuple


class Fill(NamedTuple):
    """What a taker got at one price; `match_count` resting orders took part."""

    tick: int
    lots: int
    match_count: int


class Ladder:
    def __init__(self, sign: int) -> None:
        assert sign in (1, -1), sign
        self.sign = sign
        self.keys: list[int] = []
        self.levels: dict[int, tuple[int, int]] = {}  # key -> (lots, orders)

    def best_tick(self) -> int:
        """Best price in ticks; the side must not be empty."""
        return self.keys[0] * self.sign

    def best_lots(self) -> int:
        return self.levels[self.keys[0]][0]

    def put(self, tick: int, lots: int, orders: int) -> None:
        """Set the level to `lots`; a level that is there is replaced."""
        orders = max(1, min(orders, lots))
        assert lots > 0, lots
        key = tick * self.sign
        if key not in self.levels:
            insort(self.keys, key)
        self.levels[key] = (lots, orders)

    def remove(self, tick: int) -> None:
        key = tick * self.sign
        del self.levels[key]
        del self.keys[bisect_left(self.keys, key)]

    def take(self, lots: int, levels_max: int) -> list[Fill]:
        """A taker's order of `lots` over at most `levels_max` prices; the last level stays."""
        fills: list[Fill] = []
        while lots > 0 and len(fills) < levels_max and len(self.keys) > 1:
            key = self.keys[0]
            resting, orders = self.levels[key]
            if lots >= resting:
                fills.append(Fill(key * self.sign, resting, orders))
                del self.levels[key]
                del self.keys[0]
                lots -= resting
                continue
            # Orders are taken in turn, so the share of orders follows the share of lots.
            match_count = max(1, min(lots, orders * lots // resting))
            left = resting - lots
            fills.append(Fill(key * self.sign, lots, match_count))
            self.levels[key] = (left, max(1, min(left, orders - match_count + 1)))
            lots = 0
        return fills

    def trim(self, levels_max: int) -> None:
        """Forget the worst levels beyond `levels_max`."""
        for key in self.keys[levels_max:]:
            del self.levels[key]
        del self.keys[levels_max:]

    def window(self, depth: int) -> dict[int, tuple[int, int]]:
        """The best `depth` levels, best first, as key -> (lots, orders)."""
        levels = self.levels
        return {key: levels[key] for key in self.keys[:depth]}
