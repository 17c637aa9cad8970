from __future__ import annotations

import pytest

from hunter.exchange.okx import endpoints
from hunter.exchange.okx.endpoints import Argument, Endpoint, RowKind, channel_traits


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


def test_channels_by_instrument_type_take_no_instrument() -> None:
    assert channel_traits("liquidation-orders").argument is Argument.INSTRUMENT_TYPE
    assert channel_traits("status").argument is Argument.NOTHING


def test_unlisted_channel_is_public_per_instrument_and_not_decoded() -> None:
    traits = channel_traits("books-rpi")
    assert traits == (Endpoint.PUBLIC, Argument.INSTRUMENT, None, None)


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
    assert endpoints.PING_AFTER_NS + endpoints.PING_TIMEOUT_NS < endpoints.SERVER_SILENCE_NS_MAX


def test_rate_limit_code_is_no_refusal() -> None:
    assert endpoints.CODE_TOO_FREQUENT not in endpoints.CODES_REFUSED
    assert endpoints.CODE_SERVICE_UPGRADE not in endpoints.CODES_REFUSED
