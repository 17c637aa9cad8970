from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Any

import pytest
from fakes.okx_frames import PUBLIC_ITEMS
from hypothesis import given
from hypothesis import strategies as st

from hunter.errors import MalformedMessage
from hunter.exchange.okx import parse_public
from hunter.exchange.okx.rows import (
    Candle,
    Liquidation,
    Maintenance,
    MarkPrice,
    OpenInterest,
)
from hunter.market.side import Side

Parser = Callable[[bytes], list[Any]]
PARSERS: dict[str, Parser] = {
    "mark-price": parse_public.parse_mark_prices,
    "index-tickers": parse_public.parse_index_tickers,
    "funding-rate": parse_public.parse_funding_rates,
    "open-interest": parse_public.parse_open_interest,
    "liquidation-orders": parse_public.parse_liquidations,
    "candle1m": parse_public.parse_candles,
    "instruments": parse_public.parse_instruments,
    "status": parse_public.parse_maintenance,
}
MS = 1_000_000


def parse(channel: str, **changes: Any) -> list[Any]:
    return PARSERS[channel](json.dumps([{**PUBLIC_ITEMS[channel], **changes}]).encode())


def parse_detail(**changes: Any) -> list[Any]:
    (detail,) = PUBLIC_ITEMS["liquidation-orders"]["details"]
    return parse("liquidation-orders", details=[{**detail, **changes}])


def candle(**changes: str) -> list[Any]:
    values = list(PUBLIC_ITEMS["candle1m"])
    for index, value in changes.items():
        values[int(index.removeprefix("at"))] = value
    return PARSERS["candle1m"](json.dumps([values]).encode())


def test_mark_price() -> None:
    assert parse("mark-price") == [MarkPrice(83679.8, 1790369003540 * MS)]


def test_index_price_may_lack_its_day() -> None:
    (row,) = parse("index-tickers", open24h="")
    assert (row.price, row.high_24h, row.low_24h) == (83700.1, 84100.5, 82000.0)
    assert math.isnan(row.open_24h)


def test_funding_rate_keeps_signs_and_leaves_the_next_rate_empty() -> None:
    (row,) = parse("funding-rate")
    assert (row.rate, row.settled_rate) == (0.0000263463215391, 0.0000341625964238)
    assert (row.min_rate, row.max_rate, row.premium) == (-0.00375, 0.00375, -0.0004010920207754)
    assert math.isnan(row.next_rate)
    assert (row.funding_ts_ns, row.next_funding_ts_ns) == (1790380800000 * MS, 1790409600000 * MS)
    assert row.exchange_ts_ns == 1790369003540 * MS


def test_funding_rate_of_2022_has_no_time_of_its_own() -> None:
    item = {
        "fundingRate": "0.0000734174532791",
        "fundingTime": "1646323200000",
        "instId": "BTC-USD-SWAP",
        "instType": "SWAP",
        "nextFundingRate": "0.0001163723201487",
    }
    (row,) = parse_public.parse_funding_rates(json.dumps([item]).encode())
    assert (row.next_rate, row.exchange_ts_ns) == (0.0001163723201487, 0)
    assert row.next_funding_ts_ns == 0
    assert math.isnan(row.max_rate)


def test_open_interest_is_in_contracts_base_currency_and_dollars() -> None:
    row = OpenInterest(3185878.69, 31858.79, 2054002894.90, 1790369003540 * MS)
    assert parse("open-interest") == [row]


def test_liquidations_of_one_push_are_one_row_each() -> None:
    (detail,) = PUBLIC_ITEMS["liquidation-orders"]["details"]
    long = {**detail, "posSide": "long", "side": "sell", "bkPx": "", "bkLoss": ""}
    rows = parse("liquidation-orders", details=[detail, long])
    assert rows[0] == Liquidation(
        "IOST-USDT-SWAP", Side.BUY, -1, 0.007831, 13.0, 0.0, 1692266434010 * MS
    )
    assert (rows[1].side, rows[1].position) == (Side.SELL, 1)
    assert math.isnan(rows[1].price)
    assert parse("liquidation-orders", details=[]) == []


def test_netting_account_has_no_side_of_position() -> None:
    assert parse_detail(posSide="net")[0].position == 0


def test_candle_is_an_array_of_strings() -> None:
    (row,) = candle()
    assert row == Candle(
        1786540440000 * MS,
        63913.0,
        63951.8,
        63913.0,
        63951.8,
        1803.61,
        18.0361,
        1153203.99426,
        False,
    )
    assert candle(at8="1")[0].confirmed is True


def test_candle_of_2022_ends_after_two_volumes() -> None:
    payload = json.dumps([PUBLIC_ITEMS["candle1m"][:7]]).encode()
    (row,) = parse_public.parse_candles(payload)
    assert (row.volume_currency, row.confirmed) == (18.0361, False)
    assert math.isnan(row.volume_quote)


def test_candle_may_grow_further_columns() -> None:
    payload = json.dumps([[*PUBLIC_ITEMS["candle1m"], "new", 7]]).encode()
    assert parse_public.parse_candles(payload) == candle()


def test_spot_instrument_names_its_currencies() -> None:
    (row,) = parse("instruments")
    assert (row.inst_id, row.inst_type, row.state) == ("BTC-USDT", "SPOT", "live")
    assert (row.base_currency, row.quote_currency) == ("BTC", "USDT")
    assert (row.tick_size, row.lot_size, row.min_size) == (0.1, 1e-8, 1e-5)
    assert math.isnan(row.contract_value)
    assert (row.list_ts_ns, row.expiry_ts_ns) == (1606468572000 * MS, None)


def test_contract_takes_its_currencies_from_its_name() -> None:
    (row,) = parse(
        "instruments", instId="BTC-USD-261225", instType="FUTURES", baseCcy="", quoteCcy=""
    )
    assert (row.base_currency, row.quote_currency) == ("BTC", "USD")
    (row,) = parse("instruments", instId="ODD", baseCcy="", quoteCcy="")
    assert (row.base_currency, row.quote_currency) == ("ODD", "")


def test_instrument_to_be_listed_has_little_but_a_time() -> None:
    (row,) = parse("instruments", tickSz="", lotSz="", minSz="", state="preopen", expTime="")
    assert math.isnan(row.tick_size)
    assert row.state == "preopen"


def test_maintenance_may_have_no_end_yet() -> None:
    (row,) = parse("status", end="", title="t" * 5_000)
    assert row == Maintenance(
        "completed", "11", "t" * 200, "unified", 1764666600000 * MS, 0, 1764667948527 * MS
    )


@pytest.mark.parametrize(
    ("channel", "field"),
    [
        ("mark-price", "markPx"),
        ("index-tickers", "idxPx"),
        ("funding-rate", "fundingRate"),
        ("open-interest", "oi"),
        ("liquidation-orders", "instId"),
        ("instruments", "state"),
        ("status", "state"),
    ],
)
def test_payload_without_its_value_is_malformed(channel: str, field: str) -> None:
    item = {key: value for key, value in PUBLIC_ITEMS[channel].items() if key != field}
    with pytest.raises(MalformedMessage):
        PARSERS[channel](json.dumps([item]).encode())


@pytest.mark.parametrize(
    ("channel", "changes"),
    [
        ("mark-price", {"markPx": "0"}),
        ("mark-price", {"markPx": ""}),
        ("mark-price", {"markPx": "1e400"}),
        ("mark-price", {"ts": "99999999999999"}),
        ("index-tickers", {"low24h": "-1"}),
        ("index-tickers", {"open24h": "nan"}),
        ("funding-rate", {"fundingRate": "x"}),
        ("funding-rate", {"premium": "inf"}),
        ("funding-rate", {"fundingTime": "99999999999999"}),
        ("funding-rate", {"fundingRate": ["0"]}),
        ("open-interest", {"oi": "-1"}),
        ("open-interest", {"oiUsd": "-1"}),
        ("liquidation-orders", {"details": {}}),
        ("liquidation-orders", {"instId": "x" * 101}),
        ("instruments", {"tickSz": "1_0"}),
        ("instruments", {"listTime": "soon"}),
        ("instruments", {"ctVal": None}),
        ("status", {"ts": ""}),
        ("status", {"begin": "1e9"}),
    ],
)
def test_impossible_value_is_malformed(channel: str, changes: dict[str, Any]) -> None:
    with pytest.raises(MalformedMessage):
        parse(channel, **changes)


@pytest.mark.parametrize(
    "changes", [{"side": ""}, {"posSide": "both"}, {"sz": "-1"}, {"bkPx": "0"}, {"ts": "x"}]
)
def test_impossible_liquidation_is_malformed(changes: dict[str, str]) -> None:
    with pytest.raises(MalformedMessage):
        parse_detail(**changes)


@pytest.mark.parametrize(
    "changes", [{"at1": "0"}, {"at0": "0"}, {"at5": "-1"}, {"at8": "2"}, {"at4": "x"}]
)
def test_impossible_candle_is_malformed(changes: dict[str, str]) -> None:
    with pytest.raises(MalformedMessage):
        candle(**changes)


def test_short_candle_is_malformed() -> None:
    with pytest.raises(MalformedMessage):
        parse_public.parse_candles(b'[["1786540440000","1","1","1"]]')


@pytest.mark.parametrize("channel", [name for name in PARSERS if name != "candle1m"])
def test_data_may_be_one_object_with_new_fields(channel: str) -> None:
    item = {**PUBLIC_ITEMS[channel], "new": {"a": [1]}}
    assert repr(PARSERS[channel](json.dumps(item).encode())) == repr(parse(channel))


@pytest.mark.parametrize("channel", list(PARSERS))
@pytest.mark.parametrize("payload", [b"", b"null", b"[null]", b"7", b"[[]]", b"{}", b"[" * 100_000])
def test_payload_of_another_form_is_malformed(channel: str, payload: bytes) -> None:
    with pytest.raises(MalformedMessage):
        PARSERS[channel](payload)


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3)
    ),
    max_leaves=5,
)


@given(channel=st.sampled_from(sorted(PARSERS)), data=st.data())
def test_any_value_in_any_field_gives_rows_or_malformed(channel: str, data: st.DataObject) -> None:
    item = PUBLIC_ITEMS[channel]
    keys: list[Any] = list(range(len(item))) if isinstance(item, list) else sorted(item)
    changed = item.copy()
    changed[data.draw(st.sampled_from(keys))] = data.draw(JSON_VALUES)
    try:
        rows = PARSERS[channel](json.dumps([changed]).encode())
    except MalformedMessage:
        return
    for row in rows:
        for name in row.__struct_fields__:
            value = getattr(row, name)
            assert not isinstance(value, float) or not math.isinf(value)
            assert not name.endswith("_ns") or value is None or 0 <= value < 2**63
