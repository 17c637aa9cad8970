"""The features computed again from all rows at once: slow, and straight from the definitions."""

from __future__ import annotations

from itertools import pairwise
from math import log, sqrt
from typing import NamedTuple

from fakes.brain_rows import MS, Row

from hunter.brain.inputs import BboRow, BookRow, TickerRow, TradeRow

STALE_NS = 2_000 * MS


class Quote(NamedTuple):
    stamp: int
    source: int
    bid: float
    bid_size: float
    ask: float
    ask_size: float

    @property
    def good(self) -> bool:
        return self.bid_size > 0 and self.ask_size > 0 and self.bid < self.ask

    @property
    def mid(self) -> float:
        return (self.bid + self.ask) / 2


def accepted_quotes(rows: list[Row]) -> list[Quote]:
    """Of each moment the best source that is not silent."""
    quotes: list[Quote] = []
    now = 0
    for row in rows:
        now = max(now, row.exchange_ts_ns)
        if isinstance(row, TradeRow) or (isinstance(row, BookRow) and not row.valid):
            continue
        if isinstance(row, BookRow):
            made = Quote(row.exchange_ts_ns, 1, *row.bids[:2], *row.asks[:2])
        else:
            source = 0 if isinstance(row, BboRow) else 2
            sides = (row.bid_price, row.bid_size, row.ask_price, row.ask_size)
            made = Quote(row.exchange_ts_ns, source, *sides)
        if quotes and quotes[-1].source < made.source and now - quotes[-1].stamp <= STALE_NS:
            continue
        quotes.append(made)
    return quotes


def weight(age_ns: float, half_life_s: float) -> float:
    return 2.0 ** (-age_ns / 1e9 / half_life_s)


def batch_features(rows: list[Row]) -> dict[str, float]:
    """All features as of the newest stamp in `rows`; needs every kind of row at least once."""
    now = max(row.exchange_ts_ns for row in rows)
    quotes = accepted_quotes(rows)
    trades = [row for row in rows if isinstance(row, TradeRow)]
    last = quotes[-1]
    depth = _mean_depth([q for q in quotes if q.good], now)
    values = {"queue_imbalance": (last.bid_size - last.ask_size) / (last.bid_size + last.ask_size)}
    values |= _book_features([row for row in rows if isinstance(row, BookRow)][-1])
    pairs = [
        (old, new)
        for old, new in pairwise(quotes)
        if old.good and new.good and old.source == new.source
    ]
    for name, seconds in (("ofi_250ms", 0.25), ("ofi_1s", 1.0), ("ofi_4s", 4.0)):
        flow = sum(_flow(old, new) * weight(now - new.stamp, seconds) for old, new in pairs)
        values[name] = flow / (depth * 2 * sqrt(seconds))
    for seconds in (1, 16):
        parts = [(t.side * t.size, t.size, weight(now - t.exchange_ts_ns, seconds)) for t in trades]
        signed = sum(flow * w for flow, _, w in parts)
        values[f"trade_flow_{seconds}s"] = signed / (sum(v * w for _, v, w in parts) + 0.02 * depth)
    moves = [(new.mid - old.mid, new.stamp) for old, new in pairs if new.mid != old.mid]
    values["last_move_sign"] = 1.0 if moves[-1][0] > 0 else -1.0
    starts = [new for old, new in zip([None, *quotes], quotes, strict=False) if new.good]
    for seconds in (5, 60):
        squares = sum(move**2 * weight(now - stamp, seconds) for move, stamp in moves)
        rate = _rate(squares, now - starts[0].stamp, seconds)
        values[f"realised_volatility_{seconds}s_bp"] = sqrt(rate) / last.mid * 1e4
    values["spread_bp"] = (last.ask - last.bid) / last.mid * 1e4
    matches = sum(t.count * weight(now - t.exchange_ts_ns, 5) for t in trades)
    values["trades_per_s"] = _rate(matches, now - trades[0].exchange_ts_ns, 5)
    return values


def _rate(total: float, seen_ns: int, half_life_s: float) -> float:
    return total * log(2) / half_life_s / (1 - weight(seen_ns, half_life_s))


def _flow(old: Quote, new: Quote) -> float:
    flow = 0.0
    flow += new.bid_size if new.bid >= old.bid else 0.0
    flow -= old.bid_size if new.bid <= old.bid else 0.0
    flow -= new.ask_size if new.ask <= old.ask else 0.0
    flow += old.ask_size if new.ask >= old.ask else 0.0
    return flow


def _mean_depth(quotes: list[Quote], now: int) -> float:
    """Integral of the level times the weight, the first level reaching back for ever."""
    starts, newest = [], 0
    for quote in quotes:
        newest = max(newest, quote.stamp)
        starts.append(newest)
    ends = [*starts[1:], now]
    levels = [(q.bid_size + q.ask_size) / 2 for q in quotes]
    total = levels[0] * weight(now - starts[0], 60)
    for level, start, end in zip(levels, starts, ends, strict=True):
        total += level * (weight(now - end, 60) - weight(now - start, 60))
    return total


def _book_features(row: BookRow) -> dict[str, float]:
    bids, asks = row.bid_levels()[:5], row.ask_levels()[:5]
    bought, sold = sum(size for _, size in bids), sum(size for _, size in asks)
    bid_mean = sum(price * size for price, size in bids) / bought
    ask_mean = sum(price * size for price, size in asks) / sold
    micro = (bid_mean * sold + ask_mean * bought) / (bought + sold)
    mid, spread = (bids[0][0] + asks[0][0]) / 2, asks[0][0] - bids[0][0]
    return {
        "depth_imbalance_5": (bought - sold) / (bought + sold),
        "micro_price_deviation": (micro - mid) / spread,
    }


KINDS = (TradeRow, BboRow, TickerRow, BookRow)
