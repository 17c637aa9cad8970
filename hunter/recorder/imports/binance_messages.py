"""Binance's messages as far as an import needs them, decoded and checked in one pass. Pure.

{"stream": "btcusdt@trade", "data": {...}} or the data alone; names are Binance's own
(https://developers.binance.com/docs/derivatives/usds-margined-futures/websocket-market-streams and
/docs/binance-spot-api-docs/web-socket-streams). Called by hunter.recorder.imports.binance.
"""

from __future__ import annotations

from typing import Final

import msgspec

from hunter.exchange.okx.messages import MILLISECONDS_MAX, Id, Milliseconds
from hunter.exchange.okx.rows import BookLevel, Price, Size

_PARTIAL: Final = ("depth5", "depth10", "depth20")


class _Wrapped(msgspec.Struct, frozen=True):
    stream: str
    data: msgspec.Raw


class _Head(msgspec.Struct, frozen=True):
    e: str = ""
    s: str = ""
    E: int = 0
    T: int = 0
    lastUpdateId: int = -1
    B: msgspec.Raw = msgspec.Raw(b"")


class BinanceTrade(msgspec.Struct, frozen=True, gc=False):
    t: Id
    T: Milliseconds
    p: Price
    q: Size
    m: bool
    X: str = "MARKET"


class AggregateTrade(msgspec.Struct, frozen=True, gc=False):
    f: Id
    l: Id  # noqa: E741 - Binance's name
    T: Milliseconds
    p: Price
    q: Size
    m: bool


class BookTicker(msgspec.Struct, frozen=True, gc=False):
    b: Size
    B: Size
    a: Size
    A: Size


class DepthUpdate(msgspec.Struct, frozen=True, gc=False):
    U: int
    u: int
    b: list[BookLevel]
    a: list[BookLevel]
    pu: int = -1


class WholeBook(msgspec.Struct, frozen=True, gc=False):
    bids: list[BookLevel]
    asks: list[BookLevel]
    lastUpdateId: int = -1


def _decoder(kind: type) -> msgspec.json.Decoder[object]:
    return msgspec.json.Decoder(kind, strict=False)


_decode_wrapped = msgspec.json.Decoder(_Wrapped).decode
_decode_head = msgspec.json.Decoder(_Head, strict=False).decode
_DECODERS: Final = {
    "trade": _decoder(BinanceTrade),
    "aggTrade": _decoder(AggregateTrade),
    "bookTicker": _decoder(BookTicker),
    "depthUpdate": _decoder(DepthUpdate),
    "book": _decoder(WholeBook),
}


def decode_message(text: bytes) -> tuple[int, str, object | None]:
    """(exchange time in ms or 0, symbol or "", what it says or None). Raises DECODE_ERRORS."""
    stream = ""
    raw: bytes | msgspec.Raw = text
    if b'"stream"' in text[:200]:
        wrapped = _decode_wrapped(text)
        stream, raw = wrapped.stream, wrapped.data
    head = _decode_head(raw)
    named, _, channel = stream.partition("@")
    kind = head.e
    if channel.partition("@")[0] in _PARTIAL or (not kind and head.lastUpdateId >= 0):
        kind = "book"
    elif not kind and bytes(head.B):
        kind = "bookTicker"  # on spot without "e"
    decoder = _DECODERS.get(kind)
    stamp_ms = head.T or head.E
    if not 0 <= stamp_ms <= MILLISECONDS_MAX:
        raise msgspec.ValidationError("a time out of range")
    if decoder is None:
        return stamp_ms, "", None
    body = decoder.decode(_as_whole_book(raw) if kind == "book" and head.e else raw)
    return stamp_ms, (head.s or named).upper(), body


def _as_whole_book(raw: bytes | msgspec.Raw) -> bytes:
    """Partial books of futures come as updates."""
    update = _DECODERS["depthUpdate"].decode(raw)
    assert isinstance(update, DepthUpdate)
    return msgspec.json.encode(WholeBook(update.b, update.a, update.u))
