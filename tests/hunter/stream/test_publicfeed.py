"""Rows of the channels beside the market's own: each in its lane, in the ring's order of fields."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from fakes.actor_stage import SWAP, Stage

from hunter.errors import MalformedMessage
from hunter.exchange.okx.rows import InstrumentDetails, Liquidation
from hunter.market.side import Side
from hunter.ring import segment
from hunter.ring.layout import RingLayout
from hunter.ring.reader import LaneReader
from hunter.ring.rows import Kind, numpy_dtype
from hunter.ring.writer import RingWriter
from hunter.stream.publicfeed import PublicFeed

NOW = 1_790_000_000_000_000_000
TS = {"ts": "1790000000123"}
SPOT = "BTC-USDT"
CHANNELS = [
    "trades", "mark-price", "index-tickers", "funding-rate", "open-interest",
    "liquidation-orders", "candle1m",
]  # fmt: skip


class Bench:
    def __init__(self, stage: Stage) -> None:
        self.writer = RingWriter(stage.ring_path(), NOW)
        self.feeds = {
            name: PublicFeed(name, index, self.writer) for index, name in enumerate((SWAP, SPOT))
        }
        self._shared = segment.attach(stage.ring_path())
        self._layout = RingLayout.read_header(self._shared.view)

    def push(self, channel: str, *items: Any, instrument: str = SWAP) -> int:
        payload = json.dumps(list(items)).encode()
        found = self.feeds[instrument].on_push(channel, payload, NOW)
        self.writer.publish()
        return found

    def last(self, kind: Kind, instrument: str = SWAP) -> Any:
        self.writer.publish()
        index = self._layout.instruments.index(instrument)
        reader = LaneReader(self._shared, self._layout, index, kind)
        return np.frombuffer(reader.last_bytes(10), dtype=numpy_dtype(kind))[-1]

    def close(self) -> None:
        self.writer.close()
        self._shared.close()


@pytest.fixture
def bench(stage: Callable[..., Stage]) -> Iterator[Bench]:
    there = stage(
        f"okx.instruments={json.dumps([SWAP, SPOT])}", f"okx.channels={json.dumps(CHANNELS)}"
    )
    there.make_rings()
    made = Bench(there)
    yield made
    made.close()


def details(contract_type: str = "linear", value: float = 0.01) -> InstrumentDetails:
    return InstrumentDetails(
        inst_id=SWAP, inst_type="SWAP", state="live", tick_size=0.1, lot_size=0.01, min_size=0.01,
        contract_value=value, contract_multiplier=1.0, contract_type=contract_type,
        contract_value_currency="BTC", list_ts_ns=5, expiry_ts_ns=None,
    )  # fmt: skip


def test_mark_price(bench: Bench) -> None:
    item = {"instId": SWAP, "instType": "SWAP", "markPx": "83679.8", **TS}
    assert bench.push("mark-price", item) == 1_790_000_000_123_000_000
    row = bench.last(Kind.MARK)
    assert (row["price"], row["received_ts_ns"]) == (83679.8, NOW)
    assert row["exchange_ts_ns"] == 1_790_000_000_123_000_000


def test_index_price(bench: Bench) -> None:
    item = {"instId": SPOT, "idxPx": "3", "open24h": "1", "high24h": "4", "low24h": "", **TS}
    bench.push("index-tickers", item)
    row = bench.last(Kind.INDEX)
    assert (row["price"], row["open_24h"], row["high_24h"]) == (3, 1, 4)
    assert np.isnan(row["low_24h"])


def test_funding_rate_with_an_empty_next_rate(bench: Bench) -> None:
    item = {
        "fundingRate": "0.0001", "fundingTime": "1790380800000", "instId": SWAP,
        "instType": "SWAP", "maxFundingRate": "0.00375", "minFundingRate": "-0.00375",
        "nextFundingRate": "", "nextFundingTime": "1790409600000", "premium": "-0.0004",
        "settFundingRate": "0.00003", "settState": "settled", **TS,
    }  # fmt: skip
    bench.push("funding-rate", item)
    row = bench.last(Kind.FUNDING)
    assert (row["rate"], row["premium"], row["settled_rate"]) == (0.0001, -0.0004, 0.00003)
    assert (row["min_rate"], row["max_rate"]) == (-0.00375, 0.00375)
    assert np.isnan(row["next_rate"])
    assert row["next_funding_ts_ns"] - row["funding_ts_ns"] == 8 * 3600 * 10**9


def test_open_interest(bench: Bench) -> None:
    item = {"instId": SWAP, "instType": "SWAP", "oi": "300", "oiCcy": "3", "oiUsd": "9", **TS}
    bench.push("open-interest", item)
    row = bench.last(Kind.OPEN_INTEREST)
    assert (row["size"], row["size_base"], row["value_usd"]) == (300, 3, 9)


CANDLE = ["1790000040000", "1", "4", "0.5", "2", "100", "7", "14", "1"]


@pytest.mark.parametrize(("instrument", "base"), [(SWAP, 7.0), (SPOT, 100.0)])
def test_candle_volume_in_base_currency_is_another_column_for_spot(
    bench: Bench, instrument: str, base: float
) -> None:
    assert bench.push("candle1m", CANDLE, instrument=instrument) == 0, "says nothing of the lag"
    row = bench.last(Kind.CANDLE, instrument)
    prices = [row[name] for name in ("open", "high", "low", "close")]
    assert prices == [1, 4, 0.5, 2]
    assert (row["volume"], row["volume_base"], row["volume_quote"]) == (100, base, 14)
    assert (row["bar_s"], row["confirmed"], row["utc"]) == (60, 1, 0)
    assert row["open_ts_ns"] == 1_790_000_040_000_000_000


def test_liquidation_has_its_value_once_the_contract_is_known(bench: Bench) -> None:
    feed = bench.feeds[SWAP]
    order = Liquidation(SWAP, Side.SELL, 1, 50_000.0, 13.0, 0.0, NOW - 1)
    feed.on_liquidation(order, NOW)
    assert np.isnan(bench.last(Kind.LIQUIDATION)["value_quote"])
    feed.on_details(details(), NOW)
    feed.on_liquidation(order, NOW)
    row = bench.last(Kind.LIQUIDATION)
    assert (row["size"], row["size_base"], row["value_quote"]) == (13, 0.13, 6_500)
    assert (row["side"], row["position"], row["price"]) == (-1, 1, 50_000)
    feed.on_details(details("inverse", 100.0), NOW)
    feed.on_liquidation(order, NOW)
    row = bench.last(Kind.LIQUIDATION)
    assert (row["size_base"], row["value_quote"]) == (1_300 / 50_000, 1_300)


def test_details_are_a_row_when_they_are_new(bench: Bench) -> None:
    feed = bench.feeds[SWAP]
    assert feed.on_details(details(), NOW)
    assert not feed.on_details(details(), NOW)
    row = bench.last(Kind.INSTRUMENT)
    assert (row["tick_size"], row["contract_value"], row["value_currency"]) == (0.1, 0.01, b"BTC")
    assert (row["contract_type"], row["state"], row["expiry_ts_ns"]) == (1, 1, 0)


def test_nonsense_is_refused(bench: Bench) -> None:
    with pytest.raises(MalformedMessage):
        bench.push("mark-price", {"markPx": "-1", **TS})
