"""Features of one instrument. Each is a named function, odd or even under the side swap.

The side swap exchanges bids with asks and buys with sells and reflects prices. An odd feature
changes its sign, exactly; an even one stays as it is. Models take odd features only for direction:
then a mirrored market gives the mirrored decision, and nothing can be "always up in a rally".

Sizes enter as ratios only, so contracts or base currency, it is all the same. NaN says that a
feature has no input; where it says 0, that was measured. hunter/native/window.c has every function
again, with the same operations in the same order.
"""

from __future__ import annotations

from collections.abc import Callable
from math import log, nan, sqrt
from typing import Any, Literal, NamedTuple, Protocol

from hunter.brain.window.decay import DecayedRate, DecayedSum
from hunter.brain.window.recent import RecentFlow, volume_of

_BASIS_POINTS = 1e4
_DEPTH_FLOOR = 0.02
"""Share of the mean touch depth added below the traded volume: one small trade alone is no full
imbalance."""
_UNITS_MAX = 4.0
"""Deviations in units of a volatility are cut off there."""
_UNIT_LEAST = 1e-3
"""A volatility below this share of the spread is rounding, not a unit."""
_LOG_RATIO_MAX = 2.0
_AGE_LEAST_S = 1e-3


class View:
    """The features' input at one moment: what several of them need is worked out once."""

    __slots__ = ("ask_volume", "bid_volume", "deep", "depth", "fresh", "now_ns", "quote", "window")

    def __init__(self, window: RecentFlow, now_ns: int) -> None:
        self.window = window
        self.now_ns = now_ns
        quote = self.quote = window.quote
        self.fresh = quote.usable and not quote.is_stale(now_ns)
        too_old = now_ns - window.book_stamp_ns > quote.stale_ns
        self.bid_volume = 0.0 if too_old else volume_of(window.bids)
        self.ask_volume = 0.0 if too_old else volume_of(window.asks)
        self.deep = self.bid_volume > 0.0 and self.ask_volume > 0.0
        self.depth = window.depth.read(now_ns)


class PairView(View):
    """With the same of the mate, where there is one with a fresh quote."""

    __slots__ = ("other",)

    def __init__(self, window: RecentFlow, now_ns: int, mate: RecentFlow | None = None) -> None:
        super().__init__(window, now_ns)
        other = View(mate, now_ns) if mate is not None else None
        self.other = other if other is not None and other.fresh else None


def _clipped(value: float, limit: float) -> float:
    if value > limit:
        return limit
    return -limit if value < -limit else value


def _over(value: float, positive: float) -> float:
    return value / positive if positive > 0.0 else nan


def _imbalance(one: float, other: float) -> float:
    return _over(one - other, one + other)


# ---- odd: the state of the queues


def queue_imbalance(view: View) -> float:
    """(bid size - ask size) / (bid size + ask size) at the touch; Gould and Bonart 2016."""
    quote = view.quote
    return _imbalance(quote.bid_size, quote.ask_size) if view.fresh else nan


def queue_imbalance_per_spread(view: View) -> float:
    """Queue imbalance times the mean spread of 60 s over the spread: a queue says less when there
    is room for another before it."""
    if not view.fresh:
        return nan
    quote = view.quote
    relative = view.window.spread.read(view.now_ns) / (quote.ask - quote.bid)
    return _imbalance(quote.bid_size, quote.ask_size) * relative


def depth_imbalance_5(view: View) -> float:
    """Queue imbalance over five levels of the book."""
    return _imbalance(view.bid_volume, view.ask_volume) if view.deep else nan


def vamp_deviation_5(view: View) -> float:
    """Volume-adjusted mid price of five levels, each level's price weighted by the size of the same
    level on the other side, minus the mid of the same book, in spreads of that book."""
    if not view.deep:
        return nan
    bids, asks = view.window.bids, view.window.asks
    spread = asks[0] - bids[0]
    if not spread > 0.0:
        return nan
    mid = (bids[0] + asks[0]) / 2.0
    pulled = volume = 0.0
    for i in range(0, min(len(bids), len(asks)) - 1, 2):
        pulled += (asks[i] - mid) * bids[i + 1] - (mid - bids[i]) * asks[i + 1]
        volume += bids[i + 1] + asks[i + 1]
    return _over(pulled, volume * spread)


def micro_price_deviation(view: View) -> float:
    """Volume-weighted price of each side's five levels, weighted by the other side's whole volume,
    minus the mid of the same book, in spreads of that book. (Of one level it is queue imbalance / 2
    by algebra, so it is taken over five; Stoikov 2018 for the idea.)"""
    if not view.deep:
        return nan
    bids, asks = view.window.bids, view.window.asks
    spread = asks[0] - bids[0]
    if not spread > 0.0:
        return nan
    mid = (bids[0] + asks[0]) / 2.0
    below = above = 0.0
    for i in range(0, len(bids) - 1, 2):
        below += (mid - bids[i]) * bids[i + 1]
    for i in range(0, len(asks) - 1, 2):
        above += (asks[i] - mid) * asks[i + 1]
    bid_volume, ask_volume = view.bid_volume, view.ask_volume
    pulled = bid_volume * (above / ask_volume) - ask_volume * (below / bid_volume)
    return _over(pulled, (bid_volume + ask_volume) * spread)


# ---- odd: flows


def _scaled(flow: DecayedSum, scale: float, depth: float, now_ns: int) -> float:
    """`scale` is twice the root of the half-life in seconds; Cont, Kukanov and Stoikov 2014 for the
    division by the mean depth."""
    return _over(flow.read(now_ns), depth * scale)


def ofi_250ms(view: View) -> float:
    """Order-flow imbalance at the touch, half-life 250 ms, over mean touch depth and 2 sqrt(h)."""
    return _scaled(view.window.ofi_250ms, 1.0, view.depth, view.now_ns)


def ofi_1s(view: View) -> float:
    """The same, half-life 1 s."""
    return _scaled(view.window.ofi_1s, 2.0, view.depth, view.now_ns)


def ofi_1s_by_volatility(view: View) -> float:
    """ofi_1s times the log of volatility of 5 s over that of 60 s, which is even."""
    return ofi_1s(view) * volatility_ratio_log(view)


def ofi_4s(view: View) -> float:
    """As ofi_1s, half-life 4 s."""
    return _scaled(view.window.ofi_4s, 4.0, view.depth, view.now_ns)


def ofi_16s(view: View) -> float:
    """As ofi_1s, half-life 16 s."""
    return _scaled(view.window.ofi_16s, 8.0, view.depth, view.now_ns)


def depth_flow_1s(view: View) -> float:
    """Order-flow imbalance of up to five levels of the book, mean of the levels, half-life 1 s,
    over the mean size of a level; Xu, Gould and Howison 2018."""
    depth = view.window.book_depth.read(view.now_ns)
    return _scaled(view.window.depth_flow_1s, 2.0, depth, view.now_ns)


def _flow_share(view: View, signed: DecayedSum, volume: DecayedSum) -> float:
    volume_then = volume.read(view.now_ns) + _DEPTH_FLOOR * view.depth
    return _over(signed.read(view.now_ns), volume_then)


def trade_flow_1s(view: View) -> float:
    """Signed over total taker volume, half-life 1 s; Silantyev 2019."""
    takers = view.window.takers
    return _flow_share(view, takers.signed_volume_1s, takers.volume_1s)


def trade_flow_4s(view: View) -> float:
    """The same, half-life 4 s."""
    takers = view.window.takers
    return _flow_share(view, takers.signed_volume_4s, takers.volume_4s)


def trade_flow_16s(view: View) -> float:
    """The same, half-life 16 s."""
    takers = view.window.takers
    return _flow_share(view, takers.signed_volume_16s, takers.volume_16s)


def hawkes_imbalance(view: View) -> float:
    """(buys - sells) / (buys + sells + 1), intensities of takers' orders as of now: each order
    counts 1 and decays with 1/b = 0.72 s; Bacry and Muzy 2014."""
    takers, now_ns = view.window.takers, view.now_ns
    if not takers.trades_5s.start_ns:
        return nan
    buys, sells = takers.buys.read(now_ns), takers.sells.read(now_ns)
    return (buys - sells) / (buys + sells + 1.0)


# ---- odd: the mid's own past


def _in_units(difference: float, unit: float, spread: float) -> float:
    """Cut off; NaN without a unit."""
    return _clipped(difference / unit, _UNITS_MAX) if unit > _UNIT_LEAST * spread else nan


def return_4s(view: View) -> float:
    """Mid minus its mean of half-life 4 s, in units of the mid's volatility over 4 s (root of 4 s
    of the squared moves per second, half-life 60 s), cut off at 4. The difference is kept as the
    sum of the moves, each halved in 4 s: the same by algebra, and exact when prices are mirrored.
    """
    if not view.fresh:
        return nan
    quote, moves, now_ns = view.quote, view.window.moves, view.now_ns
    unit = sqrt(moves.variance_60s.read(now_ns) * 4.0)
    return _in_units(moves.moves_4s.read(now_ns), unit, quote.ask - quote.bid)


def last_move_sign(view: View) -> float:
    """+1 or -1, as the mid last moved."""
    return view.window.moves.last_move or nan


# ---- odd: the mate


def mate_queue_imbalance(view: PairView) -> float:
    """Queue imbalance of the mate: the swap of a spot instrument, or the spot of a swap."""
    return queue_imbalance(view.other) if view.other is not None else nan


def mate_ofi_250ms(view: PairView) -> float:
    """Order-flow imbalance of the mate, half-life 250 ms."""
    return ofi_250ms(view.other) if view.other is not None else nan


def basis_deviation(view: PairView) -> float:
    """Mate's mid minus mid, minus its own mean of half-life 60 s, in units of its own standard
    deviation, cut off at 4: above 0 the mate stands higher than it used to. A difference and not a
    ratio of prices, so that reflecting both negates it exactly; over a minute that is the same."""
    other = view.other
    if other is None or not view.fresh:
        return nan
    mean, variance = view.window.basis.read(view.now_ns)
    if not variance > 0.0:
        return nan
    quote = view.quote
    off = (other.quote.mid - quote.mid) - mean
    return _in_units(off, sqrt(variance), quote.ask - quote.bid)


# ---- even


def _in_basis_points(view: View, price_difference: float) -> float:
    return _over(price_difference, view.quote.mid) * _BASIS_POINTS if view.fresh else nan


def _log_ratio(fast: DecayedRate, slow: DecayedRate, now_ns: int) -> float:
    """NaN when either is 0."""
    ratio = _over(fast.read(now_ns), slow.read(now_ns))
    return log(ratio) if ratio > 0.0 else nan


def spread_bp(view: View) -> float:
    """Ask minus bid in basis points of the mid."""
    return _in_basis_points(view, view.quote.ask - view.quote.bid)


def realised_volatility_5s_bp(view: View) -> float:
    """Root of the mid's squared moves per second, half-life 5 s, in basis points."""
    return _in_basis_points(view, sqrt(view.window.moves.variance_5s.read(view.now_ns)))


def realised_volatility_60s_bp(view: View) -> float:
    """The same, half-life 60 s."""
    return _in_basis_points(view, sqrt(view.window.moves.variance_60s.read(view.now_ns)))


def volatility_ratio_log(view: View) -> float:
    """Log of the volatility of 5 s over that of 60 s, cut off at 2."""
    moves = view.window.moves
    ratio = _log_ratio(moves.variance_5s, moves.variance_60s, view.now_ns)
    return _clipped(ratio * 0.5, _LOG_RATIO_MAX)


def trades_per_s(view: View) -> float:
    """Matches per second, half-life 5 s."""
    return view.window.takers.trades_5s.read(view.now_ns)


def trade_rate_ratio_log(view: View) -> float:
    """Log of matches per second of 5 s over that of 60 s, cut off at 2."""
    takers = view.window.takers
    return _clipped(_log_ratio(takers.trades_5s, takers.trades_60s, view.now_ns), _LOG_RATIO_MAX)


def quotes_per_s(view: View) -> float:
    """Usable quotes of the best source per second, half-life 5 s."""
    return view.window.quotes.read(view.now_ns)


def move_age_log(view: View) -> float:
    """Log of the seconds since the mid last moved, a millisecond at least."""
    moves = view.window.moves
    if moves.last_move == 0.0:
        return nan
    age_s = (view.now_ns - moves.moved_ns) / 1e9
    return log(age_s if age_s > _AGE_LEAST_S else _AGE_LEAST_S)


def jump_share(view: View) -> float:
    """1 - bipower / realised variance of the mid's 1 s moves, half-life 60 s, in [0, 1];
    Barndorff-Nielsen and Shephard 2004."""
    return view.window.moves.jump_share(view.now_ns)


def vpin(view: View) -> float:
    """One-sidedness of the takers' volume by buckets of volume; Easley and others 2012."""
    return view.window.takers.buckets.read()


# ---- all of them


class Feature(NamedTuple):
    """A feature's name, what the side swap does to it, and its function."""

    name: str
    parity: Literal["odd", "even"]
    function: Callable[[PairView], float]


_ODD = (
    queue_imbalance,
    queue_imbalance_per_spread,
    depth_imbalance_5,
    ofi_250ms,
    ofi_1s,
    ofi_1s_by_volatility,
    trade_flow_1s,
    trade_flow_16s,
    return_4s,
    last_move_sign,
    vamp_deviation_5,
    mate_queue_imbalance,
    mate_ofi_250ms,
    basis_deviation,
    ofi_4s,
    ofi_16s,
    trade_flow_4s,
    depth_flow_1s,
    hawkes_imbalance,
    micro_price_deviation,
)
_EVEN = (
    spread_bp,
    realised_volatility_5s_bp,
    realised_volatility_60s_bp,
    volatility_ratio_log,
    trades_per_s,
    trade_rate_ratio_log,
    quotes_per_s,
    move_age_log,
    jump_share,
    vpin,
)

ODD_COUNT = len(_ODD)
EVEN_COUNT = len(_EVEN)

FEATURES: tuple[Feature, ...] = (
    *(Feature(function.__name__, "odd", function) for function in _ODD),
    *(Feature(function.__name__, "even", function) for function in _EVEN),
)
NAMES = tuple(feature.name for feature in FEATURES)


class Vectored(Protocol):
    """A window of either half."""

    def vector(self, now_ns: int, mate: Any = None, /) -> tuple[float, ...]:
        """Every feature; NaN is not available."""


def named(vector: tuple[float, ...]) -> dict[str, float]:
    """The features that are available, by name, in the order of FEATURES."""
    return {name: value for name, value in zip(NAMES, vector, strict=True) if value == value}


def read_features(window: Vectored, now_ns: int, mate: Vectored | None = None) -> dict[str, float]:
    """Every feature that has input at `now_ns`."""
    return named(window.vector(now_ns, mate))
