from __future__ import annotations

import math

import msgspec
import pytest

from hunter.exchange.okx.rows import (
    BookLevel,
    Candle,
    ContractType,
    InstrumentDetails,
    ListingState,
    Trade,
    TradeSource,
)
from hunter.market.side import Side


def test_trade_is_frozen_and_from_the_feed_by_default() -> None:
    trade = Trade(5, 2, 1.0, 3.0, Side.SELL, 7)
    assert (trade.source, trade.seq_id, trade.order_source) == (TradeSource.FEED, -1, 0)
    with pytest.raises(AttributeError):
        trade.price = 2.0  # type: ignore[misc]


def test_signed_volume_is_side_times_size() -> None:
    trade = Trade(5, 2, 1.0, 3.0, Side.SELL, 7)
    assert trade.side * trade.size == -3.0


@pytest.mark.parametrize(
    "level", [b'["1"]', b'["0","1"]', b'["1","-1"]', b'{"price":"1"}', b'["nan","1"]']
)
def test_level_refuses_what_is_no_level(level: bytes) -> None:
    with pytest.raises(msgspec.DecodeError):
        msgspec.json.decode(level, type=BookLevel, strict=False)


def details(inst_type: str, contract_type: str = "", state: str = "live") -> InstrumentDetails:
    value = math.nan if inst_type == "SPOT" else 0.01
    if contract_type == "inverse":
        value = 100.0
    return InstrumentDetails(
        "X-Y", inst_type, state, 0.1, 1.0, 1.0, value, 2.0, contract_type, "", None, None
    )


@pytest.mark.parametrize(
    ("instrument", "kind", "size_base", "value_quote"),
    [
        (details("SPOT"), ContractType.SPOT, 3.0, 60.0),
        (details("SWAP", "linear"), ContractType.LINEAR, 0.06, 1.2),
        (details("FUTURES", "inverse"), ContractType.INVERSE, 30.0, 600.0),
        (details("OPTION"), ContractType.LINEAR, 0.06, math.nan),
    ],
)
def test_size_is_converted_by_the_kind_of_contract(
    instrument: InstrumentDetails, kind: ContractType, size_base: float, value_quote: float
) -> None:
    assert instrument.kind is kind
    assert instrument.size_base(3.0, 20.0) == pytest.approx(size_base)
    assert instrument.value_quote(3.0, 20.0) == pytest.approx(value_quote, nan_ok=True)


@pytest.mark.parametrize("price", [math.nan, 0.0])
def test_inverse_contract_without_a_price_has_no_size_in_base_currency(price: float) -> None:
    instrument = details("SWAP", "inverse")
    assert math.isnan(instrument.size_base(3.0, price))
    assert instrument.value_quote(3.0, price) == 600.0


@pytest.mark.parametrize(
    ("state", "status"),
    [
        ("live", ListingState.LIVE),
        ("post_only", ListingState.LIVE),
        ("suspend", ListingState.SUSPENDED),
        ("rebase", ListingState.SUSPENDED),
        ("preopen", ListingState.PREOPEN),
        ("test", ListingState.TEST),
        ("expired", ListingState.DELISTED),
        ("something new", ListingState.UNKNOWN),
    ],
)
def test_state_of_an_instrument_is_one_of_few(state: str, status: ListingState) -> None:
    assert details("SWAP", "linear", state).status is status


def test_candle_of_spot_has_its_base_volume_in_the_first_column() -> None:
    candle = Candle(1, 1.0, 1.0, 1.0, 1.0, 5.0, 7.0, 9.0, True)
    assert candle.volume_base("SPOT") == 5.0
    assert candle.volume_base("SWAP") == 7.0
