"""Pushes: one data frame for the subscribers of one channel and subject, and how it is written.

Key order and number texts follow the live frames of 2026: numbers are strings, except seqId,
prevSeqId and checksum.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec

from hunter.simulator.channels import argument
from hunter.simulator.decimals import split_size

Level = list[str]  # [price, size, "0", order count], sizes absolute, "0" deletes

_encode = msgspec.json.Encoder().encode


class PublishedTrade(NamedTuple):
    """One aggregated trade: covers the matches (trade_id - match_count, trade_id]."""

    trade_id: int
    match_count: int
    price: str
    size: str
    side: str
    ts_ms: int
    seq_id: int


def matches(row: PublishedTrade) -> list[PublishedTrade]:
    """The row's matches, oldest first: equal price and side, sizes summing exactly."""
    if row.match_count == 1:
        return [row]
    first = row.trade_id - row.match_count + 1
    sizes = split_size(row.size, row.match_count)
    return [
        row._replace(trade_id=first + index, match_count=1, size=size)
        for index, size in enumerate(sizes)
    ]


class BookChange(NamedTuple):
    """A snapshot or the net change of one interval; seq_id -1 where the frame had none (2022)."""

    is_snapshot: bool
    bids: list[Level]
    asks: list[Level]
    ts_ms: int
    seq_id: int
    prev_seq_id: int


class Push(NamedTuple):
    """`text` goes out byte for byte; `body` is what state and ledger need of it.

    `inst_id` is the subject of the subscription: for a few channels not an instrument but an
    index, a type or nothing (see channels.Subject).
    """

    channel: str
    inst_id: str
    text: bytes
    body: PublishedTrade | BookChange | None


def envelope(
    channel: str, subject: str, data: dict[str, Any] | list[str], action: str = ""
) -> bytes:
    """`{"arg":...,"action":...,"data":[...]}` as bytes."""
    frame: dict[str, Any] = {"arg": argument((channel, subject))}
    if action:
        frame["action"] = action
    frame["data"] = [data]
    return _encode(frame)


def trade_push(inst_id: str, row: PublishedTrade) -> Push:
    data = {
        "instId": inst_id,
        "tradeId": str(row.trade_id),
        "px": row.price,
        "sz": row.size,
        "side": row.side,
        "ts": str(row.ts_ms),
        "count": str(row.match_count),
        "source": "0",
        "seqId": row.seq_id,
    }
    return Push("trades", inst_id, envelope("trades", inst_id, data), row)


def match_push(inst_id: str, row: PublishedTrade) -> Push:
    """One match on `trades-all`: no count, no seqId."""
    data = {
        "instId": inst_id,
        "tradeId": str(row.trade_id),
        "px": row.price,
        "sz": row.size,
        "side": row.side,
        "source": "0",
        "ts": str(row.ts_ms),
    }
    return Push("trades-all", inst_id, envelope("trades-all", inst_id, data), None)


def book_text(inst_id: str, change: BookChange, checksum: int | None = 0) -> bytes:
    """A `books` frame. Without a seqId (recordings of 2022) the chain fields are left out; without
    a checksum that field.
    """
    data: dict[str, Any] = {"asks": change.asks, "bids": change.bids, "ts": str(change.ts_ms)}
    if checksum is not None:
        data["checksum"] = checksum
    if change.seq_id >= 0:
        data["seqId"] = change.seq_id
        data["prevSeqId"] = change.prev_seq_id
    return envelope("books", inst_id, data, "snapshot" if change.is_snapshot else "update")


def book_push(inst_id: str, change: BookChange, checksum: int | None = 0) -> Push:
    return Push("books", inst_id, book_text(inst_id, change, checksum), change)


def books5_push(inst_id: str, bids: list[Level], asks: list[Level], ts_ms: int, seq: int) -> Push:
    data = {"asks": asks, "bids": bids, "instId": inst_id, "ts": str(ts_ms), "seqId": seq}
    return Push("books5", inst_id, envelope("books5", inst_id, data), None)


def bbo_push(inst_id: str, bid: list[Level], ask: list[Level], ts_ms: int, seq: int) -> Push:
    """`bid` and `ask` hold one level, or none for an empty side."""
    data = {"asks": ask, "bids": bid, "ts": str(ts_ms), "seqId": seq}
    return Push("bbo-tbt", inst_id, envelope("bbo-tbt", inst_id, data), None)


def ticker_push(inst_id: str, data: dict[str, Any]) -> Push:
    return Push("tickers", inst_id, envelope("tickers", inst_id, data), None)


def wire_text(payload: bytes, first: int = 0x81) -> bytes:
    """An unmasked, unfragmented text frame (RFC 6455 5.2), written once for all subscribers."""
    size = len(payload)
    if size < 126:
        return bytes((first, size)) + payload
    if size < 65_536:
        return bytes((first, 126)) + size.to_bytes(2, "big") + payload
    return bytes((first, 127)) + size.to_bytes(8, "big") + payload


def wire_binary(payload: bytes) -> bytes:
    return wire_text(payload, 0x82)


def is_text(wire: bytes) -> bool:
    return wire[0] == 0x81


def wire_payload(wire: bytes) -> bytes:
    """The text inside a frame of `wire_text`."""
    return wire[{126: 4, 127: 10}.get(wire[1], 2) :]
