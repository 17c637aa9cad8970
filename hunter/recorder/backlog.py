"""Between receiving and writing: lines that wait for the disk, limited in bytes.

One thread puts, one takes, and neither waits for the other's work. When the limit is reached, what
comes is dropped and counted, because a receiver that waits would be cut off by the exchange, which
loses more. Each total is written by one thread alone, so there is nothing to lock.
"""

from __future__ import annotations

import queue
from collections.abc import Sequence
from typing import Final

from hunter.exchange.okx.endpoints import PONG_FRAME

WAITING_BYTES_MAX: Final = 64 << 20


class Backlog:
    """`put` frames of one read, `take` them as a block of lines, `close` after the last."""

    def __init__(self, waiting_bytes_max: int = WAITING_BYTES_MAX) -> None:
        self.frames = 0  # accepted
        self.dropped = 0  # there was no room, or the frame cannot be a line
        self._waiting_bytes_max = waiting_bytes_max
        self._put_bytes = 0
        self._taken_bytes = 0
        self._blocks: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()

    @property
    def waiting_bytes(self) -> int:
        return self._put_bytes - self._taken_bytes

    def put(self, received_ns: int, frames: Sequence[bytes]) -> None:
        """All text frames of one read but pongs, which carry nothing and would be the bulk of a
        quiet recording. Acknowledgements, errors and notices are kept: they say why data are not
        there. A frame with a line end inside cannot be one line; OKX sends none.
        """
        lines = [
            b"%d %s\n" % (received_ns, frame)
            for frame in frames
            if frame != PONG_FRAME and b"\n" not in frame
        ]
        self.dropped += sum(b"\n" in frame for frame in frames)
        if not lines:
            return
        block = b"".join(lines)
        if self.waiting_bytes + len(block) > self._waiting_bytes_max:
            self.dropped += len(lines)
            return
        self.frames += len(lines)
        self._put_bytes += len(block)
        self._blocks.put(block)

    def close(self) -> None:
        """No more will be put."""
        self._blocks.put(None)

    def take(self, timeout_s: float) -> bytes | None:
        """The next block; b"" when none came in time, None when there will be no more."""
        try:
            block = self._blocks.get(timeout=timeout_s)
        except queue.Empty:
            return b""
        if block is not None:
            self._taken_bytes += len(block)
        return block
