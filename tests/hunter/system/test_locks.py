from __future__ import annotations

import os

import pytest
from fakes.actor_stage import Stage

from hunter.errors import AlreadyRunning
from hunter.status.block import SUPERVISOR
from hunter.status.page import process_start_ticks
from hunter.system.locks import (
    DATA_LOCK_FILE,
    LOCK_FILE,
    refuse_running,
    running_pid,
    take_data_lock,
    take_lock,
)
from supervisor.lock import InstanceLock


def test_running_pid_is_the_lock_holders(stage: Stage) -> None:
    assert running_pid(stage.config) is None
    lock = InstanceLock(str(stage.config.runtime_dir / LOCK_FILE))
    lock.acquire()
    assert running_pid(stage.config) == os.getpid()
    lock.release()
    assert running_pid(stage.config) is None


def test_running_instance_is_refused_with_its_pid(stage: Stage) -> None:
    refuse_running(stage.config)
    lock = take_lock(stage.config)
    for refused in (refuse_running, take_lock):
        with pytest.raises(AlreadyRunning) as caught:
            refused(stage.config)
        assert str(caught.value) == (
            f'hunter "default" is already running (pid {os.getpid()}); see: hunter status'
        )
    lock.release()


def test_instance_whose_lock_file_was_swept_away_is_still_there(stage: Stage) -> None:
    page = stage.status.pages[SUPERVISOR]
    page.store("pid", os.getpid())
    page.store("process_start", process_start_ticks(os.getpid()))
    assert running_pid(stage.config) == os.getpid()
    with pytest.raises(AlreadyRunning, match="but its lock file was removed; stop it: hunter stop"):
        take_lock(stage.config)
    page.store("pid", 0)
    take_lock(stage.config).release()


def test_data_directory_has_one_instance(stage: Stage) -> None:
    stage.config.data_dir.mkdir()
    lock = take_data_lock(stage.config)
    with pytest.raises(AlreadyRunning, match=rf"in use by another instance \(pid {os.getpid()}\)"):
        take_data_lock(stage.config)
    lock.release()
    take_data_lock(stage.config).release()
    assert (stage.config.data_dir / DATA_LOCK_FILE).exists()
