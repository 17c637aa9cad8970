"""The two rules of thumb that hunter's brain replaces, as baselines: what a score should beat.

A is a brain that adds up trend, order flow and book; B an order-flow score. Both are written from a
description of their formulas, not from their source, and keep their faults, which are what they are
compared for: their "confidence" in the direction they call is taken at its word, and 1/2 where they
call none. Two things are in their favour: the one's mark-down for a large level, which nearly every
book has and which turned most of its calls round, is left out, and the other is ranked by its bare
score, also where it makes no call. Fed the rows of one instrument; pure, no clock.
"""

from __future__ import annotations

from collections import deque
from math import exp, log, sqrt
from typing import Final

import numpy as np
from numpy.typing import NDArray

from hunter.brain.inputs import BookRow, TradeRow

Floats = NDArray[np.float64]

_PRICES_KEPT: Final = 120
_PUSHES_KEPT: Final = 60
_A_LEVELS: Final = 5
_FAST, _SLOW = 2.0 / (12 + 1), 2.0 / (48 + 1)
_TREND_GAP_MIN: Final = 0.002
_CALM_BELOW: Final = 0.003
_VOLATILE_ABOVE: Final = 0.009
_TRADED_MIN: Final = 0.5
_SHOWN_MIN: Final = 5.0
_WIDE_SPREAD: Final = 0.0015
_PENALTY: Final = 0.3
_NEUTRAL: Final = 0.2
_FLAT_BELOW: Final = 0.15
_B_WINDOW_NS: Final = 30_000_000_000
_B_LEVELS: Final = 10
_B_CALL_ABOVE: Final = 0.15


class TrendFlowBook:
    """A. Trend is the gap of two averages over price updates (12 and 48 of them), nothing below
    0.2 %; flow the share of buying in the last 60 pushes; book that of bids in five levels. The
    side with the larger sum of 1, 0.8 and 0.6 times its parts is called, unless 0.2 is larger;
    confidence is sigmoid(2 (sum - penalty)), the penalty 0.3 in a volatile market.
    """

    def __init__(self) -> None:
        self._price = self._fast = self._slow = 0.0
        self._returns: deque[float] = deque()
        self._sum = self._squares = 0.0
        self._pushes: deque[float] = deque(maxlen=_PUSHES_KEPT)
        self._book: BookRow | None = None

    def on_trade(self, row: TradeRow) -> None:
        price = row.price
        if self._price:
            self._fast += _FAST * (price - self._fast)
            self._slow += _SLOW * (price - self._slow)
            self._add(log(price / self._price))
        else:
            self._fast = self._slow = price
        self._price = price
        self._pushes.append(row.size * row.side)

    def _add(self, change: float) -> None:
        returns = self._returns
        if len(returns) == _PRICES_KEPT - 1:
            gone = returns.popleft()
            self._sum -= gone
            self._squares -= gone * gone
        returns.append(change)
        self._sum += change
        self._squares += change * change

    def on_book(self, row: BookRow) -> None:
        self._book = row if row.valid else None

    def probability_up(self) -> float:
        """Its confidence as P(up)."""
        if not self._price:
            return 0.5
        flow, book = self._flow(), self._imbalance()
        deviation = self._deviation()
        trend = self._trend(deviation)
        up = max(0.0, trend) + 0.8 * max(0.0, flow) + 0.6 * max(0.0, book)
        # Its sign error, kept: a falling price counts for buying, without a limit.
        up += max(0.0, -trend)
        down = 0.8 * max(0.0, -flow) + 0.6 * max(0.0, -book)
        score = max(up, down)
        if not trend and score <= _NEUTRAL:
            return 0.5
        penalty = _PENALTY if deviation > _VOLATILE_ABOVE else 0.0
        confidence = 1.0 / (1.0 + exp(-2.0 * (score - penalty)))
        if confidence < _FLAT_BELOW:
            return 0.5
        return confidence if up >= down else 1.0 - confidence

    def _trend(self, deviation: float) -> float:
        gap = (self._fast - self._slow) / self._slow
        if abs(gap) < _TREND_GAP_MIN:
            return 0.0
        return min(1.5, gap / _TREND_GAP_MIN * (1.2 if deviation < _CALM_BELOW else 1.0))

    def _deviation(self) -> float:
        """Of the returns between the last prices."""
        count = len(self._returns)
        if count < 2:
            return 0.0
        mean = self._sum / count
        return sqrt(max(0.0, self._squares / count - mean * mean))

    def _flow(self) -> float:
        total = sum(map(abs, self._pushes))
        return sum(self._pushes) / total if total >= _TRADED_MIN else 0.0

    def _imbalance(self) -> float:
        book = self._book
        if book is None or not book.bid_count or not book.ask_count:
            return 0.0
        bids, asks = book.bids[: 2 * _A_LEVELS], book.asks[: 2 * _A_LEVELS]
        bid, ask = sum(bids[1::2]), sum(asks[1::2])
        if bid + ask < _SHOWN_MIN:
            return 0.0
        wide = (asks[0] - bids[0]) / ((bids[0] + asks[0]) / 2.0) > _WIDE_SPREAD
        return (bid - ask) / (bid + ask) * (0.8 if wide else 1.0)


class FlowAndDepth:
    """B. 0.4 times the net share of buying in 30 s plus 0.3 times (share of bids in ten levels -
    1/2), beyond +-0.15 a call; confidence is twice the score's size, at most 1.
    """

    def __init__(self) -> None:
        self._trades: deque[tuple[int, float]] = deque()
        self._bought = self._sold = 0.0
        self._book: BookRow | None = None

    def on_trade(self, row: TradeRow) -> None:
        signed = row.size * row.side
        self._trades.append((row.received_ts_ns, signed))
        if signed > 0:
            self._bought += signed
        else:
            self._sold -= signed

    def on_book(self, row: BookRow) -> None:
        self._book = row if row.valid else None

    def score(self, now_ns: int) -> float:
        """Up is positive; at receive time `now_ns`."""
        trades = self._trades
        while trades and trades[0][0] < now_ns - _B_WINDOW_NS:
            _, signed = trades.popleft()
            if signed > 0:
                self._bought -= signed
            else:
                self._sold += signed
        if not trades:
            self._bought = self._sold = 0.0
        total = self._bought + self._sold
        net = (self._bought - self._sold) / total if total > 0.0 else 0.0
        share = 0.5
        if self._book is not None:
            bid = sum(self._book.bids[1 : 2 * _B_LEVELS : 2])
            ask = sum(self._book.asks[1 : 2 * _B_LEVELS : 2])
            share = bid / (bid + ask) if bid + ask > 0.0 else 0.5
        return 0.4 * net + 0.3 * (share - 0.5)


def confidence_up(score: Floats) -> Floats:
    """B's confidence as P(up), of an array of its scores."""
    size = np.abs(score)
    called = np.where(size > _B_CALL_ABOVE, np.minimum(2.0 * size, 1.0), 0.0)
    return 0.5 + np.sign(score) * called / 2.0
