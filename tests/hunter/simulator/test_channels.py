"""The channel table and its counts."""

from __future__ import annotations

import pytest

from hunter.simulator.channels import (
    BARS,
    CHANNELS,
    LOGIN_CHANNELS,
    PATHS,
    Key,
    argument,
    by_channel,
    index_of,
    is_by_instrument,
    key_of,
)


def test_every_channel_is_on_a_served_path_and_needs_no_login() -> None:
    assert {channel.path for channel in CHANNELS.values()} <= PATHS
    assert not LOGIN_CHANNELS & set(CHANNELS)
    assert CHANNELS["trades-all"].path == "business"


def test_counts_are_grouped_by_channel() -> None:
    counts = {("trades", "A-B"): 1, ("trades", "C-D"): 2, ("books", "A-B"): 3}
    assert by_channel(counts) == {"trades": {"A-B": 1, "C-D": 2}, "books": {"A-B": 3}}


@pytest.mark.parametrize(
    ("arg", "key"),
    [
        ({"channel": "trades", "instId": "A-B"}, ("trades", "A-B")),
        ({"channel": "index-tickers", "instId": "A-B"}, ("index-tickers", "A-B")),
        ({"channel": "instruments", "instType": "SWAP"}, ("instruments", "SWAP")),
        ({"channel": "status"}, ("status", "")),
    ],
)
def test_argument_and_key_say_the_same(arg: dict[str, str], key: Key) -> None:
    assert key_of(arg["channel"], arg) == key
    assert argument(key) == arg


def test_argument_that_names_something_else_has_no_key() -> None:
    assert key_of("trades", {"instType": "SWAP"}) is None
    assert key_of("instruments", {"instId": "A-B"}) is None
    assert key_of("trades", {"instId": 5}) is None
    assert key_of("unheard-of", {"instId": "A-B"}) is None
    assert argument(("unheard-of", "A-B")) == {"channel": "unheard-of", "instId": "A-B"}


def test_candles_are_business_and_every_bar_has_a_length() -> None:
    names = {name for name in CHANNELS if name.startswith("candle")}
    assert names == set(BARS)
    assert {CHANNELS[name].path for name in names} == {"business"}
    lengths = {"1s": 1, "1m": 60, "30m": 1800, "4H": 14_400, "12Hutc": 43_200, "1Dutc": 86_400}
    for name, seconds in lengths.items():
        assert BARS[f"candle{name}"].seconds == seconds
    assert "candle1mutc" not in BARS


def test_index_is_what_a_contract_is_about() -> None:
    assert index_of("BTC-USDT-SWAP") == index_of("BTC-USDT") == "BTC-USDT"
    assert index_of("BTC-USD-271231-60000-C") == "BTC-USD"
    assert is_by_instrument("trades")
    assert is_by_instrument("unheard-of")
    assert not is_by_instrument("index-tickers")
