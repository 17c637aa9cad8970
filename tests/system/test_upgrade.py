"""What another version of hunter left is refused and made anew, never read as if it were ours.

The versions in the headers are changed by hand: that is what an upgrade, or a way back, finds.
"""

from __future__ import annotations

import os
import signal
import struct
from pathlib import Path

import pytest
from fakes import eager_brain
from fakes.instance import HunterInstance, is_gone, wait_until

pytestmark = pytest.mark.system

VERSION_AT = 8  # after the magic, in ring, status block and checkpoint alike
SOON = (eager_brain.KIND, "brain.interval_ms=50")


def make_foreign(path: Path) -> None:
    """One version up."""
    with path.open("r+b") as file:
        file.seek(VERSION_AT)
        (version,) = struct.unpack("<I", file.read(4))
        assert 0 < version < 1000, "the version stands somewhere else now"
        file.seek(VERSION_AT)
        file.write(struct.pack("<I", version + 1))


def test_start_after_an_upgrade_makes_ring_and_checkpoint_anew_and_keeps_the_journal(
    home: Path,
) -> None:
    eager_brain.put_beside(home)
    instance = HunterInstance(home, SOON, None)
    folder = instance.config.data_dir
    try:
        instance.start("--demo")
        wait_until("signals", instance.signals)
        wait_until("a checkpoint", lambda: [*folder.glob("checkpoints/ring-0.[01]")])
        pid = instance.supervisor_pid()
        os.kill(pid, signal.SIGKILL)
        wait_until("its death", lambda: is_gone(pid))
        before = instance.signals()
        checkpoints = [*folder.glob("checkpoints/ring-0.[01]")]
        for path in (instance.shared / "ring-0", instance.shared / "status", *checkpoints):
            make_foreign(path)

        done = instance.command("status", check=False)
        assert done.returncode == 3, "what cannot be read does not run"
        assert "Traceback" not in done.stderr

        instance.start("--demo")
        assert "ring-0 is new (a ring of another hunter version)" in instance.log("supervisor")
        assert (instance.shared / "ring-0.rejected").exists(), "it is put aside, not overwritten"
        after = instance.log("brain-0").rpartition("starts")[2] or instance.log("brain-0")
        assert "cold" in after
        assert instance.signals()[: len(before)] == before
        wait_until("new signals", lambda: len(instance.signals()) > len(before))
        assert instance.status()["state"] == "running"
    finally:
        instance.stop()
    assert not instance.shared.exists(), "what was put aside goes with an orderly stop"
