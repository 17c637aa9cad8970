"""What becomes of rows in a table; pandas and polars themselves are in tests/extras."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from fakes.actor_stage import SWAP, Stage
from fakes.ring_rows import Feeder, make_ring

from hunter.access import Instance, Lane, frames
from hunter.errors import MissingExtra
from hunter.ring.layout import RingLayout, capacities_of
from hunter.ring.rows import Kind

NOW = 1_790_000_000_123_456_789


@pytest.fixture
def fed() -> Iterator[tuple[Instance, Any]]:
    stage = Stage()
    layout = RingLayout((SWAP,), capacities_of(dict.fromkeys(Kind, 64)), 7, NOW)
    feeder = Feeder(make_ring(stage.ring_path(), layout))
    with Instance(stage.config) as found:
        yield found, feeder.writer
    feeder.close()
    stage.close()


def put_two_trades(writer: Any) -> None:
    writer.put_trade(0, NOW + 1, (5, NOW, 100.5, 2.0, 1, 1), 1)
    writer.put_trade(0, NOW + 3, (6, NOW + 2, 100.4, 3.0, 1, -1), 0)
    writer.publish()


def values_of(lane: Lane) -> dict[str, list[Any]]:
    """The columns of its table; times as ns, which Python's own cannot hold."""
    table = lane.to_arrow(9)
    return {
        name: (table[name].cast("int64") if name.endswith("_ts") else table[name]).to_pylist()
        for name in table.column_names
    }


def test_trades_as_columns(fed: tuple[Instance, Any]) -> None:
    instance, writer = fed
    put_two_trades(writer)
    columns = frames.columns_of(instance.trades(SWAP).last(9))
    assert list(columns) == [
        "sequence", "arrival", "trade_id", "exchange_ts", "received_ts", "price", "size", "count",
        "side", "flags",
    ]  # fmt: skip
    times = columns["exchange_ts"].values
    assert times.dtype == np.dtype("datetime64[ns]")
    assert times.astype(np.int64).tolist() == [NOW, NOW + 2]
    side = columns["side"]
    assert [side.words[place] for place in side.values] == ["buy", "sell"]
    assert columns["price"].values.tolist() == [100.5, 100.4]


def test_columns_are_copies(fed: tuple[Instance, Any]) -> None:
    instance, writer = fed
    put_two_trades(writer)
    with instance.trades(SWAP).view(2) as view:
        columns = frames.columns_of(view.parts[0])
        columns["price"].values[0] = 1.0
        assert view.parts[0]["price"].tolist() == [100.5, 100.4]


def test_trades_as_an_arrow_table(fed: tuple[Instance, Any]) -> None:
    instance, writer = fed
    put_two_trades(writer)
    table = instance.trades(SWAP).to_arrow(9)
    assert table.num_rows == 2
    assert str(table.schema.field("exchange_ts").type) == "timestamp[ns, tz=UTC]"
    assert table["exchange_ts"].cast("int64").to_pylist() == [NOW, NOW + 2]
    assert table["side"].to_pylist() == ["buy", "sell"]
    assert table["trade_id"].to_pylist() == [5, 6]


def test_facts_of_an_instrument_as_words_text_and_nulls(fed: tuple[Instance, Any]) -> None:
    instance, writer = fed
    nan = float("nan")
    writer.put(0, Kind.INSTRUMENT, 9, 0, (0.1, 0.01, 0.01, nan, nan, 5, 0, 0, 5, b""))
    writer.put(0, Kind.INSTRUMENT, 9, 0, (0.1, 0.01, 0.01, 0.01, 1.0, 5, 0, 2, 1, b"BTC"))
    writer.publish()
    found = values_of(instance.instrument_facts(SWAP))
    assert found["contract_type"] == ["spot", "inverse"]
    assert found["state"] == ["delisted", "live"]
    assert found["value_currency"] == ["", "BTC"]
    assert found["contract_value"] == [None, 0.01]
    assert found["expiry_ts"] == [None, None], "0 is no time"
    assert found["exchange_ts"] == [None, None]


def test_liquidations_and_candles_as_words_and_booleans(fed: tuple[Instance, Any]) -> None:
    instance, writer = fed
    for position in (-1, 0, 1):
        writer.put(0, Kind.LIQUIDATION, 9, 8, (104.0, 1.0, 2.0, 3.0, 4.0, -1, position))
    writer.put(0, Kind.CANDLE, 9, 8, (5, 1.0, 2.0, 3.0, 105.0, 6.0, 7.0, 8.0, 60, 1, 0))
    writer.publish()
    orders = values_of(instance.liquidations(SWAP))
    assert orders["position"] == ["short", "net", "long"]
    assert orders["side"] == ["sell"] * 3
    candles = values_of(instance.candles(SWAP, "1m"))
    assert (candles["confirmed"], candles["utc"], candles["close"]) == ([True], [False], [105.0])


def test_books_have_a_column_for_each_level(fed: tuple[Instance, Any]) -> None:
    instance, writer = fed
    writer.put_book(0, NOW, 9, NOW, ([100.0, 1.0, 99.5, 2.0], [101.0, 3.0]))
    writer.put_book(0, NOW, 10, NOW, None)
    writer.publish()
    found = values_of(instance.books(SWAP))
    assert list(found)[:7] == [
        "sequence", "arrival", "seq_id", "exchange_ts", "received_ts", "valid", "flags",
    ]  # fmt: skip
    assert len(found) == 7 + 80
    assert found["valid"] == [True, False]
    assert found["bid_price_0"] == [100.0, None]
    assert found["bid_size_1"] == [2.0, None]
    assert found["ask_price_0"] == [101.0, None]
    assert found["ask_price_1"] == [None, None], "no such level"
    assert found["ask_size_19"] == [None, None]


@pytest.mark.parametrize("kind", list(Kind))
def test_every_kind_of_row_makes_a_table_also_of_none(
    fed: tuple[Instance, Any], kind: Kind
) -> None:
    table = fed[0].lane(SWAP, kind).to_arrow(5)
    assert table.num_rows == 0
    assert not [name for name in table.column_names if name.endswith("_ns") or name == "check"]


def test_bars_make_a_table_too(fed: tuple[Instance, Any]) -> None:
    instance, writer = fed
    put_two_trades(writer)
    table = frames.to_arrow(instance.bars(SWAP, "1s"))
    assert table["close"].to_pylist() == [100.4]
    assert table["complete"].to_pylist() == [False]
    opened_ns = NOW // 1_000_000_000 * 1_000_000_000
    assert table["open_ts"].cast("int64").to_pylist() == [opened_ns]


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_library_that_is_not_there_is_named_with_what_installs_it(
    fed: tuple[Instance, Any], library: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(frames, "find_spec", lambda name: None)
    with pytest.raises(MissingExtra, match=f"^to_{library} needs: pip install {library}$"):
        getattr(fed[0].trades(SWAP), f"to_{library}")(1)


def test_arrow_without_its_extra_names_the_extra(
    fed: tuple[Instance, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hunter.extras.find_spec", lambda name: None)
    with pytest.raises(MissingExtra, match=r"to_arrow needs: pip install 'okx-hunter\[store\]'"):
        fed[0].trades(SWAP).to_arrow(1)
