"""DuckDB and polars read what a real run stored, with the very lines of docs/how-to/store.md."""

from __future__ import annotations

import datetime
import os
import re
import runpy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fakes.instance import running, temporary_home, wait_until
from fakes.store_stage import StoreStage
from fakes.stored import stored_rows

duckdb = pytest.importorskip("duckdb", reason="make test-extras has it")
polars = pytest.importorskip("polars", reason="make test-extras has it")

ROOT = Path(__file__).resolve().parents[2]
INSTRUMENTS = ("BTC-USDT-SWAP", "ETH-USDT")
SETTINGS = (
    'okx.instruments=["BTC-USDT-SWAP","ETH-USDT"]',
    "store.enabled=true",
    "store.flush_s=1",
    "brain.warm_ms=1000",
    "brain.interval_ms=100",
)


def blocks(language: str) -> list[str]:
    text = (ROOT / "docs" / "how-to" / "store.md").read_text()
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


def store_bars(directory: Path) -> None:
    """Of an earlier day: nobody waits here for minutes to be over, nor for a warm brain."""
    stage = StoreStage(f'store.dir="{directory}"', 'store.tables=["candles"]')
    stage.trade(*range(1, 700))
    stage.flush(stage.start())
    stage.close()


@pytest.fixture(scope="module")
def stored() -> Iterator[dict[str, dict[str, list[Any]]]]:
    """The rows of a run, table by table and instrument; the working directory is its home."""
    sim = ("--no-limits", "--rate", "200", "--instruments", ",".join(INSTRUMENTS))
    with temporary_home() as home, running(home, *SETTINGS, sim=sim) as (instance, _):

        def rows() -> dict[str, int]:
            tables = (instance.status()["store"] or {}).get("tables", ())
            return {table["table"]: table["rows"] for table in tables}

        wait_until("a bar", lambda: rows().get("candles", 0) >= 2, 75.0, 1.0)
        wait_until("signals", lambda: rows().get("signals", 0) > 0, 60.0, 1.0)
        instance.command("stop")
        store = instance.config.store_dir
        before = os.getcwd()
        os.chdir(home)
        try:
            yield {
                table: {name: stored_rows(store, table, name) for name in INSTRUMENTS}
                for table in ("trades", "books", "candles", "signals")
            }
        finally:
            os.chdir(before)


def query(text: str) -> list[dict[str, Any]]:
    with duckdb.connect() as connection:
        found = connection.sql(text)
        return [dict(zip(found.columns, row, strict=True)) for row in found.fetchall()]


def test_duckdb_counts_every_row_and_knows_the_partitions(
    stored: dict[str, dict[str, list[Any]]],
) -> None:
    found = query(blocks("sql")[0])
    assert {type(row["date"]) for row in found} == {datetime.date}
    for name in INSTRUMENTS:
        own = [row for row in found if row["instrument"] == name]
        rows = stored["trades"][name]
        assert sum(row["row_count"] for row in own) == len(rows) > 100
        assert sum(row["matches"] for row in own) == sum(row["count"] for row in rows)


@pytest.mark.parametrize("table", ["trades", "books", "candles", "signals"])
def test_both_count_the_same_rows_of_every_table(
    stored: dict[str, dict[str, list[Any]]], table: str
) -> None:
    expected = {name: len(rows) for name, rows in stored[table].items() if rows}
    assert expected
    files = f"read_parquet('data/store/{table}/*/*/*.parquet', hive_partitioning = true)"
    counted = query(f"SELECT instrument, count(*) AS n FROM {files} GROUP BY ALL")
    assert {row["instrument"]: row["n"] for row in counted} == expected
    frame = polars.read_parquet(f"data/store/{table}/**/*.parquet", hive_partitioning=True)
    assert dict(frame.group_by("instrument").len().iter_rows()) == expected
    assert frame.schema["date"] == polars.Date


def test_the_other_queries_of_the_page_answer(
    stored: dict[str, dict[str, list[Any]]],
) -> None:
    bars, spread, signals = (query(text) for text in blocks("sql")[1:])
    assert bars[0]["opens"].minute % 5 == 0
    volume = sum(bar["volume"] for rows in stored["candles"].values() for bar in rows)
    assert sum(bar["volume"] for bar in bars) == pytest.approx(volume)
    today = datetime.datetime.now(datetime.UTC).date()
    if (
        stored["books"]["BTC-USDT-SWAP"][0]["exchange_ts_ns"] // 86_400_000_000_000
        == (today - datetime.date(1970, 1, 1)).days
    ):
        valid = [row for row in stored["books"]["BTC-USDT-SWAP"] if row["valid"]]
        assert len(spread) == len(valid) > 10
        assert all(row["spread"] > 0 for row in spread)
    assert sum(row["signals"] for row in signals) == sum(map(len, stored["signals"].values()))
    assert all(0.0 <= row["probability_up"] <= 1.0 for row in signals)


def test_polars_lines_of_the_page_run(
    stored: dict[str, dict[str, list[Any]]], tmp_path: Path
) -> None:
    found: dict[str, Any] = {}
    for number, text in enumerate(blocks("python")):
        path = tmp_path / f"block{number}.py"
        path.write_text(text)
        found |= runpy.run_path(str(path))
    rows = stored["trades"]["BTC-USDT-SWAP"]
    assert found["taken"]["row_count"].sum() == len(rows)
    assert found["taken"]["matches"].sum() == sum(row["count"] for row in rows)
    valid = sum(row["valid"] for of_one in stored["books"].values() for row in of_one)
    assert len(found["spread"]) == valid
    assert found["spread"]["spread"].min() > 0
