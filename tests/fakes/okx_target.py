"""All of the protocol that a frame can reach, put together as the stream does it."""

from __future__ import annotations

import itertools
import json
import math
import random
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

from fakes.okx_mutations import SUBSCRIPTIONS

from hunter.errors import HunterError, MalformedMessage
from hunter.exchange.okx import rest
from hunter.exchange.okx.asks import SessionLimits
from hunter.exchange.okx.catalog import Catalog
from hunter.exchange.okx.crosscheck import CrossCheck
from hunter.exchange.okx.events import Data
from hunter.exchange.okx.orderbook import Applied, OrderBook
from hunter.exchange.okx.parse import parse_bbo, parse_books, parse_tickers, parse_trades
from hunter.exchange.okx.parse_public import (
    parse_candles,
    parse_funding_rates,
    parse_index_tickers,
    parse_instruments,
    parse_liquidations,
    parse_maintenance,
    parse_mark_prices,
    parse_open_interest,
)
from hunter.exchange.okx.rows import BookUpdate, Trade
from hunter.exchange.okx.session import OkxSession
from hunter.exchange.okx.states import SessionState
from hunter.exchange.okx.tradechain import TradeChain

S = 1_000_000_000
HELD_ROWS_MAX = 300
REQUESTS_PER_HOUR = 480
PARSERS: dict[str, Callable[[Any], list[Any]]] = {
    "trades": parse_trades,
    "trades-all": parse_trades,
    "tickers": parse_tickers,
    "bbo-tbt": parse_bbo,
    "candle1m": parse_candles,
    "mark-price": parse_mark_prices,
    "funding-rate": parse_funding_rates,
    "open-interest": parse_open_interest,
    "index-tickers": parse_index_tickers,
    "liquidation-orders": parse_liquidations,
    "instruments": parse_instruments,
    "status": parse_maintenance,
}
ANSWERS: tuple[Callable[[int, bytes], Any], ...] = (
    rest.parse_time_answer,
    rest.parse_instruments_answer,
    rest.parse_trades_answer,
    rest.parse_books_answer,
)


class Impossible(AssertionError):
    """A row or a state that the protocol part promises never to give."""


class Target:
    """Raises what a frame raises, except MalformedMessage, which it counts."""

    def __init__(self, generator: random.Random) -> None:
        self._random = generator
        self._counts: Counter[str] = Counter()
        self._now_ns = S
        self._fed_count = 0
        self.renew()

    def counts(self) -> dict[str, int]:
        return dict(sorted(self._counts.items()))

    def renew(self) -> None:
        """A new connection, and with it new books."""
        self._counts["sessions"] += 1
        # Many would die of ten malformed frames a minute before they come to anything.
        malformed = self._random.choice((10, 300))
        limits = SessionLimits(malformed_per_minute_max=malformed)
        self._session = OkxSession(SUBSCRIPTIONS, limits)
        self._session.opened(self._now_ns)
        names = {item.inst_id for item in SUBSCRIPTIONS}
        self._books = {name: OrderBook() for name in names}
        self._checks = {name: CrossCheck() for name in names}
        self._chains = {name: TradeChain(HELD_ROWS_MAX) for name in names}
        self._catalog = Catalog()

    def feed(self, frame: bytes) -> None:
        self._fed_count += 1
        self._now_ns += self._random.randrange(S // 20)
        if self._session.state is SessionState.FAILED:
            self.renew()
        for event in self._session.receive(frame, self._now_ns):
            self._counts[type(event).__name__] += 1
            if isinstance(event, Data):
                self._parse(event)
        self._drive()
        if self._fed_count % 4 == 0:
            self._everywhere(frame)

    def _drive(self) -> None:
        """What the clock and the stream do besides."""
        session = self._session
        if session.state is not SessionState.FAILED:
            if self._random.random() < 0.1:
                session.resubscribe(self._random.choice(SUBSCRIPTIONS), self._now_ns)
            for event in session.advance(self._now_ns):
                self._counts[type(event).__name__] += 1
        for sent in session.data_to_send():
            self._counts["frames_sent"] += 1
            _check(sent == b"ping" or "op" in json.loads(sent), "request", sent)
        if session.request_budget(self._now_ns).requests_left < 0:
            raise Impossible("more requests than the hour allows")
        if self._random.random() < 0.01:
            chain = self._random.choice(list(self._chains.values()))
            self._released(chain.give_up(self._now_ns))

    def _parse(self, event: Data) -> None:
        try:
            if event.channel in ("books", "books5"):
                self._apply(event, parse_books(event.payload, event.action))
                return
            rows = PARSERS[event.channel](event.payload)
        except MalformedMessage:
            self._counts["malformed_payloads"] += 1
            return
        _check_rows(rows)
        self._counts["rows"] += len(rows)
        if event.channel == "bbo-tbt":
            check = self._checks[event.inst_id]
            for row in rows:
                quote = row.bid, row.bid_size, row.ask, row.ask_size
                self._compared(check.on_quote(row.seq_id, *quote))
        elif event.channel in ("trades", "trades-all"):
            chain = self._chains[event.inst_id]
            for row in rows:
                self._released(chain.accept(row, self._now_ns))
        elif event.channel == "instruments":
            self._catalog.update(rows)
            self._catalog.verdict(self._random.choice(("BTC-USDT", "BTC-USDC", "X-Y-SWAP")))
            if len(self._catalog) > 100:
                self._catalog = Catalog()

    def _apply(self, event: Data, updates: list[BookUpdate]) -> None:
        book, check = self._books[event.inst_id], self._checks[event.inst_id]
        for update in updates:
            if event.channel == "books5":
                other = OrderBook()
                other.apply(update)
                self._compared(check.on_top5(update.seq_id, *other.top(5)))
                continue
            result = book.apply(update)
            self._counts[f"book_{result.value}"] += 1
            if result is Applied.GAP and self._random.random() < 0.5:
                book.begin_bootstrap()
            elif book.bootstrapping and self._random.random() < 0.2:
                book.bootstrap(update)
            self._compared(check.on_book(book))
            _check_book(book)

    def _compared(self, found: object) -> None:
        self._counts[f"compared_{type(found).__name__}"] += 1

    def _released(self, outcomes: Iterable[Any]) -> None:
        self._counts["released"] += sum(isinstance(outcome, Trade) for outcome in outcomes)

    def _everywhere(self, frame: bytes) -> None:
        """The same bytes where no session would bring them: to every parser."""
        payloads = [frame]
        begin = frame.find(b'"data":')
        if begin >= 0:
            payloads.append(frame[begin + 7 : -1])
        for payload in payloads:
            for parse in set(PARSERS.values()):
                try:
                    _check_rows(parse(payload))
                except MalformedMessage:
                    self._counts["malformed_anywhere"] += 1
            for action in ("snapshot", "update", frame[:5].decode(errors="replace")):
                try:
                    parse_books(payload, action)
                except MalformedMessage:
                    self._counts["malformed_anywhere"] += 1
        answers = [frame, b'{"code":"0","msg":"","data":' + payloads[-1] + b"}"]
        for answer, parse_answer in itertools.product(answers, ANSWERS):
            try:
                parse_answer(self._random.choice((200, 200, 200, 429, 503)), answer)
            except HunterError:
                self._counts["refused_answers"] += 1


def _check_rows(rows: list[Any]) -> None:
    for row in rows:
        for name in row.__struct_fields__:
            value = getattr(row, name)
            if isinstance(value, float):
                _check(not math.isinf(value), name, row)
            elif isinstance(value, int):
                _check(-(2**63) <= value < 2**63, name, row)


def _check_book(book: OrderBook) -> None:
    bids, asks = book.top(5)
    _check(bids[::2] == sorted(set(bids[::2]), reverse=True), "bids", bids)
    _check(asks[::2] == sorted(set(asks[::2])), "asks", asks)
    _check(book.valid or not bids + asks, "levels of an invalid book", book.level_counts)


def _check(holds: bool, what: str, found: object) -> None:
    if not holds:
        raise Impossible(f"{what}: {found!r}"[:300])
