"""How much room there is where the data are: asked of the kernel by a thread of its own, now and
then.

A file system on a network that is gone lets statvfs(2) wait for ever, and a watchdog that waits is
taken for hung. So nobody waits for the thread; that it does not answer is an answer too. Owned by
the watchdog actor.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

ASK_EVERY_NS: Final = 2_000_000_000
SILENT_AFTER_NS: Final = 15_000_000_000


class Room(NamedTuple):
    """Of one file system: the first of the places that are on it, and what is free to us."""

    place: Path
    free_bytes: int


class DiskLook:
    """`look` at each turn; `rooms` is the newest answer. Begins its thread with the first one."""

    def __init__(self, places: Sequence[Path]) -> None:
        self.rooms: tuple[Room, ...] = ()
        self._places = tuple(places)
        self._asked = threading.Event()
        self._answered = threading.Event()
        self._ended = False
        self._asked_ns = 0
        self._thread: threading.Thread | None = None

    def look(self, now_ns: int) -> bool:
        """Ask if it is time to; False while the disk has not answered for SILENT_AFTER_NS."""
        if self._thread is None:
            self._begin(now_ns)
        elif self._answered.is_set() and now_ns - self._asked_ns >= ASK_EVERY_NS:
            self._ask(now_ns)
        return self._answered.is_set() or now_ns - self._asked_ns < SILENT_AFTER_NS

    def close(self) -> None:
        """Without waiting: the thread may never come back."""
        self._ended = True
        self._asked.set()

    def _begin(self, now_ns: int) -> None:
        thread = threading.Thread(target=self._run, name="disk-look", daemon=True)
        try:
            thread.start()
        except RuntimeError:  # a limit of threads or memory; the next look tries again
            self._answered.set()  # that is not the disk's fault
            return
        self._thread = thread
        self._ask(now_ns)

    def _ask(self, now_ns: int) -> None:
        self._asked_ns = now_ns
        self._answered.clear()
        self._asked.set()

    def _run(self) -> None:
        while True:
            self._asked.wait()
            self._asked.clear()
            if self._ended:
                return
            self.rooms = rooms_of(self._places)
            self._answered.set()


def rooms_of(places: Sequence[Path]) -> tuple[Room, ...]:
    """One for each file system; of a place that is not there yet, the nearest parent's. What cannot
    be asked is left out: whoever writes there says why it cannot.
    """
    found: dict[int, Room] = {}
    for place in places:
        try:
            there = next((each for each in (place, *place.parents) if each.exists()), place)
            device, figures = os.stat(there).st_dev, os.statvfs(there)
        except OSError:
            continue
        found.setdefault(device, Room(place, figures.f_bavail * figures.f_frsize))
    return tuple(found.values())
