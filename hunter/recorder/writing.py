"""The thread that packs and writes, so that receiving never waits for the disk.

Packing gives up the interpreter's lock, so it takes another core. What has come is handed over when
half a second has passed since the first of it or when there is much of it: of a recorder that is
killed, less than the last second is lost.
"""

from __future__ import annotations

import threading
from typing import Final

from hunter.clock import Clock
from hunter.errors import HunterError
from hunter.recorder.backlog import Backlog
from hunter.recorder.segments import Segments

FLUSH_AFTER_NS: Final = 500_000_000
PART_BYTES_MAX: Final = 1 << 20
END_TIMEOUT_S: Final = 30.0
_TURN_S: Final = 0.05


class WriterThread:
    """Begins at once; `finish` writes what is left. `failure` ends it early."""

    def __init__(self, backlog: Backlog, segments: Segments, clock: Clock) -> None:
        self.failure: HunterError | None = None
        self._backlog = backlog
        self._segments = segments
        self._clock = clock
        self._lines = bytearray()
        self._due_ns = 0
        self._thread = threading.Thread(target=self._run, name="writer", daemon=True)
        self._thread.start()

    def finish(self) -> bool:
        """Write what waits and close the segment; False when the disk does not take it in time."""
        self._backlog.close()
        self._thread.join(END_TIMEOUT_S)
        return not self._thread.is_alive()

    def _run(self) -> None:
        try:
            while (block := self._backlog.take(_TURN_S)) is not None:
                self._add(block)
            self._flush()
        except HunterError as error:  # the receiving thread looks at it and ends the recording
            self.failure = error
        finally:
            self._segments.close()

    def _add(self, block: bytes) -> None:
        now_ns = self._clock.monotonic_ns()
        if not self._lines:
            self._due_ns = now_ns + FLUSH_AFTER_NS
        self._lines += block
        if now_ns >= self._due_ns or len(self._lines) >= PART_BYTES_MAX:
            self._flush()

    def _flush(self) -> None:
        if self._lines:
            self._segments.append(bytes(self._lines))
            self._lines.clear()
