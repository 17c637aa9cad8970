"""Rows for the tests of the market context: random trades and books of 20 levels, and their mirror.

Prices are multiples of 1/2 and sizes of 1/4, so that reflecting a price is exact in binary.
"""

from __future__ import annotations

import random
from typing import NamedTuple

from hunter.brain.context.context import MarketContext

S = 1_000_000_000
MS = 1_000_000
START_NS = 1_790_000_000 * S


class Fill(NamedTuple):
    """A row of the trade lane, as the context is given it."""

    stamp_ns: int
    price: float
    size: float
    side: int
    count: int = 1


class Depth(NamedTuple):
    """A top of the book; None is an invalid one."""

    stamp_ns: int
    bids: tuple[float, ...] | None
    asks: tuple[float, ...] | None


class Gap(NamedTuple):
    """Rows that nobody has seen."""

    stamp_ns: int


ContextRow = Fill | Depth | Gap


def side_of(best: float, step: float, sizes: dict[int, float] | None = None) -> tuple[float, ...]:
    """20 levels from `best` on, of size 1 but for those named."""
    levels: list[float] = []
    for place in range(20):
        levels += [best + place * step, (sizes or {}).get(place, 1.0)]
    return tuple(levels)


def feed(context: MarketContext, row: ContextRow) -> None:
    if isinstance(row, Fill):
        context.on_trade(*row)
    elif isinstance(row, Gap):
        context.on_gap()
    elif row.bids is None or row.asks is None:
        context.on_invalid_book()
    else:
        context.on_book(row.stamp_ns, row.bids, row.asks)


def mirrored(row: ContextRow, center: float) -> ContextRow:
    """As its market would be with sides swapped and prices reflected at `center`."""
    if isinstance(row, Fill):
        return row._replace(price=2 * center - row.price, side=-row.side)
    if isinstance(row, Gap) or row.bids is None or row.asks is None:
        return row

    def reflect(levels: tuple[float, ...]) -> tuple[float, ...]:
        return tuple(2 * center - x if i % 2 == 0 else x for i, x in enumerate(levels))

    return row._replace(bids=reflect(row.asks), asks=reflect(row.bids))


def random_context_rows(seed: int, row_count: int, spoil: bool = True) -> list[ContextRow]:
    """A market with large orders, walls that come, are traded away or pulled, and with holes."""
    dice = random.Random(seed)
    rows: list[ContextRow] = []
    now_ns, ticks = START_NS, 2_000
    walls: tuple[dict[int, float], dict[int, float]] = ({}, {})
    for _ in range(row_count):
        now_ns += dice.choice((0, 20, 60, 150)) * MS
        stamp_ns = now_ns - dice.choice((0, 0, 0, 1_500)) * MS
        if dice.random() < 0.2:
            ticks += dice.choice((-1, 1))
        draw = dice.random()
        if draw < 0.55:
            size = dice.randrange(1, 40) / 4 * dice.choice((1,) * 30 + (200,))
            side = dice.choice((-1, 1))
            price = (ticks + dice.choice((0, side, 4 * side))) / 2
            rows.append(Fill(stamp_ns, price, size, side, dice.choice((1, 1, 4))))
        elif draw < 0.995 or not spoil:
            sides = []
            for held, sign in zip(walls, (-1, 1), strict=True):
                if dice.random() < 0.1:
                    held[ticks + sign * dice.randrange(2, 30)] = dice.randrange(200, 2_000) / 4
                if held and dice.random() < 0.1:
                    held.pop(dice.choice(list(held)))
                at = [ticks + sign * (place + 1) for place in range(20)]
                numbers = ((t / 2, held.get(t, dice.randrange(1, 12) / 4)) for t in at)
                sides.append(tuple(number for level in numbers for number in level))
            rows.append(Depth(stamp_ns, *sides))
        elif draw < 0.998:
            rows.append(Depth(stamp_ns, None, None))
        else:
            rows.append(Gap(stamp_ns))
            now_ns += dice.choice((0, 30, 90)) * S
    return rows
