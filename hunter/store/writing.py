"""The writing thread: batches become parts, parts are merged, old ones removed, off the loop.

A disk may take seconds for one file; the loop must beat meanwhile, and go on reading the ring. What
is handed over and what comes back goes through two queues of limited length, and nothing else is
shared: the files belong to this thread once it has begun. Batches are written in the order they are
given; merging goes on only while none waits, step by step.

After an error of the disk the batch comes back with the reason, and so do those behind it: whoever
gave them gives them again, unchanged, when it is time.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Final, NamedTuple

from hunter.clock import Clock
from hunter.store.files import StoreFiles
from hunter.store.parts import PartFile, StoreLimits, parts_to_merge, parts_to_remove

if TYPE_CHECKING:
    import pyarrow as pa

BATCHES_MAX: Final = 32
CARE_EVERY_NS: Final = 5_000_000_000
CARE_AGAIN_NS: Final = 60_000_000_000
"""After a trouble."""
RETRY_S_MIN: Final = 1.0
RETRY_S_MAX: Final = 30.0


class Batch(NamedTuple):
    """Rows of one lane and one day, and the part they are to become. `source`: the ring's."""

    part: PartFile
    row_count: int
    source: int
    table: Callable[[], pa.Table]


class Written(NamedTuple):
    """`why`: what the disk said; "" when the part is there."""

    batch: Batch
    why: str


class RowTally(NamedTuple):
    """What is kept, as of the last thing that was done."""

    file_count: int = 0
    size_bytes: int = 0
    removed_count: int = 0
    merged_count: int = 0


class WritingThread:
    """`start`, then, once `is_open`, `give` and `take` by the loop. `opening` is called first, and
    again while it says why not.
    """

    def __init__(
        self, files: StoreFiles, limits: StoreLimits, clock: Clock, opening: Callable[[], str]
    ) -> None:
        self._files = files
        self._limits = limits
        self._opening = opening
        self._clock = clock
        self._given: deque[Batch] = deque()
        self._done: deque[Written] = deque()
        self._wake = threading.Event()
        self._news = threading.Event()
        self._opened = threading.Event()
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name="store-writing", daemon=True)
        self._care: Iterator[bool] | None = None
        self._care_due_ns = 0
        self.pending = 0
        """Batches given and not taken back yet."""
        self.tally = RowTally()
        self.trouble = ""
        """Why the store cannot be opened, or merging or removing does not work now."""
        self.strangers: deque[str] = deque(maxlen=8)
        """Files with a part's name that no store wrote; they stay."""

    @property
    def is_alive(self) -> bool:
        return self._thread.is_alive()

    @property
    def has_room(self) -> bool:
        return self.pending < BATCHES_MAX

    @property
    def is_open(self) -> bool:
        return self._opened.is_set()

    def start(self) -> None:
        self._thread.start()

    def wait(self, timeout_ms: int) -> None:
        """Until something has been done, at most so long."""
        self._news.wait(timeout_ms / 1000)
        self._news.clear()

    def give(self, batch: Batch) -> None:
        assert self.has_room
        self.pending += 1
        self._given.append(batch)
        self._wake.set()

    def take(self) -> list[Written]:
        """What has been done since the last call."""
        found = []
        while self._done:
            found.append(self._done.popleft())
        self.pending -= len(found)
        return found

    def close(self, timeout_s: float) -> bool:
        """Write what was given, no more merging; False when the disk does not take it in time."""
        self._ending.set()
        self._wake.set()
        if self._thread.ident is not None:
            self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        self._open()
        while True:
            self._wake.clear()
            while self._given:
                self._write()
            if self._ending.is_set():
                return
            if not self._care_step():
                self._wake.wait(0.5)

    def _open(self) -> None:
        wait_s = RETRY_S_MIN
        while not self._ending.is_set():
            try:
                self.trouble = self._opening()
            except OSError as error:
                self.trouble = _why(error)
            if not self.trouble:
                self._tell()
                self._opened.set()
                return
            self._ending.wait(wait_s)
            wait_s = min(RETRY_S_MAX, 2 * wait_s)

    def _write(self) -> None:
        batch = self._given[0]
        why = ""
        try:
            self._files.write(batch.part, batch.table(), batch.source)
        except OSError as error:
            why = _why(error)
        self._given.popleft()
        self._tell()
        self._done.append(Written(batch, why))
        while why and self._given:
            self._done.append(Written(self._given.popleft(), why))
        self._news.set()

    def _care_step(self) -> bool:
        """Go on merging or removing; False when there is nothing to do for now."""
        now_ns = self._clock.monotonic_ns()
        if self._care is None:
            if now_ns < self._care_due_ns:
                return False
            self._care = self._take_care()
        if next(self._care, None) is None:
            self._care = None
            again_ns = CARE_AGAIN_NS if self.trouble else CARE_EVERY_NS
            self._care_due_ns = now_ns + again_ns
        self._tell()
        return self._care is not None

    def _take_care(self) -> Iterator[bool]:
        """First room, then order. What cannot be done to one folder is done to the others."""
        files = self._files
        now_wall_ns = self._clock.wall_ns()
        kept = files.newest_parts()
        trouble = ""
        for part in parts_to_remove(files.parts(), kept, self._limits, now_wall_ns):
            try:
                if not files.remove(part):
                    self.strangers.append(part.path)
            except OSError as error:
                trouble = f"not removed: {_why(error)}"
            yield True
        for parts in files.folders():
            if not (found := parts_to_merge(parts, now_wall_ns)):
                continue
            try:
                for _ in files.merge(found):
                    yield True
            except FileNotFoundError:
                trouble = self._look_again() or trouble
            except OSError as error:
                trouble = f"not merged: {_why(error)}"
            yield True
        self.trouble = trouble

    def _look_again(self) -> str:
        """Somebody else removes files here; why it cannot be looked at what is left."""
        try:
            self._files.look_again()
        except OSError as error:
            return f"not looked through: {_why(error)}"
        return ""

    def _tell(self) -> None:
        files = self._files
        self.tally = RowTally(
            files.file_count, files.size_bytes, files.removed_count, files.merged_count
        )


def _why(error: OSError) -> str:
    return error.strerror or str(error)
