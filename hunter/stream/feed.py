"""One instrument: pushes of all its channels in, ring rows out, with everything counted that is not
as it should be.

Knows no socket: what it wants of the outside (a resubscription, a backfill, a REST book) is read
from its attributes by the writing role.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from hunter.errors import MalformedMessage
from hunter.exchange.okx.events import Data
from hunter.exchange.okx.orderbook import OrderBook
from hunter.exchange.okx.parse import parse_bbo, parse_books, parse_tickers
from hunter.exchange.okx.rows import BookUpdate, Liquidation, Trade
from hunter.exchange.okx.states import SubscriptionState
from hunter.ring.writer import LastTrade, RingWriter
from hunter.status import documents
from hunter.stream.bookfeed import BookFeed
from hunter.stream.counters import Counters, is_settled
from hunter.stream.parts import book_channel, trade_channel
from hunter.stream.publicfeed import PublicFeed
from hunter.stream.tradefeed import TradeFeed


class InstrumentFeed:
    """`channels`: those that exist for this instrument. `before`: the counters of the process that
    was killed, by channel.
    """

    def __init__(
        self,
        instrument: str,
        index: int,
        writer: RingWriter,
        channels: tuple[str, ...],
        before: Mapping[str, documents.FeedDocument],
    ) -> None:
        self.instrument = instrument
        self.counters = {name: Counters(before.get(name)) for name in channels}
        self.news: list[str] = []
        # What the exchange's list says against it: not listed, suspended. "" when nothing.
        self.verdict = ""
        self.trade_channel, self.book_channel = trade_channel(channels), book_channel(channels)
        trades, books = self.counters[self.trade_channel], self.counters.get(self.book_channel)
        self.trades = TradeFeed(index, writer, trades, self.news)
        self.chain = self.trades.chain
        self.public = PublicFeed(instrument, index, writer)
        self.index = index
        self._writer = writer
        self._book = None if books is None else BookFeed(index, writer, books, self.news)

    @property
    def former(self) -> LastTrade | None:
        """Where a run before this one ended, if its ring is gone."""
        return self.trades.former

    @former.setter
    def former(self, position: LastTrade | None) -> None:
        self.trades.former = position

    @property
    def overlapping(self) -> bool:
        """Two connections bring the same matches."""
        return self.trades.overlapping

    @overlapping.setter
    def overlapping(self, overlapping: bool) -> None:
        self.trades.overlapping = overlapping

    @property
    def wants_attention(self) -> bool:
        """Whether there is anything for the writing role to do."""
        if self.news or (self.chain.tail.end < 0 and self.chain.holes):
            return True
        book = self._book
        return book is not None and (book.wants_resubscribe or book.wants_rest)

    @property
    def wants_book(self) -> bool:
        """Whether updates wait for a book from REST: bring it to `on_rest_book`."""
        return self._book is not None and self._book.wants_rest

    @property
    def wants_resubscribe(self) -> bool:
        """Whether the book is broken and its channel must be subscribed anew."""
        return self._book is not None and self._book.wants_resubscribe

    def take_resubscribe(self) -> str | None:
        """The channel to subscribe anew, told once."""
        if self._book is None or not self._book.wants_resubscribe:
            return None
        self._book.wants_resubscribe = False
        return self.book_channel

    def ordinary_records(self, channel: str) -> tuple[object, ...] | None:
        """What a good push of this channel changes, while that is all it can change: in the order
        of the kernel's `Route.arm`, from the tally on. None: something is out of the ordinary.
        """
        counters = self.counters[channel]
        if counters.first_push or counters.silent:
            return None
        if channel == self.trade_channel:
            tail = self.trades.ordinary_tail()
            return None if tail is None else (counters.tally, tail)
        if channel == "tickers" or (channel == "bbo-tbt" and self._book is None):
            return (counters.tally,)
        book = self._book
        if book is None:
            return None
        is_book = channel == self.book_channel
        records = book.ordinary_book() if is_book else book.ordinary_check()
        return None if records is None else (counters.tally, None, *records)

    def on_data(self, data: Data, received_ts_ns: int, now_ns: int) -> int:
        """One push. `received_ts_ns` is wall time, `now_ns` monotonic. Never raises for what it
        contains. Returns its exchange time if that is news, else 0.
        """
        channel = data.subscription.channel
        counters = self.counters[channel]
        tally = counters.tally
        tally.messages += 1
        tally.last_data_ns = now_ns
        counters.silent = False
        try:
            exchange_ts_ns = self._decode(data, received_ts_ns, now_ns)
        except MalformedMessage as error:
            counters.malformed += 1
            self.news.append(f"{channel}: {error}")
            if channel == self.book_channel and self._book is not None and self._book.valid:
                self._book.break_off(received_ts_ns, now_ns)
            return 0
        repeats = channel != self.trade_channel
        is_old = counters.first_push or (repeats and exchange_ts_ns <= tally.last_exchange_ts_ns)
        counters.on_push(exchange_ts_ns, received_ts_ns, repeats=repeats)
        return 0 if is_old else exchange_ts_ns

    def on_successor_trades(self, data: Data, received_ts_ns: int, now_ns: int) -> None:
        """Trades of the connection that is about to take over; raises MalformedMessage."""
        self.trades.on_push(data.payload, received_ts_ns, now_ns)

    def on_kept_trade(self, trade: Trade, received_ts_ns: int, now_ns: int) -> None:
        """A trade that a standby kept: it is in the ring already, or it is due now."""
        self.trades.on_kept(trade, received_ts_ns, now_ns)

    def on_takeover(self, book: OrderBook | None, received_ts_ns: int, now_ns: int) -> None:
        """`book` is the book from now on; the one that was shown so far is kept by nobody."""
        self.overlapping = False
        if self._book is not None:
            self._book.take(book, received_ts_ns, now_ns)

    def on_backfill(self, rows: Iterable[Trade], received_ts_ns: int, now_ns: int) -> None:
        """Rows of REST, whatever they cover."""
        self.trades.fill(rows, received_ts_ns, now_ns)

    def give_up(self, received_ts_ns: int, now_ns: int) -> None:
        """Nobody has the matches of the oldest hole: count them lost and go on."""
        self.trades.give_up(received_ts_ns, now_ns)

    def on_rest_book(self, snapshot: BookUpdate, received_ts_ns: int, now_ns: int) -> None:
        """A REST book. One that is too old for the updates kept changes nothing: ask again."""
        assert self._book is not None, "nobody asked for it"
        self._book.on_rest_book(snapshot, received_ts_ns, now_ns)

    def on_liquidation(self, row: Liquidation, received_ts_ns: int, now_ns: int) -> None:
        """One forced order out of a push about all instruments of a type."""
        counters = self.counters["liquidation-orders"]
        counters.messages += 1
        counters.last_data_ns = now_ns
        self.public.on_liquidation(row, received_ts_ns)

    def on_closed(self, channels: Iterable[str], received_ts_ns: int, now_ns: int) -> None:
        """The connection of these channels is gone, and with it what only it kept up to date."""
        for channel in channels:
            self.counters[channel].first_push = True
            self.on_lost_channel(channel, received_ts_ns, now_ns)

    def on_lost_channel(self, channel: str, received_ts_ns: int, now_ns: int) -> None:
        """Refused, or silent beyond what it promises: what it kept up to date is void."""
        if channel == self.book_channel and self._book is not None:
            self._book.drop(received_ts_ns, now_ns)

    def feed_documents(
        self, states: Mapping[str, SubscriptionState]
    ) -> list[documents.FeedDocument]:
        """`states`: of the subscription of each channel."""
        found = []
        for channel, counters in self.counters.items():
            state = self._state(channel, states[channel])
            if self.verdict:
                counters.note = self.verdict
            found.append(counters.document(self.instrument, channel, state))
        return found

    def _decode(self, data: Data, received_ts_ns: int, now_ns: int) -> int:
        """Rows of one push into the ring; returns the newest exchange time in it."""
        channel = data.subscription.channel
        if channel == self.trade_channel:
            return self.trades.on_push(data.payload, received_ts_ns, now_ns)
        if channel == "bbo-tbt":
            return self._on_quotes(data, received_ts_ns, now_ns)
        if channel == "tickers":
            return self._on_tickers(data, received_ts_ns)
        if channel == self.book_channel:
            assert self._book is not None
            return self._book.on_push(data, received_ts_ns, now_ns)
        if channel == "books5":
            return self._on_top5(data, received_ts_ns, now_ns)
        if channel == "trades-all":
            return self.trades.on_second_source(data.payload, received_ts_ns, now_ns)
        return self.public.on_push(channel, data.payload, received_ts_ns)

    def _on_quotes(self, data: Data, received_ts_ns: int, now_ns: int) -> int:
        exchange_ts_ns = 0
        for quote in parse_bbo(data.payload):
            exchange_ts_ns = quote.exchange_ts_ns
            self._writer.put_bbo(
                self.index,
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
            if self._book is not None:
                self._book.on_quote(quote, received_ts_ns, now_ns)
        return exchange_ts_ns

    def _on_tickers(self, data: Data, received_ts_ns: int) -> int:
        exchange_ts_ns = 0
        for t in parse_tickers(data.payload):
            exchange_ts_ns = t.exchange_ts_ns
            numbers = (
                t.last, t.last_size, t.bid, t.bid_size, t.ask, t.ask_size,
                t.open_24h, t.high_24h, t.low_24h, t.volume_24h, t.volume_currency_24h,
            )  # fmt: skip
            self._writer.put_ticker(self.index, received_ts_ns, exchange_ts_ns, numbers)
        return exchange_ts_ns

    def _on_top5(self, data: Data, received_ts_ns: int, now_ns: int) -> int:
        """`books5` beside `books`: a second opinion on the book, and no row of its own."""
        exchange_ts_ns = 0
        for update in parse_books(data.payload, data.action):
            exchange_ts_ns = update.exchange_ts_ns
            if self._book is not None:
                self._book.on_top5(update, received_ts_ns, now_ns)
        return exchange_ts_ns

    def _state(self, channel: str, state: SubscriptionState) -> str:
        if self.verdict or state is SubscriptionState.PARKED:
            return "parked"
        if state is SubscriptionState.RESYNC:
            return "resync"
        if not is_settled(channel, state):
            return "connecting"
        if channel == self.trade_channel and self.chain.holes:
            return "resync"
        if channel == self.book_channel and self._book is not None and not self._book.valid:
            return "resync"
        return "stale" if self.counters[channel].silent else "live"
