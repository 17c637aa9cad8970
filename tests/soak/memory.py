"""Memory of every process while many trades go through the system.

    python tests/soak/memory.py [--trades 1000000] [--rate 10000] [--seed 1]

Samples resident memory once a second. Growth is the difference between the medians of the first
and the last fifth of the samples after warm-up (the first tenth of the trades). Prints one JSON
object; exit code 1 when a process has grown by more than --growth-mb-max, or anything was lost.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from fakes.instance import HunterInstance, running, temporary_home

STALLED_S = 30.0
WARM_UP = 0.1


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--trades", type=int, default=1_000_000)
    parser.add_argument("--rate", type=float, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--growth-mb-max", type=float, default=2.0)
    options = parser.parse_args()
    sim = ("--no-limits", "--rate", str(options.rate), "--seed", str(options.seed))
    with temporary_home() as home, running(home, sim=sim) as (instance, _):
        samples, report = watch(instance, options.trades)
    result = {
        "trade_rows": report["rings"][0]["sequence"],
        "lost": sum(feed["lost"] for feed in report["feeds"]),
        "lapped": report["brain"]["lapped"],
        "seconds": len(samples),
        "shared_mb": report["memory"]["shared_bytes"] / 1e6,
        "rss_mb": {name: growth(samples, name) for name in samples[0]},
    }
    print(json.dumps(result, indent=1))
    grown = any(each["growth"] > options.growth_mb_max for each in result["rss_mb"].values())
    return 1 if grown or result["lost"] else 0


def watch(instance: HunterInstance, trades: int) -> tuple[list[dict[str, float]], Any]:
    """Resident memory by process, once a second from the end of the warm-up on; the last report."""
    samples: list[dict[str, float]] = []
    progress, moved_at = 0, time.monotonic()
    while True:
        time.sleep(1)
        report = instance.status()
        sequence = report["rings"][0]["sequence"]
        if sequence > progress:
            progress, moved_at = sequence, time.monotonic()
        assert time.monotonic() - moved_at < STALLED_S, "no trades any more"
        if sequence >= trades * WARM_UP:
            sample = {actor["name"]: actor["rss_bytes"] / 1e6 for actor in report["actors"]}
            whole = report["memory"]["rss_bytes"] / 1e6
            samples.append({"supervisor": whole - sum(sample.values()), **sample})
        if sequence >= trades:
            return samples, report


def growth(samples: list[dict[str, float]], name: str) -> dict[str, float]:
    values = [sample[name] for sample in samples]
    fifth = max(1, len(values) // 5)
    first, last = statistics.median(values[:fifth]), statistics.median(values[-fifth:])
    return {
        "first": round(first, 2),
        "last": round(last, 2),
        "max": round(max(values), 2),
        "growth": round(last - first, 2),
    }


if __name__ == "__main__":
    sys.exit(main())
