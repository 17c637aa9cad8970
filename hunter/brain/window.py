"""FlowWindow: the decaying recent past of one instrument, which the features read.

Invariants: memory is fixed; rows count at their own exchange stamp, but never later than event
time; everything signed changes its sign exactly under the side swap, everything else stays as it
is. Order flow and moves are counted between two quotes of the same source that are both usable,
never across a hole: what happened in a hole is unknown, not zero and not a jump.
"""

from __future__ import annotations

from math import nan, sqrt

import msgspec

from hunter.brain.decay import DecayedMean, DecayedRate, DecayedSum
from hunter.brain.quote import BestQuote, Source

DEPTH_LEVELS = 5
_NO_SIDE = (nan, 0.0)
_BOOK = int(Source.BOOK)


class WindowState(msgspec.Struct, array_like=True):
    """Everything a window remembers."""

    quote: tuple[int, int, float, float, float, float]
    mid: float
    last_move: float
    sums: list[tuple[int, float]]
    rates: list[tuple[int, int, float]]
    depth: tuple[int, float, float]
    book_stamp_ns: int
    bids: tuple[float, ...]
    asks: tuple[float, ...]


class FlowWindow:
    """Fed by the brain row by row; read by the functions of hunter.brain.features."""

    __slots__ = (
        "_mid",
        "asks",
        "bids",
        "book_stamp_ns",
        "depth",
        "last_move",
        "ofi_1s",
        "ofi_4s",
        "ofi_250ms",
        "quote",
        "signed_volume_1s",
        "signed_volume_16s",
        "trades",
        "variance_5s",
        "variance_60s",
        "volume_1s",
        "volume_16s",
    )

    def __init__(self, stale_ms: int) -> None:
        self.quote = BestQuote(stale_ms)
        self._mid = nan  # of the last usable quote of the present run of one source
        self.last_move = 0.0
        self.ofi_250ms, self.ofi_1s, self.ofi_4s = map(DecayedSum, (250, 1_000, 4_000))
        self.signed_volume_1s, self.signed_volume_16s = map(DecayedSum, (1_000, 16_000))
        self.volume_1s, self.volume_16s = map(DecayedSum, (1_000, 16_000))
        self.trades = DecayedRate(5_000)
        self.variance_5s, self.variance_60s = map(DecayedRate, (5_000, 60_000))
        self.depth = DecayedMean(60_000)
        self.book_stamp_ns = 0
        self.bids: tuple[float, ...] = ()
        self.asks: tuple[float, ...] = ()

    def on_trade(self, stamp_ns: int, size: float, side: int, count: int) -> None:
        """A row of matches; `side` is the taker's."""
        signed = size if side > 0 else -size
        self.signed_volume_1s.add(stamp_ns, signed)
        self.signed_volume_16s.add(stamp_ns, signed)
        self.volume_1s.add(stamp_ns, size)
        self.volume_16s.add(stamp_ns, size)
        self.trades.start(stamp_ns)
        self.trades.add(stamp_ns, count)

    def on_quote(
        self,
        times_ns: tuple[int, int],
        source: int,
        bid: tuple[float, ...],
        ask: tuple[float, ...],
    ) -> None:
        """(price, size) of both sides; `times_ns` are the row's stamp and event time."""
        stamp_ns, now_ns = times_ns
        quote = self.quote
        if quote.outranks(source, now_ns):
            return
        old_bid, old_bid_size, old_ask, old_ask_size = (
            quote.bid,
            quote.bid_size,
            quote.ask,
            quote.ask_size,
        )
        # Two sources lag differently: a difference between them is no order flow and no move.
        followed = quote.usable and quote.source == source
        quote.update(stamp_ns, source, bid, ask)
        if not quote.usable:
            self._mid = nan
            return
        price, size = bid
        bought = (size if price >= old_bid else 0.0) - (old_bid_size if price <= old_bid else 0.0)
        self.depth.update(stamp_ns, (size + ask[1]) / 2.0)
        price, size = ask
        sold = (size if price <= old_ask else 0.0) - (old_ask_size if price >= old_ask else 0.0)
        if followed:
            flow = bought - sold
            if flow:
                self.ofi_250ms.add(stamp_ns, flow)
                self.ofi_1s.add(stamp_ns, flow)
                self.ofi_4s.add(stamp_ns, flow)
            move = quote.mid - self._mid
            if move:
                self.last_move = 1.0 if move > 0.0 else -1.0
                # In price units, so that the swap changes nothing; read out relative to the mid.
                self.variance_5s.add(stamp_ns, move * move)
                self.variance_60s.add(stamp_ns, move * move)
        else:
            self.variance_5s.start(stamp_ns)
            self.variance_60s.start(stamp_ns)
        self._mid = quote.mid

    def on_book(
        self, times_ns: tuple[int, int], bids: tuple[float, ...], asks: tuple[float, ...]
    ) -> None:
        """The top of a valid book: at most DEPTH_LEVELS levels a side, flat, best first."""
        self.bids, self.asks = bids, asks
        self.book_stamp_ns = times_ns[0]
        self.on_quote(times_ns, _BOOK, bids[:2] or _NO_SIDE, asks[:2] or _NO_SIDE)

    def on_invalid_book(self) -> None:
        """It takes the levels away and is no quote."""
        self.bids = self.asks = ()

    def volatility_ratio(self, now_ns: int) -> float:
        """Realised volatility of 5 s over that of 60 s; 0 without moves."""
        slow = self.variance_60s.read(now_ns)
        return sqrt(self.variance_5s.read(now_ns) / slow) if slow > 0.0 else 0.0

    def _sums(self) -> tuple[DecayedSum, ...]:
        flows = (self.ofi_250ms, self.ofi_1s, self.ofi_4s)
        signed = (self.signed_volume_1s, self.signed_volume_16s)
        return (*flows, *signed, self.volume_1s, self.volume_16s)

    def _rates(self) -> tuple[DecayedRate, ...]:
        return (self.trades, self.variance_5s, self.variance_60s)

    def state(self) -> WindowState:
        """For the snapshot."""
        return WindowState(
            quote=self.quote.state(),
            mid=self._mid,
            last_move=self.last_move,
            sums=[item.state() for item in self._sums()],
            rates=[item.state() for item in self._rates()],
            depth=self.depth.state(),
            book_stamp_ns=self.book_stamp_ns,
            bids=self.bids,
            asks=self.asks,
        )

    def load(self, state: WindowState) -> None:
        """Continue from `state()`; ValueError when its parts do not fit."""
        self.quote.load(state.quote)
        self._mid = state.mid
        self.last_move = state.last_move
        for total, one in zip(self._sums(), state.sums, strict=True):
            total.load(one)
        for rate, other in zip(self._rates(), state.rates, strict=True):
            rate.load(other)
        self.depth.load(state.depth)
        self.book_stamp_ns = state.book_stamp_ns
        self.bids = state.bids
        self.asks = state.asks
