from __future__ import annotations

import math
from pathlib import Path

import pyarrow as pa
from fakes.ring_rows import Feeder, levels, make_ring, numbers, ring_layout
from fakes.signals import signal

from hunter.market.bars import BarTrade, bars_of
from hunter.market.contract import contract_of
from hunter.ring import segment
from hunter.ring.reader import LaneReader
from hunter.ring.rows import Kind
from hunter.store.tables import (
    books_table,
    candles_table,
    encodings,
    rows_array,
    schema_of,
    signals_table,
    trades_table,
)


def raw_rows(tmp_path: Path, kind: Kind, count: int) -> bytes:
    """Rows as tests/fakes/ring_rows.py makes them: every field follows from the sequence."""
    layout = ring_layout()
    path = make_ring(tmp_path / "ring", layout)
    feeder = Feeder(path)
    feeder.put(0, kind, count)
    feeder.publish()
    with segment.attach(path) as shared:
        raw = bytes(LaneReader(shared, layout, 0, kind).poll_bytes())
    feeder.close()
    return raw


def test_trades_are_the_rows_of_the_ring_in_the_words_of_the_command_line(tmp_path: Path) -> None:
    raw = raw_rows(tmp_path, Kind.TRADE, 6)
    assert len(rows_array(Kind.TRADE, raw)) == 6
    rows = trades_table(raw).to_pylist()
    price, size = numbers(5, 2)
    assert rows[4] == {
        "sequence": 5,
        "trade_id": 55,
        "count": 5,
        "price": price,
        "size": size,
        "side": "buy",
        "exchange_ts_ns": 27,
        "received_ts_ns": 16,
        "source": "backfill",
        "after_loss": False,
    }
    assert [row["side"] for row in rows] == ["buy", "sell"] * 3
    assert [row["source"] for row in rows[:3]] == ["backfill", "feed", "backfill"]
    assert [row["after_loss"] for row in rows] == [False, True, True, False, False, True]


def test_books_are_lists_of_the_levels_that_are_there(tmp_path: Path) -> None:
    raw = raw_rows(tmp_path, Kind.BOOK, 7)
    rows = books_table(raw, 4).to_pylist()
    for sequence, row in enumerate(rows, 1):
        top = levels(sequence)
        bids, asks = top if top is not None else ((), ())
        assert row["valid"] == (top is not None)
        assert row["bid_prices"] == list(bids[::2][:4])
        assert row["bid_sizes"] == list(bids[1::2][:4])
        assert row["ask_prices"] == list(asks[::2][:4])
        assert row["ask_sizes"] == list(asks[1::2][:4])
        assert (row["sequence"], row["seq_id"]) == (sequence, sequence * 17)
    assert max(len(row["bid_prices"]) for row in books_table(raw, 20).to_pylist()) == 7


def test_candles_say_whether_they_are_complete_and_null_for_what_is_not_known() -> None:
    trades = [BarTrade(n, 1, n * 30_000_000_000, 1, 10.0 + n, 1.0, 1) for n in range(1, 6)]
    bars = list(bars_of(trades, 60, contract_of("BTC-USDT-SWAP")))
    rows = candles_table(bars).to_pylist()
    assert [row["complete"] for row in rows] == [False, True, False]
    assert [row["why_not"] for row in rows] == ["begins before what was seen", "", "under way"]
    assert rows[1]["volume_base"] is None
    assert (rows[1]["open"], rows[1]["close"], rows[1]["volume"]) == (12.0, 13.0, 2.0)
    assert (rows[1]["first_trade_id"], rows[1]["last_trade_id"]) == (2, 3)


def test_signals_keep_their_maps_and_their_quality() -> None:
    table = signals_table([signal(1_000), signal(2_000)])
    assert table.schema == schema_of("signals")
    row = table.to_pylist()[1]
    assert row["id"] == signal(2_000).id
    assert dict(row["features"]) == {"a": 1.0, "b": 2.0}
    assert row["edge_bp"] is None
    assert row["quality"]["feed"] == "connecting"
    assert not math.isnan(row["probability_up"])


def test_every_table_has_times_in_whole_nanoseconds() -> None:
    for table in ("trades", "books", "candles", "signals"):
        for field in schema_of(table):
            assert not field.name.endswith("_ns") or field.type == pa.int64()
        assert set(encodings(table)["column_encoding"]).isdisjoint(
            encodings(table)["use_dictionary"]
        )
