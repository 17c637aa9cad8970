"""Payloads as the rest of hunter sees them: numbers, nanoseconds, one meaning per field.

Made by `parse`, `parse_public` and `rest` only, validated there: prices are finite and above zero,
sizes finite and not negative. What the exchange left empty is NaN, because the rows end in arrays
of float64, where None has no place. Sizes are contracts for derivatives, base currency for spot.
"""

from __future__ import annotations

import enum
import math
from typing import Annotated, Final

import msgspec

from hunter.market.instrument import InstrumentType
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


class MarkPrice(msgspec.Struct, frozen=True, gc=False):
    price: float
    exchange_ts_ns: int


class IndexPrice(msgspec.Struct, frozen=True, gc=False):
    """Of an index (BTC-USDT), which all instruments over it share."""

    price: float
    open_24h: float
    high_24h: float
    low_24h: float
    exchange_ts_ns: int


class FundingRate(msgspec.Struct, frozen=True, gc=False):
    """Rates are fractions for one funding interval, which ends at `funding_ts_ns`.

    `next_rate` is NaN nowadays. `min_rate` and `max_rate` bound the next interval's rate;
    `settled_rate` is that of the last settlement. Times are 0 where the exchange sent none.
    """

    rate: float
    next_rate: float
    min_rate: float
    max_rate: float
    settled_rate: float
    premium: float
    funding_ts_ns: int
    next_funding_ts_ns: int
    exchange_ts_ns: int


class OpenInterest(msgspec.Struct, frozen=True, gc=False):
    """`size` in contracts, `size_base` in base currency."""

    size: float
    size_base: float
    value_usd: float
    exchange_ts_ns: int


class Liquidation(msgspec.Struct, frozen=True, gc=False):
    """A position taken over: some of them, at most one a second and contract, in no order of time.

    `side` is that of the closing order; `position` is what was closed: 1 long, -1 short, 0 where
    the account nets. `price` is the bankruptcy price, `size` in contracts; NaN where not told.
    """

    inst_id: str
    side: Side
    position: int
    price: float
    size: float
    loss: float
    exchange_ts_ns: int


class Candle(msgspec.Struct, frozen=True, gc=False):
    """`volume` in contracts or base currency, `volume_currency` in base or (spot) quote currency,
    `volume_quote` in quote currency. Until `confirmed` it still changes."""

    open_ts_ns: int
    open: float
    high: float
    low: float
    close: float
    volume: float
    volume_currency: float
    volume_quote: float
    confirmed: bool

    def volume_base(self, inst_type: str) -> float:
        """In base currency, which OKX puts in another column for spot."""
        return self.volume if inst_type == InstrumentType.SPOT else self.volume_currency


class ContractType(enum.IntEnum):
    """What `contract_value` is a number of."""

    # No contract: sizes are base currency.
    SPOT = 0
    # Base currency.
    LINEAR = 1
    # Quote currency (USD).
    INVERSE = 2


class ListingState(enum.IntEnum):
    """`state` in the few kinds that matter to who reads the market."""

    UNKNOWN = 0
    LIVE = 1
    SUSPENDED = 2
    PREOPEN = 3
    TEST = 4
    DELISTED = 5


# public-data-websocket-instruments-channel, `state`. `post_only` still has a market.
_STATES: Final = {
    "live": ListingState.LIVE,
    "post_only": ListingState.LIVE,
    "suspend": ListingState.SUSPENDED,
    "rebase": ListingState.SUSPENDED,
    "settling": ListingState.SUSPENDED,
    "preopen": ListingState.PREOPEN,
    "test": ListingState.TEST,
    "expired": ListingState.DELISTED,
}


class InstrumentDetails(msgspec.Struct, frozen=True, gc=False):
    """What a size and a price of an instrument mean. NaN where the exchange leaves it empty.

    `state`, `contract_type` and the currencies are as sent, except that base and quote currency of
    a contract, which OKX leaves empty, are taken from its name.
    """

    inst_id: str
    inst_type: str
    state: str
    tick_size: float
    lot_size: float
    min_size: float
    contract_value: float
    contract_multiplier: float
    contract_type: str
    contract_value_currency: str
    list_ts_ns: int | None
    expiry_ts_ns: int | None
    base_currency: str = ""
    quote_currency: str = ""

    @property
    def kind(self) -> ContractType:
        """Options have no `contract_type`; their value is in base currency."""
        if self.inst_type == InstrumentType.SPOT:
            return ContractType.SPOT
        return ContractType.INVERSE if self.contract_type == "inverse" else ContractType.LINEAR

    @property
    def status(self) -> ListingState:
        return _STATES.get(self.state, ListingState.UNKNOWN)

    def size_base(self, size: float, price: float) -> float:
        """A size in base currency; `price` matters for inverse contracts only."""
        if self.kind is ContractType.SPOT:
            return size
        value = size * self.contract_value * self.contract_multiplier
        if self.kind is ContractType.LINEAR:
            return value
        return value / price if price > 0.0 else math.nan

    def value_quote(self, size: float, price: float) -> float:
        """A size at a price in quote currency. NaN for options: their price is a premium, in a
        currency that depends on the family."""
        if self.inst_type == InstrumentType.OPTION:
            return math.nan
        if self.kind is ContractType.INVERSE:
            return size * self.contract_value * self.contract_multiplier
        return self.size_base(size, price) * price


class Maintenance(msgspec.Struct, frozen=True, gc=False):
    """A planned interruption. `state` is scheduled, ongoing, pre_open, completed or canceled;
    `service_type` OKX's code ("0" WebSocket, "5" trading); times are 0 where not known."""

    state: str
    service_type: str
    title: str
    system: str
    begin_ts_ns: int
    end_ts_ns: int
    exchange_ts_ns: int
