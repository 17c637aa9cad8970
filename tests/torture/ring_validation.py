"""A writer flat out, and readers that compare every byte of every row they get.

Rows come from a table whose length is prime, so that what lies in a slot differs from lap to lap:
a row that is torn, stale or misplaced is not the one that its sequence asks for. Lanes are short
enough for readers to be lapped now and then: only then can anything go wrong.
"""

from __future__ import annotations

import itertools
import json
import mmap
import os
import random
import shutil
import sys
import tempfile
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from fakes.forked import child, complaints, make_complain, reap
from fakes.ring_rows import make_ring, ring_layout

from hunter import native
from hunter.ring import segment
from hunter.ring.layout import RingLayout
from hunter.ring.reader import LaneReader
from hunter.ring.rows import FACTS, ROW_BYTES, Kind
from hunter.ring.writer import RingWriter

KINDS = (Kind.TRADE, Kind.BOOK)
CAPACITY = 8192
TABLE_ROWS = 8191  # prime
BATCHES = (1, 1, 4, 16, 64, 256)
BOOKS_PER_TRADES = 16
ROWS_PER_POLL = 1024
# Words of each reader in the memory that all processes share.
VALIDATED, LAPPED, DAMAGED, WRONG, WORDS = range(5)
OVER_WORD = 500


@dataclass(frozen=True)
class Run:
    path: Path
    layout: RingLayout
    tables: dict[Kind, list[bytes]]
    shared: memoryview
    kind_of_reader: type[LaneReader]
    owner_pid: int

    @property
    def is_over(self) -> bool:
        return bool(self.shared[OVER_WORD]) or os.getppid() != self.owner_pid

    def count(self, readers: int, word: int) -> int:
        return sum(self.shared[WORDS * reader + word] for reader in range(readers))


def table(kind: Kind) -> list[bytes]:
    dice = random.Random(kind)
    return [dice.randbytes(FACTS[kind].size) for _ in range(TABLE_ROWS)]


def write(run: Run) -> None:
    """Batches of all sizes, until it is over."""
    writer = RingWriter(run.path, 1)
    put, publish = writer.lanes.put, writer.lanes.publish
    trades, books = (itertools.cycle(run.tables[kind]) for kind in KINDS)
    dice = random.Random(1)
    while not run.is_over:
        for size in dice.choices(BATCHES, k=64):
            for facts in itertools.islice(trades, size):
                put(0, Kind.TRADE, facts)
            for facts in itertools.islice(books, size // BOOKS_PER_TRADES):
                put(0, Kind.BOOK, facts)
            publish()
    writer.close()


class Judge:
    """One lane of one reader."""

    def __init__(self, run: Run, shared: segment.Segment, kind: Kind) -> None:
        self.reader = run.kind_of_reader(shared, run.layout, 0, kind)
        self._row_bytes = ROW_BYTES[kind]
        wanted = np.frombuffer(b"".join(run.tables[kind]), np.uint8).reshape(TABLE_ROWS, -1)
        # once more its beginning: what a poll returns is one slice of it
        self._wanted = np.concatenate((wanted, wanted[:ROWS_PER_POLL]))

    def __call__(self) -> tuple[int, int]:
        """Poll once: rows that are right, and those that are not."""
        raw = self.reader.poll_bytes(ROWS_PER_POLL)
        if not raw:
            return 0, 0
        rows = np.frombuffer(raw, np.uint8).reshape(-1, self._row_bytes)
        count = len(rows)
        first = self.reader.cursor - count
        sequences = rows[:, :8].copy().view(np.uint64)[:, 0]
        wanted = self._wanted[first % TABLE_ROWS :][:count]
        right = (rows[:, 16:-4] == wanted).all(axis=1)
        right &= sequences == np.arange(first + 1, first + count + 1, dtype=np.uint64)
        good = int(right.sum())
        return good, count - good


def read(run: Run, number: int) -> None:
    base = WORDS * number
    with segment.attach(run.path) as shared:
        judges = [Judge(run, shared, kind) for kind in KINDS]
        while not run.is_over:
            found = 0
            for judge in judges:
                good, wrong = judge()
                run.shared[base + VALIDATED] += good
                run.shared[base + WRONG] += wrong
                found += good + wrong
            run.shared[base + LAPPED] = sum(judge.reader.lapped for judge in judges)
            run.shared[base + DAMAGED] = sum(judge.reader.damaged for judge in judges)
            if not found:
                time.sleep(0.0002)


def show(done: int, wanted: int, readers: int, began: float, wrong: int) -> None:
    share = min(1.0, done / wanted)
    rate = done / max(time.monotonic() - began, 0.001) / 1e6
    bar = "#" * int(30 * share) + "." * (30 - int(30 * share))
    line = f"[{bar}] {share:4.0%} {readers} readers: {done:,} rows ({rate:.1f} M/s), {wrong} wrong"
    print(f"\r{line}" if sys.stderr.isatty() else line, end="", file=sys.stderr, flush=True)
    if not sys.stderr.isatty():
        print(file=sys.stderr)


def stage(run: Run, readers: int, rows: int, reading: int, complain: Any) -> dict[str, Any]:
    """One writer and so many readers, until they have validated `rows` together."""
    for word in range(len(run.shared)):
        run.shared[word] = 0
    began = time.monotonic()
    pids = [child(complain, partial(read, run, number)) for number in range(readers)]
    pids.append(child(complain, partial(write, run)))
    troubles: list[str] = []
    shown = 0.0
    while (done := run.count(readers, VALIDATED)) < rows and not troubles:
        wrong = run.count(readers, WRONG)
        interval = 0.5 if sys.stderr.isatty() else 20.0
        if time.monotonic() - shown > interval:
            shown = time.monotonic()
            show(done, rows, readers, began, wrong)
        if wrong:
            break
        time.sleep(0.05)
        troubles += complaints(reading)
    seconds = time.monotonic() - began
    run.shared[OVER_WORD] = 1
    troubles += [f"process {pid} did not end" for pid in pids if not reap(pid, 20)]
    troubles += complaints(reading)
    show(done, rows, readers, began, run.count(readers, WRONG))
    if sys.stderr.isatty():
        print(file=sys.stderr)
    return {
        "readers": readers,
        "validated": run.count(readers, VALIDATED),
        "wrong": run.count(readers, WRONG),
        "damaged": run.count(readers, DAMAGED),
        "lapped": run.count(readers, LAPPED),
        "seconds": round(seconds, 1),
        "troubles": troubles,
    }


def run(rows: int, reader_counts: list[int], kind_of_reader: type[LaneReader]) -> int:
    """`rows` are shared out over the stages. Prints JSON; 0: every row was right."""
    directory = Path(tempfile.mkdtemp(prefix="hunter-torture-", dir=segment.SHARED_ROOT))
    try:
        layout = ring_layout(CAPACITY, kinds=KINDS)
        reading, writing = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        complain = make_complain(writing)
        tables = {kind: table(kind) for kind in KINDS}
        shared = memoryview(mmap.mmap(-1, 4096)).cast("Q")
        stages = []
        for place, count in enumerate(reader_counts):
            path = make_ring(directory / f"ring-{place}", layout)
            each = Run(path, layout, tables, shared, kind_of_reader, os.getpid())
            share = -(-rows // len(reader_counts))
            stages.append(stage(each, count, share, reading, complain))
            path.unlink()
    finally:
        shutil.rmtree(directory)
    found = {
        "machine": os.uname().machine,
        "native": native.kernel is not None,
        **{
            name: sum(each[name] for each in stages)
            for name in ("validated", "wrong", "damaged", "lapped")
        },
        "stages": stages,
    }
    print(json.dumps(found, indent=2))
    bad = found["wrong"] or found["damaged"] or any(each["troubles"] for each in stages)
    return 1 if bad else 0
