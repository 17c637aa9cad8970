"""A few descriptors held back, so that a program which has run out can still start and sweep.

A supervisor shares its process with what the host program brings, and its limit with what that
leaks. To spawn takes up to eight descriptors for a moment (two pipes, the log, /dev/null, the pipe
by which exec reports, a pidfd), to look for leftovers a few: without these a child that dies when
none is left stays dead. Invariant: held at all times but while lent. Only the runner uses this.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

SPARE_COUNT = 8


class SpareDescriptors:
    """Taken at once; as many as there are, if there are fewer."""

    def __init__(self, count: int = SPARE_COUNT) -> None:
        self._count = count
        self._held: list[int] = []
        self.take()

    @property
    def is_whole(self) -> bool:
        """Whether all are held; if not, the limit has been reached."""
        return len(self._held) == self._count

    def take(self) -> None:
        """Hold as many as are missing and to be had."""
        with contextlib.suppress(OSError):
            while len(self._held) < self._count:
                self._held.append(os.open("/dev/null", os.O_RDONLY | os.O_CLOEXEC))

    @contextlib.contextmanager
    def lent(self) -> Iterator[None]:
        """Give them to what needs some for a moment, and take back what is left at once: whatever
        used up all others would take these, too."""
        self.close()
        try:
            yield
        finally:
            self.take()

    def close(self) -> None:
        while self._held:
            os.close(self._held.pop())
