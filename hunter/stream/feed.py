"""One instrument: decoded payloads in, ring rows out, with everything counted that is not as it
should be.

Owns the instrument's trade chain (kept over reconnects) and order book (made anew by each
connection). Knows no socket: what it wants of the outside (a resubscription, a backfill) is read
from its attributes.
"""

from __future__ import annotations

from typing import Final

from hunter.errors import MalformedMessage
from hunter.exchange.okx.events import Data
from hunter.exchange.okx.orderbook import Applied, OrderBook
from hunter.exchange.okx.parse import parse_bbo, parse_books, parse_tickers, parse_trades
from hunter.exchange.okx.requests import Subscription
from hunter.exchange.okx.rows import NO_SEQUENCE, BookUpdate, Trade, TradeSource
from hunter.exchange.okx.states import SubscriptionState
from hunter.exchange.okx.tradechain import (
    Duplicate,
    Hole,
    Late,
    Lost,
    Outcome,
    Overlap,
    Restarted,
    TradeChain,
)
from hunter.ring.rows import BOOK_LEVELS, TradeFlag
from hunter.ring.writer import LastBook, LastTrade, RingWriter
from hunter.status import documents
from hunter.status.histogram import Histogram
from hunter.stream.positions import former_position

# Matches that wait behind a hole are kept with the time they came; no more than this many.
HELD_ROWS_MAX: Final = 50_000
_BOOK_BROKEN: Final = (Applied.GAP, Applied.CHECKSUM_MISMATCH)
_BOOK_CHANGED: Final = (Applied.APPLIED, Applied.RESET, Applied.KEEPALIVE)


class Counters:
    """Of one channel; what `hunter status` shows as a feed."""

    __slots__ = (
        "backfilled",
        "duplicates",
        "first_push",
        "gaps",
        "lag_us",
        "last_data_ns",
        "lost",
        "malformed",
        "messages",
        "silent",
    )

    def __init__(self, before: documents.FeedDocument | None) -> None:
        known = before or documents.FeedDocument("", "", "")
        self.messages = known.messages
        self.gaps = known.gaps
        self.backfilled = known.backfilled
        self.duplicates = known.duplicates
        self.lost = known.lost
        self.malformed = known.malformed
        self.last_data_ns = 0
        self.lag_us = Histogram()
        # The first push after a subscription is the exchange's cached state, however old it is.
        self.first_push = True
        self.silent = False


class InstrumentFeed:
    """All channels of one instrument. `before`: the counters of the process that was killed, by
    channel.
    """

    def __init__(
        self,
        instrument: str,
        index: int,
        writer: RingWriter,
        channels: tuple[str, ...],
        before: dict[str, documents.FeedDocument],
    ) -> None:
        self.instrument = instrument
        self._index = index
        self._writer = writer
        self.counters = {name: Counters(before.get(name)) for name in channels}
        self.chain = TradeChain(HELD_ROWS_MAX)
        last = writer.last_trade(index)
        if last is not None:
            self.chain.resume(last.trade_id, last.exchange_ts_ns)
        # Where a run before this one ended, if its ring is gone; the first trade decides about it.
        self.former: LastTrade | None = None
        self._book_channel = "books" if "books" in channels else "books5"
        self._book = OrderBook()
        # The book as readers see it: at first the one that the writer before left in the ring.
        self._shown = writer.last_book(index) or LastBook(False, NO_SEQUENCE, 0)
        self._received_ns: dict[int, int] = {}
        self._after_loss = False
        # Two connections bring the same matches: the second copy is meant, and not counted.
        self.overlapping = False
        self.news: list[str] = []
        self.resubscribe: set[Subscription] = set()

    def on_data(self, data: Data, received_ts_ns: int, now_ns: int) -> None:
        """One push. `received_ts_ns` is wall time, `now_ns` monotonic. Never raises for what it
        contains.
        """
        counters = self.counters[data.channel]
        counters.messages += 1
        counters.last_data_ns = now_ns
        counters.silent = False
        try:
            exchange_ts_ns = self._decode(data, received_ts_ns, now_ns)
        except MalformedMessage as error:
            counters.malformed += 1
            self.news.append(f"{data.channel}: {error}")
            if data.channel == self._book_channel and self._shown.valid:
                self._break_book(received_ts_ns)
            return
        if counters.first_push:
            counters.first_push = False
        elif exchange_ts_ns:
            counters.lag_us.record((received_ts_ns - exchange_ts_ns) // 1_000)

    def on_successor_trades(self, data: Data, received_ts_ns: int, now_ns: int) -> None:
        """Trades of the connection that is about to take over; raises MalformedMessage."""
        for trade in parse_trades(data.payload):
            self._commit(self.chain.accept(trade, now_ns), received_ts_ns)

    def on_kept_trade(self, trade: Trade, received_ts_ns: int, now_ns: int) -> None:
        """A trade that a standby kept: it is in the ring already, or it is due now."""
        if self.chain.last_trade_id is None or trade.trade_id > self.chain.last_trade_id:
            self._commit(self.chain.accept(trade, now_ns), received_ts_ns)

    def on_takeover(self, book: OrderBook | None, received_ts_ns: int) -> None:
        """`book` is the book from now on; the one that was shown so far is kept by nobody."""
        self.overlapping = False
        self._book = book or OrderBook()
        if self._book.valid:
            self._show_book(received_ts_ns)
        elif self._shown.valid:
            self._hide_book(received_ts_ns)

    def on_backfill(self, rows: list[Trade], received_ts_ns: int, now_ns: int) -> None:
        """Rows of REST, whatever they cover."""
        self._commit(self.chain.fill(rows, now_ns), received_ts_ns)

    def give_up(self, received_ts_ns: int, now_ns: int) -> None:
        """Nobody has the matches of the oldest hole: count them lost and go on."""
        self._commit(self.chain.give_up_oldest(now_ns), received_ts_ns)

    @property
    def wants_book(self) -> bool:
        """Whether updates wait for a book from REST: bring it to `on_rest_book`."""
        return self._book.bootstrapping

    def on_rest_book(self, snapshot: BookUpdate, received_ts_ns: int) -> None:
        """A REST book. One that is too old for the updates kept changes nothing: ask again."""
        book = self._book
        if book.bootstrapping and book.bootstrap(snapshot) is Applied.APPLIED:
            self._show_book(received_ts_ns)

    def on_closed(self, received_ts_ns: int) -> None:
        """The connection is gone, and with it what only it could keep up to date."""
        self._book = OrderBook()
        if self._shown.valid:
            self._hide_book(received_ts_ns)
        for counters in self.counters.values():
            counters.first_push = True

    def on_lost_channel(self, channel: str, received_ts_ns: int) -> None:
        """Refused, or silent beyond what it promises: what it kept up to date is void."""
        if channel != self._book_channel:
            return
        if self._shown.valid:
            self._hide_book(received_ts_ns)
        self._book = OrderBook()

    def feed_documents(
        self, states: dict[Subscription, SubscriptionState]
    ) -> list[documents.FeedDocument]:
        return [
            documents.FeedDocument(
                instrument=self.instrument,
                channel=name,
                state=self._state(name, states[Subscription(name, self.instrument)]),
                messages=counters.messages,
                last_data_ns=counters.last_data_ns,
                gaps=counters.gaps,
                backfilled=counters.backfilled,
                duplicates=counters.duplicates,
                lost=counters.lost,
                malformed=counters.malformed,
                lag_ms_p50=counters.lag_us.percentile(0.5) / 1000,
                lag_ms_p99=counters.lag_us.percentile(0.99) / 1000,
            )
            for name, counters in self.counters.items()
        ]

    def _decode(self, data: Data, received_ts_ns: int, now_ns: int) -> int:
        """Rows of one push into the ring; returns the newest exchange time in it."""
        channel, index, writer = data.channel, self._index, self._writer
        exchange_ts_ns = 0
        if channel == "trades":
            for trade in parse_trades(data.payload):
                exchange_ts_ns = trade.exchange_ts_ns
                if self.former is not None:
                    self._resume(self.former, trade)
                outcomes = self.chain.accept(trade, now_ns)
                if self.chain.holes:
                    self._received_ns[trade.trade_id] = received_ts_ns
                self._commit(outcomes, received_ts_ns)
        elif channel == "bbo-tbt":
            for quote in parse_bbo(data.payload):
                exchange_ts_ns = quote.exchange_ts_ns
                writer.put_bbo(
                    index,
                    received_ts_ns,
                    (
                        quote.seq_id,
                        exchange_ts_ns,
                        quote.bid,
                        quote.bid_size,
                        quote.ask,
                        quote.ask_size,
                    ),
                )
        elif channel == "tickers":
            for t in parse_tickers(data.payload):
                exchange_ts_ns = t.exchange_ts_ns
                numbers = (
                    t.last, t.last_size, t.bid, t.bid_size, t.ask, t.ask_size,
                    t.open_24h, t.high_24h, t.low_24h, t.volume_24h, t.volume_currency_24h,
                )  # fmt: skip
                writer.put_ticker(index, received_ts_ns, exchange_ts_ns, numbers)
        elif channel == self._book_channel:
            exchange_ts_ns = self._on_book(data, received_ts_ns)
        return exchange_ts_ns

    def _resume(self, former: LastTrade, first: Trade) -> None:
        """The ring is empty: go on where the run before was stopped, if `first` follows on it."""
        self.former = None
        position = former_position(former, first)
        if position is not None and self.chain.last_trade_id is None:
            self.chain.resume(position.trade_id, position.exchange_ts_ns)

    def _on_book(self, data: Data, received_ts_ns: int) -> int:
        book = self._book
        for update in parse_books(data.payload, data.action):
            applied = book.apply(update)
            if applied is Applied.IGNORED and not book.valid:
                # Updates without a snapshot: it was lost, or OKX has stopped sending them. Keep the
                # updates and take the REST book as the seed (change log of 2026-02-12).
                book.begin_bootstrap()
                book.apply(update)
            elif applied in _BOOK_CHANGED:
                self._show_book(received_ts_ns)
            elif applied in _BOOK_BROKEN:
                self.counters[data.channel].gaps += 1
                self.news.append(f"{data.channel}: {applied.value}; resubscribing")
                self._break_book(received_ts_ns)
        return book.exchange_ts_ns

    def _show_book(self, received_ts_ns: int) -> None:
        book = self._book
        self._shown = LastBook(True, book.seq_id, book.exchange_ts_ns)
        self._writer.put_book(
            self._index, received_ts_ns, book.seq_id, book.exchange_ts_ns, book.top(BOOK_LEVELS)
        )

    def _break_book(self, received_ts_ns: int) -> None:
        self._hide_book(received_ts_ns)
        self._book = OrderBook()
        self.resubscribe.add(Subscription(self._book_channel, self.instrument))

    def _hide_book(self, received_ts_ns: int) -> None:
        """Tell readers at once that the book is not to be believed."""
        _, seq_id, exchange_ts_ns = self._shown
        self._shown = LastBook(False, seq_id, exchange_ts_ns)
        self._writer.put_book(self._index, received_ts_ns, seq_id, exchange_ts_ns, None)

    def _commit(self, outcomes: list[Outcome], received_ts_ns: int) -> None:
        counters = self.counters["trades"]
        for outcome in outcomes:
            if isinstance(outcome, Trade):
                self._put_trade(outcome, received_ts_ns, counters)
            elif isinstance(outcome, Hole):
                counters.gaps += 1
                self.news.append(
                    f"trades: {outcome.match_count} matches missing after {outcome.after_id}"
                )
            elif isinstance(outcome, Lost):
                counters.lost += outcome.match_count
                self._after_loss = True
                self.news.append(
                    f"trades: {outcome.match_count} matches after {outcome.after_id} are lost"
                )
            elif isinstance(outcome, (Duplicate, Late, Overlap)):
                # The cached last trade that follows every subscription is known, and no fault;
                # nor is the second copy while two connections overlap.
                expected = counters.first_push or self.overlapping
                if not (expected and isinstance(outcome, Duplicate) and not outcome.conflicting):
                    counters.duplicates += 1
            elif isinstance(outcome, Restarted):
                self.news.append(f"trades: ids restart after {outcome.first_after_id}")
        if not self.chain.holes and self._received_ns:
            self._received_ns.clear()

    def _put_trade(self, trade: Trade, received_ts_ns: int, counters: Counters) -> None:
        flags = 0
        if trade.source is TradeSource.BACKFILL:
            flags = TradeFlag.BACKFILL
            counters.backfilled += trade.count
        if trade.order_source:
            flags |= TradeFlag.ENHANCED_LIQUIDITY
        if self._after_loss:
            flags |= TradeFlag.AFTER_LOSS
            self._after_loss = False
        if self._received_ns:
            received_ts_ns = self._received_ns.pop(trade.trade_id, received_ts_ns)
        self._writer.put_trade(
            self._index,
            received_ts_ns,
            (
                trade.trade_id,
                trade.exchange_ts_ns,
                trade.price,
                trade.size,
                trade.count,
                trade.side,
            ),
            flags,
        )

    def _state(self, channel: str, state: SubscriptionState) -> str:
        if state is SubscriptionState.PARKED:
            return "parked"
        if state in (SubscriptionState.PENDING, SubscriptionState.ACKED):
            return "connecting"
        if state is SubscriptionState.RESYNC or (channel == "trades" and self.chain.holes):
            return "resync"
        if channel == self._book_channel and not self._book.valid:
            return "resync"
        return "stale" if self.counters[channel].silent else "live"
