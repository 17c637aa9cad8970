"""Limits and the nature of each channel, with the place where OKX says so. Addresses: `config`.

Anchors are those of https://www.okx.com/docs-v5/en/ unless another page is named. Values that no
page gives are marked as ours.
"""

from __future__ import annotations

import enum
from typing import Final, NamedTuple

from hunter.market.instrument import InstrumentType

# overview-websocket-connect: "3 requests per second (based on IP)".
CONNECTS_PER_SECOND: Final = 3
# overview-websocket-connect: subscribe + unsubscribe + login; requests count, not their arguments.
REQUESTS_PER_HOUR: Final = 480
# overview-websocket-subscribe: 64 KB over all channels of a request. The smaller reading of "KB",
# because a longer frame costs the connection (close 1009).
REQUEST_BYTES_MAX: Final = 64_000
# overview-websocket-subscribe: `id` is letters and digits, at most 32.
REQUEST_ID_LENGTH_MAX: Final = 32
# overview-websocket-connect: closed with 4004 when nothing was pushed for 30 s; a text `ping`
# answered by a text `pong` keeps a quiet connection open.
PING_FRAME: Final = b"ping"
PONG_FRAME: Final = b"pong"
# Ours: far enough below 30 s that a half-open connection is noticed in ten seconds.
PING_AFTER_NS: Final = 5_000_000_000
PING_TIMEOUT_NS: Final = 5_000_000_000
# Ours: an unanswered subscription is asked for again.
ACK_TIMEOUT_NS: Final = 5_000_000_000
ASKS_MAX: Final = 5

# order-book-trading-market-data-ws-order-book-channel: `books` is a window of 400 levels a side,
# moved by the server: levels that leave it are deleted by an update.
BOOK_DEPTH: Final = 400
# Same page, a recommendation: fewer than 30 channels of deep books on a connection.
DEEP_BOOKS_MAX: Final = 29
# Ours: keeps the load of one socket, and what its loss costs, within reason.
SUBSCRIPTIONS_MAX: Final = 240
# Same page: an update without levels after about a minute without change.
BOOK_KEEPALIVE_NS: Final = 60_000_000_000
# order-book-trading-market-data-get-trades-history: rows in one page; after=X means older than X.
HISTORY_TRADES_PAGE: Final = 100
# order-book-trading-market-data-get-trades: the newest, without paging.
TRADES_PAGE_MAX: Final = 500

# error-code-websocket-public, "Close frame".
CLOSE_REASONS: Final = {
    1009: "our request was longer than the exchange allows",
    4001: "login failed",
    4002: "invalid request",
    4003: "more than 100 subscriptions of one API key",
    4004: "no data for 30 s: our ping did not reach the exchange",
    4005: "the exchange's send buffer is full: we read too slowly",
    4006: "abnormal disconnection",
    4007: "the API key was changed or deleted",
    4008: "too many channels",
    4009: "too many channels on this connection",
}

# error-code-websocket-public.
CODE_TOO_FREQUENT: Final = "60014"
CODE_SERVICE_UPGRADE: Final = "64008"
# "Operation failed due to internal error. Please try again later": says nothing about the argument.
CODE_INTERNAL_ERROR: Final = "64007"
# Codes that say that an argument is wrong, and will be wrong when asked again.
CODES_REFUSED: Final = frozenset(
    [
        *("60008", "60011", "60012", "60013", "60018", "60027", "60028", "60033"),
        *("64000", "64001", "64002", "64003", "64004"),
    ]
)


class Endpoint(enum.StrEnum):
    """Which of the two public sockets serves a channel; the other one answers 60018."""

    PUBLIC = "public"
    BUSINESS = "business"


class Argument(enum.Enum):
    """What a subscription names next to its channel."""

    INSTRUMENT = "instrument"
    # BASE-QUOTE: one index for all instruments over it (index-tickers; a swap's name is refused).
    INDEX = "index"
    INSTRUMENT_TYPE = "instrument type"
    NOTHING = ""

    @property
    def key(self) -> str:
        """The field of `arg` that carries it; "" where there is none."""
        return _ARGUMENT_KEYS[self]


_ARGUMENT_KEYS: Final = {
    Argument.INSTRUMENT: "instId",
    Argument.INDEX: "instId",
    Argument.INSTRUMENT_TYPE: "instType",
    Argument.NOTHING: "",
}


class RowKind(enum.Enum):
    """What `parse` and `parse_public` make of a channel's payload; no kind: nobody decodes it."""

    TRADE = "trade"
    TICKER = "ticker"
    BOOK = "book"
    BBO = "bbo"
    MARK = "mark"
    INDEX = "index"
    FUNDING = "funding"
    OPEN_INTEREST = "open-interest"
    LIQUIDATION = "liquidation"
    CANDLE = "candle"
    INSTRUMENT = "instrument"
    MAINTENANCE = "maintenance"


ALL_TYPES: Final = frozenset(InstrumentType)
_DERIVATIVES: Final = ALL_TYPES - {InstrumentType.SPOT}


class ChannelTraits(NamedTuple):
    """`silence_ns_max`: longer than this without a push is not normal; None where any may be.

    `types`: the instrument types that the channel exists for; others are refused with 60018.
    """

    endpoint: Endpoint = Endpoint.PUBLIC
    argument: Argument = Argument.INSTRUMENT
    row: RowKind | None = None
    silence_ns_max: int | None = None
    types: frozenset[InstrumentType] = ALL_TYPES


# One and a half times what the pages promise. Trades, tickers, candles, open interest, liquidations
# and changes of instruments promise nothing: an instrument may rest for hours. Snapshot channels
# repeat themselves like `books` does.
_BOOK_SILENCE_NS: Final = BOOK_KEEPALIVE_NS * 3 // 2
_BOOK = ChannelTraits(row=RowKind.BOOK, silence_ns_max=_BOOK_SILENCE_NS)

CHANNELS: Final[dict[str, ChannelTraits]] = {
    "trades": ChannelTraits(row=RowKind.TRADE),
    "trades-all": ChannelTraits(Endpoint.BUSINESS, row=RowKind.TRADE),
    "tickers": ChannelTraits(row=RowKind.TICKER),
    "books": _BOOK,
    "books5": _BOOK,
    "books-l2-tbt": _BOOK,
    "books50-l2-tbt": _BOOK,
    "bbo-tbt": ChannelTraits(row=RowKind.BBO, silence_ns_max=_BOOK_SILENCE_NS),
    # public-data-websocket-mark-price-channel: every 10 s without change. Pairs with margin trading
    # have one too (the page's example is BTC-USDT); a pair without is refused and parked.
    "mark-price": ChannelTraits(row=RowKind.MARK, silence_ns_max=15_000_000_000),
    # public-data-websocket-index-tickers-channel: every minute without change.
    "index-tickers": ChannelTraits(
        argument=Argument.INDEX, row=RowKind.INDEX, silence_ns_max=90_000_000_000
    ),
    # public-data-websocket-funding-rate-channel: every 30 to 90 s. Its futures are the few with
    # `ruleType` xperp, which no name tells from the others.
    "funding-rate": ChannelTraits(
        row=RowKind.FUNDING,
        silence_ns_max=135_000_000_000,
        types=frozenset([InstrumentType.SWAP]),
    ),
    # public-data-websocket-open-interest-channel: every 3 s "when there are updates".
    "open-interest": ChannelTraits(row=RowKind.OPEN_INTEREST, types=_DERIVATIVES),
    # public-data-websocket-liquidation-orders-channel: spot has none (MARGIN is a type of its own),
    # and of options neither side, price nor size is told.
    "liquidation-orders": ChannelTraits(
        argument=Argument.INSTRUMENT_TYPE,
        row=RowKind.LIQUIDATION,
        types=frozenset([InstrumentType.SWAP, InstrumentType.FUTURES]),
    ),
    "instruments": ChannelTraits(argument=Argument.INSTRUMENT_TYPE, row=RowKind.INSTRUMENT),
    "status": ChannelTraits(argument=Argument.NOTHING, row=RowKind.MAINTENANCE),
}
_CANDLE = ChannelTraits(Endpoint.BUSINESS, row=RowKind.CANDLE)
# Candles of marks and indexes: on the business socket too, but nobody decodes them.
_OTHER_CANDLE = ChannelTraits(Endpoint.BUSINESS)
_OTHER_CANDLE_PREFIXES = ("candle", "mark-price-candle", "index-candle")


class Bar(NamedTuple):
    """Length of a candle. `utc`: opened on UTC days; without it bars of 6 hours and more open on
    those of UTC+8. Shorter bars open alike on both and are not offered with `utc`."""

    seconds: int
    utc: bool


_MINUTE_S: Final = 60
_HOUR_S: Final = 3_600
_DAY_S: Final = 86_400
# order-book-trading-market-data-ws-candlesticks-channel. Months count as 30 days: names of a
# length, not lengths.
_SHORT_BARS: Final = {
    "1s": 1,
    "1m": _MINUTE_S,
    "3m": 3 * _MINUTE_S,
    "5m": 5 * _MINUTE_S,
    "15m": 15 * _MINUTE_S,
    "30m": 30 * _MINUTE_S,
    "1H": _HOUR_S,
    "2H": 2 * _HOUR_S,
    "4H": 4 * _HOUR_S,
}
_LONG_BARS: Final = {
    "6H": 6 * _HOUR_S,
    "12H": 12 * _HOUR_S,
    "1D": _DAY_S,
    "2D": 2 * _DAY_S,
    "3D": 3 * _DAY_S,
    "5D": 5 * _DAY_S,
    "1W": 7 * _DAY_S,
    "1M": 30 * _DAY_S,
    "3M": 90 * _DAY_S,
}
CANDLE_BARS: Final[dict[str, Bar]] = {
    **{f"candle{name}": Bar(seconds, False) for name, seconds in _SHORT_BARS.items()},
    **{f"candle{name}": Bar(seconds, False) for name, seconds in _LONG_BARS.items()},
    **{f"candle{name}utc": Bar(seconds, True) for name, seconds in _LONG_BARS.items()},
}


def channel_traits(name: str) -> ChannelTraits:
    """The nature of channel `name`; one that is not listed is taken as a public one per instrument.

    The exchange adds channels; it says 60018 itself if there is none of that name.
    """
    if name in CANDLE_BARS:
        return _CANDLE
    if name.startswith(_OTHER_CANDLE_PREFIXES):
        return _OTHER_CANDLE
    return CHANNELS.get(name, ChannelTraits())


def candle_bar(channel: str) -> Bar | None:
    """The bar of a candle channel; None for any other channel."""
    return CANDLE_BARS.get(channel)


def is_deep_book(channel: str) -> bool:
    """Whether a channel is one of the books that a connection should carry few of."""
    return channel.startswith("books") and channel != "books5"
