"""Vectors and labels for the tests of what learns: drawn from a known market, and odd values."""

from __future__ import annotations

import random
from math import exp, inf, nan
from pathlib import Path
from typing import NamedTuple

from fakes.brain_rows import MS, captured_rows

from hunter.brain.inputs import BboRow, BookRow, TradeRow
from hunter.brain.window.features import EVEN_COUNT, ODD_COUNT
from hunter.brain.window.window import new_window

ODDITIES = (0.0, -0.0, nan, inf, -inf, 1e308, -1e308, 5e-324, 1e-200, -1e150)


class Labelled(NamedTuple):
    """A vector in its two halves, and the mid's move after it in basis points."""

    odd: tuple[float, ...]
    even: tuple[float, ...]
    move_bp: float


def vector(dice: random.Random, spoil: float = 0.0) -> list[float]:
    """Odd features: the first within +-1; `spoil` is the share of odd values."""
    x = [dice.uniform(-1.0, 1.0)]
    x += [dice.gauss(0.0, dice.choice((0.3, 1.0, 5.0))) for _ in range(ODD_COUNT - 1)]
    return [dice.choice(ODDITIES) if dice.random() < spoil else one for one in x]


def even_vector(dice: random.Random, spoil: float = 0.0) -> list[float]:
    x = [exp(dice.gauss(0.0, 1.5)) for _ in range(EVEN_COUNT)]
    return [dice.choice(ODDITIES) if dice.random() < spoil else one for one in x]


def move_after(dice: random.Random, log_odds: float) -> int:
    return 1 if dice.random() < 1.0 / (1.0 + exp(-log_odds)) else -1


def negated(x: list[float]) -> list[float]:
    return [-one for one in x]


def recorded_labels(path: Path, row_count: int, step_ms: int, horizon_ms: int) -> list[Labelled]:
    """Vectors of a recording each `step_ms`, with the way the mid went within `horizon_ms`."""
    step_ns, window = step_ms * MS, new_window(2_000)
    samples: list[tuple[float, tuple[float, ...]]] = []
    next_ns = now_ns = 0
    for row in captured_rows(path, row_count):
        now_ns = max(now_ns, row.exchange_ts_ns)
        if isinstance(row, TradeRow):
            window.on_trade(row.exchange_ts_ns, row.price, row.size, row.side, row.count)
        elif isinstance(row, BookRow):
            window.on_book(row.exchange_ts_ns, now_ns, row.bids[:10], row.asks[:10])
        else:
            source = 0 if isinstance(row, BboRow) else 2
            touch = (row.bid_price, row.bid_size, row.ask_price, row.ask_size)
            window.on_quote(row.exchange_ts_ns, now_ns, source, *touch)
        if now_ns >= next_ns and window.quote.usable:
            next_ns = now_ns + step_ns
            samples.append((window.quote.mid, window.vector(now_ns)))
    ahead = horizon_ms // step_ms
    return [
        Labelled(vector[:ODD_COUNT], vector[ODD_COUNT:], (later / mid - 1.0) * 1e4)
        for (mid, vector), (later, _) in zip(samples, samples[ahead:], strict=False)
    ]
