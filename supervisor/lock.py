"""The instance lock: at most one process at a time runs a tree, whatever happened before.

flock(2), because the kernel gives it back when its holder dies in any way, because a socket that is
bound twice may be stolen without an error, and because a pid in a file says nothing once the number
is used again. Not lockf: those locks vanish when *any* descriptor of the file is closed. The
descriptor is close-on-exec, else a surviving child would hold the lock for its dead parent. The
file is never deleted: a lock on a deleted file excludes nobody.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import select

from supervisor.errors import LockHeld

_TRIES = 400
_PAUSE_S = 0.005  # others hold the lock shared for microseconds; 400 pauses are two seconds


class InstanceLock:
    """Held from `acquire` to `release`, or to the end of the process."""

    def __init__(self, path: str) -> None:
        self.path = path
        self._descriptor: int | None = None

    def acquire(self) -> None:
        """Take the lock and write our pid, or raise LockHeld with the holder's."""
        assert self._descriptor is None, "acquired twice"
        for _ in range(_TRIES):
            flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
            descriptor = os.open(self.path, flags, 0o600)
            if _try_flock(descriptor, fcntl.LOCK_EX) and _is_still_at(descriptor, self.path):
                text = f"{os.getpid()}\n".encode()
                os.pwrite(descriptor, text, 0)
                os.ftruncate(descriptor, len(text))  # after: a reader must never see it empty
                self._descriptor = descriptor
                return
            # Was it an exclusive holder, or only somebody who looks (holder, or another starter)?
            is_held = not _try_flock(descriptor, fcntl.LOCK_SH)
            os.close(descriptor)
            if is_held:
                raise LockHeld(self.path, _pid_of_holder(self.path))
            _pause()
        raise LockHeld(self.path, 0)

    def release(self) -> None:
        """Give it back; nothing if it is not held."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def holder(path: str) -> int | None:
    """The pid of the process that holds the lock (0 if it does not say), None if nobody does.

    Disturbs nobody: looks at once share the lock, and a starter can tell a look from a holder.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except FileNotFoundError:
        return None
    try:
        return None if _try_flock(descriptor, fcntl.LOCK_SH) else _pid_of_holder(path)
    finally:
        os.close(descriptor)


def _try_flock(descriptor: int, operation: int) -> bool:
    try:
        fcntl.flock(descriptor, operation | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _is_still_at(descriptor: int, path: str) -> bool:
    """Whether the file we locked is the one that others find under the name."""
    ours = os.fstat(descriptor)
    try:
        there = os.stat(path, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return (ours.st_dev, ours.st_ino) == (there.st_dev, there.st_ino)


def _pid_of_holder(path: str) -> int:
    """The pid in the file. The holder may be about to write it over that of a dead one."""
    for _ in range(_TRIES // 10):
        line = b""
        with contextlib.suppress(OSError), open(path, "rb") as file:
            line = file.readline()
        if line.endswith(b"\n") and line.strip().isdigit() and _exists(int(line)):
            return int(line)
        _pause()
    return 0


def _exists(pid: int) -> bool:
    return os.path.exists(f"/proc/{pid}")


def _pause() -> None:
    select.select([], [], [], _PAUSE_S)
