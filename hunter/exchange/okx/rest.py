"""REST requests for bootstrap and backfill, as paths, and their answers, as rows. Pure.

    time             clock offset                       10 requests / 2 s, per IP as all of these
    instruments      contract values, tick sizes        20 / 2 s
    market/trades    the newest matches                 100 / 2 s
    history-trades   older matches, paged backwards     20 / 2 s
    market/books     a book with its sequence id        40 / 2 s

Called by the stream's backfill and by start-up checks. A later answer may be older than an earlier
one: servers with caches of their own take turns (market data introduction of the OKX pages).
"""

from __future__ import annotations

from typing import ClassVar, Final
from urllib.parse import urlencode

import msgspec

from hunter.errors import HunterError, MalformedMessage
from hunter.exchange.okx.endpoints import BOOK_DEPTH, HISTORY_TRADES_PAGE, TRADES_PAGE_MAX
from hunter.exchange.okx.messages import RestAnswer, TimeMessage
from hunter.exchange.okx.parse import (
    DECODE_ERRORS,
    NS_PER_MS,
    Items,
    parse_books,
    parse_trades,
)
from hunter.exchange.okx.parse_public import parse_instruments
from hunter.exchange.okx.rows import BookUpdate, InstrumentDetails, Trade, TradeSource
from hunter.text import printable

_OK: Final = 200
_TOO_MANY_REQUESTS: Final = 429
_SERVER_ERROR: Final = 500
# Not the exchange's, which has none: of a captive portal, say. Redirects are not followed.
_REDIRECTS: Final = range(300, 400)
# error-code-rest-api-public: 50011 rate limit reached (also with HTTP 200), 50013 systems are busy.
_CODES_LIMITED: Final = frozenset(("50011", "50013"))
# 50001 service unavailable, 50004 endpoint timed out, 50026 system error: their fault, and passing.
_CODES_UNAVAILABLE: Final = frozenset(("50001", "50004", "50026"))
_TEXT_LENGTH_MAX: Final = 200


class RestError(HunterError):
    """The exchange refused a request. `code` is its own, or "" when the answer had none."""

    retryable: ClassVar[bool] = False

    def __init__(self, status: int, code: str, msg: str) -> None:
        told = printable(f"code {code[:20] or 'none'}: {msg[:_TEXT_LENGTH_MAX]}")
        super().__init__(
            f"OKX answered {status} {told};"
            f" {'it is asked again later' if self.retryable else 'check the request'}"
        )
        self.status = status
        self.code = code


class RateLimited(RestError):
    """Too many requests of this address: wait, then ask again."""

    retryable = True


class Unavailable(RestError):
    """The exchange cannot answer now: wait, then ask again."""

    retryable = True


_TIMES = Items(TimeMessage)
_decode_answer = msgspec.json.Decoder(RestAnswer).decode


def time_path() -> str:
    return "/api/v5/public/time"


def instruments_path(inst_type: str, inst_id: str | None = None, inst_family: str = "") -> str:
    """All instruments of a type, or one of them. OPTION needs the family (`BTC-USD`)."""
    query = {"instType": inst_type}
    if inst_family:
        query["instFamily"] = inst_family
    if inst_id is not None:
        query["instId"] = inst_id
    return f"/api/v5/public/instruments?{urlencode(query)}"


def trades_path(inst_id: str, limit: int = TRADES_PAGE_MAX) -> str:
    """The newest `limit` matches, newest first."""
    assert 1 <= limit <= TRADES_PAGE_MAX, limit
    return f"/api/v5/market/trades?{urlencode({'instId': inst_id, 'limit': limit})}"


def history_trades_path(inst_id: str, before_id: int, limit: int = HISTORY_TRADES_PAGE) -> str:
    """The newest `limit` matches with ids below `before_id`, newest first.

    OKX calls that `after`: pages go into the past. Its own `before` gives the newest page instead
    of the page next to an id, and is of no use for closing a hole.
    """
    assert 1 <= limit <= HISTORY_TRADES_PAGE, limit
    query = {"instId": inst_id, "type": 1, "after": before_id, "limit": limit}
    return f"/api/v5/market/history-trades?{urlencode(query)}"


def books_path(inst_id: str, depth: int = BOOK_DEPTH) -> str:
    """The book with `depth` levels a side; the exchange's own default is 1."""
    assert 1 <= depth <= BOOK_DEPTH, depth
    return f"/api/v5/market/books?{urlencode({'instId': inst_id, 'sz': depth})}"


def answer_data(status: int, body: bytes) -> msgspec.Raw:
    """`data` of an answer with code "0"; a RestError otherwise."""
    try:
        answer = _decode_answer(body)
    except DECODE_ERRORS as error:
        if status == _OK:
            raise MalformedMessage(f"REST answer: {error}; ask again") from error
        # Proxies in front of the exchange answer in HTML.
        answer = RestAnswer()
    code = "" if answer.code is None else str(answer.code)
    if status == _OK and code == "0":
        return answer.data
    msg = "" if answer.msg is None else str(answer.msg)
    kind = RestError
    if status == _TOO_MANY_REQUESTS or code in _CODES_LIMITED:
        kind = RateLimited
    elif status >= _SERVER_ERROR or status in _REDIRECTS or code in _CODES_UNAVAILABLE:
        kind = Unavailable
    raise kind(status, code, msg)


def parse_time_answer(status: int, body: bytes) -> int:
    """The exchange's clock, nanoseconds since the epoch, exact to a millisecond."""
    items = _TIMES.decode(answer_data(status, body))
    if len(items) != 1:
        raise MalformedMessage(f"REST time answer with {len(items)} items; ask again")
    return items[0].ts * NS_PER_MS


def parse_instruments_answer(status: int, body: bytes) -> list[InstrumentDetails]:
    return parse_instruments(answer_data(status, body))


def parse_trades_answer(status: int, body: bytes) -> list[Trade]:
    """Rows of market/trades or history-trades, oldest first, for `TradeChain.fill`."""
    rows = parse_trades(answer_data(status, body), TradeSource.BACKFILL)
    rows.reverse()
    return rows


def parse_books_answer(status: int, body: bytes) -> BookUpdate:
    """The book of market/books, for `OrderBook.bootstrap`."""
    books = parse_books(answer_data(status, body), "snapshot")
    if len(books) != 1:
        raise MalformedMessage(f"REST book answer with {len(books)} books; ask again")
    return books[0]
