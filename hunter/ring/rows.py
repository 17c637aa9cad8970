"""The kinds of rows, drawn. Little-endian, every word naturally aligned.

    trade, 64 B: one cache line
      0 sequence u8 | 8 arrival u8 | 16 trade_id i8 | 24 exchange_ts_ns i8 | 32 received_ts_ns i8
     40 price f8 | 48 size f8 | 56 count u2 | 58 side i1 | 59 flags u1 | 60 check u4
    bbo, 128 B
      0 sequence u8 | 8 arrival u8 | 16 seq_id i8 | 24 exchange_ts_ns i8 | 32 received_ts_ns i8
     40 bid_price f8 | 48 bid_size f8 | 56 ask_price f8 | 64 ask_size f8
     72 flags u4 | 76 unused | 124 check u4
    ticker, 128 B
      0 sequence u8 | 8 arrival u8 | 16 exchange_ts_ns i8 | 24 received_ts_ns i8
     32 last_price f8 | 40 last_size f8
     48 bid_price f8 | 56 bid_size f8 | 64 ask_price f8 | 72 ask_size f8
     80 open_24h f8 | 88 high_24h f8 | 96 low_24h f8
    104 volume_24h f8 | 112 volume_currency_24h f8 | 120 flags u4 | 124 check u4
    book, 704 B: 20 levels a side
      0 sequence u8 | 8 arrival u8 | 16 seq_id i8 | 24 exchange_ts_ns i8 | 32 received_ts_ns i8
     40 valid u1 | 42 bid_count u2 | 44 ask_count u2 | 46 flags u2
     48 bids 20 x (price f8, size f8) | 368 asks 20 x (price f8, size f8)
    688 unused | 700 check u4

The others begin alike, go on at 32 and end with their check:
      0 sequence u8 | 8 arrival u8 | 16 exchange_ts_ns i8 | 24 received_ts_ns i8
    instrument, 128 B
     32 tick_size f8 | 40 lot_size f8 | 48 min_size f8
     56 contract_value f8 | 64 contract_multiplier f8
     72 list_ts_ns i8 | 80 expiry_ts_ns i8 | 88 contract_type u1 | 89 state u1
     96 value_currency S8 | 104 unused | 124 check u4
    mark, 64 B
     32 price f8 | 40 unused | 60 check u4
    index, 128 B
     32 price f8 | 40 open_24h f8 | 48 high_24h f8 | 56 low_24h f8 | 64 unused | 124 check u4
    funding, 128 B
     32 rate f8 | 40 next_rate f8 | 48 min_rate f8 | 56 max_rate f8
     64 settled_rate f8 | 72 premium f8
     80 funding_ts_ns i8 | 88 next_funding_ts_ns i8 | 96 unused | 124 check u4
    open_interest, 64 B
     32 size f8 | 40 size_base f8 | 48 value_usd f8 | 56 unused | 60 check u4
    liquidation, 128 B
     32 price f8 | 40 size f8 | 48 size_base f8 | 56 value_quote f8 | 64 loss f8
     72 side i1 | 73 position i1 | 74 unused | 124 check u4
    candle, 128 B
     32 open_ts_ns i8 | 40 open f8 | 48 high f8 | 56 low f8 | 64 close f8
     72 volume f8 | 80 volume_base f8 | 88 volume_quote f8
     96 bar_s u4 | 100 confirmed u1 | 101 utc u1 | 102 unused | 124 check u4

`sequence` is the row's position + 1, so a slot that was never written (zero) is no row. `arrival`
counts over the first four lanes, which are the market, of the instrument and its mate; in the
others it is how many of those rows came before. `check` is the CRC-32 of all bytes before it
(hunter.ring.check). A missing number (an empty side, a field the exchange left "") is NaN, a
missing time 0; an unused level is (0, 0). `contract_type` is 0 spot, 1 linear, 2 inverse; `state`
0 unknown, 1 live, 2 suspend, 3 preopen, 4 test, 5 delisted; `side` +1 buy, -1 sell; `position`
+1 long, -1 short, 0 net. `value_currency` comes out of a plain row as 8 bytes, filled up with
zeros.
"""

from __future__ import annotations

import enum
import struct
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import numpy as np

BOOK_LEVELS: Final = 20
NUMBER_OFFSET: Final = 16
"""Where a row of the first four lanes has what tells it from others: its trade id, its seq id or,
in a ticker, the exchange's stamp. Signed, 8 bytes."""
CHECK_BYTES: Final = 4


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


# What stands before the check; the unused bytes at the end are part of it.
_BODY_FORMATS: Final = {
    Kind.TRADE: "<QQqqqddHbB",
    Kind.BBO: "<QQqqqddddI48x",
    Kind.TICKER: "<QQqq11dI",
    Kind.BOOK: f"<QQqqqBxHHH{4 * BOOK_LEVELS}d12x",
    Kind.INSTRUMENT: "<QQqq5dqqBB6x8s20x",
    Kind.MARK: "<QQqqd20x",
    Kind.INDEX: "<QQqq4d60x",
    Kind.FUNDING: "<QQqq6dqq28x",
    Kind.OPEN_INTEREST: "<QQqq3d4x",
    Kind.LIQUIDATION: "<QQqq5dbb50x",
    Kind.CANDLE: "<QQqqq7dIBB22x",
}
BODIES: Final = {kind: struct.Struct(form) for kind, form in _BODY_FORMATS.items()}
STRUCTS: Final = {kind: struct.Struct(form + "I") for kind, form in _BODY_FORMATS.items()}
# A body without its sequence and arrival number, which the lane gives it (hunter.ring.lanes).
FACTS: Final = {
    kind: struct.Struct("<" + form.removeprefix("<QQ")) for kind, form in _BODY_FORMATS.items()
}
# A body that is packed already, and its check.
SEALS: Final = {kind: struct.Struct(f"<{body.size}sI") for kind, body in BODIES.items()}
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
]


def _words(form: str, start: int, *names: str) -> list[tuple[str, Any, int]]:
    """Fields of eight bytes, one after the other."""
    return [(name, form, start + 8 * place) for place, name in enumerate(names)]


def _check(row_bytes: int) -> tuple[str, Any, int]:
    return ("check", "<u4", row_bytes - CHECK_BYTES)


_FIELDS: Final[dict[Kind, list[tuple[str, Any, int]]]] = {
    Kind.TRADE: [
        *_HEAD,
        ("trade_id", "<i8", 16),
        ("exchange_ts_ns", "<i8", 24),
        ("received_ts_ns", "<i8", 32),
        ("price", "<f8", 40),
        ("size", "<f8", 48),
        ("count", "<u2", 56),
        ("side", "i1", 58),
        ("flags", "u1", 59),
        _check(64),
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
        _check(128),
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
        *_words("<f8", 80, "open_24h", "high_24h", "low_24h", "volume_24h", "volume_currency_24h"),
        ("flags", "<u4", 120),
        _check(128),
    ],
    Kind.BOOK: [
        *_HEAD,
        ("seq_id", "<i8", 16),
        ("exchange_ts_ns", "<i8", 24),
        ("received_ts_ns", "<i8", 32),
        ("valid", "u1", 40),
        ("bid_count", "<u2", 42),
        ("ask_count", "<u2", 44),
        ("flags", "<u2", 46),
        ("bids", ("<f8", (BOOK_LEVELS, 2)), 48),
        ("asks", ("<f8", (BOOK_LEVELS, 2)), 48 + 16 * BOOK_LEVELS),
        _check(704),
    ],
    Kind.INSTRUMENT: [
        *_HEAD_ALIKE,
        *_words("<f8", 32, "tick_size", "lot_size", "min_size"),
        *_words("<f8", 56, "contract_value", "contract_multiplier"),
        *_words("<i8", 72, "list_ts_ns", "expiry_ts_ns"),
        ("contract_type", "u1", 88),
        ("state", "u1", 89),
        ("value_currency", "S8", 96),
        _check(128),
    ],
    Kind.MARK: [*_HEAD_ALIKE, ("price", "<f8", 32), _check(64)],
    Kind.INDEX: [
        *_HEAD_ALIKE,
        *_words("<f8", 32, "price", "open_24h", "high_24h", "low_24h"),
        _check(128),
    ],
    Kind.FUNDING: [
        *_HEAD_ALIKE,
        *_words("<f8", 32, "rate", "next_rate", "min_rate", "max_rate", "settled_rate", "premium"),
        *_words("<i8", 80, "funding_ts_ns", "next_funding_ts_ns"),
        _check(128),
    ],
    Kind.OPEN_INTEREST: [
        *_HEAD_ALIKE,
        *_words("<f8", 32, "size", "size_base", "value_usd"),
        _check(64),
    ],
    Kind.LIQUIDATION: [
        *_HEAD_ALIKE,
        *_words("<f8", 32, "price", "size", "size_base", "value_quote", "loss"),
        ("side", "i1", 72),
        ("position", "i1", 73),
        _check(128),
    ],
    Kind.CANDLE: [
        *_HEAD_ALIKE,
        ("open_ts_ns", "<i8", 32),
        *_words("<f8", 40, "open", "high", "low", "close"),
        *_words("<f8", 72, "volume", "volume_base", "volume_quote"),
        ("bar_s", "<u4", 96),
        ("confirmed", "u1", 100),
        ("utc", "u1", 101),
        _check(128),
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
