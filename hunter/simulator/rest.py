"""REST, pure: a request target in, (status, body) out. OKX's public paths; those under /sim/ are in
`rest_control`.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit

import msgspec

from hunter.clock import Clock
from hunter.errors import ConfigError
from hunter.simulator.driver import Driver
from hunter.simulator.exchange import Exchange
from hunter.simulator.faults import STALE_MATCHES
from hunter.simulator.frames import PublishedTrade
from hunter.simulator.instruments import DELISTED, LIVE, listing_row, unsimulated
from hunter.simulator.rest_control import Control, Query

Answer = tuple[int, bytes]

_WINDOW_NS: Final = 2_000_000_000
_TYPES: Final = frozenset({"SPOT", "MARGIN", "SWAP", "FUTURES", "OPTION"})
_encode = msgspec.json.Encoder().encode


class _Refused(Exception):
    """A request answered with an error envelope."""

    def __init__(self, code: str, message: str, status: int = 200) -> None:
        super().__init__(message)
        self.code, self.message, self.status = code, message, status


class Rest:
    def __init__(self, exchange: Exchange, driver: Driver | None = None) -> None:
        self._exchange = exchange
        self._asked: dict[str, deque[int]] = {}
        # path: handler, requests in 2 s and IP
        self._okx: dict[str, tuple[Callable[[Query, Clock], list[Any]], int]] = {
            "/api/v5/public/time": (self._time, 10),
            "/api/v5/public/instruments": (self._instruments, 20),
            "/api/v5/market/trades": (self._trades, 100),
            "/api/v5/market/history-trades": (self._history_trades, 20),
            "/api/v5/market/books": (self._books, 40),
            "/api/v5/market/books-full": (self._books_full, 10),
            "/api/v5/market/ticker": (self._ticker, 20),
            "/api/v5/market/tickers": (self._tickers, 20),
        }
        self._over_limit: Counter[str] = Counter()
        self._sim = Control(exchange, driver or Driver(exchange)).handlers
        exchange.reports["rest_over_limit"] = lambda: dict(self._over_limit)

    def handle(self, method: str, target: str, clock: Clock) -> Answer:
        """Answer one request."""
        parts = urlsplit(target)
        query = dict(parse_qsl(parts.query, keep_blank_values=True))
        if method not in ("GET", "POST"):
            return 405, _encode({"code": "405", "msg": "Method not allowed"})
        if parts.path in self._sim:
            try:
                return 200, _encode(self._sim[parts.path](query))
            except ConfigError as error:
                return 400, _encode({"code": "400", "msg": str(error)})
        if parts.path not in self._okx or method != "GET":
            return 404, _encode({"code": "404", "msg": "Not Found", "data": []})
        handler, limit = self._okx[parts.path]
        try:
            self._admit(parts.path, limit, clock.monotonic_ns())
            data = handler(query, clock)
        except _Refused as refused:
            body = {"code": refused.code, "msg": refused.message, "data": []}
            return refused.status, _encode(body)
        return 200, _encode({"code": "0", "msg": "", "data": data})

    def _admit(self, path: str, limit: int, now_ns: int) -> None:
        faults = self._exchange.faults
        if faults.take("rest_unavailable", "rest"):
            raise _Refused("50001", "Service temporarily unavailable. Try again later", 503)
        if faults.take("rest_throttled", "rest"):
            raise _Refused("50011", "Too Many Requests", 429)
        asked = self._asked.setdefault(path, deque())
        while asked and now_ns - asked[0] >= _WINDOW_NS:
            asked.popleft()
        if len(asked) >= limit:
            self._over_limit[path] += 1
            if self._exchange.options.limits:
                raise _Refused("50011", "Too Many Requests", 429)
        asked.append(now_ns)

    # public and market

    def _time(self, query: Query, clock: Clock) -> list[Any]:
        del query
        return [{"ts": str(clock.wall_ns() // 1_000_000)}]

    def _instruments(self, query: Query, clock: Clock) -> list[Any]:
        del clock
        kind = _instrument_kind(query)
        family = query.get("instFamily") or query.get("uly", "")
        if kind == "OPTION" and not family:
            raise _Refused("50014", "Parameter instFamily can not be empty", 400)
        states = self._exchange.market_faults.states
        items = [
            item
            for item in self._exchange.listings.values()
            if states.get(item.inst_id) != DELISTED
        ]
        items += unsimulated(self._exchange.listings)
        rows = [
            listing_row(item, states.get(item.inst_id, LIVE))
            for item in items
            if item.inst_type == kind
        ]
        if family:
            rows = [row for row in rows if row["instFamily"] == family]
        if "instId" in query:
            rows = [row for row in rows if row["instId"] == query["instId"]]
            if not rows:
                raise _Refused("51001", "Instrument ID does not exist")
        return rows

    def _trades(self, query: Query, clock: Clock) -> list[Any]:
        del clock
        inst_id = self._inst_id(query)
        limit = _number(query, "limit", 100, 500)
        found = self._matches(inst_id, None)
        return [_match_row(inst_id, match) for match in islice(found, limit)]

    def _history_trades(self, query: Query, clock: Clock) -> list[Any]:
        """`after` is exclusive and older; `before` alone gets the latest page, as there."""
        del clock
        inst_id = self._inst_id(query)
        limit = _number(query, "limit", 100, 100)
        kind = _number(query, "type", 1, 2)
        after = _number(query, "after", 0, 1 << 62) if query.get("after") else None
        if kind == 1:
            found = self._matches(inst_id, after)
        else:
            found = (
                match
                for match in self._matches(inst_id, None)
                if after is None or match.ts_ms < after
            )
        return [_match_row(inst_id, match) for match in islice(found, limit)]

    def _matches(self, inst_id: str, before: int | None) -> Iterator[PublishedTrade]:
        """Newest first, older than the match `before`, without those lost for good."""
        exchange, ledger = self._exchange, self._exchange.ledger
        last = ledger.last(inst_id)
        if last is not None and exchange.faults.take("rest_stale", "rest", inst_id):
            newest = last.trade_id - STALE_MATCHES + 1
            before = newest if before is None else min(before, newest)
        found = ledger.matches_before(inst_id, before)
        if inst_id not in exchange.market_faults.hidden:
            return found
        return (m for m in found if not exchange.market_faults.is_hidden(inst_id, m.trade_id))

    def _books(self, query: Query, clock: Clock) -> list[Any]:
        return self._book(query, clock, _number(query, "sz", 1, 400), level_parts=4)

    def _books_full(self, query: Query, clock: Clock) -> list[Any]:
        return self._book(query, clock, _number(query, "sz", 1, 5000), level_parts=3)

    def _book(self, query: Query, clock: Clock, depth: int, level_parts: int) -> list[Any]:
        del clock
        book = self._exchange.instruments[self._inst_id(query)].book
        bids, asks = book.sides(depth)
        if level_parts == 3:
            bids, asks = ([[p, s, n] for p, s, _, n in side] for side in (bids, asks))
        row: dict[str, Any] = {"asks": asks, "bids": bids, "ts": str(book.ts_ms)}
        if book.seq_id >= 0:
            row["seqId"] = book.seq_id
        return [row]

    def _ticker(self, query: Query, clock: Clock) -> list[Any]:
        del clock
        row = self._exchange.instruments[self._inst_id(query)].ticker()
        return [] if row is None else [row]

    def _tickers(self, query: Query, clock: Clock) -> list[Any]:
        del clock
        kind = _instrument_kind(query)
        rows = (
            self._exchange.instruments[name].ticker()
            for name, item in self._exchange.listings.items()
            if item.inst_type == kind
        )
        return [row for row in rows if row is not None]

    def _inst_id(self, query: Query) -> str:
        inst_id = query.get("instId", "")
        if not inst_id:
            raise _Refused("50014", "Parameter instId can not be empty", 400)
        if not self._exchange.is_listed(inst_id):
            raise _Refused("51001", "Instrument ID does not exist")
        return inst_id


def _match_row(inst_id: str, match: PublishedTrade) -> dict[str, str]:
    return {
        "instId": inst_id,
        "side": match.side,
        "sz": match.size,
        "source": "0",
        "px": match.price,
        "tradeId": str(match.trade_id),
        "ts": str(match.ts_ms),
    }


def _instrument_kind(query: Query) -> str:
    kind = query.get("instType", "")
    if not kind:
        raise _Refused("50014", "Parameter instType can not be empty", 400)
    if kind not in _TYPES:
        raise _Refused("51000", "Parameter instType error", 400)
    return kind


def _number(query: Query, name: str, default: int, maximum: int) -> int:
    """A whole number within 1 to `maximum`; more is cut to it, as the exchange does for limits."""
    text = query.get(name, "")
    if not text:
        return default
    if not text.isascii() or not text.isdigit():
        raise _Refused("51000", f"Parameter {name} error", 400)
    return max(1, min(int(text), maximum))
