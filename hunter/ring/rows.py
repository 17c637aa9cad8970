"""The four kinds of rows, drawn. Little-endian, every word naturally aligned.

    trade, 64 B: one cache line
      0 sequence u8 | 8 arrival u8 | 16 trade_id i8 | 24 exchange_ts_ns i8 | 32 received_ts_ns i8
     40 price f8 | 48 size f8 | 56 count u4 | 60 side i1 | 61 flags u1 | 62 epoch u2
    bbo, 128 B
      0 sequence u8 | 8 arrival u8 | 16 seq_id i8 | 24 exchange_ts_ns i8 | 32 received_ts_ns i8
     40 bid_price f8 | 48 bid_size f8 | 56 ask_price f8 | 64 ask_size f8
     72 flags u4 | 76 epoch u4 | 80 unused
    ticker, 128 B
      0 sequence u8 | 8 arrival u8 | 16 exchange_ts_ns i8 | 24 received_ts_ns i8
     32 last_price f8 | 40 last_size f8
     48 bid_price f8 | 56 bid_size f8 | 64 ask_price f8 | 72 ask_size f8 | 80 flags u4 | 84 epoch u4
     88 open_24h f8 | 96 high_24h f8 | 104 low_24h f8
    112 volume_24h f8 | 120 volume_currency_24h f8
    book, 704 B: 20 levels a side
      0 sequence u8 | 8 arrival u8 | 16 seq_id i8 | 24 exchange_ts_ns i8 | 32 received_ts_ns i8
     40 valid u1 | 42 bid_count u2 | 44 ask_count u2 | 48 epoch u4 | 52 unused
     64 bids 20 x (price f8, size f8) | 384 asks 20 x (price f8, size f8)

`sequence` is the row's position + 1, so a slot that was never written (zero) is no row. `arrival`
counts over all lanes of the instrument. `epoch` is the low part of the writer's epoch. A missing
number (an empty side, a field the exchange left "") is NaN; an unused level is (0, 0).
"""

from __future__ import annotations

import enum
import struct
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import numpy as np

BOOK_LEVELS: Final = 20


class Kind(enum.IntEnum):
    """Lanes of an instrument, in the order they stand in the segment."""

    TRADE = 0
    BBO = 1
    TICKER = 2
    BOOK = 3


class TradeFlag(enum.IntFlag):
    """`flags` of a trade row."""

    BACKFILL = 1  # came by REST, not by the feed
    AFTER_LOSS = 2  # matches just before this row could not be had from anywhere
    ENHANCED_LIQUIDITY = 4  # OKX source "1": filled against an ELP/RPI order


STRUCTS: Final = {
    Kind.TRADE: struct.Struct("<QQqqqddIbBH"),
    Kind.BBO: struct.Struct("<QQqqqddddII48x"),
    Kind.TICKER: struct.Struct("<QQqqddddddIIddddd"),
    Kind.BOOK: struct.Struct(f"<QQqqqBxHHxxI12x{4 * BOOK_LEVELS}d"),
}
ROW_BYTES: Final = {kind: packed.size for kind, packed in STRUCTS.items()}
assert ROW_BYTES == {Kind.TRADE: 64, Kind.BBO: 128, Kind.TICKER: 128, Kind.BOOK: 704}

_HEAD = [("sequence", "<u8", 0), ("arrival", "<u8", 8)]
_FIELDS: Final[dict[Kind, list[tuple[str, Any, int]]]] = {
    Kind.TRADE: [
        *_HEAD,
        ("trade_id", "<i8", 16),
        ("exchange_ts_ns", "<i8", 24),
        ("received_ts_ns", "<i8", 32),
        ("price", "<f8", 40),
        ("size", "<f8", 48),
        ("count", "<u4", 56),
        ("side", "i1", 60),
        ("flags", "u1", 61),
        ("epoch", "<u2", 62),
    ],
    Kind.BBO: [
        *_HEAD,
        ("seq_id", "<i8", 16),
        ("exchange_ts_ns", "<i8", 24),
        ("received_ts_ns", "<i8", 32),
        ("bid_price", "<f8", 40),
        ("bid_size", "<f8", 48),
        ("ask_price", "<f8", 56),
        ("ask_size", "<f8", 64),
        ("flags", "<u4", 72),
        ("epoch", "<u4", 76),
    ],
    Kind.TICKER: [
        *_HEAD,
        ("exchange_ts_ns", "<i8", 16),
        ("received_ts_ns", "<i8", 24),
        ("last_price", "<f8", 32),
        ("last_size", "<f8", 40),
        ("bid_price", "<f8", 48),
        ("bid_size", "<f8", 56),
        ("ask_price", "<f8", 64),
        ("ask_size", "<f8", 72),
        ("flags", "<u4", 80),
        ("epoch", "<u4", 84),
        ("open_24h", "<f8", 88),
        ("high_24h", "<f8", 96),
        ("low_24h", "<f8", 104),
        ("volume_24h", "<f8", 112),
        ("volume_currency_24h", "<f8", 120),
    ],
    Kind.BOOK: [
        *_HEAD,
        ("seq_id", "<i8", 16),
        ("exchange_ts_ns", "<i8", 24),
        ("received_ts_ns", "<i8", 32),
        ("valid", "u1", 40),
        ("bid_count", "<u2", 42),
        ("ask_count", "<u2", 44),
        ("epoch", "<u4", 48),
        ("bids", ("<f8", (BOOK_LEVELS, 2)), 64),
        ("asks", ("<f8", (BOOK_LEVELS, 2)), 64 + 16 * BOOK_LEVELS),
    ],
}


def numpy_dtype(kind: Kind) -> np.dtype[np.void]:
    """The structured dtype of a lane's rows; `itemsize` equals ROW_BYTES[kind]."""
    import numpy  # here and not above: the status command reads rings without numpy

    fields = _FIELDS[kind]
    return numpy.dtype(
        {
            "names": [name for name, _, _ in fields],
            "formats": [form for _, form, _ in fields],
            "offsets": [offset for _, _, offset in fields],
            "itemsize": ROW_BYTES[kind],
        }
    )


def layout_text() -> str:
    """Every row's fields in one line; its hash in the segment's header tells layouts apart."""
    return ";".join(
        f"{kind.name}:{ROW_BYTES[kind]}:{STRUCTS[kind].format}:"
        + ",".join(f"{name}={form}@{offset}" for name, form, offset in _FIELDS[kind])
        for kind in Kind
    )
