"""DiskSync: has the kernel write files through to the disk, at most once a second, off the loop.

What a process has written survives the process by itself: it is in the kernel's page cache. Only a
host that crashes, or loses its power, takes what was not written through: with this thread, what
is younger than about a second. It opens the files by their names, holds none open, and nobody
waits for it here; a disk that stands still makes the promise weaker, and the kernel may let a write
wait for it all the same. What failed is tried again. After an error of the disk itself that says
little about the bytes that failed: the kernel takes them for written (fsync(2)). Owned by the
journal's owner.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Final

EVERY_S: Final = 1.0
END_TIMEOUT_S: Final = 1.0


class DiskSync:
    """`wrote` after each write, `close` at the end. The thread begins with the first write."""

    def __init__(self, every_s: float = EVERY_S) -> None:
        self.syncs = 0
        self.error = ""
        """Why something is not written through now; "" when all is that was tried."""
        self._every_s = every_s
        self._lock = threading.Lock()  # held for a look at the set only
        self._pending: set[Path] = set()
        self._named: set[Path] = set()
        self._asked = threading.Event()
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None

    def wrote(self, path: Path) -> None:
        """Something was appended to the file at `path`."""
        with self._lock:
            self._pending.add(path)
        self._asked.set()
        if self._thread is None:
            self._begin()

    def _begin(self) -> None:
        thread = threading.Thread(target=self._run, name="disk-sync", daemon=True)
        try:
            thread.start()
        except RuntimeError as error:  # a limit of threads or memory; the next write tries again
            self.error = str(error)
            return
        self._thread = thread

    def close(self) -> bool:
        """Write through what is left; False when the disk does not take it, or not in time."""
        self._ended.set()
        self._asked.set()
        if self._thread is not None:
            self._thread.join(END_TIMEOUT_S)
        ended = self._thread is None or not self._thread.is_alive()
        return ended and not self.error

    def _run(self) -> None:
        while True:
            self._asked.wait()
            last = self._ended.is_set()
            with self._lock:
                self._asked.clear()
                paths, self._pending = self._pending, set()
            troubles = {path: why for path in paths if (why := self._write_through(path))}
            self.error = next(iter(troubles.values()), "")
            if troubles:
                with self._lock:
                    self._pending |= troubles.keys()
                    self._asked.set()
            if last:
                return
            if self._ended.wait(self._every_s):
                self._asked.set()

    def _write_through(self, path: Path) -> str:
        """Why it could not be done, or nothing."""
        try:
            _sync(path, os.fdatasync)
            if path not in self._named:
                _sync(path.parent, os.fsync)  # a new file's name is the directory's content
                self._named.add(path)
        except FileNotFoundError:
            self._named.discard(path)  # removed meanwhile: there is nothing to save
            return ""
        except OSError as error:
            return error.strerror or str(error)
        self.syncs += 1
        return ""


def _sync(path: Path, write_through: Callable[[int], None]) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        write_through(descriptor)
    finally:
        os.close(descriptor)
