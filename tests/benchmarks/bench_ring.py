"""What a row of 64 bytes costs in the ring: put, read, and from process to process.

    python tests/benchmarks/bench_ring.py [--json] [--peers /some/where/bin/python]

put and read: CPU ns per row of one process, median of five runs with the least and the most, for
both halves of the ring. live: a writer flat out and 1, 2 and 4 readers in processes of their own,
million rows a second and how many rows the readers were lapped by. With --peers the same records go
through what others use, in the same run; requirements-peers.txt says what that Python should have.

Budgets of the compiled half: put + publish 350 ns alone; a poll of one row 600 ns, 12 ns a row at
256 a poll. Of Python alone: 950 ns in batches of 16 and more, and 80 ns at 256.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hunter import native
from hunter.bench.machine import describe, line
from hunter.ring import segment
from hunter.ring.layout import RingLayout, capacities_of
from hunter.ring.reader import LaneReader
from hunter.ring.rows import FACTS, Kind
from hunter.ring.writer import RingWriter

RUNS = 5
ROWS_PER_RUN = 65_536
CAPACITY = 65_536
BATCHES = (1, 16, 64, 256)
POLLS = (1, 16, 64, 256, 1024, 4096)
LIVE_SECONDS = 0.5
TRADE = (130639474, 1_630_048_897_897_000_000, 42219.9, 12.06, 3, 1)
MARK = (42219.9,)
RECEIVED_TS_NS = 1_630_048_897_899_123_456
PEERS = ("multiprocessing.Queue", "faster-fifo", "iceoryx2", "pyzmq")
PEER_ROWS = {1: 60_000, 64: 640_000}
COMPILED = native.kernel
Result = dict[str, Any]


class Bench:
    """A ring of one instrument, and what is measured on it. A ring takes the half of its time."""

    def __init__(self, directory: Path, tell: Callable[[Result], None]) -> None:
        self._path, self._tell = directory / "ring-0", tell
        capacities = capacities_of({Kind.TRADE: CAPACITY, Kind.MARK: CAPACITY})
        self._layout = RingLayout(("BTC-USDT-SWAP",), capacities, created_wall_ns=1)

    def run(self) -> None:
        half = "python" if native.kernel is None else "compiled"
        layout = self._layout
        segment.create(self._path, layout.total_bytes, layout.write_header).close()
        writer = RingWriter(self._path, 1)
        for batch in BATCHES:
            name = f"put + publish, {batch} a batch"
            self._cost(half, name, lambda batch=batch: write(writer, batch))
        self._cost(half, "put + publish marks, 16 a batch", lambda: write_marks(writer, 16))
        with segment.attach(self._path) as shared:
            reader = LaneReader(shared, layout, 0, Kind.TRADE)
            for title, poll in (("bytes", reader.poll_bytes), ("tuples", reader.poll)):
                for count in POLLS:
                    name = f"read {title}, {count} a poll"
                    self._cost(half, name, lambda p=poll, n=count: read(reader, p, n))
        writer.close()
        for readers in (1, 2, 4):
            self._live(half, readers)
        self._path.unlink()

    def _cost(self, half: str, name: str, run: Callable[[], int]) -> None:
        """`run` returns how many rows it moved."""
        costs = []
        for _ in range(RUNS):
            began_ns = time.process_time_ns()
            row_count = run()
            costs.append((time.process_time_ns() - began_ns) / row_count)
        self._tell({"half": half, "name": name, "unit": "CPU ns/row", **spread(costs)})

    def _live(self, half: str, readers: int) -> None:
        for batch in (1, 64):
            rates, lapped = [], 0
            for _ in range(3):
                rate, missed = live(self._path, self._layout, readers, batch)
                rates.append(rate / 1e6)
                lapped += missed
            name = f"live to {readers} readers, {batch} a batch"
            measured = {"half": half, "name": name, "unit": "M rows/s", **spread(rates)}
            self._tell({**measured, "lapped": lapped})


def spread(values: list[float]) -> dict[str, float]:
    return {
        "median": round(statistics.median(values), 2),
        "min": round(min(values), 2),
        "max": round(max(values), 2),
    }


def write(writer: RingWriter, batch_row_count: int) -> int:
    put, publish = writer.put_trade, writer.publish
    for _ in range(ROWS_PER_RUN // batch_row_count):
        for _ in range(batch_row_count):
            put(0, RECEIVED_TS_NS, TRADE)
        publish()
    return ROWS_PER_RUN


def write_marks(writer: RingWriter, batch_row_count: int) -> int:
    """By the way that the kinds share which come seldom."""
    put, publish = writer.put, writer.publish
    for _ in range(ROWS_PER_RUN // batch_row_count):
        for _ in range(batch_row_count):
            put(0, Kind.MARK, RECEIVED_TS_NS, RECEIVED_TS_NS, MARK)
        publish()
    return ROWS_PER_RUN


def read(reader: LaneReader, poll: Callable[[int], object], row_count: int) -> int:
    """From a full lane, over and over: the writer rests, so that only reading is measured."""
    start = reader.tail
    reader.cursor = start
    for _ in range((reader.head - start) // row_count):
        poll(row_count)
    return reader.cursor - start


def write_until_killed(path: Path, batch_row_count: int) -> None:
    """Rows that were packed before: what others are compared with packs nothing either."""
    lanes = RingWriter(path, 1).lanes
    facts = FACTS[Kind.TRADE].pack(1, 2, 3, 4.0, 5.0, 6, 1, 0)
    put, publish = lanes.put, lanes.publish
    while True:
        for _ in range(batch_row_count):
            put(0, 0, facts)
        publish()


def read_for(path: Path, layout: RingLayout, writing: int) -> None:
    """Tell through the pipe how many rows a second came, and how many were missed."""
    with segment.attach(path) as shared:
        reader = LaneReader(shared, layout, 0, Kind.TRADE)
        reader.cursor = reader.head
        while not reader.poll_bytes():
            pass
        start, lapped, began = reader.cursor, reader.lapped, time.perf_counter()
        while time.perf_counter() < began + LIVE_SECONDS:
            reader.poll_bytes()
        seconds, missed = time.perf_counter() - began, reader.lapped - lapped
        rows = reader.cursor - start - missed
        os.write(writing, f"{rows / seconds:.0f} {missed}\n".encode())


def forked(act: Callable[[], None]) -> int:
    pid = os.fork()
    if not pid:
        try:
            act()
        finally:
            os._exit(0)
    return pid


def live(path: Path, layout: RingLayout, readers: int, batch: int) -> tuple[float, int]:
    """Rows a second that each reader got, on average, and how many all of them missed."""
    reading, writing = os.pipe()
    pids = [forked(lambda: read_for(path, layout, writing)) for _ in range(readers)]
    writer = forked(lambda: write_until_killed(path, batch))
    try:
        for pid in pids:
            os.waitpid(pid, 0)
    finally:
        os.kill(writer, signal.SIGKILL)
        os.waitpid(writer, 0)
    os.close(writing)
    with open(reading, encoding="ascii") as lines:
        found = [line.split() for line in lines]
    return statistics.mean(float(rate) for rate, _ in found), sum(int(n) for _, n in found)


def peers(python: str, tell: Callable[[Result], None]) -> None:
    program = str(Path(__file__).with_name("ring_peers.py"))
    for name in PEERS:
        for batch, row_count in PEER_ROWS.items():
            command = [python, program, name, str(batch), str(row_count)]
            rates, lost = [], 0
            for _ in range(3):
                done = subprocess.run(command, capture_output=True, text=True, timeout=120)
                answer = json.loads(done.stdout or '{"missing": "no answer"}')
                if "missing" in answer:
                    break
                rates.append((row_count - answer["lost_rows"]) / answer["seconds"] / 1e6)
                lost += answer["lost_rows"]
            if not rates:
                tell({"half": name, "name": "not here", "missing": answer["missing"]})
                break
            title = f"live to 1 readers, {batch} a batch"
            measured = {"half": name, "name": title, "unit": "M rows/s", **spread(rates)}
            tell({**measured, "lapped": lost})


def show(result: Result) -> None:
    if "missing" in result:
        print(f"{result['half']:22} {result['missing']}")
        return
    figures = f"{result['median']:8.2f} ({result['min']:.2f}-{result['max']:.2f}) {result['unit']}"
    missed = f", {result['lapped']} rows missed" if "lapped" in result else ""
    print(f"{result['half']:22} {result['name']:32} {figures}{missed}", flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description="What a row costs in the ring.")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--peers", metavar="PYTHON", default="")
    given = parser.parse_args()
    results: list[Result] = []

    def tell(result: Result) -> None:
        results.append(result)
        if not given.json:
            show(result)

    if not given.json:
        print(line(describe()))
    directory = Path(tempfile.mkdtemp(prefix="hunter-bench-", dir=segment.SHARED_ROOT))
    try:
        for half in [COMPILED, None] if COMPILED is not None else [None]:
            native.kernel = half
            Bench(directory, tell).run()
    finally:
        native.kernel = COMPILED
        shutil.rmtree(directory)
    if given.peers:
        peers(given.peers, tell)
    if given.json:
        print(json.dumps({"machine": line(describe()), "results": results}, indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
