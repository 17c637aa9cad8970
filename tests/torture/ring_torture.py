"""Kill the ring's writer by SIGKILL at random moments, again and again, while readers check.

    python tests/torture/ring_torture.py --seconds 60 --seed 7 [--flips] [--canary NAME]
    python tests/torture/ring_torture.py --kills 10000
    python tests/torture/ring_torture.py --pair --seconds 180
    python tests/torture/ring_torture.py --rows 1000000000 --readers 1,2,4

One process forks everything: a writer that is killed and replaced, and readers that live through
all kills, one of them too slow to keep up. Writers are stopped too, wherever they are, and looked
at: nobody can take their lease before they are dead. Readers are stopped, and the writer must not
wait for them. With --flips, bits of published rows change, which no reader may return. Every field
of a row follows from its sequence, so a torn or stale row cannot look right. Exit 0: no violation;
1: violations, printed. The canaries are faulty on purpose and must be found out.

With --rows nobody is killed: a writer flat out, and readers that compare every byte, until they
have validated so many rows together; the outcome is printed as JSON. --native on|off chooses the
half of the ring; else the one that hunter would use. With --pair the two instruments are mates,
read by one reader: their rows must come as the writer noted them, one after the other.
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
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

# Run by hand, only this file's folder is on the path. The checkout comes first: tests/hunter is no
# package, but would do as one.
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import ring_validation
import torture_readers
from fakes.forked import child, complaints, make_complain, reap
from fakes.ring_rows import Feeder, is_whole, make_ring, ring_layout

from hunter import native
from hunter.ring import segment
from hunter.ring.lanes import PlainLanes, _Lane
from hunter.ring.layout import EPOCH_WORD, RingLayout
from hunter.ring.merge import MERGED_KINDS
from hunter.ring.reader import LaneReader, Row
from hunter.ring.rows import ROW_BYTES, Kind
from hunter.ring.segment import Segment, WriterLease
from hunter.ring.writer import RingWriter

CAPACITY = 64
CANARIES = ("head-first", "blind-reader", "no-check", "early-arrival")


@dataclass
class Plan:
    """What all processes know. `acknowledged` is memory that outlives a killed writer."""

    path: Path
    layout: RingLayout
    seed: int
    canary: str
    flips: bool
    complain: Callable[[str], None]
    acknowledged: memoryview  # per lane, then one word: readers shall finish
    lanes: list[tuple[int, Kind]] = field(default_factory=list)
    owner_pid: int = field(default_factory=os.getpid)
    life_ms_max: float = 15.0
    log: torture_readers.PutLog = field(default_factory=torture_readers.PutLog)

    def __post_init__(self) -> None:
        indexes = range(len(self.layout.instruments))
        self.lanes = [(index, kind) for index in indexes for kind in Kind]

    @property
    def is_pair(self) -> bool:
        return len(self.layout.members) == 1

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


class HeadFirstLanes(PlainLanes):
    """Canary: a row's head and arrival head are stored before the row."""

    def _claim(self, lane: _Lane) -> int:
        offset = super()._claim(lane)
        self._words[lane.intent_word + 1] = lane.position
        self._words[self._first_arrival_word + lane.index] = self._arrivals[lane.group] + 1
        return offset


class EarlyArrivalLanes(PlainLanes):
    """Canary: an instrument's arrival head is stored before its mate's heads."""

    def publish(self) -> bool:
        lanes = self._unpublished
        for index in sorted({lane.index for lane in lanes}):
            self._unpublished = [lane for lane in lanes if lane.index == index]
            super().publish()
            time.sleep(0.0001)
        self._unpublished = []
        return bool(lanes)


FAULTY_LANES = {"head-first": HeadFirstLanes, "early-arrival": EarlyArrivalLanes}


def spoil(writer: RingWriter, kind_of_lanes: type[PlainLanes]) -> None:
    layout, shared = writer.layout, writer._segment
    arrivals = [shared.words[layout.arrival_word(i)] for i in range(len(layout.instruments))]
    writer.lanes.close()
    writer.lanes = kind_of_lanes(shared, layout, writer.epoch, arrivals)
    writer._put = writer.lanes.put


def write_until_killed(plan: Plan, life: int, batches_max: int = sys.maxsize) -> None:
    """One writer's life: lease, attach, random batches; acknowledges what it has published."""
    dice = random.Random(f"{plan.seed} writer {life}")
    lease = WriterLease(plan.path.with_name("lease"))
    if not lease.acquire():
        plan.complain("the lease was not free although its holder is dead")
        return
    feeder = Feeder(plan.path)
    if plan.canary in FAULTY_LANES:
        spoil(feeder.writer, FAULTY_LANES[plan.canary])
    words, groups = feeder.writer._words, plan.layout.groups
    arrivals = [words[plan.layout.arrival_word(leader)] for leader in groups]
    rests = dice.random() < 0.5
    batch = 0
    while batch < batches_max and not plan.is_orphaned:
        batch += 1
        for _ in range(dice.choice((1, 1, 4, 16, 64))):
            index, kind = dice.choice(plan.lanes)
            if plan.is_pair and kind in MERGED_KINDS:
                arrivals[0] += 1
                plan.log.note(arrivals[0], index, kind, feeder.positions[index, kind] + 1)
            feeder.put(index, kind)
        feeder.publish()
        for place, lane in enumerate(plan.lanes):
            plan.acknowledged[place] = feeder.positions[lane]
        if rests and dice.random() < 0.2:
            time.sleep(dice.random() * 0.001)


def read_until_over(plan: Plan, number: int) -> None:
    """One reader's life: every row of every instrument, and the sums at the end."""
    dice = random.Random(f"{plan.seed} reader {number}")
    is_slow = number == 0
    # one goes in small steps, the other as readers do, by the compiled half where there is one
    usual = torture_readers.SlowCopyReader if is_slow or native.kernel is None else LaneReader
    kind_of_reader = torture_readers.READERS.get(plan.canary, usual)
    with segment.attach(plan.path) as shared:
        layout = plan.layout
        readers = [
            torture_readers.GroupOfLanes(shared, layout, members, kind_of_reader)
            for members in layout.members
        ]
        checks = [OrderCheck(plan, number, index) for index in range(len(layout.instruments))]
        newest, over = 0, False
        while True:
            found = 0
            for reader in readers:
                items = reader.poll(dice.choice((3, 50, 4096)))
                found += len(items)
                for index, kind, row in items:
                    checks[index](kind, row)
                    if plan.is_pair and kind in MERGED_KINDS:
                        if row[1] <= newest:
                            plan.complain(f"reader {number}: {row[1]} comes after {newest}")
                        if not plan.log.is_right(index, kind, row):
                            plan.complain(f"reader {number}: {row[:2]} is not what was put then")
                        newest = int(row[1])
            if over and not found:
                break
            over = over or plan.is_over
            if not found or (is_slow and not over):
                time.sleep(0.02 if is_slow else 0.0002)
        for reader in readers:
            for index, lane in reader.lanes:
                check = checks[index]
                if check.returned[lane.kind] + lane.lapped + lane.damaged != lane.head:
                    plan.complain(
                        f"reader {number}: {lane.kind.name}: {check.returned[lane.kind]} returned"
                        f" + {lane.lapped} lapped + {lane.damaged} damaged is not {lane.head}"
                    )
                if lane.damaged and not plan.flips:
                    plan.complain(f"reader {number}: {lane.damaged} damaged {lane.kind.name} rows")
        rows = sum(sum(check.returned.values()) for check in checks)
        lapped, damaged = (sum(getattr(r, n) for r in readers) for n in ("lapped", "damaged"))
        print(f"reader {number}: {rows} rows, {lapped} lapped, {damaged} damaged", flush=True)


class OrderCheck:
    """What must hold from row to row of one instrument."""

    def __init__(self, plan: Plan, number: int, index: int) -> None:
        self._complain = plan.complain
        self._who = f"reader {number} of {plan.layout.instruments[index]}"
        self._arrivals = dict.fromkeys(Kind, 0)
        self._sequences = dict.fromkeys(Kind, 0)
        self.returned = dict.fromkeys(Kind, 0)

    def __call__(self, kind: Kind, row: Row) -> None:
        sequence, arrival = int(row[0]), int(row[1])
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
        self._arrivals[order] = arrival
        self._sequences[kind] = sequence


class Inspection:
    """What the dead writer left behind, looked at before the next one attaches."""

    def __init__(self, plan: Plan, shared: Segment) -> None:
        self._plan, self._shared = plan, shared
        self._epoch = 0
        self.kill_count = self.stop_count = 0
        self.inside_batch = self.between_heads = self.epochs = 0

    def __call__(self, *, killed: bool) -> None:
        """Of a writer that is dead, or stands still."""
        self.kill_count += killed
        self.stop_count += not killed
        plan, words = self._plan, self._shared.words
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
            if not plan.flips:
                sequences = [row[0] for row in rows]
                if sequences != list(range(head - len(rows) + 1, head + 1)):
                    plan.complain(f"{kind.name}: the readable rows are not those up to head {head}")
                if len(rows) != max(0, min(head, CAPACITY - (intent - head))):
                    plan.complain(f"{kind.name}: {len(rows)} rows readable, head {head}, {intent=}")
            if not all(is_whole(kind, row) for row in rows):
                plan.complain(f"{kind.name}: a torn row is readable after a kill")
            if kind in MERGED_KINDS:
                newest[index] = max([newest[index], *(int(row[1]) for row in rows[-1:])])
        self.inside_batch += is_inside and killed
        self.between_heads += killed and any(
            newest[index] > words[plan.layout.arrival_word(index)] for index in newest
        )


class Tormentor:
    """What is done to the processes, and to the rows."""

    def __init__(
        self, plan: Plan, shared: Segment, dice: random.Random, readers: list[int]
    ) -> None:
        self._plan, self._dice, self._readers = plan, dice, readers
        self._shared = shared
        self._stopped_reader = 0
        self._rows_when_stopped = 0
        self._stopped_since = 0.0
        self.inspect = Inspection(plan, shared)
        self.reader_stops = self.flips = 0
        self._rival = WriterLease(plan.path.with_name("lease"))

    @property
    def row_count(self) -> int:
        return sum(self._plan.head(self._shared, lane) for lane in self._plan.lanes)

    def one_life(self) -> None:
        """A writer is started, now and then stopped, and killed."""
        dice = self._dice
        pid = child(
            self._plan.complain, partial(write_until_killed, self._plan, self.inspect.kill_count)
        )
        # Four in ten are killed while they attach or soon after.
        share = dice.uniform(0, 0.2) if dice.random() < 0.4 else dice.uniform(0.2, 1)
        life_ms = share * self._plan.life_ms_max
        if dice.random() < 0.25:
            time.sleep(life_ms * dice.random() / 1000)
            self._stop_writer(pid)
        time.sleep(life_ms / 1000)
        if self._plan.flips:
            self._flip()
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        self.inspect(killed=True)
        self._trouble_readers()

    def _stop_writer(self, pid: int) -> None:
        """It stands still, in the midst of a store perhaps; most go on afterwards."""
        os.kill(pid, signal.SIGSTOP)
        os.waitpid(pid, os.WUNTRACED)
        self.inspect(killed=False)
        epoch = self._shared.words[EPOCH_WORD]
        if self._rival.acquire():
            # it had not come so far as to take it
            self._rival.release()
            os.kill(pid, signal.SIGKILL)
            return
        if self._dice.random() < 0.7:
            os.kill(pid, signal.SIGCONT)
            return
        time.sleep(0.002)
        if self._rival.acquire() or self._shared.words[EPOCH_WORD] != epoch:
            self._plan.complain("the lease of a stopped writer was given away")

    def _trouble_readers(self) -> None:
        if self._stopped_reader:
            grown = self.row_count > self._rows_when_stopped
            if grown:
                self.go_on()
            elif time.monotonic() > self._stopped_since + 10:
                self._plan.complain("the writer waits for a stopped reader")
        elif self._dice.random() < 0.05:
            self._stopped_reader = self._dice.choice(self._readers)
            os.kill(self._stopped_reader, signal.SIGSTOP)
            self._rows_when_stopped = self.row_count
            self._stopped_since = time.monotonic()
            self.reader_stops += 1

    def go_on(self) -> None:
        """No reader stays stopped."""
        if self._stopped_reader:
            os.kill(self._stopped_reader, signal.SIGCONT)
            self._stopped_reader = 0

    def _flip(self) -> None:
        """One bit of one of the newest rows, behind the writer's back."""
        index, kind = self._dice.choice(self._plan.lanes)
        head = self._plan.head(self._shared, (index, kind))
        if head < CAPACITY // 2:
            return  # a lane whose every row is damaged cannot be gone on with, and is put aside
        size = ROW_BYTES[kind]
        position = head - 1 - self._dice.randrange(min(head, 8))
        start = self._plan.layout.lane_offset(index, kind) + (position & (CAPACITY - 1)) * size
        with segment.attach(self._plan.path, writable=True) as writable:
            writable.view[start + self._dice.randrange(size)] ^= 1 << self._dice.randrange(8)
        self.flips += 1


def torture(plan: Plan, reading: int, until: Callable[[int], bool]) -> int:
    readers = [child(plan.complain, partial(read_until_over, plan, n)) for n in range(2)]
    violations: list[str] = []
    with segment.attach(plan.path) as shared:
        tormentor = Tormentor(plan, shared, random.Random(plan.seed), readers)
        inspect = tormentor.inspect
        while not until(inspect.kill_count) and not violations:
            tormentor.one_life()
            violations += complaints(reading)
        tormentor.go_on()
        pid = child(
            plan.complain, partial(write_until_killed, plan, inspect.kill_count, batches_max=3)
        )
        if not reap(pid, 10):
            violations.append("the last writer did not end")
        plan.finish()
        violations += [f"reader {n} did not end" for n, p in enumerate(readers) if not reap(p, 10)]
        violations += complaints(reading)
        rows = tormentor.row_count
    print(
        f"{inspect.kill_count} kills, {inspect.inside_batch} inside a batch,"
        f" {inspect.between_heads} between a head and the arrival head,"
        f" {inspect.stop_count} writers and {tormentor.reader_stops} readers stopped,"
        f" {tormentor.flips} bits flipped, {inspect.epochs} epochs,"
        f" {rows} rows, {len(violations)} violations"
    )
    for line in violations:
        print(f"VIOLATION {line}")
    return 1 if violations else 0


def choose_half(parser: argparse.ArgumentParser, half: str) -> None:
    if half == "off":
        native.kernel = None
    elif half == "on" and native.kernel is None:
        parser.error("the compiled half is not here; install hunter where there is a C compiler")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--kills", type=int, default=0, help="end after so many, not by the clock")
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--life-ms", type=float, default=15.0, help="of a writer, at most")
    parser.add_argument("--flips", action="store_true", help="flip bits of published rows")
    parser.add_argument("--pair", action="store_true", help="the instruments are mates")
    parser.add_argument("--canary", choices=CANARIES, default="")
    parser.add_argument("--native", choices=("on", "off"), default="", help="half of the ring")
    parser.add_argument("--rows", type=int, default=0, help="validate so many, without any kills")
    parser.add_argument("--readers", default="1,2,4", help="with --rows: how many, in turn")
    given = parser.parse_args()
    choose_half(parser, given.native)
    if given.rows:
        kind_of_reader = torture_readers.READERS.get(given.canary, LaneReader)
        counts = [int(count) for count in given.readers.split(",")]
        return ring_validation.run(given.rows, counts, kind_of_reader)
    seed = random.SystemRandom().randrange(1 << 32) if given.seed is None else given.seed
    print(f"seed {seed}", flush=True)
    end = time.monotonic() + given.seconds

    def until(kill_count: int) -> bool:
        return kill_count >= given.kills if given.kills else time.monotonic() >= end

    directory = Path(tempfile.mkdtemp(prefix="hunter-torture-", dir=segment.SHARED_ROOT))
    try:
        is_pair = given.pair or given.canary == "early-arrival"
        layout = replace(ring_layout(CAPACITY), groups=(0, 0) if is_pair else ())
        path = make_ring(directory / "ring-0", layout)
        reading, writing = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        acknowledged = memoryview(mmap.mmap(-1, 4096)).cast("Q")
        flips = given.flips or given.canary == "no-check"
        plan = Plan(path, layout, seed, given.canary, flips, make_complain(writing), acknowledged)
        plan.life_ms_max = given.life_ms
        return torture(plan, reading, until)
    finally:
        shutil.rmtree(directory)


if __name__ == "__main__":
    sys.exit(main())
