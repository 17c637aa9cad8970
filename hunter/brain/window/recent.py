"""RecentFlow: the decaying recent past of one instrument, which the features read.

Invariants: memory is fixed; a row costs O(1); everything signed changes its sign exactly under the
side swap, everything else stays as it is. Sizes are in whatever unit the exchange quotes them
(contracts or base currency): the features take ratios only.

Quotes and books count at the event time they are applied at, in the order of arrival: lanes whose
clocks differ cannot weigh one another down, and what was known is what counts. Matches count at
their own stamp (see hunter.brain.window.takers). How old a quote is, is told by its own stamp.

Order flow and moves are counted between two quotes of one run: of the same source, both usable, no
hole between. What happened in a hole is unknown, not zero and not a jump: `on_gap` begins the
flows again. Rates, variances and mean depths, which are slow and have no side, go on.
"""

from __future__ import annotations

from math import inf, nan, sqrt
from struct import Struct
from typing import Final

from hunter.brain.window.decay import DecayedMean, DecayedMoments, DecayedRate, DecayedSum, Part
from hunter.brain.window.moves import MidMoves
from hunter.brain.window.quote import BestQuote, Source
from hunter.brain.window.takers import TakerFlow

DEPTH_LEVELS: Final = 5
_NO_SIDE = (nan, 0.0)
_BOOK = int(Source.BOOK)


def flow_of_bid(price: float, size: float, old_price: float, old_size: float) -> float:
    """What a bid's change adds to demand: Cont, Kukanov and Stoikov 2014."""
    came = size if price >= old_price else 0.0
    return came - (old_size if price <= old_price else 0.0)


def flow_of_ask(price: float, size: float, old_price: float, old_size: float) -> float:
    """What an ask's change adds to supply: the mirror of `flow_of_bid`."""
    came = size if price <= old_price else 0.0
    return came - (old_size if price >= old_price else 0.0)


def touch_of(bids: tuple[float, ...], asks: tuple[float, ...]) -> tuple[float, float, float, float]:
    """The best of both sides of a book; a side without levels has no price and size 0."""
    bid, bid_size = bids[:2] or _NO_SIDE
    ask, ask_size = asks[:2] or _NO_SIDE
    return bid, bid_size, ask, ask_size


def volume_of(levels: tuple[float, ...]) -> float:
    """Sum of the sizes of flat levels."""
    volume = 0.0
    for i in range(1, len(levels), 2):
        volume += levels[i]
    return volume


class RecentFlow:
    """Fed by the brain row by row, in arrival order."""

    __slots__ = (
        "_book_follows",
        "asks",
        "basis",
        "bids",
        "book_depth",
        "book_stamp_ns",
        "depth",
        "depth_flow_1s",
        "moves",
        "ofi_1s",
        "ofi_4s",
        "ofi_16s",
        "ofi_250ms",
        "quote",
        "quotes",
        "spread",
        "takers",
    )

    def __init__(self, stale_ms: int) -> None:
        self.quote = BestQuote(stale_ms)
        self.moves = MidMoves()
        self.takers = TakerFlow()
        half_lives_ms = (250, 1_000, 4_000, 16_000)
        self.ofi_250ms, self.ofi_1s, self.ofi_4s, self.ofi_16s = map(DecayedSum, half_lives_ms)
        self.depth_flow_1s = DecayedSum(1_000)
        self.quotes = DecayedRate(5_000)
        self.depth, self.spread, self.book_depth = map(DecayedMean, (60_000, 60_000, 60_000))
        self.basis = DecayedMoments(60_000)
        self.book_stamp_ns = 0
        self._book_follows = 0  # whether the levels there are of the book before the next one
        self.bids: tuple[float, ...] = ()
        self.asks: tuple[float, ...] = ()

    def on_trade(self, stamp_ns: int, price: float, size: float, side: int, count: int) -> None:
        """A row of matches; `side` is the taker's. Without a price or a size it is none."""
        if price == price and 0.0 < size < inf:
            self.takers.add(stamp_ns, size, side, count)

    def on_quote(
        self, stamp_ns: int, now_ns: int, source: int, *touch: *tuple[float, float, float, float]
    ) -> None:
        """`touch` is bid, bid size, ask, ask size; times are the row's stamp and event time."""
        quote, moves = self.quote, self.moves
        if quote.outranks(source, now_ns):
            return
        # Two sources lag differently: a difference between them is no order flow and no move.
        follows = moves.running and quote.source == source
        old_bid, old_bid_size = quote.bid, quote.bid_size
        old_ask, old_ask_size = quote.ask, quote.ask_size
        quote.update(stamp_ns, source, *touch)
        if not quote.usable:
            moves.lose()
            return
        bid, bid_size, ask, ask_size = touch
        self.quotes.start(now_ns)
        self.quotes.add(now_ns, 1.0)
        self.depth.update(now_ns, (bid_size + ask_size) / 2.0)
        self.spread.update(now_ns, ask - bid)
        if not follows:
            moves.begin(now_ns, quote.mid)
            return
        moves.follow(now_ns, quote.mid)
        bought = flow_of_bid(bid, bid_size, old_bid, old_bid_size)
        flow = bought - flow_of_ask(ask, ask_size, old_ask, old_ask_size)
        if flow:
            self.ofi_250ms.add(now_ns, flow)
            self.ofi_1s.add(now_ns, flow)
            self.ofi_4s.add(now_ns, flow)
            self.ofi_16s.add(now_ns, flow)

    def on_book(
        self, stamp_ns: int, now_ns: int, bids: tuple[float, ...], asks: tuple[float, ...]
    ) -> None:
        """The top of a valid book: flat, best first; DEPTH_LEVELS levels a side are used."""
        bids, asks = bids[: 2 * DEPTH_LEVELS], asks[: 2 * DEPTH_LEVELS]
        if bids and asks:
            self._on_levels(now_ns, bids, asks)
        self.bids, self.asks = bids, asks
        self.book_stamp_ns = stamp_ns
        self._book_follows = 1
        self.on_quote(stamp_ns, now_ns, _BOOK, *touch_of(bids, asks))

    def _on_levels(self, now_ns: int, bids: tuple[float, ...], asks: tuple[float, ...]) -> None:
        """The flow of each level, prices compared level by level (Xu, Gould and Howison 2018)."""
        size = volume_of(bids) + volume_of(asks)
        if not size < inf:
            return
        self.book_depth.update(now_ns, size / ((len(bids) + len(asks)) // 2))
        old_bids, old_asks = self.bids, self.asks
        end = min(len(bids), len(asks), len(old_bids), len(old_asks))
        if not (self._book_follows and end):
            return
        flow = 0.0
        for i in range(0, end, 2):
            bought = flow_of_bid(bids[i], bids[i + 1], old_bids[i], old_bids[i + 1])
            flow += bought - flow_of_ask(asks[i], asks[i + 1], old_asks[i], old_asks[i + 1])
        if flow:
            self.depth_flow_1s.add(now_ns, flow / (end // 2))

    def on_invalid_book(self) -> None:
        """It takes the levels away and is no quote."""
        self.bids = self.asks = ()

    def on_gap(self) -> None:
        """Rows of any kind went by unread."""
        self.moves.forget()
        self.takers.forget()
        flows = (self.ofi_250ms, self.ofi_1s, self.ofi_4s, self.ofi_16s, self.depth_flow_1s)
        for total in flows:
            total.clear()
        self._book_follows = 0

    def on_mate(self, now_ns: int, mate: RecentFlow) -> None:
        """Take note of the basis, the mate's mid minus one's own. The brain does it at each sample,
        so that reading a vector stays without effect; without it there is no basis to compare."""
        quotes = (self.quote, mate.quote)
        known = all(quote.usable and not quote.is_stale(now_ns) for quote in quotes)
        self.basis.update(now_ns, mate.quote.mid - self.quote.mid if known else nan)

    def volatility_ratio(self, now_ns: int) -> float:
        """Realised volatility of 5 s over that of 60 s; 0 without moves."""
        slow = self.moves.variance_60s.read(now_ns)
        return sqrt(self.moves.variance_5s.read(now_ns) / slow) if slow > 0.0 else 0.0

    def _parts(self) -> tuple[Part, ...]:
        flows = (self.ofi_250ms, self.ofi_1s, self.ofi_4s, self.ofi_16s, self.depth_flow_1s)
        means = (self.depth, self.spread, self.book_depth)
        others = (*flows, self.quotes, *means, self.basis)
        return (self.quote, *self.moves.parts(), *self.takers.parts(), *others)

    def _struct(self) -> Struct:
        return Struct(
            "<qqqq" + "d" * (4 * DEPTH_LEVELS) + "".join(part.FORMAT for part in self._parts())
        )

    def state(self) -> bytes:
        """For the snapshot: little-endian numbers of eight bytes each, always as many."""
        numbers: list[float] = []
        for levels in (self.bids, self.asks):
            used = levels[: len(levels) // 2 * 2]
            numbers += (*used, *(0.0,) * (2 * DEPTH_LEVELS - len(used)))
        for part in self._parts():
            numbers += part.state()
        counts = (len(self.bids) // 2, len(self.asks) // 2)
        return self._struct().pack(self.book_stamp_ns, self._book_follows, *counts, *numbers)

    def load(self, state: bytes) -> None:
        """Continue from `state()`; ValueError when it is none, and then this is spoilt."""
        packed = self._struct()
        if len(state) != packed.size:
            raise ValueError(f"a window's state has {packed.size} bytes, not {len(state)}")
        stamp_ns, follows, bid_count, ask_count, *numbers = packed.unpack(state)
        if not (0 <= bid_count <= DEPTH_LEVELS and 0 <= ask_count <= DEPTH_LEVELS):
            raise ValueError(f"{bid_count} bids and {ask_count} asks, {DEPTH_LEVELS} at most")
        self.book_stamp_ns, self._book_follows = stamp_ns, follows
        place = 2 * DEPTH_LEVELS
        self.bids = tuple(numbers[: 2 * bid_count])
        self.asks = tuple(numbers[place : place + 2 * ask_count])
        at = 2 * place
        for part in self._parts():
            end = at + len(part.FORMAT)
            part.load(tuple(numbers[at:end]))
            at = end
