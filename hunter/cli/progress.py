"""How far a long command is: one line that is rewritten on a terminal, a plain line every ten
seconds elsewhere. Messages in between get lines of their own.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Callable
from typing import Final, TextIO

TERMINAL_EVERY_NS: Final = 200_000_000
PLAIN_EVERY_NS: Final = 10_000_000_000
_ERASE_TO_END: Final = "\x1b[K"


class Progress:
    """Writes to `stream` and forgives it everything: a closed terminal must not end the work."""

    def __init__(self, stream: TextIO, now_ns: int) -> None:
        self._stream = stream
        self._rewrites = stream.isatty() and os.environ.get("TERM") != "dumb"
        self._every_ns = TERMINAL_EVERY_NS if self._rewrites else PLAIN_EVERY_NS
        self._due_ns = now_ns + self._every_ns
        self._is_line_open = False

    def show(self, now_ns: int, text: Callable[[], str]) -> None:
        """Show where things are if it is time to; `text` is asked for only then."""
        if now_ns < self._due_ns:
            return
        self._due_ns = now_ns + self._every_ns
        if self._rewrites:
            width = shutil.get_terminal_size().columns - 1
            self._write("\r" + text()[:width] + _ERASE_TO_END)
            self._is_line_open = True
        else:
            self._write(text() + "\n")

    def say(self, text: str) -> None:
        """A line that stays."""
        self.finish()
        self._write(text + "\n")

    def finish(self) -> None:
        """Take the rewritten line away."""
        if self._is_line_open:
            self._is_line_open = False
            self._write("\r" + _ERASE_TO_END)

    def _write(self, text: str) -> None:
        with contextlib.suppress(OSError):
            self._stream.write(text)
            self._stream.flush()
