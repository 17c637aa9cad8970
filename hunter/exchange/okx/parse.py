"""Payload of a Data event -> rows, or MalformedMessage. Pure; called by the stream and by `rest`.

One bad item rejects its whole payload: a frame is the exchange's unit, and half a frame would hide
a hole. The trade chain and the book's sequence ids then show what is missing, and it is fetched
again. `data` may be a list or a single object.
"""

from __future__ import annotations

import math
from typing import Final, Generic, TypeVar

import msgspec

from hunter.errors import MalformedMessage
from hunter.exchange.okx.messages import (
    MILLISECONDS_MAX,
    BookMessage,
    BookTextMessage,
    TickerMessage,
    TradeMessage,
)
from hunter.exchange.okx.rows import (
    Bbo,
    BookAction,
    BookTexts,
    BookUpdate,
    Ticker,
    Trade,
    TradeSource,
)
from hunter.market.side import Side

Payload = msgspec.Raw | bytes | bytearray | memoryview

# RecursionError is how msgspec refuses absurd nesting; text that is not UTF-8 shows as either of
# the others, depending on where it stands.
DECODE_ERRORS: Final = (msgspec.DecodeError, RecursionError, UnicodeDecodeError)

NS_PER_MS: Final = 1_000_000
_TIME_DIGITS_MAX: Final = 20
_NAN: Final = math.nan
SIDES: Final = {"buy": Side.BUY, "sell": Side.SELL}

_MessageT = TypeVar("_MessageT")


class Items(Generic[_MessageT]):
    """Decodes `data` as a list of one message type, or as the one object itself."""

    def __init__(self, message_type: type[_MessageT]) -> None:
        self._name = message_type.__name__
        self._list = msgspec.json.Decoder(list[message_type], strict=False)  # type: ignore[valid-type]
        self._one = msgspec.json.Decoder(message_type, strict=False)

    def decode(self, payload: Payload) -> list[_MessageT]:
        try:
            return self._list.decode(payload)
        except DECODE_ERRORS as error:
            if bytes(memoryview(payload)[:64]).lstrip()[:1] != b"{":
                raise self._malformed(error) from error
        try:
            return [self._one.decode(payload)]
        except DECODE_ERRORS as error:
            raise self._malformed(error) from error

    def _malformed(self, error: Exception) -> MalformedMessage:
        return MalformedMessage(
            f"{self._name}: {str(error)[:200]}; the frame is dropped and what it held fetched again"
        )


_TRADES = Items(TradeMessage)
_TICKERS = Items(TickerMessage)
_BOOKS = Items(BookMessage)
_BOOK_TEXTS = Items(BookTextMessage)


def parse_trades(payload: Payload, source: TradeSource = TradeSource.FEED) -> list[Trade]:
    """`trades`, `trades-all` and the rows of REST trades, in the order sent."""
    return [
        Trade(
            item.trade_id,
            item.count,
            item.px,
            item.sz,
            SIDES[item.side],
            item.ts * NS_PER_MS,
            item.seq_id,
            source,
            item.source,
        )
        for item in _TRADES.decode(payload)
    ]


def parse_tickers(payload: Payload) -> list[Ticker]:
    """`tickers`. Empty numbers are NaN."""
    return [
        Ticker(
            price(item.last),
            size(item.last_sz),
            price(item.bid_px),
            size(item.bid_sz),
            price(item.ask_px),
            size(item.ask_sz),
            price(item.open24h),
            price(item.high24h),
            price(item.low24h),
            size(item.vol24h),
            size(item.vol_ccy24h),
            item.ts * NS_PER_MS,
        )
        for item in _TICKERS.decode(payload)
    ]


def parse_books(payload: Payload, action: str) -> list[BookUpdate]:
    """`books`, `books5`, the tick-by-tick books and REST books; no action means a snapshot."""
    if action == "update":
        kind = BookAction.UPDATE
    elif action in ("", "snapshot"):
        kind = BookAction.SNAPSHOT
    else:
        raise MalformedMessage(f"book action {action[:20]!r}; expected snapshot or update")
    items = _BOOKS.decode(payload)
    texts: list[BookTexts | None] = [None] * len(items)
    if any(item.checksum for item in items):
        texts = [BookTexts(text.bids, text.asks) for text in _BOOK_TEXTS.decode(payload)]
    return [
        BookUpdate(
            kind,
            item.bids,
            item.asks,
            item.seq_id,
            item.prev_seq_id,
            item.checksum,
            item.ts * NS_PER_MS,
            text if item.checksum else None,
        )
        for item, text in zip(items, texts, strict=True)
    ]


def parse_bbo(payload: Payload) -> list[Bbo]:
    """`bbo-tbt`: one level a side, or none. A level of size 0 is an empty side as well."""
    rows = []
    for item in _BOOKS.decode(payload):
        bid = item.bids[0] if item.bids else None
        ask = item.asks[0] if item.asks else None
        rows.append(
            Bbo(
                bid.price if bid is not None and bid.size else _NAN,
                bid.size if bid is not None else 0.0,
                ask.price if ask is not None and ask.size else _NAN,
                ask.size if ask is not None else 0.0,
                item.seq_id,
                item.ts * NS_PER_MS,
            )
        )
    return rows


def number(text: str) -> float:
    """A number as the exchange writes it; NaN for an empty one."""
    if not text:
        return _NAN
    try:
        value = float(text)
    except ValueError as error:
        raise MalformedMessage(f"not a number: {text[:40]!r}; the frame is dropped") from error
    if not math.isfinite(value) or "_" in text:
        raise MalformedMessage(f"not a finite number: {text[:40]!r}; the frame is dropped")
    return value


def price(text: str) -> float:
    """A number above zero; NaN for an empty one."""
    value = number(text)
    if value <= 0.0:
        raise MalformedMessage(f"price {text[:40]!r} is not above zero; the frame is dropped")
    return value


def size(text: str) -> float:
    """A number that is not negative; NaN for an empty one."""
    value = number(text)
    if value < 0.0:
        raise MalformedMessage(f"size {text[:40]!r} is negative; the frame is dropped")
    return value


def time_ns(text: str) -> int:
    """A time in milliseconds as nanoseconds; 0 for an empty one."""
    if not text:
        return 0
    # The length first: int() refuses thousands of digits with an error of its own.
    if len(text) > _TIME_DIGITS_MAX or not (text.isascii() and text.isdigit()):
        raise MalformedMessage(f"not a time in ms: {text[:40]!r}; the frame is dropped")
    value_ms = int(text)
    if value_ms > MILLISECONDS_MAX:
        raise MalformedMessage(f"a time beyond 2262: {text!r} ms; the frame is dropped")
    return value_ms * NS_PER_MS
