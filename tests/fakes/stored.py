"""What an instance's store holds, read as anybody would: all files that a glob finds."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
from fakes.instance import HunterInstance, Simulator

LOOKS_MAX = 20


def stored_files(directory: Path, table: str, instrument: str) -> list[Path]:
    return sorted(directory.glob(f"{table}/instrument={instrument}/date=*/*.parquet"))


def stored_rows(directory: Path, table: str, instrument: str) -> list[dict[str, Any]]:
    """Rows in the order of the files' names, which is the lane's.

    A file that is gone by the time it is opened was merged meanwhile: then we look again.
    """
    for _ in range(LOOKS_MAX):
        rows: list[dict[str, Any]] = []
        with contextlib.suppress(FileNotFoundError):
            for path in sorted(stored_files(directory, table, instrument), key=lambda p: p.name):
                with pq.ParquetFile(path) as file:
                    rows += file.read().to_pylist()
            return rows
    raise AssertionError(f"{table} of {instrument} changed at each of {LOOKS_MAX} looks")


def matches_of(rows: list[dict[str, Any]]) -> list[tuple[int, float, str]]:
    """Match id, price and side of each match; one that is stored twice is here twice."""
    return [
        (match, row["price"], row["side"])
        for row in rows
        for match in range(row["trade_id"] - row["count"] + 1, row["trade_id"] + 1)
    ]


def ledger_matches(
    simulator: Simulator, instrument: str, after_id: int, last_id: int
) -> list[tuple[int, float, str]]:
    """The same of the exchange's own record: after_id < match <= last_id."""
    found: list[tuple[int, float, str]] = []
    while after_id < last_id:
        query = f"instId={instrument}&after={after_id}&limit=5000&matches=1"
        rows = simulator.control(f"/sim/ledger?{query}")["rows"]
        if not rows:
            break
        after_id = rows[-1]["trade_id"]
        found += [(row["trade_id"], float(row["price"]), row["side"]) for row in rows]
    return [each for each in found if each[0] <= last_id]


def by_ring(rows: list[dict[str, Any]]) -> list[list[dict[str, Any]]]:
    """Trade rows of one ring after the other: in each the sequence begins anew."""
    found: list[list[dict[str, Any]]] = []
    for row in rows:
        if not found or row["sequence"] <= found[-1][-1]["sequence"]:
            found.append([])
        found[-1].append(row)
    return found


def differences(instance: HunterInstance, simulator: Simulator, instrument: str) -> list[str]:
    """What is wrong with the stored trades of an instrument, held against the ledger: each match
    once, in order, and none is missing but between the last of a ring and the first of the next.
    """
    rows = stored_rows(instance.config.store_dir, "trades", instrument)
    found = [] if rows else [f"{instrument}: nothing is stored"]
    every = [match for match, _, _ in matches_of(rows)]
    if every != sorted(set(every)):
        found.append(f"{instrument}: {len(every) - len(set(every))} matches doubled or misplaced")
    for ring in by_ring(rows):
        stored = matches_of(ring)
        first, last = ring[0]["trade_id"] - ring[0]["count"], ring[-1]["trade_id"]
        truth = ledger_matches(simulator, instrument, first, last)
        if stored != truth:
            missing = sorted({match for match, _, _ in truth} - {match for match, _, _ in stored})
            found.append(f"{instrument}: {len(missing)} of {len(truth)} missing: {missing[:3]}")
    return found
