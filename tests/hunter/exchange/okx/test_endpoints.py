from __future__ import annotations

import pytest

from hunter.exchange.okx import endpoints
from hunter.exchange.okx.endpoints import (
    ALL_TYPES,
    CHANNELS,
    Argument,
    Bar,
    Endpoint,
    RowKind,
    candle_bar,
    channel_traits,
    is_deep_book,
)
from hunter.market.instrument import InstrumentType


@pytest.mark.parametrize(
    ("name", "endpoint"),
    [
        ("trades", Endpoint.PUBLIC),
        ("books", Endpoint.PUBLIC),
        ("tickers", Endpoint.PUBLIC),
        ("bbo-tbt", Endpoint.PUBLIC),
        ("trades-all", Endpoint.BUSINESS),
        ("candle1m", Endpoint.BUSINESS),
        ("mark-price-candle1D", Endpoint.BUSINESS),
        ("index-candle3Mutc", Endpoint.BUSINESS),
    ],
)
def test_channel_is_served_by_its_endpoint(name: str, endpoint: Endpoint) -> None:
    assert channel_traits(name).endpoint is endpoint


@pytest.mark.parametrize(
    ("name", "argument", "key"),
    [
        ("trades", Argument.INSTRUMENT, "instId"),
        ("candle1m", Argument.INSTRUMENT, "instId"),
        ("index-tickers", Argument.INDEX, "instId"),
        ("liquidation-orders", Argument.INSTRUMENT_TYPE, "instType"),
        ("instruments", Argument.INSTRUMENT_TYPE, "instType"),
        ("status", Argument.NOTHING, ""),
    ],
)
def test_channel_says_what_it_is_asked_by(name: str, argument: Argument, key: str) -> None:
    assert channel_traits(name).argument is argument
    assert argument.key == key


def test_channel_exists_for_the_types_the_exchange_documents() -> None:
    spot, swap, futures, option = (
        InstrumentType.SPOT,
        InstrumentType.SWAP,
        InstrumentType.FUTURES,
        InstrumentType.OPTION,
    )
    limited = {name: traits.types for name, traits in CHANNELS.items() if traits.types != ALL_TYPES}
    assert limited == {
        "funding-rate": {swap},
        "open-interest": {swap, futures, option},
        "liquidation-orders": {swap, futures},
    }
    assert {spot, swap, futures, option} == ALL_TYPES


def test_every_listed_channel_is_decoded() -> None:
    assert [name for name, traits in CHANNELS.items() if traits.row is None] == []


@pytest.mark.parametrize(
    ("channel", "bar"),
    [
        ("candle1s", Bar(1, False)),
        ("candle1m", Bar(60, False)),
        ("candle4H", Bar(14_400, False)),
        ("candle6H", Bar(21_600, False)),
        ("candle6Hutc", Bar(21_600, True)),
        ("candle1W", Bar(604_800, False)),
        ("candle1M", Bar(2_592_000, False)),
        ("candle3Mutc", Bar(7_776_000, True)),
        # Shorter bars open alike on every day's begin: there is no such channel.
        ("candle1mutc", None),
        ("candle4Hutc", None),
        ("candle7m", None),
        ("mark-price-candle1m", None),
        ("index-candle1m", None),
        ("candle", None),
        ("trades", None),
    ],
)
def test_candle_channel_names_its_bar(channel: str, bar: Bar | None) -> None:
    assert candle_bar(channel) == bar
    assert (channel_traits(channel).row is RowKind.CANDLE) is (bar is not None)


def test_candles_promise_no_push() -> None:
    assert channel_traits("candle1s").silence_ns_max is None


@pytest.mark.parametrize(
    ("channel", "deep"),
    [("books", True), ("books50-l2-tbt", True), ("books5", False), ("bbo-tbt", False)],
)
def test_deep_books_are_told_from_light_ones(channel: str, deep: bool) -> None:
    assert is_deep_book(channel) is deep


def test_unlisted_channel_is_public_per_instrument_and_not_decoded() -> None:
    traits = channel_traits("books-rpi")
    assert traits == (Endpoint.PUBLIC, Argument.INSTRUMENT, None, None, ALL_TYPES)


def test_silence_limit_leaves_room_for_the_keepalive() -> None:
    silence_ns_max = channel_traits("books").silence_ns_max
    assert silence_ns_max is not None
    assert silence_ns_max > endpoints.BOOK_KEEPALIVE_NS
    assert channel_traits("trades").silence_ns_max is None


def test_decoded_channels_name_their_rows() -> None:
    kinds = {name: channel_traits(name).row for name in ("trades", "books5", "bbo-tbt", "tickers")}
    assert kinds == {
        "trades": RowKind.TRADE,
        "books5": RowKind.BOOK,
        "bbo-tbt": RowKind.BBO,
        "tickers": RowKind.TICKER,
    }


def test_own_ping_comes_well_before_the_server_hangs_up() -> None:
    assert endpoints.PING_AFTER_NS + endpoints.PING_TIMEOUT_NS < 30_000_000_000


def test_rate_limit_code_is_no_refusal() -> None:
    assert endpoints.CODE_TOO_FREQUENT not in endpoints.CODES_REFUSED
    assert endpoints.CODE_SERVICE_UPGRADE not in endpoints.CODES_REFUSED
