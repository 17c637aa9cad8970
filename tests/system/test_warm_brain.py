"""SIGKILL of the brain at any moment: its journal is that of a brain that was never killed."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from fakes import eager_brain
from fakes.instance import running
from fakes.whole_tree import pids_of, wait_until_replaced, wait_until_running

from hunter.runtime.runner import EFFECTIVE_CONFIG
from hunter.signals.journal_reader import last_signals
from hunter.signals.signal import Signal

pytestmark = pytest.mark.system

# Reads the whole ring in one go, as a process of its own with a directory of its own.
UNKILLED = """
import logging, sys
from pathlib import Path
from msgspec.structs import replace
from hunter.brain.actor import BrainActor
from hunter.clock import SystemClock
from hunter.config import load_effective
from hunter.runtime.actor import Context
from hunter.status import block
effective, shared, place = map(Path, sys.argv[1:])
config, clock = load_effective(effective), SystemClock()
config = replace(config, hunter=replace(
    config.hunter, data_dir=str(place), runtime_dir=str(place), log_dir=""))
page = block.create(place, "x", ["brain-0"], 1 << 16, clock.wall_ns()).pages["brain-0"]
actor = BrainActor(Context("brain-0", config, clock, page, shared, logging.Logger("x")))
actor.on_start(clock.monotonic_ns())
while actor.do_work(clock.monotonic_ns()): pass
actor.on_stop()
"""


def told(signals: list[Signal]) -> list[tuple[object, ...]]:
    """What a restart must not change: all but how late it was told."""
    return [
        (s.id, s.direction, s.reason, s.features, s.trade_sequence, s.book_seq_id, s.quality)
        for s in signals
    ]


def test_brain_killed_for_real_tells_what_one_that_was_not_would(home: Path) -> None:
    seed = 20261123
    print("seed", seed)
    dice = random.Random(seed)
    eager_brain.put_beside(home)
    settings = (eager_brain.KIND, "brain.interval_ms=50", "brain.horizon_ms=1000")
    ring = f"ring.capacity={1 << 16}"
    with running(home, *settings, ring, sim=("--no-limits", "--rate", "150")) as (instance, _):
        wait_until_running(instance)
        for _ in range(5):
            time.sleep(dice.uniform(0.3, 1.5))
            pid = pids_of(instance)["brain-0"]
            os.kill(pid, signal.SIGKILL)
            wait_until_replaced(instance, "brain-0", pid)
        killed = last_signals(instance.config.data_dir / "signals", 1_000_000)
        place = home / "unkilled"
        place.mkdir()
        effective = instance.config.runtime_dir / EFFECTIVE_CONFIG
        arguments = [str(effective), str(instance.shared), str(place)]
        subprocess.run([sys.executable, "-c", UNKILLED, *arguments], check=True, timeout=60)
        assert instance.status()["brain"]["lapped"] == 0
    unkilled = last_signals(place / "signals", 1_000_000)
    assert len(killed) > 50
    assert told(killed) == told(unkilled[: len(killed)])
