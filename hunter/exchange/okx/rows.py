"""Payloads as the rest of hunter sees them: numbers, nanoseconds, one meaning per field.

Made by `parse` and `rest` only, validated there: prices are finite and above zero, sizes finite and
not negative. What the exchange left empty is NaN, because the rows end in arrays of float64, where
None has no place. Sizes are contracts for derivatives and base currency for spot.
"""

from __future__ import annotations

import enum
from typing import Annotated, Final

import msgspec

from hunter.market.side import Side

# The upper bound refuses infinity; no price or size of any instrument comes near it.
Price = Annotated[float, msgspec.Meta(gt=0, lt=1e18)]
Size = Annotated[float, msgspec.Meta(ge=0, lt=1e18)]

NO_SEQUENCE: Final = -1
"""`seq_id` of rows that came without one (REST rows, recordings from before 2023)."""


class TradeSource(enum.IntEnum):
    """Where a trade row was read."""

    FEED = 0
    BACKFILL = 1


class Trade(msgspec.Struct, frozen=True, gc=False):
    """`count` matches of one taker at one price: the match ids (trade_id - count, trade_id].

    `order_source` is the exchange's: 0 normal, 1 from an order of its liquidity programme.
    """

    trade_id: int
    count: int
    price: float
    size: float
    side: Side
    exchange_ts_ns: int
    seq_id: int = NO_SEQUENCE
    source: TradeSource = TradeSource.FEED
    order_source: int = 0


class Ticker(msgspec.Struct, frozen=True, gc=False):
    """`volume_24h` in contracts or base currency, `volume_currency_24h` in base or quote."""

    last: float
    last_size: float
    bid: float
    bid_size: float
    ask: float
    ask_size: float
    open_24h: float
    high_24h: float
    low_24h: float
    volume_24h: float
    volume_currency_24h: float
    exchange_ts_ns: int


class Bbo(msgspec.Struct, frozen=True, gc=False):
    """Best bid and offer. An empty side is price NaN, size 0."""

    bid: float
    bid_size: float
    ask: float
    ask_size: float
    seq_id: int
    exchange_ts_ns: int


class BookAction(enum.Enum):
    """What an update does to a book."""

    SNAPSHOT = "snapshot"
    UPDATE = "update"


class BookLevel(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """One level, decoded in place; a size of 0 deletes it. Further elements as sent are skipped."""

    price: Price
    size: Size


class BookTexts(msgspec.Struct, frozen=True, gc=False):
    """Levels as the strings sent, [price, size, ...] each: the checksum is over the strings."""

    bids: list[list[str]]
    asks: list[list[str]]


class BookUpdate(msgspec.Struct, frozen=True):
    """A snapshot of both sides, or absolute sizes for some levels.

    `seq_id` and `prev_seq_id` are NO_SEQUENCE where the exchange sent none. `texts` is set exactly
    when `checksum` is not 0.
    """

    action: BookAction
    bids: list[BookLevel]
    asks: list[BookLevel]
    seq_id: int
    prev_seq_id: int
    checksum: int
    exchange_ts_ns: int
    texts: BookTexts | None = None
