"""Candles of one instrument, made of its trades. Pure.

Prices are ticks and sizes lots, so that sums are exact. A second and a minute are kept for every
trade; longer bars are put together from minutes when somebody asks.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from hunter.simulator.channels import BarSpan
from hunter.simulator.instruments import Listing

_SECONDS_KEPT: Final = 60
_MINUTES_KEPT: Final = 1_441  # a day, and the minute that is open


@dataclass(slots=True)
class Ohlcv:
    """`turnover`: the sum of ticks times lots."""

    open_s: int
    open: int
    high: int
    low: int
    close: int
    lots: int = 0
    turnover: int = 0

    def add(self, tick: int, lots: int) -> None:
        self.high = max(self.high, tick)
        self.low = min(self.low, tick)
        self.close = tick
        self.lots += lots
        self.turnover += tick * lots

    def row(self, item: Listing, is_over: bool) -> list[str]:
        """As channel candle* has it."""
        prices = [item.price_text(tick) for tick in (self.open, self.high, self.low, self.close)]
        base, quote = item.base_text(self.lots, self.turnover), item.quote_text(self.turnover)
        if item.is_inverse:
            quote = item.contract_text(self.lots)
        currency = quote if item.inst_type == "SPOT" else base
        volumes = [item.size_text(self.lots), currency, quote]
        return [str(self.open_s * 1000), *prices, *volumes, "1" if is_over else "0"]


def grid_start_s(span: BarSpan, now_s: int) -> int:
    """When the bar began that `now_s` is in."""
    return (now_s + span.shift_s) // span.seconds * span.seconds - span.shift_s


class Tape:
    def __init__(self) -> None:
        self._seconds: deque[Ohlcv] = deque(maxlen=_SECONDS_KEPT)
        self._minutes: deque[Ohlcv] = deque(maxlen=_MINUTES_KEPT)

    def add(self, ts_ms: int, tick: int, lots: int) -> None:
        second = ts_ms // 1000
        for bars, open_s in ((self._seconds, second), (self._minutes, second - second % 60)):
            if not bars or bars[-1].open_s != open_s:
                bars.append(Ohlcv(open_s, tick, tick, tick, tick))
            bars[-1].add(tick, lots)

    def bar(self, span: BarSpan, start_s: int) -> Ohlcv | None:
        """The bar from `start_s` on, as far as it has come. Without a trade it lies flat at the
        price before it; None while there has been no trade at all.
        """
        parts = self._minutes if span.seconds >= 60 else self._seconds
        before: Ohlcv | None = None
        whole: Ohlcv | None = None
        for part in _newest_first(parts, start_s + span.seconds):
            if part.open_s < start_s:
                before = part
                break
            whole = part if whole is None else _joined(part, whole)
        if whole is not None:
            return Ohlcv(
                start_s, whole.open, whole.high, whole.low, whole.close, whole.lots, whole.turnover
            )
        if before is None:
            return None
        tick = before.close
        return Ohlcv(start_s, tick, tick, tick, tick)


def _newest_first(bars: deque[Ohlcv], end_s: int) -> Iterable[Ohlcv]:
    return (bar for bar in reversed(bars) if bar.open_s < end_s)


def _joined(older: Ohlcv, newer: Ohlcv) -> Ohlcv:
    return Ohlcv(
        older.open_s,
        older.open,
        max(older.high, newer.high),
        min(older.low, newer.low),
        newer.close,
        older.lots + newer.lots,
        older.turnover + newer.turnover,
    )
