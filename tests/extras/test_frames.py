"""Rows as tables of pandas and polars: the same values as pyarrow's, of each one's own types."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from fakes.actor_stage import SWAP, Stage
from fakes.ring_rows import Feeder, make_ring

from hunter.access import Instance, frames
from hunter.ring.layout import RingLayout, capacities_of
from hunter.ring.rows import Kind

pandas = pytest.importorskip("pandas")
polars = pytest.importorskip("polars")

NOW = 1_790_000_000_123_456_789


@pytest.fixture
def fed() -> Iterator[tuple[Instance, Feeder]]:
    stage = Stage()
    layout = RingLayout((SWAP,), capacities_of(dict.fromkeys(Kind, 64)), 7, NOW)
    feeder = Feeder(make_ring(stage.ring_path(), layout))
    with Instance(stage.config) as found:
        yield found, feeder
    feeder.close()
    stage.close()


def put_rows(feeder: Feeder) -> None:
    """Rows of every kind, whose fields may be anything that the kind allows."""
    writer, nan = feeder.writer, float("nan")
    writer.put_trade(0, NOW + 1, (5, NOW, 100.5, 2.0, 1, 1), 1)
    writer.put_trade(0, NOW + 3, (6, NOW + 2, 100.4, 3.0, 1, -1), 0)
    writer.put_book(0, NOW, 9, NOW, ([100.0, 1.0, 99.5, 2.0], [101.0, 3.0]))
    writer.put_book(0, NOW, 10, NOW, None)
    writer.put(0, Kind.INSTRUMENT, 9, 0, (0.1, 0.01, 0.01, nan, nan, 5, 0, 0, 5, b""))
    writer.put(0, Kind.INSTRUMENT, 9, 0, (0.1, 0.01, 0.01, 0.01, 1.0, 5, 0, 2, 1, b"BTC"))
    writer.put(0, Kind.LIQUIDATION, 9, 8, (104.0, 1.0, 2.0, 3.0, 4.0, -1, 0))
    writer.put(0, Kind.CANDLE, 9, 8, (5, 1.0, 2.0, 3.0, 105.0, 6.0, 7.0, 8.0, 60, 1, 0))
    for kind in (Kind.BBO, Kind.TICKER, Kind.MARK, Kind.INDEX, Kind.FUNDING, Kind.OPEN_INTEREST):
        feeder.put(0, kind, 3)
    feeder.publish()


def test_trades_in_pandas(fed: tuple[Instance, Feeder]) -> None:
    put_rows(fed[1])
    frame = fed[0].trades(SWAP).to_pandas(9)
    assert str(frame["exchange_ts"].dtype) == "datetime64[ns, UTC]"
    assert [stamp.value for stamp in frame["exchange_ts"]] == [NOW, NOW + 2]
    assert frame["side"].tolist() == ["buy", "sell"]
    assert frame["side"].dtype == "category"
    assert frame.groupby("side", observed=True)["size"].sum().to_dict() == {"buy": 2.0, "sell": 3.0}


def test_trades_in_polars(fed: tuple[Instance, Feeder]) -> None:
    put_rows(fed[1])
    frame = fed[0].trades(SWAP).to_polars(9)
    assert frame.schema["exchange_ts"] == polars.Datetime("ns", "UTC")
    assert frame["exchange_ts"].to_physical().to_list() == [NOW, NOW + 2]
    assert frame.schema["side"] == polars.Enum(["sell", "buy"])
    assert frame.filter(side="buy")["size"].to_list() == [2.0]


def plain(name: str, column: Any) -> list[Any]:
    """A column as all three libraries can say it: times as ns, nothing as None."""
    if not name.endswith("_ts"):
        values = column.to_list() if hasattr(column, "to_list") else column.to_pylist()
    elif isinstance(column, polars.Series):
        values = column.to_physical().to_list()
    elif isinstance(column, pandas.Series):
        values = [None if stamp is pandas.NaT else stamp.value for stamp in column]
    else:
        values = column.cast("int64").to_pylist()
    return [None if value != value else value for value in values]


@pytest.mark.parametrize("kind", list(Kind))
def test_three_libraries_say_the_same(fed: tuple[Instance, Feeder], kind: Kind) -> None:
    put_rows(fed[1])
    lane = fed[0].lane(SWAP, kind)
    arrow = lane.to_arrow(9)
    wanted = {name: plain(name, arrow[name]) for name in arrow.column_names}
    assert wanted["sequence"]
    for frame in (lane.to_pandas(9), lane.to_polars(9)):
        assert {name: plain(name, frame[name]) for name in frame.columns} == wanted


def test_no_rows_make_a_table_of_the_same_columns(fed: tuple[Instance, Feeder]) -> None:
    before = fed[0].trades(SWAP).to_polars(9)
    put_rows(fed[1])
    after = fed[0].trades(SWAP).to_polars(9)
    assert before.schema == after.schema
    assert len(fed[0].books(SWAP).to_pandas(0)) == 0


def test_bars_in_polars(fed: tuple[Instance, Feeder]) -> None:
    put_rows(fed[1])
    frame = frames.to_polars(fed[0].bars(SWAP, "1s"))
    assert frame["close"].to_list() == [100.4]
    assert frame["complete"].to_list() == [False]
