"""What happens to the ring under real processes: bits flip, it is cut short, its writer stops.

Run as a program inside a mount namespace, this file is the inner half of its last test.
"""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import signal
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from fakes.instance import HunterInstance, is_gone, running, temporary_home, wait_until
from soak.kill_actors import check, expand, ledger, writer_of

from hunter.ring import segment
from hunter.ring.layout import EPOCH_LOG_ENTRIES, EPOCH_LOG_OFFSET, EPOCH_WORD, RingLayout
from hunter.ring.reader import LaneReader
from hunter.ring.rows import ROW_BYTES, Kind

pytestmark = pytest.mark.system
SWAP = "BTC-USDT-SWAP"
SIM = ("--no-limits", "--rate", "300")
# All rows of a test are still there at its end, however long a busy machine takes for it.
ROOMY = "ring.capacity=131072"
# The watchdog leaves stopped processes alone for as long as such a test stops them.
PATIENT = "watchdog.hang_after_ms=60000"


class Ring:
    """The first ring of an instance, as its reader and as whoever damages it."""

    def __init__(self, instance: HunterInstance) -> None:
        self.path = instance.shared / "ring-0"
        self.shared = segment.attach(self.path)
        self.layout = RingLayout.read_header(self.shared.view)
        self.trades = LaneReader(self.shared, self.layout, 0, Kind.TRADE)

    @property
    def epoch(self) -> int:
        return self.shared.words[EPOCH_WORD]

    def writers(self) -> dict[int, int]:
        """Pids by epoch, out of the log in the header."""
        entries = struct.iter_unpack(
            "<4Q", self.shared.view[EPOCH_LOG_OFFSET : EPOCH_LOG_OFFSET + 32 * EPOCH_LOG_ENTRIES]
        )
        return {epoch: pid for epoch, pid, _, _ in entries if epoch}

    def flip(self, kind: Kind, position: int) -> None:
        """A bit of a row of the first instrument."""
        slot = position & (self.layout.capacities[kind] - 1)
        start = self.layout.lane_offset(0, kind) + slot * ROW_BYTES[kind]
        with segment.attach(self.path, writable=True) as writable:
            writable.view[start + 21] ^= 8


@contextlib.contextmanager
def ring_of(instance: HunterInstance) -> Iterator[Ring]:
    ring = Ring(instance)
    try:
        yield ring
    finally:
        ring.shared.close()


def send(instance: HunterInstance, actor: str, number: int) -> int:
    pid = int(instance.actor(actor)["pid"])
    os.kill(pid, number)
    return pid


def test_r6_flipped_bits_cost_their_rows_and_nothing_else(home: Path) -> None:
    with running(home, ROOMY, PATIENT, sim=SIM) as (instance, _), ring_of(instance) as ring:
        pids = instance.tree_pids()
        brain = send(instance, "brain-0", signal.SIGSTOP)
        first = ring.trades.head
        wait_until("rows that the brain has not read", lambda: ring.trades.head > first + 30)
        spoilt = [first + 10, first + 11, first + 20]
        for position in spoilt:
            ring.flip(Kind.TRADE, position)
        os.kill(brain, signal.SIGCONT)
        wait_until(
            "the reason in status",
            lambda: any("3 damaged rows" in reason for reason in instance.status()["reasons"]),
        )
        assert instance.tree_pids() == pids, "nobody died of it"
        sequences = {row["sequence"] for row in instance.trades(SWAP)}
        assert sequences.isdisjoint(position + 1 for position in spoilt)
        assert set(range(first + 1, first + 31)) - sequences == {p + 1 for p in spoilt}
        assert "left out 3 damaged rows" in instance.log("brain-0")


def test_r6_newest_row_damaged_under_a_dead_writer_is_fetched_again(home: Path) -> None:
    with running(home, ROOMY, sim=SIM) as (instance, simulator), ring_of(instance) as ring:
        wait_until("rows", lambda: ring.trades.head > 20)
        supervisor = instance.supervisor_pid()
        os.kill(supervisor, signal.SIGSTOP)  # so that the next writer comes when we are ready
        stream = send(instance, "stream-0", signal.SIGKILL)
        wait_until("its death", lambda: is_gone(stream))
        newest = ring.trades.head - 1
        for back in range(3):
            ring.flip(Kind.TRADE, newest - back)
        os.kill(supervisor, signal.SIGCONT)
        wait_until("rows of the next writer", lambda: ring.trades.head > newest + 30)
        wait_until("every hole filled", lambda: not instance.status()["reasons"])
        rows = instance.trades(SWAP)
        spoilt = {newest + 1 - back for back in range(3)}
        found = {row["sequence"] for row in rows}
        assert set(range(rows[0]["sequence"], rows[-1]["sequence"] + 1)) - found == spoilt
        first, last = rows[0], rows[-1]
        truth = ledger(simulator, first["trade_id"] - first["count"], last["trade_id"])
        assert expand(rows) == truth, "what the damaged rows told is there again"


def test_r2_r3_stopped_brain_is_not_waited_for_and_counts_what_it_missed(home: Path) -> None:
    with (
        running(home, PATIENT, "ring.capacity=256", sim=SIM) as (instance, _),
        ring_of(instance) as ring,
    ):
        stream = instance.actor("stream-0")["pid"]
        brain = send(instance, "brain-0", signal.SIGSTOP)
        first = ring.trades.head
        wait_until("two laps", lambda: ring.trades.head > first + 600)
        os.kill(brain, signal.SIGCONT)
        lapped = wait_until("counted", lambda: instance.status()["brain"]["lapped"])
        assert lapped > 256
        assert instance.actor("stream-0")["pid"] == stream
        assert instance.actor("brain-0")["pid"] == brain


def test_r7_ring_cut_short_costs_its_users_and_not_the_supervisor(home: Path) -> None:
    limits = ("supervisor.max_restarts=3", "supervisor.period_s=600")
    with running(home, *limits, sim=SIM) as (instance, _):
        supervisor = instance.supervisor_pid()
        os.truncate(instance.shared / "ring-0", 4096)
        wait_until(
            "stream and brain given up",
            lambda: all(
                instance.actor(name)["state"] == "parked" for name in ("stream-0", "brain-0")
            ),
            timeout_s=60,
            every_s=0.2,
        )
        report = instance.status()
        assert report["pid"] == supervisor
        assert report["state"] == "degraded"
        cure = "make it anew: hunter stop, then hunter start"
        assert any(reason.startswith("ring-0: ") and cure in reason for reason in report["reasons"])
        for actor in report["actors"]:
            if actor["role"] in ("stream", "brain"):
                assert actor["restarts"] <= 4, "nothing loops"
                assert cure in instance.log(actor["name"])
        done = instance.command("trades", SWAP, check=False)
        assert done.returncode == 1
        assert cure in done.stderr
        instance.command("stop")
        instance.start()
        wait_until("running", lambda: instance.status()["state"] == "running")


def test_r5_damaged_and_half_made_rings_do_not_keep_the_next_start(home: Path) -> None:
    with running(home, sim=SIM) as (instance, _):
        pids = instance.tree_pids()
        os.kill(pids[0], signal.SIGKILL)
        wait_until("the end of all", lambda: all(is_gone(pid) for pid in pids))
        ring = instance.shared / "ring-0"
        raw = bytearray(ring.read_bytes())
        raw[0x20] ^= 1
        ring.write_bytes(raw)
        half_made = instance.shared / ".ring-0.1.new"
        half_made.write_bytes(b"half")
        instance.start()
        wait_until("running", lambda: instance.status()["state"] == "running")
        assert (instance.shared / "ring-0.rejected").read_bytes() == raw
        assert not half_made.exists()


def test_p4_stopped_writer_is_dead_before_its_standby_writes(home: Path) -> None:
    """Stopped wherever it is, under load, again and again; continued when the other one writes."""
    dice = random.Random(20261123)
    with (
        running(home, ROOMY, "stream.standby=true", sim=("--no-limits", "--rate", "500")) as (
            instance,
            simulator,
        ),
        ring_of(instance) as ring,
    ):
        stopped: dict[int, int] = {}
        for _ in range(3):
            name = writer_of(instance)
            time.sleep(dice.random() * 0.2)
            epoch, pid = ring.epoch, send(instance, name, signal.SIGSTOP)
            stopped[epoch] = pid
            wait_until("the other one writes", lambda before=epoch: ring.epoch > before)
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)
            wait_until("its end", lambda gone=pid: is_gone(gone))
            wait_until("the other one", lambda old=name: writer_of(instance) != old)
        head = ring.trades.head
        wait_until("rows of the last one", lambda: ring.trades.head > head + 100)
        writers = ring.writers()
        assert sorted(writers) == list(range(1, ring.epoch + 1)), "each epoch once"
        for epoch, pid in stopped.items():
            assert writers[epoch] == pid
            assert pid not in [writers[later] for later in writers if later > epoch]
        result = check(instance, simulator, {})
        streams = ("stream-0: ", "stream-0b: ")  # their restarts are meant
        assert [f for f in result["failures"] if not f.startswith(streams)] == []


def test_p4_nobody_takes_over_from_a_stopped_writer_that_lives(home: Path) -> None:
    with (
        running(home, ROOMY, "stream.standby=true", PATIENT, sim=SIM) as (instance, simulator),
        ring_of(instance) as ring,
    ):
        name = writer_of(instance)
        epoch = ring.epoch
        # swept away by a cleaner of old files: the two still hold the same one
        (instance.config.runtime_dir / "ring-0.lock").unlink()
        pid = send(instance, name, signal.SIGSTOP)
        end = time.monotonic() + 1.5
        while time.monotonic() < end:
            assert ring.epoch == epoch
            time.sleep(0.02)
        head = ring.trades.head
        os.kill(pid, signal.SIGCONT)
        wait_until("its rows", lambda: ring.trades.head > head + 50)
        assert ring.epoch == epoch
        assert instance.actor(name)["pid"] == pid
        assert check(instance, simulator, {})["failures"] == []


def namespace_refused() -> str:
    """Why there is no mount namespace to be had here, or ""."""
    if shutil.which("unshare") is None:
        return "no unshare(1)"
    words = ["unshare", "-Urm", "mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", "/dev/shm"]
    done = subprocess.run(words, capture_output=True, text=True, timeout=20, check=False)
    return done.stderr.strip() if done.returncode else ""


def test_r9_full_shared_memory_later_on_changes_nothing() -> None:
    if refused := namespace_refused():
        pytest.skip(f"no mount namespace: {refused}")
    script = 'mount -t tmpfs -o size=32m tmpfs /dev/shm && exec "$@"'
    words = ["unshare", "-Urm", "sh", "-c", script, "sh", sys.executable, __file__]
    done = subprocess.run(words, capture_output=True, text=True, timeout=90, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "full, and it goes on" in done.stdout


def fill_shared_memory() -> None:
    """In a namespace of our own: an instance, then no byte left beside it."""
    with temporary_home() as home, running(home, sim=SIM) as (instance, _):
        with open("/dev/shm/filler", "wb", buffering=0) as filler, contextlib.suppress(OSError):
            while True:
                filler.write(bytes(1 << 16))
        assert os.statvfs("/dev/shm").f_bavail == 0
        with ring_of(instance) as ring:
            pids, head = instance.tree_pids(), ring.trades.head
            lap = ring.layout.capacities[Kind.TRADE]
            wait_until("rows", lambda: ring.trades.head > head + 300)
            assert ring.trades.head < lap, "pages nobody has touched so far"
        send(instance, "brain-0", signal.SIGKILL)
        wait_until("the next brain", lambda: instance.status()["state"] == "running")
        assert instance.tree_pids()[:2] == pids[:2]
        print("full, and it goes on")


if __name__ == "__main__":
    fill_shared_memory()
