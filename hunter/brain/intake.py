"""Intake: what a brain has consumed of one instrument, and when the next decision is due.

It is the part every brain shares: event time, the grid of decision boundaries (multiples of the
interval since the epoch), counts, positions and the quality of the input. The first row seen never
triggers: whether it is the first of its interval cannot be known. A gap counts from its end on,
which is event time as soon as the clock believes a row after it: until then it has no time, and
shows. Owned by one brain.
"""

from __future__ import annotations

from collections import deque

import msgspec

from hunter.brain.eventtime import EventClock
from hunter.brain.inputs import BboRow, BookRow, PlainBook, TickerRow, TradeRow
from hunter.brain.settings import BrainSettings
from hunter.ring.rows import TradeFlag
from hunter.signals.decision import FeedState, Quality

GAP_WINDOW_NS = 60_000_000_000
GAPS_MAX = 64
"""Gaps remembered in the window; more are not told apart."""

_AFTER_LOSS = int(TradeFlag.AFTER_LOSS)
_NEXT_TRADE_FITS = 1 << 62


class IntakeState(msgspec.Struct, array_like=True):
    """Everything an intake remembers."""

    clock: tuple[int, int, int, int, int]
    next_boundary_ns: int
    inputs: tuple[int, int, int, int]
    trade_sequence: int
    trade_id: int
    book_seq_id: int
    bbo_seq_id: int
    book_valid: bool
    quote_stamp_ns: int
    quote_seen: bool
    gaps: list[int]
    gaps_without_time: int


class Intake:
    """`on_*` take a row in and return event time after it. They read its numbers by their places,
    which are the same in a named row and in one as the ring unpacks it.
    """

    __slots__ = (
        "_bbo_seq_id",
        "_book_seq_id",
        "_clock",
        "_gaps",
        "_gaps_without_time",
        "_interval_ns",
        "_quote_stamp_ns",
        "_stale_ns",
        "_trade_id",
        "_warm_ns",
        "bbo",
        "book_valid",
        "books",
        "gap_count",
        "next_boundary_ns",
        "quote_seen",
        "tickers",
        "trade_sequence",
        "trades",
    )

    def __init__(self, settings: BrainSettings) -> None:
        self._interval_ns = settings.interval_ms * 1_000_000
        self._warm_ns = settings.warm_ms * 1_000_000
        self._stale_ns = settings.stale_ms * 1_000_000
        self._clock = EventClock()
        self.next_boundary_ns = 0
        self.trades = self.tickers = self.books = self.bbo = 0
        self.trade_sequence = 0
        self._trade_id = 0
        self._book_seq_id = self._bbo_seq_id = 0
        self.book_valid = False
        self._quote_stamp_ns = 0
        self.quote_seen = False
        self._gaps: deque[int] = deque(maxlen=GAPS_MAX)
        self._gaps_without_time = 0
        self.gap_count = 0
        """Gaps so far; a restart begins at 0 again."""

    def on_trade(self, row: TradeRow) -> int:
        """Also finds holes in the chain: a row covers (trade_id - count, trade_id]."""
        sequence, _, trade_id, exchange_ts_ns, received_ts_ns, _, _, count, _, flags, _ = row
        now_ns = self._clock.advance(exchange_ts_ns, received_ts_ns)
        if not self.next_boundary_ns:
            self._start(now_ns)
        self.trade_sequence = sequence
        hole = self.trades and trade_id - count > self._trade_id
        if hole or flags & _AFTER_LOSS:
            self._gaps_without_time += 1
            self.gap_count += 1
        if self._gaps_without_time:
            self._time_gaps()
        self._trade_id = trade_id
        self.trades += 1
        return now_ns

    def on_gap(self) -> None:
        """Rows went by unread, of whatever kind; the next row is the first after them.

        One gap, whatever else shows it: the next trade is not held against the last one seen.
        """
        self._gaps_without_time += 1
        self.gap_count += 1
        self._trade_id = _NEXT_TRADE_FITS

    def on_bbo(self, row: BboRow) -> int:
        self.bbo += 1
        self._bbo_seq_id = row[2]
        return self._on_quote(row[3], row[4])

    def on_ticker(self, row: TickerRow) -> int:
        self.tickers += 1
        return self._on_quote(row[2], row[3])

    def on_book(self, row: BookRow | PlainBook) -> int:
        """An invalid book is no quote; the loss of a valid one is a gap."""
        self.books += 1
        self._book_seq_id = row[2]
        if row[5]:
            self.book_valid = True
            return self._on_quote(row[3], row[4])
        now_ns = self._clock.advance(row[3], row[4])
        if not self.next_boundary_ns:
            self._start(now_ns)
        if self.book_valid:
            self._gaps_without_time += 1
            self.gap_count += 1
        if self._gaps_without_time:
            self._time_gaps()
        self.book_valid = False
        return now_ns

    def _on_quote(self, exchange_ts_ns: int, received_ts_ns: int) -> int:
        now_ns = self._clock.advance(exchange_ts_ns, received_ts_ns)
        if not self.next_boundary_ns:
            self._start(now_ns)
        if self._gaps_without_time:
            self._time_gaps()
        self.quote_seen = True
        stamp_ns = min(exchange_ts_ns, now_ns)
        if stamp_ns > self._quote_stamp_ns:
            self._quote_stamp_ns = stamp_ns
        return now_ns

    def _time_gaps(self) -> None:
        """Not while the clock doubts: its leap would leave a gap from before it behind at once."""
        if not self._clock.doubts:
            self._gaps.extend([self._clock.now_ns] * self._gaps_without_time)
            self._gaps_without_time = 0

    def _start(self, now_ns: int) -> None:
        self.next_boundary_ns = (now_ns // self._interval_ns + 1) * self._interval_ns

    @property
    def now_ns(self) -> int:
        """Event time."""
        return self._clock.now_ns

    @property
    def warm(self) -> bool:
        return self.seen_ns >= self._warm_ns and bool(self.next_boundary_ns)

    @property
    def seen_ns(self) -> int:
        """Event time since the first row."""
        return self._clock.now_ns - self._clock.start_ns

    @property
    def book_lost(self) -> bool:
        """The newest book is invalid; no book at all is none to lose."""
        return self.books > 0 and not self.book_valid

    @property
    def gap_age_ns(self) -> int | None:
        """Time since the last gap; None when none is remembered."""
        if self._gaps_without_time:
            return 0
        return self._clock.now_ns - self._gaps[-1] if self._gaps else None

    @property
    def quote_age_ns(self) -> int:
        """Age of the newest quote of any lane, by its own stamp."""
        return self._clock.now_ns - self._quote_stamp_ns

    @property
    def book_seq_id(self) -> int:
        """Of the newest book, else of the best bid/offer."""
        return self._book_seq_id if self.books else self._bbo_seq_id

    @property
    def inputs(self) -> dict[str, int]:
        return {
            "trades": self.trades,
            "tickers": self.tickers,
            "books": self.books,
            "bbo": self.bbo,
        }

    def pass_boundary(self) -> int:
        """The newest boundary at or before event time, in ms; it and all before count as passed."""
        index = self._clock.now_ns // self._interval_ns
        self.next_boundary_ns = (index + 1) * self._interval_ns
        return index * self._interval_ns // 1_000_000

    def quality(self, exchange_ts_ns: int, received_ts_ns: int) -> Quality:
        """Of the input as it stands; the stamps are the triggering row's."""
        gaps = self._gaps
        while gaps and gaps[0] < self._clock.now_ns - GAP_WINDOW_NS:
            gaps.popleft()
        feed: FeedState = "live"
        if not self.quote_seen:
            feed = "connecting"
        elif self.book_lost:
            feed = "resync"
        elif self.quote_age_ns > self._stale_ns:
            feed = "stale"
        lag_ms = (received_ts_ns - exchange_ts_ns) / 1e6
        gap_count = min(len(gaps) + self._gaps_without_time, GAPS_MAX)
        return Quality(
            feed=feed,
            book_valid=self.book_valid,
            lag_ms=lag_ms,
            gaps_in_window=gap_count,
            data_age_ms=self.quote_age_ns / 1e6 if self.quote_seen else None,
        )

    def state(self) -> IntakeState:
        """For the snapshot."""
        return IntakeState(
            clock=self._clock.state(),
            next_boundary_ns=self.next_boundary_ns,
            inputs=(self.trades, self.tickers, self.books, self.bbo),
            trade_sequence=self.trade_sequence,
            trade_id=self._trade_id,
            book_seq_id=self._book_seq_id,
            bbo_seq_id=self._bbo_seq_id,
            book_valid=self.book_valid,
            quote_stamp_ns=self._quote_stamp_ns,
            quote_seen=self.quote_seen,
            gaps=list(self._gaps),
            gaps_without_time=self._gaps_without_time,
        )

    def load(self, state: IntakeState) -> None:
        """Continue from `state()`."""
        self._clock.load(state.clock)
        self.next_boundary_ns = state.next_boundary_ns
        self.trades, self.tickers, self.books, self.bbo = state.inputs
        self.trade_sequence = state.trade_sequence
        self._trade_id = state.trade_id
        self._book_seq_id = state.book_seq_id
        self._bbo_seq_id = state.bbo_seq_id
        self.book_valid = state.book_valid
        self._quote_stamp_ns = state.quote_stamp_ns
        self.quote_seen = state.quote_seen
        self._gaps = deque(state.gaps, GAPS_MAX)
        self._gaps_without_time = state.gaps_without_time
