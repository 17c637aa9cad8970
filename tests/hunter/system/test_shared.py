from __future__ import annotations

import errno
import logging
import os
import shutil

import pytest
from fakes.actor_stage import SWAP, Stage

from hunter.access import Instance
from hunter.config import load_effective
from hunter.errors import AlreadyRunning, SegmentUnusable
from hunter.ring.rows import Kind
from hunter.ring.writer import RingWriter
from hunter.status.block import SUPERVISOR
from hunter.system.locks import LOCK_FILE
from hunter.system.shared import Prepared, leftovers, prepare, remove_leftovers
from hunter.system.wishes import keep_stopped
from supervisor.lock import InstanceLock


def test_prepare_makes_everything_actors_find(stage: Stage, prepared: Prepared) -> None:
    assert prepared.status.actors == [SUPERVISOR, "stream-0", "brain-0", "watchdog"]
    assert load_effective(stage.config.runtime_dir / "effective.json") == stage.config
    with Instance(stage.config) as instance:
        assert instance.instruments == [SWAP, "ETH-USDT-SWAP"]
    assert stage.shared.stat().st_mode & 0o777 == 0o700
    assert prepared.ring_ids[0]


def test_prepare_adopts_the_ring_of_the_run_before(
    stage: Stage, prepared: Prepared, quiet: logging.Logger
) -> None:
    writer = RingWriter(stage.ring_path(), 1)
    writer.put_trade(0, 1, (5, 1, 1.0, 1.0, 1, 1))
    writer.publish()
    writer.close()
    again = prepare(stage.config, quiet, demo=False)
    again.status.close()
    assert again.ring_ids == prepared.ring_ids
    assert len(stage.rows(Kind.TRADE)) == 1


def test_prepare_never_continues_the_market_with_the_demo(
    stage: Stage, prepared: Prepared, quiet: logging.Logger
) -> None:
    demo = prepare(stage.config, quiet, demo=True)
    demo.status.close()
    assert demo.ring_ids != prepared.ring_ids


def test_prepare_removes_rings_of_shards_that_are_gone(stage: Stage, quiet: logging.Logger) -> None:
    for name in ("ring-7", "ring-0.rejected"):
        (stage.shared / name).write_bytes(b"x")
    prepare(stage.config, quiet, demo=False).status.close()
    assert sorted(path.name for path in stage.shared.glob("ring-*")) == [
        "ring-0",
        "ring-0.rejected",
    ]


def test_leftovers_of_a_killed_run_are_removed(stage: Stage, prepared: Prepared) -> None:
    run = stage.config.runtime_dir
    foreign = {"database.lock", "other.ipc"}  # of whatever else lives in the directory
    for name in ("control.ipc", "ring-0.lock", LOCK_FILE, *foreign):
        (run / name).touch()
    keep_stopped(stage.config, {"brain-0"})
    assert leftovers(stage.config) == [
        stage.shared,
        *(run / name for name in ("effective.json", "control.ipc", "ring-0.lock")),
    ]
    assert remove_leftovers(stage.config)
    assert not stage.shared.exists()
    assert {path.name for path in run.iterdir()} == {LOCK_FILE, *foreign}
    assert not remove_leftovers(stage.config), "nothing is left to remove"


def test_leftovers_of_a_run_before_a_reboot_are_found_and_removed(stage: Stage) -> None:
    """Shared memory is gone then, a runtime directory on a disk is not."""
    shutil.rmtree(stage.shared)
    stale = stage.config.runtime_dir / "control.ipc"
    stale.touch()
    assert leftovers(stage.config) == [stale]
    assert remove_leftovers(stage.config)
    assert leftovers(stage.config) == []


def test_leftovers_of_a_running_instance_are_not_touched(stage: Stage) -> None:
    lock = InstanceLock(str(stage.config.runtime_dir / LOCK_FILE))
    lock.acquire()
    try:
        with pytest.raises(AlreadyRunning, match=rf"already running \(pid {os.getpid()}\)"):
            remove_leftovers(stage.config)
    finally:
        lock.release()
    assert stage.shared.exists()


@pytest.mark.parametrize(
    ("room_mib", "said"),
    [(20, r"all rings take \d+ MiB; those of \[ring\] capacity = \d+ would fit"),
     (0, "not even the smallest capacity fits: follow fewer instruments")],
)  # fmt: skip
def test_rings_without_room_are_an_error_that_says_what_to_set(
    stage: Stage,
    quiet: logging.Logger,
    monkeypatch: pytest.MonkeyPatch,
    room_mib: int,
    said: str,
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("hunter.system.shared._room_bytes", lambda _: room_mib << 20)
    monkeypatch.setattr(os, "posix_fallocate", refuse)
    with pytest.raises(SegmentUnusable, match=r"--shm-size.*" + said):
        prepare(stage.config, quiet, demo=False)
