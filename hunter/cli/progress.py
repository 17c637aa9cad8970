"""How far a long command is: one line that is rewritten on a terminal, a plain line every ten
seconds elsewhere. Messages in between get lines of their own. A bar, with what is left of the time,
is for terminals alone; with --json nothing is shown at all.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Callable
from typing import Final, TextIO

from hunter.cli.options import duration

TERMINAL_EVERY_NS: Final = 200_000_000
PLAIN_EVERY_NS: Final = 10_000_000_000
BAR_WIDTH: Final = 24
# Before so much is done, nothing is said of how long the rest takes.
_SHARE_TOLD_MIN: Final = 0.02
_ERASE_TO_END: Final = "\x1b[K"


class Progress:
    """Writes to `stream` and forgives it everything: a closed terminal must not end the work."""

    def __init__(self, stream: TextIO, now_ns: int, *, is_quiet: bool = False) -> None:
        self._stream = stream
        self.is_shown = stream.isatty() and not is_quiet
        """Whether somebody looks on: only then it is worth counting first how much there is."""
        self._is_quiet = is_quiet
        self._rewrites = stream.isatty() and os.environ.get("TERM") != "dumb"
        self._started_ns = now_ns
        self._every_ns = TERMINAL_EVERY_NS if self._rewrites else PLAIN_EVERY_NS
        self._due_ns = now_ns + self._every_ns
        self._is_line_open = False

    def show(self, now_ns: int, text: Callable[[], str]) -> None:
        """Show where things are if it is time to; `text` is asked for only then."""
        if now_ns < self._due_ns or self._is_quiet:
            return
        self._due_ns = now_ns + self._every_ns
        if self._rewrites:
            width = shutil.get_terminal_size().columns - 1
            self._write("\r" + text()[:width] + _ERASE_TO_END)
            self._is_line_open = True
        else:
            self._write(text() + "\n")

    def restart(self, now_ns: int) -> None:
        """Another piece of work, whose share begins at 0, begins now."""
        self._started_ns = now_ns

    def show_bar(self, now_ns: int, share: float, text: Callable[[], str]) -> None:
        """The same, with a bar on a terminal; `share` of the work is done, out of 1."""
        elapsed_ns = now_ns - self._started_ns
        if self._rewrites:
            self.show(now_ns, lambda: f"{bar(share)}  {text()}{left_text(share, elapsed_ns)}")
        else:
            self.show(now_ns, lambda: f"{min(1.0, share):.0%}  {text()}")

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


def bar(share: float) -> str:
    """`[######..................]  25%`"""
    done = min(1.0, max(0.0, share))
    return f"[{('#' * round(done * BAR_WIDTH)).ljust(BAR_WIDTH, '.')}] {done:4.0%}"


def left_text(share: float, elapsed_ns: int) -> str:
    """`, 12 s left`, at the pace so far; "" while that says nothing."""
    if not _SHARE_TOLD_MIN <= share < 1.0:
        return ""
    return f", {duration(elapsed_ns / 1e9 * (1 - share) / share)} left"
