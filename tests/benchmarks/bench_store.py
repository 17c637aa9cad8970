"""What the store takes: CPU, memory and files, at a rate and for many instruments.

    PYTHONPATH=tests:. python tests/benchmarks/bench_store.py [--rows-per-s 5000] [--instruments 1]
        [--seconds 60] [--flush-s 60] [--book-share 0.5]

A real ring and the store's actor in a process of its own, fed at a steady rate from here with
trades and book tops of 20 levels whose prices wander. Prints one JSON object; the CPU is that of
the store alone.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import time
from pathlib import Path
from typing import Any

from fakes.actor_stage import Stage

from hunter.ring.writer import RingWriter
from hunter.store.actor import StoreActor

ROUND_S = 0.02


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--rows-per-s", type=int, default=5_000)
    parser.add_argument("--instruments", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--flush-s", type=int, default=60)
    parser.add_argument("--capacity", type=int, default=8_192)
    parser.add_argument("--book-share", type=float, default=0.5)
    print(json.dumps(measure(parser.parse_args())))


def measure(options: argparse.Namespace) -> dict[str, Any]:
    names = [f"A{number}-USDT-SWAP" for number in range(options.instruments)]
    stage = Stage(
        f"okx.instruments={json.dumps(names)}",
        "store.enabled=true",
        f"store.flush_s={options.flush_s}",
        f"ring.capacity={options.capacity}",
        actors=("store",),
    )
    stage.make_rings()
    report = Path(stage.home) / "report.json"
    child = os.fork()
    if not child:
        follow(stage, options.seconds, report)
        os._exit(0)
    written = feed(stage, options)
    os.waitpid(child, 0)
    result = json.loads(report.read_text()) | {"written": written} | vars(options)
    stage.close()
    return result


def follow(stage: Stage, seconds: float, report: Path) -> None:
    """The store, as its process runs it."""
    actor = StoreActor(stage.context("store"))
    actor.on_start(time.monotonic_ns())
    end = time.monotonic() + seconds + 1.0
    began: float | None = None
    sizes: list[int] = []
    while time.monotonic() < end:
        if not actor.do_work(time.monotonic_ns()):
            actor.wait(50)
        if began is None and actor._begun:
            began, began_cpu = time.monotonic(), time.process_time()
        if began is not None and time.monotonic() - began > 5.0 * (len(sizes) + 1):
            sizes.append(int(Path("/proc/self/statm").read_text().split()[1]) * 4096)
    assert began is not None
    cpu_s = time.process_time() - began_cpu
    took_s = time.monotonic() - began
    actor.on_stop()
    document = actor.document()
    report.write_text(
        json.dumps(
            {
                "cpu_percent": round(100 * cpu_s / took_s, 2),
                "rss_mb": [size >> 20 for size in sizes],
                "rss_mb_max": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10,
                "files": document.files,
                "mb": round(document.bytes / 1e6, 2),
                "tables": {t.table: [t.rows, t.lapped, t.waiting] for t in document.tables},
            }
        )
    )


def feed(stage: Stage, options: argparse.Namespace) -> int:
    """Rows at the rate asked for; how many."""
    writer = RingWriter(stage.ring_path(), time.time_ns())
    generator = random.Random(1)
    prices = [10_000 + place for place in range(options.instruments)]
    ids = [0] * options.instruments
    written = place = 0
    time.sleep(1.0)
    began = time.monotonic()
    while (now := time.monotonic() - began) < options.seconds:
        for _ in range(int(now * options.rows_per_s) - written):
            place = (place + 1) % options.instruments
            prices[place] += generator.randint(-1, 1)
            put(writer, place, prices[place] / 10, ids, generator.random() < options.book_share)
            written += 1
        writer.publish()
        time.sleep(ROUND_S)
    writer.close()
    return written


def put(writer: RingWriter, place: int, price: float, ids: list[int], is_book: bool) -> None:
    now_ns = time.time_ns()
    ids[place] += 1
    if is_book:
        size = ids[place] % 97 / 10
        bids = tuple(v for level in range(20) for v in (price - level / 10, size + level))
        asks = tuple(v for level in range(1, 21) for v in (price + level / 10, size + level))
        writer.put_book(place, now_ns, ids[place], now_ns, (bids, asks))
    else:
        side = 1 if ids[place] % 2 else -1
        writer.put_trade(place, now_ns, (ids[place], now_ns, price, 1.5, 1, side), 0)


if __name__ == "__main__":
    main()
