"""The kinds of rows, drawn. Little-endian, every word naturally aligned.

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

The others begin alike and go on at 40:
      0 sequence u8 | 8 arrival u8 | 16 exchange_ts_ns i8 | 24 received_ts_ns i8
     32 epoch u4 | 36 flags u4
    instrument, 128 B
     40 tick_size f8 | 48 lot_size f8 | 56 min_size f8
     64 contract_value f8 | 72 contract_multiplier f8
     80 list_ts_ns i8 | 88 expiry_ts_ns i8 | 96 contract_type u1 | 97 state u1
    104 value_currency S8 | 112 unused
    mark, 64 B
     40 price f8 | 48 unused
    index, 128 B
     40 price f8 | 48 open_24h f8 | 56 high_24h f8 | 64 low_24h f8 | 72 unused
    funding, 128 B
     40 rate f8 | 48 next_rate f8 | 56 min_rate f8 | 64 max_rate f8
     72 settled_rate f8 | 80 premium f8
     88 funding_ts_ns i8 | 96 next_funding_ts_ns i8 | 104 unused
    open_interest, 64 B
     40 size f8 | 48 size_base f8 | 56 value_usd f8
    liquidation, 128 B
     40 price f8 | 48 size f8 | 56 size_base f8 | 64 value_quote f8 | 72 loss f8
     80 side i1 | 81 position i1 | 82 unused
    candle, 128 B
     40 open_ts_ns i8 | 48 open f8 | 56 high f8 | 64 low f8 | 72 close f8
     80 volume f8 | 88 volume_base f8 | 96 volume_quote f8
    104 bar_s u4 | 108 confirmed u1 | 109 utc u1 | 110 unused

`sequence` is the row's position + 1, so a slot that was never written (zero) is no row. `arrival`
counts over the first four lanes of the instrument, which are the market; in the others it is how
many of those rows came before. `epoch` is the low part of the writer's epoch. A missing
number (an empty side, a field the exchange left "") is NaN, a missing time 0; an unused level is
(0, 0). `contract_type` is 0 spot, 1 linear, 2 inverse; `state` 0 unknown, 1 live,
2 suspend, 3 preopen, 4 test, 5 delisted; `side` +1 buy, -1 sell; `position` +1 long, -1 short,
0 net. `value_currency` comes out of a plain row as 8 bytes, filled up with zeros.
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
    INSTRUMENT = 4
    MARK = 5
    INDEX = 6
    FUNDING = 7
    OPEN_INTEREST = 8
    LIQUIDATION = 9
    CANDLE = 10


# From here on all rows have the same head.
FIRST_ALIKE: Final = Kind.INSTRUMENT


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
    Kind.INSTRUMENT: struct.Struct("<QQqqII5dqqBB6x8s16x"),
    Kind.MARK: struct.Struct("<QQqqIId16x"),
    Kind.INDEX: struct.Struct("<QQqqII4d56x"),
    Kind.FUNDING: struct.Struct("<QQqqII6dqq24x"),
    Kind.OPEN_INTEREST: struct.Struct("<QQqqII3d"),
    Kind.LIQUIDATION: struct.Struct("<QQqqII5dbb46x"),
    Kind.CANDLE: struct.Struct("<QQqqIIq7dIBB18x"),
}
ROW_BYTES: Final = {kind: packed.size for kind, packed in STRUCTS.items()}
assert {kind: size for kind, size in ROW_BYTES.items() if size != 128} == {
    Kind.TRADE: 64,
    Kind.BOOK: 704,
    Kind.MARK: 64,
    Kind.OPEN_INTEREST: 64,
}

_HEAD = [("sequence", "<u8", 0), ("arrival", "<u8", 8)]
_HEAD_ALIKE = [
    *_HEAD,
    ("exchange_ts_ns", "<i8", 16),
    ("received_ts_ns", "<i8", 24),
    ("epoch", "<u4", 32),
    ("flags", "<u4", 36),
]


def _words(form: str, start: int, *names: str) -> list[tuple[str, Any, int]]:
    """Fields of eight bytes, one after the other."""
    return [(name, form, start + 8 * place) for place, name in enumerate(names)]


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
    Kind.INSTRUMENT: [
        *_HEAD_ALIKE,
        *_words("<f8", 40, "tick_size", "lot_size", "min_size"),
        *_words("<f8", 64, "contract_value", "contract_multiplier"),
        *_words("<i8", 80, "list_ts_ns", "expiry_ts_ns"),
        ("contract_type", "u1", 96),
        ("state", "u1", 97),
        ("value_currency", "S8", 104),
    ],
    Kind.MARK: [*_HEAD_ALIKE, ("price", "<f8", 40)],
    Kind.INDEX: [*_HEAD_ALIKE, *_words("<f8", 40, "price", "open_24h", "high_24h", "low_24h")],
    Kind.FUNDING: [
        *_HEAD_ALIKE,
        *_words("<f8", 40, "rate", "next_rate", "min_rate", "max_rate", "settled_rate", "premium"),
        *_words("<i8", 88, "funding_ts_ns", "next_funding_ts_ns"),
    ],
    Kind.OPEN_INTEREST: [*_HEAD_ALIKE, *_words("<f8", 40, "size", "size_base", "value_usd")],
    Kind.LIQUIDATION: [
        *_HEAD_ALIKE,
        *_words("<f8", 40, "price", "size", "size_base", "value_quote", "loss"),
        ("side", "i1", 80),
        ("position", "i1", 81),
    ],
    Kind.CANDLE: [
        *_HEAD_ALIKE,
        ("open_ts_ns", "<i8", 40),
        *_words("<f8", 48, "open", "high", "low", "close"),
        *_words("<f8", 80, "volume", "volume_base", "volume_quote"),
        ("bar_s", "<u4", 104),
        ("confirmed", "u1", 108),
        ("utc", "u1", 109),
    ],
}


def place_of(kind: Kind, field: str) -> int:
    """Where a field stands in a plain row, or where its first number does."""
    return [name for name, _, _ in _FIELDS[kind]].index(field)


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
