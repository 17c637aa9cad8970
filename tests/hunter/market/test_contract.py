"""What sizes are worth, against what OKX says itself: recorded tickers and candles of its own."""

from __future__ import annotations

import json
from math import nan
from pathlib import Path
from typing import Any

import pytest

from hunter.exchange.okx.rows import ContractType, InstrumentDetails
from hunter.market.contract import Contract, SizeUnit, contract_of

FRAMES = Path(__file__).parents[4] / "shared" / "captures" / "okx-2026-frames"
VALUES = {"BTC-USDT-SWAP": 0.01, "BTC-USDT-220624": 0.01, "BTC-USD-SWAP": 100.0}
VALUES |= {"BTC-USD-220624": 100.0, "BTC-USDT": None}


def frames(channel: str) -> list[tuple[str, Any]]:
    if not FRAMES.is_dir():
        pytest.skip("the recorded frames are not here")
    found = []
    for path in sorted(FRAMES.glob("*-frames*.jsonl")):
        for frame in map(json.loads, path.read_text().splitlines()):
            arg = frame.get("arg", {})
            if arg.get("channel") == channel and "data" in frame and arg["instId"] in VALUES:
                found.append((arg["instId"], frame["data"][0]))
    return found


def test_units_follow_from_the_name_and_the_value_from_the_exchange() -> None:
    assert contract_of("BTC-USDT") == Contract(SizeUnit.BASE, 1.0)
    assert contract_of("BTC-USDT-SWAP") == Contract(SizeUnit.LINEAR, None)
    assert contract_of("BTC-USDT-SWAP", 1, 0.01, 1.0) == Contract(SizeUnit.LINEAR, 0.01)
    assert contract_of("BTC-USD-SWAP") == Contract(SizeUnit.INVERSE, None)
    assert contract_of("BTC-USD-241227", 2, 100.0, nan) == Contract(SizeUnit.INVERSE, 100.0)
    assert contract_of("BTC-USD-SWAP", 1, 100.0, 1.0).unit is SizeUnit.LINEAR  # as it says itself
    assert contract_of("BTC-USD-241227-60000-C", 1, 1.0, 0.01) == Contract(SizeUnit.PREMIUM, 0.01)


@pytest.mark.parametrize("value", [None, nan, 0.0, -1.0])
def test_value_that_nobody_has_said_is_not_available_and_never_nothing(value: float | None) -> None:
    contract = contract_of("ETH-USDT-SWAP", 1, value, 1.0)
    assert contract.base_per_unit is None
    assert contract.quote_per_unit is None
    assert contract.quote(3.0, 100.0) is None


def test_notional_of_each_kind() -> None:
    assert contract_of("BTC-USDT").quote(2.0, 30_000.0) == 60_000.0
    assert contract_of("BTC-USDT-SWAP", 1, 0.01, 1.0).quote(200.0, 30_000.0) == 60_000.0
    assert contract_of("BTC-USD-SWAP", 2, 100.0, 1.0).quote(600.0, 30_000.0) == 60_000.0
    assert contract_of("BTC-USD-241227-60000-C", 1, 1.0, 0.01).quote(1.0, 0.05) is None


@pytest.mark.parametrize("name", ["BTC-USDT", "BTC-USDT-SWAP", "BTC-USD-SWAP"])
def test_contract_says_what_the_exchange_rows_say(name: str) -> None:
    """Two places know the rule: REST's details, and this one, for a row of the ring."""
    types = {"BTC-USDT": ("SPOT", ""), "BTC-USDT-SWAP": ("SWAP", "linear")}
    inst_type, contract_type = types.get(name, ("SWAP", "inverse"))
    details = InstrumentDetails(
        name, inst_type, "live", 0.1, 1.0, 1.0, 50.0, 2.0, contract_type, "", None, None
    )
    assert {unit.value for unit in list(SizeUnit)[:3]} == {kind.value for kind in ContractType}
    contract = contract_of(name, int(details.kind), 50.0, 2.0)
    base = contract.base_units(7.0, 250.0) * (contract.base_per_unit or nan)
    assert base == pytest.approx(details.size_base(7.0, 250.0), rel=1e-15)
    assert contract.quote(7.0, 250.0) == details.value_quote(7.0, 250.0)


def test_volumes_of_recorded_tickers_are_contracts_times_their_value() -> None:
    """vol24h counts contracts, volCcy24h base currency (quote for spot)."""
    seen = set()
    for name, data in frames("tickers"):
        contract = contract_of(name, None, VALUES[name])
        volume, currency = float(data["vol24h"]), float(data["volCcy24h"])
        low, high = float(data["low24h"]), float(data["high24h"])
        seen.add(contract.unit)
        if contract.unit is SizeUnit.LINEAR:
            assert contract.base_units(volume, low) * (contract.value or nan) == pytest.approx(
                currency, rel=1e-12
            )
        else:  # the price that it was traded at is between the day's lowest and highest
            value = contract.quote(volume, 1.0)
            assert value is not None
            paid = currency / value if contract.unit is SizeUnit.BASE else value / currency
            assert low <= paid <= high, name
    assert len(seen) == 3


def test_volumes_of_recorded_candles_are_contracts_times_their_value() -> None:
    """Columns: opening, four prices, volume, in base currency (quote for spot), in quote currency
    (not in 2022). The volumes of 2022 have four places."""
    seen = set()
    for name, data in frames("candle1m"):
        contract = contract_of(name, None, VALUES[name])
        volume, currency, *quote = map(float, data[5:8])
        low, high = float(data[3]) * (1 - 1e-4), float(data[2]) * (1 + 1e-4)
        seen.add((contract.unit, len(quote)))
        if contract.unit is SizeUnit.LINEAR:
            base = contract.base_units(volume, low) * (contract.value or nan)
            assert base == pytest.approx(currency, rel=1e-9)
        elif contract.unit is SizeUnit.INVERSE:
            # OKX cuts off each trade's base volume: 166 contracts were 0.554 BTC, not 0.555.
            paid = (contract.quote(volume, low) or nan) / currency
            assert low <= paid <= high * 1.002
        if quote and data[8:] and contract.unit is not SizeUnit.INVERSE:
            assert (contract.quote(volume, low) or nan) <= quote[0]
            assert quote[0] <= (contract.quote(volume, high) or nan)
    assert seen >= {(SizeUnit.LINEAR, 1), (SizeUnit.BASE, 1), (SizeUnit.INVERSE, 0)}
