"""Kills actors of a running instance at random moments; nothing may be lost, doubled or torn.

    python tests/soak/kill_actors.py [--kills 60] [--seed N] [--pause-s 1] [--rate 200] [--standby]

Real processes and a real exchange look-alike, whose ledger is the truth. The seed is printed first;
the same seed kills the same actors after the same pauses. Prints one JSON object; exit code 1 when
a check fails.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import random
import signal
import statistics
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from fakes.instance import HunterInstance, Simulator, running, temporary_home, wait_until
from fakes.soak_options import chosen_seed, killing_parser

INSTRUMENT = "BTC-USDT-SWAP"
WRITER = "stream"  # whichever stream process writes at the moment
ACTORS = (WRITER, "brain-0", "watchdog")
READY_TIMEOUT_S = 30.0
SETTLE_S = 3.0


def main() -> int:
    parser = killing_parser(__doc__, pause_s=1.0, rate=200.0)
    parser.add_argument("--standby", action="store_true", help="with a hot standby of the stream")
    options = parser.parse_args()
    seed = chosen_seed(options.seed)
    with temporary_home() as home:
        result = soak(home, seed, options)
    print(json.dumps(result, indent=1))
    return 1 if result["failures"] else 0


def soak(home: Path, seed: int, options: argparse.Namespace) -> dict[str, Any]:
    """Kill, wait until it is ready again, and so on; then compare everything with the truth."""
    generator = random.Random(seed)
    plan = [ACTORS[i % len(ACTORS)] for i in range(options.kills)]
    generator.shuffle(plan)
    settings = (f"ring.capacity={1 << 18}", f"stream.standby={str(options.standby).lower()}")
    sim = ("--no-limits", "--rate", str(options.rate), "--seed", str(seed & 0xFFFF))
    with running(home, *settings, sim=sim) as (instance, simulator):
        wait_until("trades", lambda: instance.status()["rings"][0]["sequence"] > 0)
        killed: dict[str, int] = {}
        ready_ms: dict[str, list[float]] = {}
        takeover_ms: list[float] = []
        for wanted in plan:
            time.sleep(generator.expovariate(1 / options.pause_s))
            actor = writer_of(instance) if wanted == WRITER else wanted
            ready_ms.setdefault(actor, []).append(kill_and_wait(instance, actor))
            killed[actor] = killed.get(actor, 0) + 1
            if wanted == WRITER and options.standby:
                takeover_ms.append(instance.actor(writer_of(instance))["takeover_ms"])
        time.sleep(SETTLE_S)
        return {
            "seed": seed,
            "kills": killed,
            "back_and_ready_ms": {actor: spread(values) for actor, values in ready_ms.items()},
            "newest_row_age_at_takeover_ms": spread(takeover_ms) if takeover_ms else None,
            **check(instance, simulator, killed),
        }


def writer_of(instance: HunterInstance) -> str:
    """The stream process that holds the lease, once it is ready and nobody is in between."""

    def found() -> str:
        streams = [a for a in instance.status()["actors"] if a["role"] == "stream"]
        names = [a["name"] for a in streams if a["active"] and a["pid"]]
        return names[0] if len(names) == 1 and all(a["state"] == "ready" for a in streams) else ""

    return str(wait_until("one writer", found, READY_TIMEOUT_S, 0.01))


def kill_and_wait(instance: HunterInstance, actor: str) -> float:
    """SIGKILL one actor; milliseconds until it is ready again, with another pid."""
    before = instance.actor(actor)
    os.kill(before["pid"], signal.SIGKILL)
    killed_ns = time.monotonic_ns()

    def back() -> bool:
        now = instance.actor(actor)
        return bool(now["pid"] != before["pid"] and now["state"] == "ready")

    wait_until(f"{actor} ready again", back, READY_TIMEOUT_S, 0.01)
    return (time.monotonic_ns() - killed_ns) / 1e6


def check(instance: HunterInstance, simulator: Simulator, killed: dict[str, int]) -> dict[str, Any]:
    """Every invariant; `failures` names those that do not hold."""
    failures: list[str] = []
    rows = instance.trades(INSTRUMENT)
    report = instance.status()
    chained = all(b["trade_id"] - b["count"] == a["trade_id"] for a, b in itertools.pairwise(rows))
    if not chained:
        failures.append("the match chain is broken")
    first = rows[0]["sequence"]  # above 1 where the run outlasted the ring
    if [row["sequence"] for row in rows] != list(range(first, first + len(rows))):
        failures.append("the ring's sequence is broken")
    truth = ledger(simulator, rows[0]["trade_id"] - rows[0]["count"], rows[-1]["trade_id"])
    if expand(rows) != truth:
        failures.append("rows differ from the exchange's ledger")
    ids = [item["id"] for item in instance.signals()]
    if len(ids) != len(set(ids)):
        failures.append("a signal is in the journal twice")
    feeds = [feed for feed in report["feeds"] if feed["instrument"] == INSTRUMENT]
    if any(feed["lost"] for feed in feeds):
        failures.append("matches are counted as lost")
    for actor in report["actors"]:
        expected = killed.get(actor["name"], 0)
        if actor["restarts"] != expected:
            failures.append(f"{actor['name']}: {actor['restarts']} restarts, {expected} kills")
        if expected and actor["last_exit"] != "signal 9":
            failures.append(f"{actor['name']}: last exit {actor['last_exit']}")
    return {
        "failures": failures,
        "trade_rows": len(rows),
        "matches": sum(row["count"] for row in rows),
        "backfilled_rows": sum(row["source"] == "backfill" for row in rows),
        "signals": len(ids),
        "gaps": sum(feed["gaps"] for feed in feeds),
        "lapped": report["brain"]["lapped"],
    }


def expand(rows: Sequence[dict[str, Any]]) -> dict[int, tuple[float, str]]:
    """Match id -> (price, side): rows by feed and by REST are cut differently, matches are not."""
    return {
        match: (row["price"], row["side"])
        for row in rows
        for match in range(row["trade_id"] - row["count"] + 1, row["trade_id"] + 1)
    }


def ledger(simulator: Simulator, after_id: int, last_id: int) -> dict[int, tuple[float, str]]:
    """The same of the exchange's own record."""
    truth: dict[int, tuple[float, str]] = {}
    while after_id < last_id:
        query = f"instId={INSTRUMENT}&after={after_id}&limit=5000&matches=1"
        page = simulator.control(f"/sim/ledger?{query}")
        rows = page["rows"]
        if not rows:
            break
        for row in rows:
            if row["trade_id"] <= last_id:
                truth[row["trade_id"]] = (float(row["price"]), row["side"])
        after_id = rows[-1]["trade_id"]
    return truth


def spread(values: list[float]) -> dict[str, float]:
    ordered = sorted(values)
    return {
        "count": len(ordered),
        "min": round(ordered[0], 1),
        "median": round(statistics.median(ordered), 1),
        "p95": round(ordered[int(0.95 * (len(ordered) - 1))], 1),
        "max": round(ordered[-1], 1),
    }


if __name__ == "__main__":
    sys.exit(main())
