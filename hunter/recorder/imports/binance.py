"""Recordings of Binance's streams, spot or futures, as an OKX instrument's.

Lines are `<receive time, ns> <message>`, as hftbacktest's collectors write them, or the message
alone; a message is {"stream": "btcusdt@trade", "data": {...}}, or the data alone. Taken are

    trade, aggTrade     whichever comes first of the two; fills without X "MARKET" are not public
    bookTicker          the best levels
    depthUpdate         the book, on top of a REST snapshot ({"lastUpdateId", "bids", "asks"})
    depth5, 10, 20      partial books: each is whole

Books are put together as Binance asks it (developers.binance.com, "How to manage a local order
book correctly"): updates that end at or before the snapshot are left out, each of the others has
to follow the one before (`pu`, or `U` on spot). After a hole there is no book until the next
snapshot. `m` says that the buyer was the maker, so that the taker sold.

Sizes are divided by the contract value. Receive time is the recording's; of messages without one
it is the newest stamp of the exchange. Binance names a trade's matches one by one; ids of fills
that are not public are closed up.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Final, NamedTuple

from hunter.exchange.okx.parse import DECODE_ERRORS
from hunter.exchange.okx.rows import BookLevel
from hunter.recorder.imports.binance_messages import (
    AggregateTrade,
    BinanceTrade,
    BookTicker,
    DepthUpdate,
    WholeBook,
    decode_message,
)
from hunter.recorder.imports.market import ImportedInstrument, ImportedMarket, Match
from hunter.recorder.imports.sources import Sources
from hunter.recorder.imports.tally import ImportRefused, ImportTally

EARLY_UPDATES_MAX: Final = 10_000
"""Updates kept until their snapshot comes: 100 s of the fastest stream."""
SYMBOLS_NAMED_MAX: Final = 5
_NS_PER_MS: Final = 1_000_000
_NS_MIN: Final = 10**17  # less is no time in nanoseconds since the epoch
_NS_MAX: Final = 2**63 - 1


class _Received(NamedTuple):
    received_ns: int
    ts_ms: int
    symbol: str
    body: object


class BinanceImport:
    """One instrument out of one or several files. `contract_value`: base currency a contract, 1
    for spot. Raises ImportRefused at the end of `run` when the symbol never came.
    """

    def __init__(
        self, instrument: str, symbol: str, contract_value: float, tally: ImportTally
    ) -> None:
        self._symbol = symbol.upper()
        self._name = instrument
        self._contract_value = contract_value
        self._tally = tally
        self._symbols: dict[str, int] = {}
        self._trade_kind: type | None = None
        self._has_tickers = False
        self._depth = _DepthState()
        self.book_gaps = 0

    def run(self, sources: Sources, market: ImportedMarket) -> Iterator[None]:
        """Yields now and then."""
        files = [self._messages(sources, index) for index in range(len(sources))]
        for number, received in enumerate(heapq.merge(*files, key=itemgetter(0))):
            if number % 4096 == 0:
                yield
            if received.symbol:
                self._symbols[received.symbol] = self._symbols.get(received.symbol, 0) + 1
                if received.symbol != self._symbol:
                    self._tally.drop("another symbol", received.symbol)
                    continue
            self._take(market, received)
        market.finish()
        if self._symbols and self._symbol not in self._symbols:
            held = ", ".join(list(self._symbols)[:SYMBOLS_NAMED_MAX])
            raise ImportRefused(
                f"{self._symbol} does not come in it, but {held}: name one, --symbol"
            )

    def _messages(self, sources: Sources, index: int) -> Iterator[_Received]:
        newest_ns = 0
        for line in sources.lines(index):
            received_ns, text = 0, line.text
            if not text.startswith(b"{"):
                head, _, text = text.partition(b" ")
                received_ns = int(head) if head.isdigit() and len(head) < 20 else 0
                if not _NS_MIN <= received_ns <= _NS_MAX:
                    self._tally.drop("a line without a time in ns", line.name, line.text)
                    continue
            try:
                ts_ms, symbol, body = decode_message(text)
            except DECODE_ERRORS:
                self._tally.drop("a message that cannot be read", line.name, line.text)
                continue
            if body is None:
                self._tally.drop("a message of another kind", line.name)
                continue
            newest_ns = received_ns or max(newest_ns, ts_ms * _NS_PER_MS)
            if not newest_ns:
                self._tally.drop("a message before any time is known", line.name, line.text)
                continue
            yield _Received(newest_ns, ts_ms or newest_ns // _NS_PER_MS, symbol, body)

    def _take(self, market: ImportedMarket, received: _Received) -> None:
        one = market.instrument(self._name)
        body = received.body
        if isinstance(body, BinanceTrade | AggregateTrade):
            self._take_trade(market, one, received)
            return
        received_ns = market.advance(received.received_ns)
        one = market.instrument(self._name)
        if isinstance(body, BookTicker):
            self._has_tickers = True
            sizes = (self._contracts(body.B), self._contracts(body.A))
            one.quote_changed(received_ns, received.ts_ms, (body.b, sizes[0], body.a, sizes[1]))
            return
        if isinstance(body, WholeBook):
            one.book.replace(self._levels(body.bids), self._levels(body.asks))
            one.has_book = True
            for update in self._depth.begin(body.lastUpdateId):
                self._apply(one, update)
        else:
            assert isinstance(body, DepthUpdate)
            if not one.has_book:
                self._depth.early.append(body)
                return
            self._apply(one, body)
        if one.has_book:
            one.book_changed(received_ns, received.ts_ms)
            if not self._has_tickers:
                one.quote_changed(received_ns, received.ts_ms, one.book.quote(), is_of_book=True)

    def _apply(self, one: ImportedInstrument, update: DepthUpdate) -> None:
        if not one.has_book:
            self._depth.early.append(update)
            return
        if not self._depth.is_new(update):
            return
        if not self._depth.follow(update):
            self.book_gaps += 1
            one.forget_book()
            self._depth.early.append(update)
            return
        one.book.update(self._levels(update.b), self._levels(update.a))

    def _take_trade(
        self, market: ImportedMarket, one: ImportedInstrument, received: _Received
    ) -> None:
        body = received.body
        assert isinstance(body, BinanceTrade | AggregateTrade)
        if self._trade_kind is None:
            self._trade_kind = type(body)
        if type(body) is not self._trade_kind:
            self._tally.drop("the other stream of the same trades", self._symbol)
            return
        if isinstance(body, BinanceTrade):
            if body.X != "MARKET" or not body.q:
                self._tally.drop("a fill that is no public match", self._symbol)
                return
            match_id, count = body.t, 1
        else:
            match_id, count = body.l, body.l - body.f + 1
        if count < 1 or not body.q:
            self._tally.drop("a message that cannot be read", self._symbol)
            return
        side = "sell" if body.m else "buy"
        match = Match(match_id, count, body.T, body.p, self._contracts(body.q), side)
        if not one.is_next(match_id):
            self._tally.drop("a match that came before", self._symbol)
            return
        received_ns = market.advance(received.received_ns, one if one.continues(match) else None)
        market.instrument(self._name).trade(received_ns, match)

    def _contracts(self, size: float) -> float:
        return size if self._contract_value == 1.0 else round(size / self._contract_value, 8)

    def _levels(self, levels: list[BookLevel]) -> list[BookLevel]:
        if self._contract_value == 1.0:
            return levels
        return [BookLevel(level.price, self._contracts(level.size)) for level in levels]


def _early() -> deque[DepthUpdate]:
    return deque(maxlen=EARLY_UPDATES_MAX)


@dataclass(slots=True)
class _DepthState:
    """Where the chain of updates stands."""

    last_id: int = -1
    is_chained: bool = False
    early: deque[DepthUpdate] = field(default_factory=_early)

    def begin(self, last_id: int) -> list[DepthUpdate]:
        """After a snapshot; the updates that came before it and may belong on top of it."""
        self.last_id, self.is_chained = last_id, False
        updates = list(self.early)
        self.early.clear()
        return updates

    def is_new(self, update: DepthUpdate) -> bool:
        return update.u > self.last_id

    def follow(self, update: DepthUpdate) -> bool:
        """Whether nothing is missing before the update, which then is the last."""
        if self.is_chained and update.pu >= 0:
            follows = update.pu == self.last_id
        else:
            follows = self.last_id + 1 >= update.U or 0 <= update.pu <= self.last_id
        if follows:
            self.last_id, self.is_chained = update.u, True
        return follows
