"""What a row costs, put and read: ns per row, median of five runs with the least and the most.

    python tests/benchmarks/bench_ring.py

One process on a quiet machine. Budgets: put + publish <= 800 ns per row in batches of 16 and more;
reading <= 40 ns per row (bytes) at 256 rows a poll. Of that the checks are 100 to 200 ns a row put,
and 16 ns a row read.
"""

from __future__ import annotations

import os
import platform
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from hunter.ring import segment
from hunter.ring.layout import RingLayout, capacities_of
from hunter.ring.reader import LaneReader
from hunter.ring.rows import Kind
from hunter.ring.writer import RingWriter

RUNS = 5
ROWS_PER_RUN = 65_536
CAPACITY = 65_536
TRADE = (130639474, 1_630_048_897_897_000_000, 42219.9, 12.06, 3, 1)
MARK = (42219.9,)
RECEIVED_TS_NS = 1_630_048_897_899_123_456


def machine_line() -> str:
    model = platform.processor() or platform.machine()
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            model = line.partition(": ")[2]
            break
    version = f"Python {platform.python_version()}"
    load = os.getloadavg()[0]
    return f"{model}, {os.cpu_count()} cores, load {load:.2f}, {version}, {platform.release()}"


def line_of(name: str, run: Callable[[], int]) -> str:
    """`run` returns how many rows it moved."""
    costs = []
    for _ in range(RUNS):
        began_ns = time.perf_counter_ns()
        row_count = run()
        costs.append((time.perf_counter_ns() - began_ns) / row_count)
    return f"{name:36} {statistics.median(costs):8.1f} ({min(costs):.1f}-{max(costs):.1f}) ns/row"


def write_marks(writer: RingWriter, batch_row_count: int) -> int:
    """By the way that the kinds share which come seldom."""
    put, publish = writer.put, writer.publish
    for _ in range(ROWS_PER_RUN // batch_row_count):
        for _ in range(batch_row_count):
            put(0, Kind.MARK, RECEIVED_TS_NS, RECEIVED_TS_NS, MARK)
        publish()
    return ROWS_PER_RUN


def write(writer: RingWriter, batch_row_count: int) -> int:
    put, publish = writer.put_trade, writer.publish
    for _ in range(ROWS_PER_RUN // batch_row_count):
        for _ in range(batch_row_count):
            put(0, RECEIVED_TS_NS, TRADE)
        publish()
    return ROWS_PER_RUN


def read(reader: LaneReader, poll: Callable[[int], object], row_count: int) -> int:
    """From a full lane, over and over: the writer rests, so that only reading is measured."""
    start = reader.tail
    reader.cursor = start
    while reader.head - reader.cursor >= row_count:
        poll(row_count)
    return reader.cursor - start


def main() -> None:
    print(machine_line())
    capacities = capacities_of({Kind.TRADE: CAPACITY, Kind.MARK: CAPACITY})
    layout = RingLayout(("BTC-USDT-SWAP",), capacities, created_wall_ns=1)
    directory = Path(tempfile.mkdtemp(prefix="hunter-bench-", dir=segment.SHARED_ROOT))
    try:
        path = directory / "ring-0"
        segment.create(path, layout.total_bytes, layout.write_header).close()
        writer = RingWriter(path, 1)
        for batch in (1, 16, 64):
            name = f"put + publish, {batch} a batch"
            print(line_of(name, lambda batch=batch: write(writer, batch)))  # type: ignore[misc]
        print(line_of("put + publish marks, 16 a batch", lambda: write_marks(writer, 16)))
        with segment.attach(path) as shared:
            reader = LaneReader(shared, layout, 0, Kind.TRADE)
            for title, poll in (("bytes", reader.poll_bytes), ("tuples", reader.poll)):
                for count in (1, 16, 256, 4096):
                    name = f"read {title}, {count} a poll"
                    print(line_of(name, lambda p=poll, n=count: read(reader, p, n)))  # type: ignore[misc]
        writer.close()
    finally:
        shutil.rmtree(directory)


if __name__ == "__main__":
    main()
