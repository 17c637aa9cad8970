"""Features of one instrument. Each is a named function, odd or even under the side swap.

The side swap exchanges bids with asks and buys with sells and reflects prices. An odd feature
changes its sign, exactly; an even one stays as it is. Models take odd features only for direction:
then a mirrored market gives the mirrored decision, and nothing can be "always up in a rally".

Order-flow imbalance is Cont, Kukanov and Stoikov's (2014), scaled by the mean touch depth D and
the square root of the half-life. On one level the micro-price's deviation is queue imbalance / 2
by algebra, so it is taken over five. A feature without input is left out of `read_features`, not
set to 0.
"""

from __future__ import annotations

from collections.abc import Callable
from math import isfinite, sqrt
from typing import Literal, NamedTuple

from hunter.brain.decay import DecayedSum
from hunter.brain.window import FlowWindow

_BASIS_POINTS = 1e4
_DEPTH_FLOOR = 0.02
"""Share of D added below the traded volume: one small trade alone is no full imbalance."""


class View:
    """The features' input at one moment: what several of them need is worked out once."""

    __slots__ = ("ask_volume", "bid_volume", "deep", "depth", "fresh", "now_ns", "quote", "window")

    def __init__(self, window: FlowWindow, now_ns: int) -> None:
        self.window = window
        self.now_ns = now_ns
        quote = self.quote = window.quote
        self.fresh = quote.usable and not quote.is_stale(now_ns)
        bids, asks = window.bids, window.asks
        too_old = now_ns - window.book_stamp_ns > quote.stale_ns
        self.bid_volume = 0.0 if too_old else sum(bids[1::2])
        self.ask_volume = 0.0 if too_old else sum(asks[1::2])
        self.deep = self.bid_volume > 0.0 and self.ask_volume > 0.0
        self.depth = window.depth.read(now_ns)


def queue_imbalance(view: View) -> float | None:
    """(bid size - ask size) / (bid size + ask size) at the touch; Gould and Bonart 2016."""
    if not view.fresh:
        return None
    bid_size, ask_size = view.quote.bid_size, view.quote.ask_size
    return (bid_size - ask_size) / (bid_size + ask_size)


def depth_imbalance_5(view: View) -> float | None:
    """The same over five levels of the book."""
    if not view.deep:
        return None
    return (view.bid_volume - view.ask_volume) / (view.bid_volume + view.ask_volume)


def micro_price_deviation(view: View) -> float | None:
    """Volume-weighted price of five levels, each side weighted by the other's volume, minus the
    mid of the same book, in spreads of that book."""
    if not view.deep:
        return None
    bids, asks = view.window.bids, view.window.asks
    spread = asks[0] - bids[0]
    if not spread > 0.0:
        return None
    mid = (bids[0] + asks[0]) / 2.0
    below = sum((mid - bids[i]) * bids[i + 1] for i in range(0, len(bids), 2)) / view.bid_volume
    above = sum((asks[i] - mid) * asks[i + 1] for i in range(0, len(asks), 2)) / view.ask_volume
    pulled = view.bid_volume * above - view.ask_volume * below
    return pulled / ((view.bid_volume + view.ask_volume) * spread)


def ofi_250ms(view: View) -> float | None:
    """Order-flow imbalance at the touch, half-life 250 ms."""
    return _scaled_flow(view, view.window.ofi_250ms, 1.0)


def ofi_1s(view: View) -> float | None:
    """Order-flow imbalance at the touch, half-life 1 s."""
    return _scaled_flow(view, view.window.ofi_1s, 2.0)


def ofi_4s(view: View) -> float | None:
    """Order-flow imbalance at the touch, half-life 4 s."""
    return _scaled_flow(view, view.window.ofi_4s, 4.0)


def _scaled_flow(view: View, flow: DecayedSum, scale: float) -> float | None:
    """`scale` is twice the root of the half-life in seconds."""
    depth = view.depth
    return flow.read(view.now_ns) / (depth * scale) if depth > 0.0 else None


def trade_flow_1s(view: View) -> float | None:
    """Signed over total taker volume, half-life 1 s."""
    window = view.window
    return _flow_share(view, window.signed_volume_1s, window.volume_1s)


def trade_flow_16s(view: View) -> float | None:
    """Signed over total taker volume, half-life 16 s."""
    window = view.window
    return _flow_share(view, window.signed_volume_16s, window.volume_16s)


def _flow_share(view: View, signed: DecayedSum, volume: DecayedSum) -> float | None:
    now_ns = view.now_ns
    below = volume.read(now_ns) + _DEPTH_FLOOR * view.depth
    return signed.read(now_ns) / below if below > 0.0 else None


def last_move_sign(view: View) -> float | None:
    """+1 or -1, as the mid last moved."""
    return view.window.last_move or None


def realised_volatility_5s_bp(view: View) -> float | None:
    """Root of the mid's squared moves per second, half-life 5 s, in basis points."""
    return _in_basis_points(view, sqrt(view.window.variance_5s.read(view.now_ns)))


def realised_volatility_60s_bp(view: View) -> float | None:
    """The same, half-life 60 s."""
    return _in_basis_points(view, sqrt(view.window.variance_60s.read(view.now_ns)))


def spread_bp(view: View) -> float | None:
    """Ask minus bid in basis points of the mid."""
    return _in_basis_points(view, view.quote.ask - view.quote.bid)


def _in_basis_points(view: View, price_difference: float) -> float | None:
    return price_difference / view.quote.mid * _BASIS_POINTS if view.fresh else None


def trades_per_s(view: View) -> float | None:
    """Matches per second, half-life 5 s."""
    return view.window.trades.read(view.now_ns)


class Feature(NamedTuple):
    """A feature's name, what the side swap does to it, and its function."""

    name: str
    parity: Literal["odd", "even"]
    function: Callable[[View], float | None]


_ODD = (
    queue_imbalance,
    depth_imbalance_5,
    micro_price_deviation,
    ofi_250ms,
    ofi_1s,
    ofi_4s,
    trade_flow_1s,
    trade_flow_16s,
    last_move_sign,
)
_EVEN = (realised_volatility_5s_bp, realised_volatility_60s_bp, spread_bp, trades_per_s)

FEATURES: tuple[Feature, ...] = (
    *(Feature(function.__name__, "odd", function) for function in _ODD),
    *(Feature(function.__name__, "even", function) for function in _EVEN),
)


def read_features(window: FlowWindow, now_ns: int) -> dict[str, float]:
    """Every feature that has input at `now_ns`, in the order of FEATURES."""
    view = View(window, now_ns)
    values = ((name, function(view)) for name, _, function in FEATURES)
    return {name: value for name, value in values if value is not None and isfinite(value)}
