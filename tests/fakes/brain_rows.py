"""Rows for the brain's tests: builders with defaults, a random market, its mirror, recorded rows.

Prices are multiples of 1/2 and sizes of 1/4, so that reflecting a price is exact in binary.
"""

from __future__ import annotations

import gzip
import json
import random
from collections.abc import Iterator
from math import nan
from pathlib import Path
from typing import Any

from hunter.brain.flow import FlowBrain
from hunter.brain.inputs import BOOK_LEVELS, BboRow, BookRow, TickerRow, TradeRow
from hunter.brain.protocol import Brain
from hunter.signals.decision import Decision

MS = 1_000_000
START_NS = 1_700_000_000_000 * MS
CAPTURES = Path(__file__).parents[3] / "shared" / "captures"

Row = TradeRow | BboRow | TickerRow | BookRow


def trade(ts_ns: int, size: float = 1.0, side: int = 1, **other: Any) -> TradeRow:
    values = {"sequence": 1, "arrival": 1, "trade_id": 1, "received_ts_ns": ts_ns + 3 * MS}
    values |= {"price": 100.0, "count": 1, "flags": 0, "check": 1, **other}
    return TradeRow(exchange_ts_ns=ts_ns, size=size, side=side, **values)


def bbo(
    ts_ns: int, bid: tuple[float, float] = (100.0, 2.0), ask: tuple[float, float] = (100.5, 2.0)
) -> BboRow:
    return BboRow(1, 1, 7, ts_ns, ts_ns + 3 * MS, bid[0], bid[1], ask[0], ask[1], 0, 1)


def ticker(
    ts_ns: int, bid: tuple[float, float] = (100.0, 2.0), ask: tuple[float, float] = (100.5, 2.0)
) -> TickerRow:
    return TickerRow(1, 1, ts_ns, ts_ns + 3 * MS, 100.0, 1.0, bid[0], bid[1], ask[0], ask[1], 0, 1)


def book(
    ts_ns: int,
    bids: tuple[tuple[float, float], ...] = ((100.0, 2.0), (99.5, 3.0)),
    asks: tuple[tuple[float, float], ...] = ((100.5, 2.0), (101.0, 3.0)),
    valid: int = 1,
) -> BookRow:
    return BookRow(
        1, 1, 9, ts_ns, ts_ns + 3 * MS, valid, len(bids), len(asks), flat(bids), flat(asks), 1
    )


def flat(levels: tuple[tuple[float, float], ...]) -> tuple[float, ...]:
    used = tuple(number for level in levels for number in level)
    return used + (0.0,) * (2 * BOOK_LEVELS - len(used))


def feed(brain: Brain, row: Row) -> Decision | None:
    """Give a row to the method of its kind."""
    if isinstance(row, TradeRow):
        return brain.on_trade(row)
    if isinstance(row, BboRow):
        return brain.on_bbo(row)
    if isinstance(row, TickerRow):
        return brain.on_ticker(row)
    return brain.on_book(row)


def decisions(brain: Brain, rows: list[Row]) -> list[Decision]:
    answers = (feed(brain, row) for row in rows)
    return [answer for answer in answers if answer is not None]


def random_rows(seed: int, row_count: int, step_ms: int = 40, spoil: bool = False) -> list[Row]:
    """A market that wanders, all lanes; `spoil` adds invalid, crossed and one-sided input, gaps
    and stamps that lag or leap."""
    dice = random.Random(seed)
    rows: list[Row] = []
    ts_ns, mid_ticks, trade_id, at = START_NS, 2_000, 1_000, [0, 0, 0, 0]
    for arrival in range(1, row_count + 1):
        ts_ns += dice.randrange(step_ms) * MS
        if dice.random() < 0.3:
            mid_ticks += dice.choice((-1, 1))
        half = dice.choice((1, 1, 2))
        bids = _levels(dice, mid_ticks - half, -1)
        asks = _levels(dice, mid_ticks + half, +1)
        kind = dice.choices((0, 1, 2, 3), (4, 5, 1, 1))[0]
        at[kind] += 1
        stamp_ns, valid = ts_ns - dice.randrange(3) * MS, 1
        if spoil:
            stamp_ns += dice.choices((0, 3_600_000, -5_000), (97, 1, 2))[0] * MS
            trade_id += dice.choices((0, 5), (95, 5))[0]
            valid = int(dice.random() < 0.97)
            if dice.random() < 0.03:
                bids, asks = asks, bids
            if dice.random() < 0.03:
                bids = ()
            if dice.random() < 0.01:
                ts_ns += dice.choice((5_000, 90_000)) * MS
        head = {"sequence": at[kind], "arrival": arrival}
        count = dice.choice((1, 1, 2))
        if kind == 0:
            trade_id += count
            made: Row = trade(
                stamp_ns,
                dice.randrange(1, 40) / 4,
                dice.choice((-1, 1)),
                trade_id=trade_id,
                count=count,
                price=mid_ticks / 2,
            )
        elif kind == 1:
            made = bbo(stamp_ns, bids[0] if bids else (nan, 0.0), asks[0] if asks else (nan, nan))
        elif kind == 2:
            bid, ask = bids[0] if bids else (nan, nan), asks[0] if asks else (nan, 0.0)
            made = ticker(stamp_ns, bid, ask)
        else:
            made = book(stamp_ns, bids, asks, valid)
        rows.append(made._replace(**head))
    return rows


def _levels(dice: random.Random, ticks: int, step: int) -> tuple[tuple[float, float], ...]:
    return tuple(((ticks + step * i) / 2, dice.randrange(1, 80) / 4) for i in range(7))


def mirrored(row: Row, center: float) -> Row:
    """The row as its market would be with sides swapped and prices reflected at `center`."""

    def reflect(levels: tuple[float, ...], count: int) -> tuple[float, ...]:
        return tuple(
            2 * center - x if i % 2 == 0 and i < 2 * count else x for i, x in enumerate(levels)
        )

    if isinstance(row, TradeRow):
        return row._replace(price=2 * center - row.price, side=-row.side)
    if isinstance(row, BookRow):
        return row._replace(
            bid_count=row.ask_count,
            ask_count=row.bid_count,
            bids=reflect(row.asks, row.ask_count),
            asks=reflect(row.bids, row.bid_count),
        )
    return row._replace(
        bid_price=2 * center - row.ask_price,
        bid_size=row.ask_size,
        ask_price=2 * center - row.bid_price,
        ask_size=row.bid_size,
    )


def fresh_flow(**settings: Any) -> FlowBrain:
    from hunter.brain.settings import BrainSettings

    return FlowBrain("BTC-USDT-SWAP", BrainSettings(**settings))


def captured_rows(path: Path, row_count: int) -> list[Row]:
    """The first rows of a recording in OKX frames, as the ring would hold them."""
    rows: list[Row] = []
    sides: dict[str, dict[float, float]] = {"bids": {}, "asks": {}}
    for received_ns, frame in _frames(path):
        for data in frame.get("data", ()):
            row = _captured(frame, data, received_ns, sides)
            rows.append(row._replace(sequence=len(rows) + 1, arrival=len(rows) + 1))
            if len(rows) >= row_count:
                return rows
    return rows


def _frames(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    with gzip.open(path) as lines:
        for line in lines:
            received, _, frame = line.partition(b" ")
            yield int(received), json.loads(frame)


def _captured(
    frame: dict[str, Any],
    data: dict[str, Any],
    received_ns: int,
    sides: dict[str, dict[float, float]],
) -> Row:
    channel, ts_ns = frame["arg"]["channel"], int(data["ts"]) * MS
    if channel == "trades":
        side = 1 if data["side"] == "buy" else -1
        number, count = int(data["tradeId"]), int(data["count"])
        numbers = (number, ts_ns, received_ns, float(data["px"]), float(data["sz"]))
        return TradeRow(0, 0, *numbers, count, side, 0, 1)
    if channel == "bbo-tbt":
        (bid, bid_size, *_), (ask, ask_size, *_) = data["bids"][0], data["asks"][0]
        quote = map(float, (bid, bid_size, ask, ask_size))
        return BboRow(0, 0, data["seqId"], ts_ns, received_ns, *quote, 0, 1)
    if channel == "tickers":
        names = ("last", "lastSz", "bidPx", "bidSz", "askPx", "askSz")
        return TickerRow(0, 0, ts_ns, received_ns, *(float(data[n]) for n in names), 0, 1)
    for name, levels in sides.items():
        if frame["action"] == "snapshot":
            levels.clear()
        levels.update((float(price), float(size)) for price, size, *_ in data[name])
        for price in [price for price, size in levels.items() if not size]:
            del levels[price]
    tops = [
        tuple(sorted(sides[name].items(), reverse=name == "bids")[:BOOK_LEVELS]) for name in sides
    ]
    counts = (len(tops[0]), len(tops[1]))
    return BookRow(
        0, 0, data["seqId"], ts_ns, received_ns, 1, *counts, flat(tops[0]), flat(tops[1]), 1
    )
