"""DiskSync: has the kernel write files through to the disk, at most once a second, off the loop.

What a process has written survives the process by itself: it is in the kernel's page cache. Only a
host that crashes, or loses its power, takes what was not written through: with this thread, what
is younger than about a second. It opens the files by their names, holds none open, and nobody
waits for it: a disk that stands still makes the promise weaker and nothing slower. Owned by the
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
        """Why the last attempt failed; "" when it did not."""
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
            self._thread = threading.Thread(target=self._run, name="disk-sync", daemon=True)
            self._thread.start()

    def close(self) -> bool:
        """Write through what is left; False when the disk does not take it in time."""
        self._ended.set()
        self._asked.set()
        if self._thread is not None:
            self._thread.join(END_TIMEOUT_S)
        return self._thread is None or not self._thread.is_alive()

    def _run(self) -> None:
        while True:
            self._asked.wait()
            last = self._ended.is_set()
            with self._lock:
                self._asked.clear()
                paths, self._pending = self._pending, set()
            for path in paths:
                self._write_through(path)
            if last:
                return
            if self._ended.wait(self._every_s):
                self._asked.set()

    def _write_through(self, path: Path) -> None:
        try:
            _sync(path, os.fdatasync)
            if path not in self._named:
                _sync(path.parent, os.fsync)  # a new file's name is the directory's content
                self._named.add(path)
        except FileNotFoundError:
            return  # removed meanwhile: there is nothing to save
        except OSError as error:
            self.error = error.strerror or str(error)
            return
        self.error = ""
        self.syncs += 1


def _sync(path: Path, write_through: Callable[[int], None]) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        write_through(descriptor)
    finally:
        os.close(descriptor)
