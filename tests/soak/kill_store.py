"""Kills the store of a running instance at random moments, stops and starts the instance, and gives
it a new ring; every match of the exchange has to be stored once.

    python tests/soak/kill_store.py [--kills 60] [--seed N] [--pause-s 0.4] [--rate 300]

Real processes and a real exchange look-alike, whose ledger is the truth. Files are written every
second, so that kills meet writes, and after a minute or so merges. At each `hunter stop` all that
the streams have written until they stopped has to be stored; it removes the ring, so what the
exchange made while nothing ran is stored only as far as the stream fetches it. The seed is printed
first. Prints one JSON object; exit code 1 when a check fails.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import signal
import sys
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from fakes.instance import HunterInstance, Simulator, running, temporary_home, wait_until
from fakes.soak_options import chosen_seed, killing_parser
from fakes.stored import by_ring, differences, stored_files, stored_rows

from hunter.access import Instance
from hunter.ring.adopt import open_ring
from hunter.ring.reader import LaneReader
from hunter.ring.rows import Kind
from hunter.ring.segment import shared_dir
from hunter.status.shapes import ActorReport

INSTRUMENTS = ("BTC-USDT-SWAP", "ETH-USDT")
TABLES = ("trades", "books", "candles", "signals")


def main() -> int:
    parser = killing_parser(__doc__, pause_s=0.4, rate=300.0)
    options = parser.parse_args()
    seed = chosen_seed(options.seed)
    with temporary_home() as home:
        result = soak(home, seed, options)
    print(json.dumps(result, indent=1))
    return 1 if result["failures"] else 0


def soak(home: Path, seed: int, options: argparse.Namespace) -> dict[str, Any]:
    """Kill, stop and start, kill again; then compare."""
    generator = random.Random(seed)
    names = json.dumps(INSTRUMENTS)
    settings = [f"okx.instruments={names}", "store.enabled=true", "store.flush_s=1"]
    settings += [f"ring.capacity={1 << 16}", "supervisor.max_restarts=1000000"]
    sim = ("--instruments", ",".join(INSTRUMENTS))
    sim += ("--no-limits", "--rate", str(options.rate), "--seed", str(seed & 0xFFFF))
    with running(home, *settings, sim=sim) as (instance, simulator):
        kills(instance, generator, options.kills // 2, options.pause_s)
        lapped = until_stored(instance)
        failures = stop(instance)
        instance.start()
        kills(instance, generator, options.kills - options.kills // 2, options.pause_s)
        lapped += until_stored(instance)
        failures += stop(instance)
        failures += [f"{lapped} rows were lapped"] if lapped else []
        result = check(instance, simulator)
        result["failures"] = failures + result["failures"]
        return {"seed": seed, "kills": options.kills, **result}


def stop(instance: HunterInstance) -> list[str]:
    """Stop it; what of the rows that the streams had written by then is not stored. The ring goes
    with the stop, but not for who has it mapped.
    """
    config, failures = instance.config, []
    shared, layout = open_ring(shared_dir(config.hunter.name, config.runtime_dir) / "ring-0")
    with shared:
        instance.command("stop")
        for index, name in enumerate(layout.instruments):
            for table, kind in (("trades", Kind.TRADE), ("books", Kind.BOOK)):
                head = LaneReader(shared, layout, index, kind).head
                last = stored_rows(config.store_dir, table, name)[-1]["sequence"]
                if last != head:
                    failures.append(f"{name}: {table} end at {last}, the ring at {head}")
    return failures


def kills(
    instance: HunterInstance, generator: random.Random, count: int, mean_pause_s: float
) -> None:
    """As often as that, wherever the process may be, also while it starts."""
    with Instance(instance.config) as seen:
        for _ in range(count):
            time.sleep(generator.expovariate(1 / mean_pause_s))
            pid = wait_until("a store", lambda: store_of(seen).pid, 30.0)
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def store_of(seen: Instance) -> ActorReport:
    return next(actor for actor in seen.status().actors if actor.name == "store")


def until_stored(instance: HunterInstance) -> int:
    """Until the store runs and has written something; how many rows were lapped so far."""
    with Instance(instance.config) as seen:

        def count(*names: str) -> int:
            store = seen.status().store
            tables = store.tables if store is not None else ()
            return sum(getattr(table, name) for table in tables for name in names)

        wait_until("the store", lambda: store_of(seen).state == "ready", 30.0)
        before = count("rows")
        wait_until("a file", lambda: count("rows") > before, 30.0)
        return count("lapped", "dropped")


def check(instance: HunterInstance, simulator: Simulator) -> dict[str, Any]:
    """Every invariant; `failures` names those that do not hold."""
    failures: list[str] = []
    store = instance.config.store_dir
    counts: dict[str, int] = {}
    for name in INSTRUMENTS:
        failures += differences(instance, simulator, name)
        tables = {table: stored_rows(store, table, name) for table in TABLES}
        for table, rows in tables.items():
            counts[table] = counts.get(table, 0) + len(rows)
        for column, table in (("id", "signals"), ("open_ts_ns", "candles")):
            values = [row[column] for row in tables[table]]
            if len(values) != len(set(values)):
                failures.append(f"{name}: {table} doubled")
        stamps = [(row["received_ts_ns"], row["seq_id"]) for row in tables["books"]]
        if len(stamps) != len(set(stamps)):
            failures.append(f"{name}: books doubled")
        failures += candle_failures(name, tables["candles"], tables["trades"])
        if len(by_ring(tables["trades"])) != 2:
            failures.append(f"{name}: not of two rings")
    journal = {(each["instrument"], each["id"]) for each in instance.signals()}
    stored = {(n, row["id"]) for n in INSTRUMENTS for row in stored_rows(store, "signals", n)}
    if not stored <= journal or len(journal - stored) > 0:
        failures.append(f"{len(journal - stored)} signals of the journal are not stored")
    files = sum(len(stored_files(store, table, name)) for table in TABLES for name in INSTRUMENTS)
    return {"failures": failures, "rows": counts, "files": files}


def candle_failures(
    name: str, candles: list[dict[str, Any]], trades: list[dict[str, Any]]
) -> list[str]:
    """A bar that calls itself complete has all matches of its minute, as the stored trades have."""
    failures = []
    sizes = {row["trade_id"]: row["size"] for row in trades}
    for bar in candles:
        if not bar["complete"]:
            continue
        ids = [i for i in sizes if bar["first_trade_id"] <= i <= bar["last_trade_id"]]
        total = sum(sizes[i] for i in ids)
        if abs(total - bar["volume"]) > 1e-9 * max(1.0, total):
            failures.append(f"{name}: the volume of {bar['open_ts_ns']} differs from its trades'")
    for before, after in pairwise(candles):
        gap = after["first_trade_id"] != before["last_trade_id"] + 1
        if gap and before["complete"] and after["complete"]:
            failures.append(f"{name}: a hole between complete bars at {after['open_ts_ns']}")
    holes = [bar["why_not"] for bar in candles[1:] if not bar["complete"]]
    if len(holes) > 2:  # where the second ring begins there is one, on both sides
        failures.append(f"{name}: {holes}")
    return failures


if __name__ == "__main__":
    sys.exit(main())
