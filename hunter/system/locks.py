"""One supervisor for an instance, and one instance for a data directory.

Both are flocks held for life, so that the kernel gives them back however their holder ends. Should
somebody sweep the lock file of a running instance away, the supervisor's page still says that it
lives.
"""

from __future__ import annotations

from typing import Final

from hunter.config import Config
from hunter.errors import AlreadyRunning, SegmentError
from hunter.ring.segment import make_private_dir, shared_dir
from hunter.status import block
from hunter.status.page import is_alive
from supervisor.errors import LockHeld
from supervisor.lock import InstanceLock, holder

LOCK_FILE: Final = "supervisor.lock"
DATA_LOCK_FILE: Final = "in-use.lock"


def running_pid(config: Config) -> int | None:
    """Pid of the supervisor of this instance, None when it does not run."""
    return holder(str(config.runtime_dir / LOCK_FILE)) or _pid_on_page(config)


def refuse_running(config: Config) -> None:
    """Raises AlreadyRunning, with the pid, when the instance is up."""
    pid = running_pid(config)
    if pid is not None:
        raise _already_running(config, pid)


def take_lock(config: Config) -> InstanceLock:
    """Become the supervisor of this instance, or raise AlreadyRunning."""
    make_private_dir(config.runtime_dir)
    lock = InstanceLock(str(config.runtime_dir / LOCK_FILE))
    try:
        lock.acquire()
    except LockHeld as error:
        raise _already_running(config, error.pid) from None
    pid = _pid_on_page(config)
    if pid is not None:
        lock.release()
        raise AlreadyRunning(
            f'hunter "{config.hunter.name}" is running (pid {pid}), but its lock file was removed;'
            " stop it: hunter stop"
        )
    return lock


def take_data_lock(config: Config) -> InstanceLock:
    """Journal, checkpoints and logs have one writer, whatever the instance is called."""
    lock = InstanceLock(str(config.data_dir / DATA_LOCK_FILE))
    try:
        lock.acquire()
    except LockHeld as error:
        raise AlreadyRunning(
            f"{config.data_dir} is in use by another instance (pid {error.pid});"
            " give each its own [hunter] data_dir"
        ) from None
    return lock


def _already_running(config: Config, pid: int) -> AlreadyRunning:
    return AlreadyRunning(
        f'hunter "{config.hunter.name}" is already running (pid {pid}); see: hunter status'
    )


def _pid_on_page(config: Config) -> int | None:
    try:
        status = block.attach(shared_dir(config.hunter.name, config.runtime_dir))
    except SegmentError:
        return None
    beat = status.pages[block.SUPERVISOR].beat()
    status.close()
    return beat.pid if is_alive(beat) else None
