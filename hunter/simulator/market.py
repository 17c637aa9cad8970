"""The synthetic market of one instrument: seeded order flow on a 400-level book.

Pure: `advance(now_ns)` returns what the exchange pushed up to `now_ns`, in order, and depends on
nothing but the seed, the start and the time reached; calling it often or seldom gives the same
pushes (up to `CATCH_UP_NS_MAX`, after which lost time is skipped as if the market had slept).

One sequence number space per instrument for trades and books: book state at seqId S includes all
trades with seqId <= S. All rows of one taker's order share their seqId and millisecond. Match
numbers have no hole. Book every 100 ms, best prices every 10 ms, ticker every 100 ms, on change.

Something true to say: a slow hidden pressure (`flow.Mood`) leans on quotes and takers alike, so the
imbalance of the queues weakly predicts the next moves. The taker side follows only partly.
"""

from __future__ import annotations

import random
from typing import Final, NamedTuple

from hunter.simulator.candles import Tape
from hunter.simulator.flow import Mood, Takers, draw_gap_ns, refresh_quotes, seed_ladder
from hunter.simulator.frames import PublishedTrade, Push, match_push, matches, trade_push
from hunter.simulator.instruments import Listing
from hunter.simulator.ladder import Ladder
from hunter.simulator.options import Checksum
from hunter.simulator.published import Published

GRID_NS: Final = 10_000_000
SLOW_GRID: Final = 10  # grid steps between books, tickers and changes of mood
CATCH_UP_NS_MAX: Final = 10_000_000_000
_NEVER: Final = 1 << 62
_BURST_ROWS_MAX: Final = 1_000  # of one burst in one call, so that the sockets get their turn
_SEQ_ID_LOW: Final = 1 << 24  # below it, falling back any further would meet numbers in use


class Resume(NamedTuple):
    """Where an earlier run ended: the chains go on from here."""

    trade_id: int
    seq_id: int
    price: str


class Market:
    """One instrument. `rate` is the mean number of trade rows a second; 0 freezes the market."""

    def __init__(
        self,
        listing: Listing,
        rate: float,
        seed: int,
        start_ns: int,
        resume: Resume | None = None,
        checksum: Checksum = Checksum.ZERO,
    ) -> None:
        self.listing = listing
        self._rng = random.Random(f"{seed}/{listing.inst_id}/{resume.trade_id if resume else 0}")
        self._now_ns = start_ns
        self._grid_index = 0
        self._start_ns = start_ns
        # Numbers grow with the time of the start: a restart without memory jumps ahead, which a
        # client can see; going back would give old numbers to new trades, which it cannot.
        self._trade_id = resume.trade_id if resume else start_ns // 100_000
        self._seq_id = resume.seq_id if resume else start_ns // 100_000
        middle = listing.ticks(resume.price) if resume else listing.anchor_ticks
        self.mood = Mood(self._rng, listing.anchor_ticks)
        self.takers = Takers(self._rng, listing.lots_typical, rate)
        self._quote_rate = 8 * min(rate, 50.0) + 2 * max(0.0, rate - 50.0)
        self.bids, self.asks = Ladder(-1), Ladder(1)
        seed_ladder(self._rng, self.bids, middle, listing.lots_typical)
        seed_ladder(self._rng, self.asks, middle + 1, listing.lots_typical)
        self._next_taker_ns = self._after(self.takers.orders_per_s * self.mood.activity)
        self._next_quote_ns = self._after(self._quote_rate * self.mood.activity)
        self._published = Published(listing, middle, checksum)
        self.tape = Tape()
        self._is_opened = False
        self._is_resting = False
        self._burst_rows = 0

    @property
    def is_quiet(self) -> bool:
        """Frozen or suspended: nobody trades."""
        return self._is_resting or self._next_taker_ns == _NEVER

    def next_due_ns(self) -> int:
        """When `advance` next has something that must not be late."""
        if self._is_resting:
            return _NEVER
        return self._now_ns if self._burst_rows else min(self._next_taker_ns, self._grid_ns())

    def advance(self, now_ns: int) -> list[Push]:
        """Everything pushed since the last call, up to and including `now_ns`."""
        pushes: list[Push] = []
        if self._is_resting:
            return pushes
        if not self._is_opened:
            self._is_opened = True
            self._publish(pushes, is_slow=True)
        if now_ns - self._now_ns > CATCH_UP_NS_MAX:
            self._skip(now_ns - CATCH_UP_NS_MAX)
        if self._burst_rows:
            self._burst(pushes)
        while True:
            due = min(self._next_quote_ns, self._next_taker_ns, self._grid_ns())
            if due > now_ns:
                break
            self._now_ns = due
            if due == self._next_quote_ns:
                self._quote()
            elif due == self._next_taker_ns:
                self._take(pushes)
            else:
                self._grid_index += 1
                self._step(pushes)
        self._now_ns = max(self._now_ns, now_ns)
        return pushes

    def reset_sequence(self) -> None:
        """Maintenance: seqId falls once, prevSeqId still chains (ws-order-book-channel)."""
        if self._seq_id > _SEQ_ID_LOW:
            self._seq_id //= 2

    def burst(self, row_count: int) -> None:
        """So many trades at the next occasions, as fast as they can be sent."""
        self._burst_rows = row_count

    def rest(self) -> None:
        """Suspended: nothing happens until `wake`."""
        self._is_resting = True

    def wake(self, now_ns: int) -> None:
        """Trading goes on; the time between has not been."""
        self._is_resting = False
        if now_ns > self._now_ns:
            self._skip(now_ns)

    def _grid_ns(self) -> int:
        return self._start_ns + (self._grid_index + 1) * GRID_NS

    def _after(self, per_second: float) -> int:
        if per_second <= 0:
            return _NEVER
        return self._now_ns + draw_gap_ns(self._rng, per_second)

    def _skip(self, to_ns: int) -> None:
        steps = (to_ns - self._start_ns) // GRID_NS - self._grid_index
        self._grid_index += steps
        gone_ns = steps * GRID_NS
        self._now_ns += gone_ns
        if self._next_taker_ns != _NEVER:
            self._next_taker_ns += gone_ns
            self._next_quote_ns += gone_ns

    def _quote(self) -> None:
        self._seq_id += 1
        lots_typical = self.takers.lots_typical
        refresh_quotes(self._rng, self.bids, self.asks, self.mood.pressure, lots_typical)
        self._next_quote_ns = self._after(self._quote_rate * self.mood.activity)

    def _take(self, pushes: list[Push]) -> None:
        is_buy, lots, levels_max = self.takers.draw(self.mood)
        fills = (self.asks if is_buy else self.bids).take(lots, levels_max)
        self._seq_id += 1
        ts_ms = self._now_ns // 1_000_000
        for fill in fills:
            self._trade_id += fill.match_count
            row = PublishedTrade(
                self._trade_id,
                fill.match_count,
                self.listing.price_text(fill.tick),
                self.listing.size_text(fill.lots),
                "buy" if is_buy else "sell",
                ts_ms,
                self._seq_id,
            )
            self._publish_trade(pushes, row, fill.tick, fill.lots)
        self.takers.filled(len(fills))
        self._next_taker_ns = self._after(self.takers.orders_per_s * self.mood.activity)

    def _burst(self, pushes: list[Push]) -> None:
        """Single lots against the touch, which is filled up again at once."""
        row_count = min(self._burst_rows, _BURST_ROWS_MAX)
        self._burst_rows -= row_count
        ts_ms, size = self._now_ns // 1_000_000, self.listing.size_text(1)
        ticks = (self.bids.best_tick(), self.asks.best_tick())
        prices = [self.listing.price_text(tick) for tick in ticks]
        for _ in range(row_count):
            is_buy = self._rng.random() < 0.5
            self._trade_id += 1
            self._seq_id += 1
            side = "buy" if is_buy else "sell"
            row = PublishedTrade(self._trade_id, 1, prices[is_buy], size, side, ts_ms, self._seq_id)
            self._publish_trade(pushes, row, ticks[is_buy], 1)

    def _publish_trade(self, pushes: list[Push], row: PublishedTrade, tick: int, lots: int) -> None:
        pushes.append(trade_push(self.listing.inst_id, row))
        pushes += [match_push(self.listing.inst_id, match) for match in matches(row)]
        self._published.traded(row, tick, lots)
        self.tape.add(row.ts_ms, tick, lots)

    def _step(self, pushes: list[Push]) -> None:
        is_slow = self._grid_index % SLOW_GRID == 0
        if is_slow and self._next_taker_ns != _NEVER:
            if self.mood.step(self.bids.best_tick()):
                # Memoryless gaps may be drawn anew when the activity changes.
                self._next_taker_ns = self._after(self.takers.orders_per_s * self.mood.activity)
                self._next_quote_ns = self._after(self._quote_rate * self.mood.activity)
            for ladder in (self.bids, self.asks):
                seed_ladder(self._rng, ladder, ladder.best_tick(), self.takers.lots_typical)
        self._publish(pushes, is_slow)

    def _publish(self, pushes: list[Push], is_slow: bool) -> None:
        """Push order within an instrument: bbo-tbt, books, books5 (books channel page), tickers."""
        shown, ts_ms = self._published, self._now_ns // 1_000_000
        shown.best(pushes, self.bids, self.asks, ts_ms, self._seq_id)
        if is_slow:
            shown.book(pushes, self.bids, self.asks, ts_ms, self._seq_id)
            shown.ticker(pushes, ts_ms)
