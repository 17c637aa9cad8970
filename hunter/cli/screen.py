"""A text that is shown again and again on a terminal, without flicker: each line is written over
the one before it, and only what is left over is erased. Elsewhere each text follows the last.
"""

from __future__ import annotations

import os
import shutil
from typing import Final, TextIO

import click

_HOME: Final = "\x1b[H"
_ERASE_TO_END: Final = "\x1b[K"
_ERASE_BELOW: Final = "\x1b[J"
_HIDE_CURSOR: Final = "\x1b[?25l"
_SHOW_CURSOR: Final = "\x1b[?25h"
_CLEAR: Final = "\x1b[2J"


class Screen:
    """`show` as often as wanted, `close` at the end."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._rewrites = stream.isatty() and os.environ.get("TERM", "dumb") != "dumb"
        self._is_first = True

    def show(self, text: str) -> None:
        if self._rewrites:
            columns, rows = shutil.get_terminal_size()
            begin = _HIDE_CURSOR + _CLEAR if self._is_first else ""
            body = (_ERASE_TO_END + "\n").join(fitting(text.split("\n"), columns, rows))
            self._write(begin + _HOME + body + _ERASE_TO_END + _ERASE_BELOW)
        else:
            self._write(("" if self._is_first else "\n") + text + "\n")
        self._is_first = False

    def close(self) -> None:
        if self._rewrites and not self._is_first:
            self._write(_SHOW_CURSOR + "\n")

    def _write(self, text: str) -> None:
        self._stream.write(text)
        self._stream.flush()


def fitting(lines: list[str], columns: int, rows: int) -> list[str]:
    """What fits: a line that wraps, or a row too many, would move all the others."""
    if len(lines) > rows:
        hidden = len(lines) - rows + 1
        lines = [*lines[: rows - 1], f"... {hidden} more lines: hunter status"]
    return [_cut(line, columns) for line in lines]


def _cut(line: str, columns: int) -> str:
    """A line that is too long loses its colours with its end."""
    plain = click.unstyle(line)
    return line if len(plain) <= columns else plain[: columns - 1] + "…"
