"""Addresses, limits and the nature of each channel, with the place where OKX says so.

Anchors are those of https://www.okx.com/docs-v5/en/ unless another page is named. Values that no
page gives are marked as ours.
"""

from __future__ import annotations

import enum
from typing import Final, NamedTuple

# overview-production-trading-services; the regional hosts have the same paths.
PUBLIC_URL: Final = "wss://ws.okx.com:8443/ws/v5/public"
BUSINESS_URL: Final = "wss://ws.okx.com:8443/ws/v5/business"
REST_URL: Final = "https://openapi.okx.com"

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
SERVER_SILENCE_NS_MAX: Final = 30_000_000_000
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

    INSTRUMENT = "instId"
    INSTRUMENT_TYPE = "instType"
    NOTHING = ""


class RowKind(enum.Enum):
    """What `parse` makes of a channel's payload; no kind: nobody decodes it."""

    TRADE = "trade"
    TICKER = "ticker"
    BOOK = "book"
    BBO = "bbo"


class ChannelTraits(NamedTuple):
    """`silence_ns_max`: longer than this without a push is not normal; None where any may be."""

    endpoint: Endpoint = Endpoint.PUBLIC
    argument: Argument = Argument.INSTRUMENT
    row: RowKind | None = None
    silence_ns_max: int | None = None


# One and a half times what the pages promise. Trades, tickers and liquidations promise nothing:
# an instrument may rest for hours. Snapshot channels repeat themselves like `books` does.
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
    # public-data-websocket-mark-price-channel: every 10 s without change.
    "mark-price": ChannelTraits(silence_ns_max=15_000_000_000),
    # public-data-websocket-index-tickers-channel: every minute without change.
    "index-tickers": ChannelTraits(silence_ns_max=90_000_000_000),
    # public-data-websocket-funding-rate-channel: every 30 to 90 s.
    "funding-rate": ChannelTraits(silence_ns_max=135_000_000_000),
    "open-interest": ChannelTraits(),
    "liquidation-orders": ChannelTraits(argument=Argument.INSTRUMENT_TYPE),
    "instruments": ChannelTraits(argument=Argument.INSTRUMENT_TYPE),
    "status": ChannelTraits(argument=Argument.NOTHING),
}
_CANDLE = ChannelTraits(Endpoint.BUSINESS)
_CANDLE_PREFIXES = ("candle", "mark-price-candle", "index-candle")


def channel_traits(name: str) -> ChannelTraits:
    """The nature of channel `name`; one that is not listed is taken as a public one per instrument.

    The exchange adds channels; it says 60018 itself if there is none of that name.
    """
    if name.startswith(_CANDLE_PREFIXES):
        return _CANDLE
    return CHANNELS.get(name, ChannelTraits())
