"""MarketContext: what people want to know besides the signal. No model reads any of it.

CVD and VWAP of windows, large prints, absorption, walls and those that were pulled. Invariants:
state is a function of the rows alone, memory is fixed, reading changes nothing. Under the side swap
(bids for asks, buys for sells, prices reflected) the odd values change their signs and the even
ones stay, to the last bit; those in basis points of the last price do where that price is the
mirror's centre. What the subscribed channels cannot give is left out: without trades there is no
CVD, and no pulled wall either, for a wall that was traded away looks the same in the book; without
20 levels a side there are no walls.

Sizes are as the exchange sends them: contracts, or base currency for spot. So state does not hang
on a contract's value, which REST tells whenever it answers; give it when reading. VWAP weighs by
these sizes, so on inverse contracts by dollars. Owned by one brain, or by whoever else has rows.
"""

from __future__ import annotations

import struct
from math import isfinite
from typing import Final, Literal, NamedTuple

from hunter.brain.context.prints import LargePrints
from hunter.brain.context.traded import RINGS, Traded
from hunter.brain.context.walls import WALL_LEVELS, Walls
from hunter.market.contract import Contract

STATE_BYTES_MAX: Final = 8_192
BOOK_LEVELS_USED: Final = WALL_LEVELS

_BASIS_POINTS: Final = 1e4
_VERSION: Final = 1
_HEAD: Final = struct.Struct("<BHHH")
_MINUTE, _FIVE_MINUTES, _HOUR = range(3)  # of RINGS

# What is worth a word: on recordings of busy markets, something in a third of all moments or less.
_LEANING: Final = 0.3
_ABSORBED_Z: Final = 2.5
_AWAY_BP: Final = 10.0
_WALL_SHARE: Final = 0.4
_PULLED_SHARE: Final = 0.5
_PRINT_LIMITS: Final = 2.0  # so many times what is large
_NEWS_NS: Final = 3_000_000_000


class ContextValue(NamedTuple):
    """A value's name, what the side swap does to it (`level`: reflected like a price), its unit."""

    name: str
    parity: Literal["odd", "even", "level"]
    unit: str


VALUES: Final = (
    ContextValue("cvd_1m_size", "odd", "size bought minus size sold by takers, last minute"),
    ContextValue("cvd_5m_size", "odd", "the same, last five minutes"),
    ContextValue("cvd_1h_size", "odd", "the same, last hour"),
    ContextValue("vwap_1m_price", "level", "mean price by size, last minute"),
    ContextValue("vwap_1h_price", "level", "the same, last hour"),
    ContextValue("vwap_1m_deviation_bp", "odd", "last price minus VWAP, of the last price"),
    ContextValue("vwap_1h_deviation_bp", "odd", "the same, last hour"),
    ContextValue("large_print_flow_60s", "odd", "share of volume; half-life 60 s; buys positive"),
    ContextValue("large_print_size", "even", "a print of this size is large"),
    ContextValue("large_print_quote", "even", "the same in quote currency, at the last price"),
    ContextValue("absorption_4s_z", "odd", "flow the price ignored, usual flow = 1; buys positive"),
    ContextValue("wall_imbalance", "odd", "share of the visible book; bid walls positive"),
    ContextValue("pulled_walls_60s", "odd", "share; half-life 60 s; pulled ask walls positive"),
)


class MarketContext:
    """Feed rows in arrival order, with the stamp that event time gives them; ask when needed."""

    __slots__ = ("_prints", "_stale_ns", "_traded", "_walls")

    def __init__(self, stale_ms: int = 2_000) -> None:
        self._stale_ns = stale_ms * 1_000_000
        self._traded = Traded()
        self._prints = LargePrints()
        self._walls = Walls()

    def on_trade(self, stamp_ns: int, price: float, size: float, side: int, count: int) -> None:
        """A row of `count` matches; `side` is the taker's. Stamps not after event time."""
        if not size > 0.0:
            return
        self._traded.add(stamp_ns, price, size, side)
        self._prints.add(stamp_ns, price, size, side, count)
        self._walls.on_trade(stamp_ns, price, size)

    def on_book(self, stamp_ns: int, bids: tuple[float, ...], asks: tuple[float, ...]) -> None:
        """The top of a valid book: flat, best first, at most BOOK_LEVELS_USED levels a side."""
        self._walls.on_book(stamp_ns, bids, asks)

    def on_invalid_book(self) -> None:
        """What becomes of the walls until the next book is not seen."""
        self._walls.forget()

    def on_gap(self) -> None:
        """Rows are missing before the next one, perhaps trades."""
        self._traded.note_hole()
        self._prints.end_order()
        self._walls.forget()

    def values(self, now_ns: int, contract: Contract | None = None) -> dict[str, float]:
        """What is available at event time `now_ns`, in the order of VALUES. About 10 us."""
        found: dict[str, float | None] = {}
        traded, prints, walls = self._traded, self._prints, self._walls
        vwaps: dict[str, float | None] = {}
        away: dict[str, float | None] = {}
        for place, name in ((_MINUTE, "1m"), (_FIVE_MINUTES, "5m"), (_HOUR, "1h")):
            if not traded.covers(now_ns, RINGS[place][0]):
                break
            signed, _, vwap_minus_last = traded.window(now_ns, place)
            found[f"cvd_{name}_size"] = signed
            if place != _FIVE_MINUTES and vwap_minus_last is not None:
                vwaps[f"vwap_{name}_price"] = traded.last_price + vwap_minus_last
                away[f"vwap_{name}_deviation_bp"] = (
                    -vwap_minus_last / traded.last_price * _BASIS_POINTS
                )
        found |= vwaps | away
        found["large_print_flow_60s"] = prints.flow(now_ns)
        if isfinite(prints.size_min):
            found["large_print_size"] = prints.size_min
            if contract is not None:
                found["large_print_quote"] = contract.quote(prints.size_min, traded.last_price)
        found["absorption_4s_z"] = traded.absorption(now_ns)
        if walls.is_whole and now_ns - walls.stamp_ns <= self._stale_ns:
            found["wall_imbalance"] = walls.imbalance()
            if traded.since_ns:
                found["pulled_walls_60s"] = walls.pulled(now_ns)
        return {name: value for name, value in found.items() if value is not None}

    def words(self, now_ns: int) -> tuple[str, ...]:
        """What of it is out of the ordinary, for a person; often nothing."""
        values = self.values(now_ns)
        said = []
        newest, limit = self._prints.newest, _PRINT_LIMITS * self._prints.size_min
        if newest and newest.size >= limit and now_ns - newest.stamp_ns <= _NEWS_NS:
            age_s = (now_ns - newest.stamp_ns) / 1e9
            bought = "bought" if newest.side > 0 else "sold"
            said.append(f"{newest.size:,.6g} {bought} at {newest.price:,} {age_s:.1f} s ago")
        flow = values.get("large_print_flow_60s", 0.0)
        if abs(flow) >= _LEANING:
            bought = "bought" if flow > 0.0 else "sold"
            said.append(f"large prints: {abs(flow):.0%} of a minute's volume {bought}")
        absorbed = values.get("absorption_4s_z", 0.0)
        if abs(absorbed) >= _ABSORBED_Z:
            who = "buyers" if absorbed > 0.0 else "sellers"
            said.append(f"{who} absorbed: flow {abs(absorbed):.1f} x usual, price stays")
        pulled = values.get("pulled_walls_60s", 0.0)
        if abs(pulled) >= _PULLED_SHARE:
            said.append(f"{'ask' if pulled > 0.0 else 'bid'} walls were pulled ({abs(pulled):.0%})")
        wall = values.get("wall_imbalance", 0.0)
        if abs(wall) >= _WALL_SHARE:
            said.append(f"{'bid' if wall > 0.0 else 'ask'} walls hold {abs(wall):.0%} of the book")
        away_bp = values.get("vwap_1h_deviation_bp", 0.0)
        if abs(away_bp) >= _AWAY_BP:
            said.append(f"{abs(away_bp):.1f} bp {'above' if away_bp > 0.0 else 'below'} 1 h VWAP")
        return tuple(said)

    def state(self) -> bytes:
        """For the snapshot: at most STATE_BYTES_MAX."""
        parts = (self._traded.state(), self._prints.state(), self._walls.state())
        return _HEAD.pack(_VERSION, *map(len, parts)) + b"".join(parts)

    def load(self, state: bytes) -> None:
        """Continue from `state()`; ValueError when it does not fit, and then nothing changed."""
        if len(state) < _HEAD.size or state[0] != _VERSION:
            raise ValueError("not a market context's state, or one of another version")
        _, traded, prints, walls = _HEAD.unpack_from(state)
        if len(state) != _HEAD.size + traded + prints + walls:
            raise ValueError("the market context's state has another length than it says")
        rest = state[_HEAD.size :]
        loaded = (
            Traded.loaded(rest[:traded]),
            LargePrints.loaded(rest[traded : traded + prints]),
            Walls.loaded(rest[traded + prints :]),
        )
        self._traded, self._prints, self._walls = loaded
