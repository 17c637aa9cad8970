"""The features computed again from all rows at once: slow, and straight from the definitions.

Nothing is carried from row to row but event time: each sum runs over the whole history.
"""

from __future__ import annotations

from itertools import pairwise
from math import exp, log, nan, pi, sqrt
from typing import NamedTuple

from fakes.brain_rows import MS, Row

from hunter.brain.inputs import BboRow, BookRow, TickerRow, TradeRow

STALE_NS = 2_000 * MS
SECOND = 1_000 * MS
Level = tuple[float, float]


class Quote(NamedTuple):
    now: int
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


def timed(rows: list[Row]) -> list[tuple[int, Row]]:
    """Rows with the event time they are applied at."""
    now, made = 0, []
    for row in rows:
        now = max(now, row.exchange_ts_ns)
        made.append((now, row))
    return made


def accepted_quotes(rows: list[Row]) -> list[Quote]:
    """Of each moment the best source that is not silent."""
    quotes: list[Quote] = []
    for now, row in timed(rows):
        if isinstance(row, TradeRow) or (isinstance(row, BookRow) and not row.valid):
            continue
        if isinstance(row, BookRow):
            made = Quote(now, row.exchange_ts_ns, 1, *row.bids[:2], *row.asks[:2])
        else:
            source = 0 if isinstance(row, BboRow) else 2
            sides = (row.bid_price, row.bid_size, row.ask_price, row.ask_size)
            made = Quote(now, row.exchange_ts_ns, source, *sides)
        if quotes and quotes[-1].source < made.source and now - quotes[-1].stamp <= STALE_NS:
            continue
        quotes.append(made)
    return quotes


def weight(age_ns: float, half_life_s: float) -> float:
    return 2.0 ** (-age_ns / 1e9 / half_life_s)


def batch_features(
    rows: list[Row], now: int = 0, samples: list[tuple[int, float]] | None = None
) -> dict[str, float]:
    """All features as of `now` or the newest stamp in `rows`, which hold every kind of row at least
    once, are not spoilt, and have no hole. `samples` are the basis as it was noted, and as of now:
    (event time, level). Those that have no input are left out."""
    now = now or max(row.exchange_ts_ns for row in rows)
    quotes = accepted_quotes(rows)
    trades = [row for row in rows if isinstance(row, TradeRow)]
    good = [quote for quote in quotes if quote.good]
    pairs = [
        (old, new)
        for old, new in pairwise(quotes)
        if old.good and new.good and old.source == new.source
    ]
    depth = _mean_level([(q.now, (q.bid_size + q.ask_size) / 2) for q in good], now, 60)
    values = _touch_features(quotes, good, now)
    values |= _book_features(rows, now)
    for name, seconds in (("ofi_250ms", 0.25), ("ofi_1s", 1.0), ("ofi_4s", 4.0), ("ofi_16s", 16)):
        flow = sum(_flow(old, new) * weight(now - new.now, seconds) for old, new in pairs)
        values[name] = flow / (depth * 2 * sqrt(seconds))
    values |= _trade_features(trades, depth, now)
    values |= _move_features(quotes, pairs, now)
    log_ratio = values.get("volatility_ratio_log", nan)
    values["ofi_1s_by_volatility"] = values["ofi_1s"] * log_ratio
    if samples:
        values["basis_deviation"] = _basis_deviation(samples, quotes[-1], now)
    return {name: value for name, value in values.items() if value == value}


def _touch_features(quotes: list[Quote], good: list[Quote], now: int) -> dict[str, float]:
    last = quotes[-1]
    imbalance = (last.bid_size - last.ask_size) / (last.bid_size + last.ask_size)
    spread = last.ask - last.bid
    mean_spread = _mean_level([(q.now, q.ask - q.bid) for q in good], now, 60)
    seen = now - good[0].now
    counted = sum(weight(now - quote.now, 5) for quote in good)
    return {
        "queue_imbalance": imbalance,
        "queue_imbalance_per_spread": imbalance * mean_spread / spread,
        "spread_bp": spread / last.mid * 1e4,
        "quotes_per_s": _rate(counted, seen, 5),
    }


def _trade_features(trades: list[TradeRow], depth: float, now: int) -> dict[str, float]:
    values = {}
    for seconds in (1, 4, 16):
        parts = [(t.side * t.size, t.size, weight(now - t.exchange_ts_ns, seconds)) for t in trades]
        signed = sum(flow * w for flow, _, w in parts)
        values[f"trade_flow_{seconds}s"] = signed / (sum(v * w for _, v, w in parts) + 0.02 * depth)
    decay = log(2) / 0.5
    buys, sells = (
        sum(exp(-decay * (now - t.exchange_ts_ns) / 1e9) for t in trades if t.side == side)
        for side in (1, -1)
    )
    values["hawkes_imbalance"] = (buys - sells) / (buys + sells + 1)
    seen = now - trades[0].exchange_ts_ns
    fast, slow = (
        _rate(sum(t.count * weight(now - t.exchange_ts_ns, h) for t in trades), seen, h)
        for h in (5, 60)
    )
    values["trades_per_s"] = fast
    values["trade_rate_ratio_log"] = _cut(log(fast / slow), 2) if fast > 0 and slow > 0 else nan
    values["vpin"] = _vpin(trades)
    return values


def _move_features(
    quotes: list[Quote], pairs: list[tuple[Quote, Quote]], now: int
) -> dict[str, float]:
    last = quotes[-1]
    good = [quote for quote in quotes if quote.good]
    moves = [(new.mid - old.mid, new.now) for old, new in pairs if new.mid != old.mid]
    values = {}
    rates = []
    for seconds in (5, 60):
        squares = sum(move**2 * weight(now - stamp, seconds) for move, stamp in moves)
        rates.append(_rate(squares, now - good[0].now, seconds))
        values[f"realised_volatility_{seconds}s_bp"] = sqrt(rates[-1]) / last.mid * 1e4
    if moves:
        values["last_move_sign"] = 1.0 if moves[-1][0] > 0 else -1.0
        values["move_age_log"] = log(max((now - moves[-1][1]) / 1e9, 1e-3))
    if rates[0] > 0 and rates[1] > 0:
        values["volatility_ratio_log"] = _cut(log(sqrt(rates[0] / rates[1])), 2)
    run = _runs(quotes)[-1]
    unit = sqrt(4 * rates[1])
    if unit > 1e-3 * (last.ask - last.bid):
        off = last.mid - _mean_level([(q.now, q.mid) for q in run], now, 4)
        values["return_4s"] = _cut(off / unit, 4)
    values["jump_share"] = _jump_share(quotes, now)
    return values


def _runs(quotes: list[Quote]) -> list[list[Quote]]:
    """Usable quotes of one source that follow one another."""
    runs: list[list[Quote]] = []
    before: Quote | None = None
    for quote in quotes:
        if quote.good:
            if before is not None and before.good and before.source == quote.source:
                runs[-1].append(quote)
            else:
                runs.append([quote])
        before = quote
    return runs


def _jump_share(quotes: list[Quote], now: int) -> float:
    realised = bipower = 0.0
    for run in _runs(quotes):
        mids: list[float] = []
        due = (run[0].now // SECOND + 1) * SECOND
        first = due
        while due <= run[-1].now:
            mids.append([quote.mid for quote in run if quote.now < due][-1])
            due += SECOND
        returns = [abs(new - old) for old, new in pairwise(mids)]
        for number, (before, move) in enumerate(pairwise(returns)):
            w = weight(now - (first + (number + 2) * SECOND), 60)
            realised += move**2 * w
            bipower += pi / 2 * before * move * w
    return max(0.0, 1 - bipower / realised) if realised > 0 else nan


def _vpin(trades: list[TradeRow]) -> float:
    """The buckets' borders on the axis of cumulated volume, then what lies between them."""
    start = trades[0].exchange_ts_ns
    spans: list[tuple[float, float, int]] = []  # (from, to, side) of each match
    borders: list[float] = []
    done = 0.0
    for number, each in enumerate(trades):
        at, begin, end = each.exchange_ts_ns, done, done + each.size
        if at - start >= 10 * SECOND:
            seen = trades[: number + 1]
            newest = max(t.exchange_ts_ns for t in seen)
            total = sum(t.size * weight(newest - t.exchange_ts_ns, 60) for t in seen)
            bucket = 5.0 * _rate(total, at - start, 60)
            if not borders:
                borders.append(begin)
            while borders[-1] <= end:
                borders.append(borders[-1] + bucket)
        spans.append((begin, end, each.side))
        done = end
    full = list(pairwise(border for border in borders if border <= done))[-50:]
    if len(full) < 10:
        return nan
    imbalance = 0.0
    for low, high in full:
        imbalance += abs(
            sum(side * max(0.0, min(end, high) - max(begin, low)) for begin, end, side in spans)
        )
    return imbalance / (full[-1][1] - full[0][0])


def _basis_deviation(samples: list[tuple[int, float]], last: Quote, now: int) -> float:
    """`samples` ends with the level as of now."""
    times = [*(at for at, _ in samples), now]
    weights = [weight(now - end, 60) - weight(now - start, 60) for start, end in pairwise(times)]
    known = [(w, level) for w, (_, level) in zip(weights, samples, strict=True) if level == level]
    total = sum(w for w, _ in known)
    if total <= 0:
        return nan
    mean = sum(w * level for w, level in known) / total
    variance = sum(w * (level - mean) ** 2 for w, level in known) / total
    if not sqrt(variance) > 1e-3 * (last.ask - last.bid):
        return nan
    return _cut((samples[-1][1] - mean) / sqrt(variance), 4)


def _cut(value: float, limit: float) -> float:
    return max(-limit, min(limit, value))


def _rate(total: float, seen_ns: int, half_life_s: float) -> float:
    if seen_ns <= 0:
        return 0.0
    return total * log(2) / half_life_s / (1 - weight(seen_ns, half_life_s))


def _flow(old: Quote, new: Quote) -> float:
    bids = (new.bid, new.bid_size), (old.bid, old.bid_size)
    return _level_flow(*bids, (new.ask, new.ask_size), (old.ask, old.ask_size))


def _level_flow(bid: Level, old_bid: Level, ask: Level, old_ask: Level) -> float:
    flow = 0.0
    flow += bid[1] if bid[0] >= old_bid[0] else 0.0
    flow -= old_bid[1] if bid[0] <= old_bid[0] else 0.0
    flow -= ask[1] if ask[0] <= old_ask[0] else 0.0
    flow += old_ask[1] if ask[0] >= old_ask[0] else 0.0
    return flow


def _mean_level(levels: list[tuple[int, float]], now: int, half_life_s: float) -> float:
    """Integral of the level times the weight, the first level reaching back for ever."""
    total = levels[0][1] * weight(now - levels[0][0], half_life_s)
    ends = [start for start, _ in levels[1:]] + [now]
    for (start, level), end in zip(levels, ends, strict=True):
        total += level * (weight(now - end, half_life_s) - weight(now - start, half_life_s))
    return total


def _book_features(rows: list[Row], now: int) -> dict[str, float]:
    books = [
        (at, row.bid_levels()[:5], row.ask_levels()[:5])
        for at, row in timed(rows)
        if isinstance(row, BookRow)
    ]
    sizes = [
        (at, sum(size for _, size in bids + asks) / len(bids + asks)) for at, bids, asks in books
    ]
    flow = 0.0
    for (_, old_bids, old_asks), (at, bids, asks) in pairwise(books):
        levels = list(zip(bids, old_bids, asks, old_asks, strict=False))
        each = sum(_level_flow(*level) for level in levels)
        flow += each / len(levels) * weight(now - at, 1)
    values = {"depth_flow_1s": flow / (_mean_level(sizes, now, 60) * 2)}
    newest = [row for row in rows if isinstance(row, BookRow)][-1]
    if now - newest.exchange_ts_ns > STALE_NS:
        return values
    _, bids, asks = books[-1]
    bought, sold = sum(size for _, size in bids), sum(size for _, size in asks)
    bid_mean = sum(price * size for price, size in bids) / bought
    ask_mean = sum(price * size for price, size in asks) / sold
    micro = (bid_mean * sold + ask_mean * bought) / (bought + sold)
    mid, spread = (bids[0][0] + asks[0][0]) / 2, asks[0][0] - bids[0][0]
    crossed = sum(b[0] * a[1] + a[0] * b[1] for b, a in zip(bids, asks, strict=False))
    vamp = crossed / sum(b[1] + a[1] for b, a in zip(bids, asks, strict=False))
    return values | {
        "depth_imbalance_5": (bought - sold) / (bought + sold),
        "micro_price_deviation": (micro - mid) / spread,
        "vamp_deviation_5": (vamp - mid) / spread,
    }


KINDS = (TradeRow, BboRow, TickerRow, BookRow)
