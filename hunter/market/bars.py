"""Bars made of trades: price, volume bought and sold, VWAP and CVD of 1 s to 1 h. Pure.

Rules:
- Bars are aligned to UTC. A match counts in the bar of its exchange stamp.
- Rows come in match order. One stamped before the bar under way counts in that bar all the same:
  a bar that is over never changes. `misplaced` says how many did.
- A stamp a minute after both the newest one and its own reception is not believed until three rows
  in a row say so; until then such a row counts in the bar under way, and is misplaced too.
- A bar without a trade is not made: that nothing was traded is what its absence says, if the bars
  around it are complete.
- A hole in the match numbers, or a row that says that matches before it are lost, lies somewhere
  between two rows; both their bars have it, and bars between them may be missing.
- A row that brings no new match is left out and counted; numbers that begin again five seconds
  later are another series, which is a hole.
- `volume` is in sizes as the exchange sends them (contracts; base currency for spot). Base and
  quote currency need the contract's value, and are None until it is known.

Called by hunter.access and `hunter candles`, which have the rows; the caller says what a contract
is worth.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Iterator
from math import nan
from typing import TYPE_CHECKING, Final, NamedTuple

from hunter.market.contract import Contract

if TYPE_CHECKING:
    import numpy as np

BARS: Final = {"1s": 1, "1m": 60, "5m": 300, "15m": 900, "1h": 3_600}
"""Name and length in seconds."""

GLITCH_NS: Final = 60_000_000_000
GLITCH_ROWS: Final = 3
RESTART_AFTER_NS: Final = 5_000_000_000
_NS_PER_S: Final = 1_000_000_000


class BarFlag(enum.IntFlag):
    """Why a bar is not complete."""

    CUT = 1  # it began before what was seen
    HOLE = 2  # matches are missing in it, or next to it
    UNDER_WAY = 4  # no row after its end was seen


_REASONS: Final = {
    BarFlag.CUT: "begins before what was seen",
    BarFlag.HOLE: "matches are missing",
    BarFlag.UNDER_WAY: "under way",
}


class BarTrade(NamedTuple):
    """A row at one price: it covers (trade_id - matches, trade_id]; `side` +1: the taker bought."""

    trade_id: int
    matches: int
    exchange_ts_ns: int
    received_ts_ns: int
    price: float
    size: float
    side: int
    after_loss: bool = False


class TradeBar(NamedTuple):
    """One bar. Volumes and CVD in sizes as sent, but for those named base and quote."""

    open_ts_ns: int
    open: float
    high: float
    low: float
    close: float
    volume: float
    buy_volume: float
    sell_volume: float
    volume_base: float | None
    volume_quote: float | None
    """The notional: price times base currency; dollars of an inverse contract."""
    vwap: float
    """Quote currency over base currency: what was paid for one."""
    cvd: float
    """Bought minus sold within the bar."""
    cvd_running: float
    """The same since the first row seen, at the bar's end."""
    matches: int
    first_trade_id: int
    last_trade_id: int
    misplaced: int
    """Rows that count here although their stamp is of another bar."""
    flags: BarFlag

    @property
    def complete(self) -> bool:
        """Whether each match of the bar is in it, and it is over."""
        return not self.flags

    @property
    def why_not(self) -> str:
        """Why it is not complete, in words; "" when it is."""
        return ", ".join(text for flag, text in _REASONS.items() if flag in self.flags)


class _Sum:
    """A sum that carries what each addition rounds off (Neumaier 1974), so that people are not
    shown 12.41238000000001 coins.
    """

    __slots__ = ("_rest", "_sum")

    def __init__(self) -> None:
        self._sum = self._rest = 0.0

    def add(self, amount: float) -> None:
        before = self._sum
        self._sum = after = before + amount
        if abs(before) >= abs(amount):
            self._rest += (before - after) + amount
        else:
            self._rest += (amount - after) + before

    @property
    def total(self) -> float:
        return self._sum + self._rest


class BarBuilder:
    """Bars of one length of one instrument. `add` rows in match order; `under_way` is the last."""

    def __init__(self, bar_s: int, contract: Contract) -> None:
        assert bar_s > 0, bar_s
        self._bar_ns = bar_s * _NS_PER_S
        self._contract = contract
        self.duplicates = 0
        """Rows that brought no new match."""
        self._trade_id = 0  # the newest match
        self._now_ns = 0  # the newest stamp that is believed; 0 before the first row
        self._doubted = 0  # rows in a row
        self._running = _Sum()
        self._flags = BarFlag.CUT
        self._open_ts_ns = self._end_ns = 0
        self._begin(0, 0, 0.0)

    def add(self, trade: BarTrade) -> TradeBar | None:
        """Take a row; the bar that ended before it, if it is the first row after one."""
        first_id = trade.trade_id - trade.matches + 1
        is_hole = False
        if self._now_ns:
            is_hole = trade.after_loss or first_id > self._trade_id + 1
            if trade.trade_id <= self._trade_id:
                if trade.exchange_ts_ns - self._now_ns < RESTART_AFTER_NS:
                    self.duplicates += 1
                    return None
                is_hole = True
        ts_ns = self._time(trade)
        over = None
        if is_hole:
            self._flags |= BarFlag.HOLE
        if ts_ns >= self._end_ns:
            if self._now_ns:
                over = self._bar(self._flags)
                self._flags = BarFlag.HOLE if is_hole else BarFlag(0)
                # The rows that were doubted belong here, and are in the bar before.
                self._flags |= BarFlag.CUT if self._doubted else BarFlag(0)
            self._begin(ts_ns - ts_ns % self._bar_ns, first_id, trade.price)
        self._doubted = self._doubted if self._doubted < GLITCH_ROWS else 0
        self._now_ns = max(self._now_ns, ts_ns)
        self._trade_id = trade.trade_id
        self._count(trade)
        return over

    def under_way(self) -> TradeBar | None:
        """The newest bar as far as it has come; None before the first row."""
        return self._bar(self._flags | BarFlag.UNDER_WAY) if self._now_ns else None

    def _time(self, trade: BarTrade) -> int:
        """Where the row counts: at its stamp, if that is believed."""
        stamp_ns, received_ns = trade.exchange_ts_ns, trade.received_ts_ns
        if stamp_ns - max(self._now_ns, received_ns) <= GLITCH_NS:
            self._doubted = 0
            return stamp_ns
        self._doubted += 1
        return stamp_ns if self._doubted >= GLITCH_ROWS else self._now_ns or received_ns

    def _begin(self, open_ts_ns: int, first_id: int, price: float) -> None:
        self._open_ts_ns, self._end_ns = open_ts_ns, open_ts_ns + self._bar_ns
        self._first_id = first_id
        self._open = self._high = self._low = self._close = price
        self._bought, self._sold, self._signed = _Sum(), _Sum(), _Sum()
        self._volume, self._base, self._quote = _Sum(), _Sum(), _Sum()
        self._matches = self._misplaced = 0

    def _count(self, trade: BarTrade) -> None:
        price, size = trade.price, trade.size
        if price > self._high:
            self._high = price
        if price < self._low:
            self._low = price
        self._close = price
        (self._bought if trade.side > 0 else self._sold).add(size)
        signed = size if trade.side > 0 else -size
        self._signed.add(signed)
        self._running.add(signed)
        self._volume.add(size)
        self._base.add(self._contract.base_units(size, price))
        self._quote.add(self._contract.quote_units(size, price))
        self._matches += trade.matches
        self._misplaced += not self._open_ts_ns <= trade.exchange_ts_ns < self._end_ns

    def _bar(self, flags: BarFlag) -> TradeBar:
        base, quote = self._base.total, self._quote.total
        base_each, quote_each = self._contract.base_per_unit, self._contract.quote_per_unit
        return TradeBar(
            open_ts_ns=self._open_ts_ns,
            open=self._open,
            high=self._high,
            low=self._low,
            close=self._close,
            volume=self._volume.total,
            buy_volume=self._bought.total,
            sell_volume=self._sold.total,
            volume_base=None if base_each is None else base * base_each,
            volume_quote=None if quote_each is None else quote * quote_each,
            vwap=quote / base if base > 0.0 else self._close,
            cvd=self._signed.total,
            cvd_running=self._running.total,
            matches=self._matches,
            first_trade_id=self._first_id,
            last_trade_id=self._trade_id,
            misplaced=self._misplaced,
            flags=flags,
        )


def bars_of(trades: Iterable[BarTrade], bar_s: int, contract: Contract) -> Iterator[TradeBar]:
    """All bars of rows in match order, oldest first; the last one is the one under way."""
    builder = BarBuilder(bar_s, contract)
    for trade in trades:
        over = builder.add(trade)
        if over is not None:
            yield over
    last = builder.under_way()
    if last is not None:
        yield last


_ARRAY_FIELDS: Final = (
    ("open_ts_ns", "<i8"),
    *((name, "<f8") for name in ("open", "high", "low", "close")),
    *((name, "<f8") for name in ("volume", "buy_volume", "sell_volume")),
    *((name, "<f8") for name in ("volume_base", "volume_quote", "vwap", "cvd", "cvd_running")),
    *((name, "<i8") for name in ("matches", "first_trade_id", "last_trade_id")),
    ("misplaced", "<i4"),
    ("flags", "u1"),
    ("complete", "?"),
)
assert tuple(name for name, _ in _ARRAY_FIELDS[:-1]) == TradeBar._fields


def bars_array(bars: Iterable[TradeBar]) -> np.ndarray[tuple[int], np.dtype[np.void]]:
    """Structured array of shape (bars,): the fields of TradeBar and `complete`; None is NaN.

    open_ts_ns, matches and trade ids are int64, misplaced int32, flags uint8 (BarFlag), complete
    bool, all others float64.
    """
    import numpy  # the command line shows bars without it

    rows = []
    for bar in bars:
        numbers = (nan if value is None else value for value in bar)
        rows.append((*numbers, bar.complete))
    return numpy.array(rows, dtype=list(_ARRAY_FIELDS))
