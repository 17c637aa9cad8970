"""Kill the ring's writer by SIGKILL at random moments, again and again, while readers check.

    python tests/torture/ring_torture.py --seconds 60 --seed 7 [--canary head-first|blind-reader]

One process forks everything: a writer that is killed and replaced, and readers that live through
all kills, one of them too slow to keep up. Every field of a row follows from its sequence, so a
torn or stale row cannot look right. Exit 0: no violation; 1: violations, printed. The canaries are
faulty on purpose and must be found out.
"""

from __future__ import annotations

import argparse
import mmap
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import NoReturn

# Run by hand, only this file's folder is on the path.
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from fakes.ring_rows import EPOCH_FIELD, Feeder, is_whole, make_ring, ring_layout

from hunter.ring import segment
from hunter.ring.layout import EPOCH_WORD, RingLayout
from hunter.ring.merge import MERGED_KINDS, MergedReader
from hunter.ring.reader import LaneReader, Row
from hunter.ring.rows import ROW_BYTES, Kind
from hunter.ring.segment import Segment, WriterLease
from hunter.ring.writer import RingWriter, _Lane

CAPACITY = 64
LIFE_MS_MAX = 15.0
COMPLAINTS_PER_PROCESS_MAX = 3
CANARIES = ("head-first", "blind-reader")


@dataclass
class Plan:
    """What all processes know. `acknowledged` is memory that outlives a killed writer."""

    path: Path
    layout: RingLayout
    seed: int
    canary: str
    complain: Callable[[str], None]
    acknowledged: memoryview  # per lane, then one word: readers shall finish
    lanes: list[tuple[int, Kind]] = field(default_factory=list)
    owner_pid: int = field(default_factory=os.getpid)

    def __post_init__(self) -> None:
        indexes = range(len(self.layout.instruments))
        self.lanes = [(index, kind) for index in indexes for kind in Kind]

    @property
    def is_over(self) -> bool:
        return bool(self.acknowledged[len(self.lanes)]) or self.is_orphaned

    @property
    def is_orphaned(self) -> bool:
        """Whether the process that started all others is gone: then they must end by themselves."""
        return os.getppid() != self.owner_pid

    def finish(self) -> None:
        self.acknowledged[len(self.lanes)] = 1

    def head(self, shared: Segment, lane: tuple[int, Kind]) -> int:
        return shared.words[self.layout.intent_word(*lane) + 1]


class SlowCopyReader(LaneReader):
    """Copies one row at a time: a wide window for the writer to overwrite what is being copied."""

    def _copy(self, position: int, row_count: int) -> bytearray:
        rows = bytearray()
        for place in range(position, position + row_count):
            rows += super()._copy(place, 1)
        return rows


class BlindReader(SlowCopyReader):
    """Canary: believes what it copied, without the second look."""

    def poll_bytes(self, row_count_max: int = 4096) -> bytearray:
        if self.head > self.cursor and self.cursor < self.tail:
            self._jump(self.tail)
        row_count = min(self.head - self.cursor, row_count_max)
        if row_count:
            # Off the processor between look and copy, as it may happen to any reader; here often,
            # so that the canary is found on a busy machine as well.
            time.sleep(0.002)
        rows = self._copy(self.cursor, row_count)
        self.cursor += len(rows) // ROW_BYTES[self.kind]
        return rows


class HeadFirstWriter(RingWriter):
    """Canary: a row's head and arrival head are stored before the row."""

    def _claim(self, lane: _Lane) -> tuple[int, int, int]:
        offset, sequence, arrival = super()._claim(lane)
        self._words[lane.intent_word + 1] = sequence
        self._words[self.layout.arrival_word(lane.index)] = arrival
        return offset, sequence, arrival


def merged_reader(
    plan: Plan, shared: Segment, index: int, kind_of_reader: type[LaneReader]
) -> MergedReader:
    merged = MergedReader(shared, plan.layout, index)
    merged.lanes = [kind_of_reader(shared, plan.layout, index, kind) for kind in MERGED_KINDS]
    merged._fed = merged.lanes
    return merged


class InstrumentReader:
    """All rows of one instrument: the merged ones in their order, and each other lane's."""

    def __init__(
        self, plan: Plan, shared: Segment, index: int, kind_of_reader: type[LaneReader]
    ) -> None:
        self._merged = merged_reader(plan, shared, index, kind_of_reader)
        self._others = [
            kind_of_reader(shared, plan.layout, index, kind)
            for kind in Kind
            if kind not in MERGED_KINDS
        ]
        self.lanes = [*self._merged.lanes, *self._others]

    @property
    def lapped(self) -> int:
        return sum(lane.lapped for lane in self.lanes)

    def poll(self, row_count_max: int) -> list[tuple[Kind, Row]]:
        items = self._merged.poll(row_count_max)
        for lane in self._others:
            items += [(lane.kind, row) for row in lane.poll(row_count_max)]
        return items


def write_until_killed(plan: Plan, life: int, batches_max: int = sys.maxsize) -> None:
    """One writer's life: lease, attach, random batches; acknowledges what it has published."""
    dice = random.Random(f"{plan.seed} writer {life}")
    lease = WriterLease(plan.path.with_name("lease"))
    if not lease.acquire():
        plan.complain("the lease was not free although its holder is dead")
        return
    feeder = Feeder(plan.path)
    if plan.canary == "head-first":
        feeder.writer.close()
        feeder.writer = HeadFirstWriter(plan.path, 1)
    rests = dice.random() < 0.5
    batch = 0
    while batch < batches_max and not plan.is_orphaned:
        batch += 1
        for _ in range(dice.choice((1, 1, 4, 16, 64))):
            feeder.put(*dice.choice(plan.lanes))
        feeder.publish()
        for place, lane in enumerate(plan.lanes):
            plan.acknowledged[place] = feeder.positions[lane]
        if rests and dice.random() < 0.2:
            time.sleep(dice.random() * 0.001)


def read_until_over(plan: Plan, number: int) -> None:
    """One reader's life: every row of every instrument, and the sums at the end."""
    dice = random.Random(f"{plan.seed} reader {number}")
    is_slow = number == 0
    kind_of_reader = BlindReader if plan.canary == "blind-reader" else SlowCopyReader
    with segment.attach(plan.path) as shared:
        count = len(plan.layout.instruments)
        readers = [InstrumentReader(plan, shared, index, kind_of_reader) for index in range(count)]
        checks = [OrderCheck(plan, number, index) for index in range(count)]
        over = False
        while True:
            found = 0
            for reader, check in zip(readers, checks, strict=True):
                items = reader.poll(dice.choice((3, 50, 4096)))
                found += len(items)
                for kind, row in items:
                    check(kind, row)
            if over and not found:
                break
            over = over or plan.is_over
            if not found or (is_slow and not over):
                time.sleep(0.02 if is_slow else 0.0002)
        for reader, check in zip(readers, checks, strict=True):
            for lane in reader.lanes:
                if check.returned[lane.kind] + lane.lapped != lane.head:
                    plan.complain(
                        f"reader {number}: {lane.kind.name}: {check.returned[lane.kind]} returned"
                        f" + {lane.lapped} lapped is not {lane.head}"
                    )
        rows = sum(sum(check.returned.values()) for check in checks)
        print(f"reader {number}: {rows} rows, {sum(r.lapped for r in readers)} lapped", flush=True)


class OrderCheck:
    """What must hold from row to row of one instrument."""

    def __init__(self, plan: Plan, number: int, index: int) -> None:
        self._complain = plan.complain
        self._who = f"reader {number} of {plan.layout.instruments[index]}"
        self._arrivals = dict.fromkeys(Kind, 0)
        self._sequences = dict.fromkeys(Kind, 0)
        self._epochs = dict.fromkeys(Kind, 0)
        self.returned = dict.fromkeys(Kind, 0)

    def __call__(self, kind: Kind, row: Row) -> None:
        sequence, arrival, epoch = int(row[0]), int(row[1]), int(row[EPOCH_FIELD[kind]])
        self.returned[kind] += 1
        if not is_whole(kind, row):
            self._complain(f"{self._who}: torn {kind.name} row {row[:9]}")
        if sequence <= self._sequences[kind]:
            self._complain(
                f"{self._who}: {kind.name} {sequence} comes after {self._sequences[kind]}"
            )
        order = Kind.TRADE if kind in MERGED_KINDS else kind  # merged lanes have one in common
        taken = kind in MERGED_KINDS  # the others tell how many of the market came before
        if arrival < self._arrivals[order] + taken:
            self._complain(f"{self._who}: arrival {arrival} comes after {self._arrivals[order]}")
        if epoch < self._epochs[kind]:
            self._complain(f"{self._who}: epoch {epoch} comes after {self._epochs[kind]}")
        self._arrivals[order] = arrival
        self._sequences[kind], self._epochs[kind] = sequence, epoch


def child(plan: Plan, live: Callable[[], None]) -> int:
    """Fork a process that does `live` and nothing after it; returns its pid."""
    sys.stdout.flush()
    pid = os.fork()
    if not pid:
        _live_and_leave(plan, live)
    return pid


def _live_and_leave(plan: Plan, live: Callable[[], None]) -> NoReturn:
    try:
        live()
    except Exception as error:
        plan.complain(f"{type(error).__name__}: {error}")
    finally:
        sys.stdout.flush()
        os._exit(0)


class Inspection:
    """What the dead writer left behind, looked at before the next one attaches."""

    def __init__(self, plan: Plan, shared: Segment) -> None:
        self._plan, self._shared = plan, shared
        self._epoch = 0
        self.kill_count = self.inside_batch = self.between_heads = self.epochs = 0

    def __call__(self) -> None:
        plan, words = self._plan, self._shared.words
        self.kill_count += 1
        if words[EPOCH_WORD] < self._epoch:
            plan.complain(f"epoch went back from {self._epoch} to {words[EPOCH_WORD]}")
        self._epoch = self.epochs = words[EPOCH_WORD]
        newest = dict.fromkeys(range(len(plan.layout.instruments)), 0)
        is_inside = False
        for place, (index, kind) in enumerate(plan.lanes):
            head = plan.head(self._shared, (index, kind))
            intent = words[plan.layout.intent_word(index, kind)]
            is_inside |= intent > head
            if head < plan.acknowledged[place]:
                plan.complain(f"{kind.name}: head {head} < {plan.acknowledged[place]} published")
            rows = LaneReader(self._shared, plan.layout, index, kind).last(CAPACITY)
            sequences = [row[0] for row in rows]
            if sequences != list(range(head - len(rows) + 1, head + 1)):
                plan.complain(f"{kind.name}: the readable rows are not those up to head {head}")
            if len(rows) != max(0, min(head, CAPACITY - (intent - head))):
                plan.complain(f"{kind.name}: {len(rows)} rows readable, head {head}, {intent=}")
            if not all(is_whole(kind, row) for row in rows):
                plan.complain(f"{kind.name}: a torn row is readable after a kill")
            newest[index] = max([newest[index], *(int(row[1]) for row in rows[-1:])])
        self.inside_batch += is_inside
        self.between_heads += any(
            newest[index] > words[plan.layout.arrival_word(index)] for index in newest
        )


def complaints(reading: int) -> list[str]:
    """What the processes have complained of since the last call."""
    lines: list[str] = []
    while True:
        try:
            raw = os.read(reading, 65536)
        except BlockingIOError:
            return lines
        if not raw:
            return lines
        lines += raw.decode().splitlines()


def make_complain(writing: int) -> Callable[[str], None]:
    said = [0]

    def complain(text: str) -> None:
        said[0] += 1
        if said[0] <= COMPLAINTS_PER_PROCESS_MAX:
            os.write(writing, text[:400].encode() + b"\n")  # below PIPE_BUF: never mixed

    return complain


def reap(pid: int, seconds_max: float) -> bool:
    """Wait for a process to end by itself; whether it did."""
    deadline = time.monotonic() + seconds_max
    while time.monotonic() < deadline:
        if os.waitpid(pid, os.WNOHANG)[0]:
            return True
        time.sleep(0.002)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    return False


def torture(directory: Path, seconds: float, seed: int, canary: str) -> int:
    layout = ring_layout(CAPACITY)
    reading, writing = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    memory = mmap.mmap(-1, 4096)
    plan = Plan(
        make_ring(directory / "ring-0", layout), layout, seed, canary, make_complain(writing),
        memoryview(memory).cast("Q"),
    )  # fmt: skip
    dice = random.Random(seed)
    readers = [child(plan, partial(read_until_over, plan, n)) for n in range(2)]
    violations: list[str] = []
    with segment.attach(plan.path) as shared:
        inspect = Inspection(plan, shared)
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and not violations:
            life = inspect.kill_count
            pid = child(plan, partial(write_until_killed, plan, life))
            # Four in ten are killed while they attach or soon after.
            life_ms = dice.uniform(0, 3) if dice.random() < 0.4 else dice.uniform(3, LIFE_MS_MAX)
            time.sleep(life_ms / 1000)
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            inspect()
            violations += complaints(reading)
        pid = child(plan, partial(write_until_killed, plan, inspect.kill_count, batches_max=3))
        if not reap(pid, 10):
            violations.append("the last writer did not end")
        plan.finish()
        violations += [f"reader {n} did not end" for n, p in enumerate(readers) if not reap(p, 10)]
        violations += complaints(reading)
        rows = sum(plan.head(shared, lane) for lane in plan.lanes)
    print(
        f"{inspect.kill_count} kills, {inspect.inside_batch} inside a batch,"
        f" {inspect.between_heads} between a head and the arrival head, {inspect.epochs} epochs,"
        f" {rows} rows, {len(violations)} violations"
    )
    for line in violations:
        print(f"VIOLATION {line}")
    return 1 if violations else 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--canary", choices=CANARIES, default="")
    given = parser.parse_args()
    seed = random.SystemRandom().randrange(1 << 32) if given.seed is None else given.seed
    print(f"seed {seed}", flush=True)
    directory = Path(tempfile.mkdtemp(prefix="hunter-torture-", dir=segment.SHARED_ROOT))
    try:
        return torture(directory, given.seconds, seed, given.canary)
    finally:
        shutil.rmtree(directory)


if __name__ == "__main__":
    sys.exit(main())
