"""The ring of a replay that is over, and real brain processes that read it: killed and started
again, each round leaves the journal of a brain that was not, or it is wrong.

A ring that stands still needs no stream. All rounds read the same one, so that their signals have
the same ids and stamps: nothing but `latency_us` may differ.
"""

from __future__ import annotations

import contextlib
import gzip
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
from fakes.instance import HunterInstance, is_gone, wait_until

from hunter.brain.checkpoint import CheckpointStore
from hunter.config import Config, save_effective
from hunter.ring import segment
from hunter.ring.layout import RingLayout
from hunter.ring.merge import merged_row_count
from hunter.runtime.runner import EFFECTIVE_CONFIG
from hunter.signals.journal_reader import last_signals
from hunter.signals.signal import encode_signal
from hunter.simulator.instruments import listing
from hunter.simulator.market import Market
from hunter.status import block, documents

BRAIN = "brain-0"
# The actor as it is, but for the pieces it reads in: the same ring, read in the same pieces, would
# not show that what a brain says depends on them.
PACED = """
import runpy
from hunter.brain import actor
actor.ROWS_PER_TURN_MAX, actor.CHECKPOINT_EVERY_ROWS = {pace[0]}, {pace[1]}
runpy.run_module("hunter.brain", run_name="__main__")
"""
SNAPSHOT_BYTES_MAX = 64 << 10
START_NS = 1_790_000_000_000_000_000
ALL_READ_S = 120.0
REST_S, START_S = 0.3, 3.0


def pair_recording(path: Path, seconds: int, rate: float, seed: int) -> Path:
    """A made-up market of BTC-USDT and its swap, frame by frame as a recorder would see them."""
    markets = [
        Market(listing(name), rate, seed + number, START_NS)
        for number, name in enumerate(("BTC-USDT", "BTC-USDT-SWAP"))
    ]
    channels = ("trades", "tickers", "books", "bbo-tbt")
    with gzip.open(path, "wb", compresslevel=1) as file:
        for now_ns in range(START_NS, START_NS + seconds * 1_000_000_000, 10_000_000):
            for market in markets:
                file.writelines(
                    b"%d %s\n" % (now_ns, push.text)
                    for push in market.advance(now_ns)
                    if push.channel in channels
                )
    return path


def told(config: Config) -> list[bytes]:
    """The journal, but for what no two runs have in common."""
    signals = last_signals(config.data_dir / "signals", 10_000_000)
    return [encode_signal(msgspec.structs.replace(one, latency_us=0.0)) for one in signals]


def timeless(lines: Sequence[bytes]) -> list[dict[str, Any]]:
    """Of signals, what the input alone decides: no ring's name, no moment of reception."""
    found = []
    for line in lines:
        item = msgspec.json.decode(line)
        item["id"] = item["id"].partition("-")[2]
        del item["decided_ts_ns"], item["latency_us"], item["quality"]["lag_ms"]
        found.append(item)
    return found


class Pace(NamedTuple):
    """How many rows of a lane a brain reads in a turn, and in all between two checkpoints."""

    row_count_max: int
    save_every_rows: int


class StillRing:
    """A copy of an instance's ring, made while nobody writes it; `rooms` for brains beside it."""

    def __init__(self, home: Path, instance: HunterInstance, shard: int = 0) -> None:
        self._home, self._config, self._name = home, instance.config, f"ring-{shard}"
        self._copy = instance.shared.with_name(f"{instance.shared.name}-still")
        self._copy.mkdir(mode=0o700)
        self.path = self._copy / self._name
        shutil.copy(instance.shared / self._name, self.path)
        with segment.attach(self.path) as shared:
            self.layout = RingLayout.read_header(shared.view)
            self.row_count = merged_row_count(shared, self.layout)

    @contextlib.contextmanager
    def room(self, name: str) -> Iterator[Room]:
        made = Room(self._home / name, self._config, self.path)
        try:
            yield made
        finally:
            made.close()

    def close(self) -> None:
        shutil.rmtree(self._copy)


class Room:
    """Directories and a status page for one brain at a time, beside a ring that stands still."""

    def __init__(self, home: Path, config: Config, ring: Path) -> None:
        home.mkdir()
        section = msgspec.structs.replace(
            config.hunter, runtime_dir=str(home), data_dir=str(home / "data"), log_dir=""
        )
        self.config = msgspec.structs.replace(config, hunter=section)
        self.shared = segment.shared_dir(section.name, self.config.runtime_dir)
        segment.make_private_dir(self.shared)
        os.link(ring, self.shared / ring.name)
        self._status = block.create(self.shared, section.name, [BRAIN], 64 << 10, START_NS)
        self.page = self._status.pages[BRAIN]
        save_effective(self.config, home / EFFECTIVE_CONFIG)
        self._log = home / "brain.log"
        self.process: subprocess.Popen[bytes] | None = None
        self.snapshot_bytes_max = 0
        self._generation = 0  # of the document that the brain before left

    @property
    def restored_count(self) -> int:
        """Brains that went on from a checkpoint, not from the beginning."""
        return self._log.read_text().count("restored from its checkpoint")

    def start(self, pace: Pace | None = None) -> None:
        assert self.process is None
        self._generation = self.page.beat().generation
        how = ["-m", "hunter.brain"] if pace is None else ["-c", PACED.format(pace=pace)]
        words = [sys.executable, *how, BRAIN, str(self.config.runtime_dir)]
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(words, stdout=log, stderr=log)

    def end(self, number: int) -> None:
        """By a signal; it may be too late, and dead already, only if that was one too."""
        assert self.process is not None
        self.process.send_signal(number)
        code = self.process.wait(20)
        assert code == (-number if number == signal.SIGKILL else 0), code
        self.process = None

    def wait_until_attached(self) -> None:
        process = self.process
        assert process is not None

        def is_attached() -> bool:
            assert process.poll() is None, f"the brain ended by itself: {process.returncode}"
            return self.page.beat().pid == process.pid

        wait_until("a brain at its page", is_attached, every_s=0.002)

    @property
    def read_row_count(self) -> int:
        """As the document says, its own or that of the brain before."""
        found = documents.decode(self.page.read_document(), documents.BrainDocument)
        return sum(msgspec.structs.astuple(found.inputs)) if found else 0

    def kill_at(self, dice: random.Random, row_count: int) -> None:
        """Start it and kill it: at times while it begins, mostly while it reads the rest of so many
        rows, and else when it rests. Each reads in other pieces, with checkpoints elsewhere.
        """
        self.start(Pace(dice.choice((1, 3, 20, 512)), dice.choice((500, 3_000, 20_000))))
        if dice.random() < 0.1:
            time.sleep(dice.uniform(0.0, 0.3))
        else:
            self.wait_until_attached()
            self._wait_for_progress(dice.uniform(0.0, row_count))
            time.sleep(dice.uniform(0.0, 0.02))  # its beats are that far apart
        self.end(signal.SIGKILL)
        self.measure_snapshots()

    def _wait_for_progress(self, row_count: float) -> None:
        """Until it has read so many rows in this life, or none for a while."""
        before, quiet_since_s = -1, time.monotonic()
        while (now := self.page.beat().progress) < row_count:
            if now != before:
                before, quiet_since_s = now, time.monotonic()
            elif time.monotonic() > quiet_since_s + (REST_S if now else START_S):
                return
            time.sleep(0.001)

    def run_to_the_end(self, row_count: int) -> None:
        """Start it, and end it in order when it has read everything."""
        self.start()
        self.wait_until_attached()
        process = self.process
        assert process is not None

        def is_done() -> bool:
            assert process.poll() is None, f"the brain ended by itself: {process.returncode}"
            is_its_own = self.page.beat().generation > self._generation
            return is_its_own and self.read_row_count >= row_count

        wait_until("every row read", is_done, ALL_READ_S, 0.02)
        self.end(signal.SIGTERM)
        assert self.read_row_count == row_count
        self.measure_snapshots()

    def measure_snapshots(self) -> None:
        for path in (self.config.data_dir / "checkpoints").glob("ring-*.[01]"):
            _, found = CheckpointStore.read(path)
            for group in found.groups if found else ():
                for member in group.members:
                    self.snapshot_bytes_max = max(self.snapshot_bytes_max, len(member.brain))

    def close(self) -> None:
        if self.process is not None and not is_gone(self.process.pid):
            self.process.kill()
            self.process.wait(20)
        self._status.close()
        shutil.rmtree(self.shared, ignore_errors=True)
