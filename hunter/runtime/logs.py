"""Log lines of one process: `2026-01-31T12:00:00.123Z WARNING stream-0 text`, to its standard
error.

The supervisor opens each actor's log file as descriptors 1 and 2, so that even a crash inside the
interpreter leaves its trace there. The process itself keeps the file small: past `FILE_BYTES_MAX`
it moves the file aside and points its descriptors at a new one. A log that cannot be written is
given up silently: no actor may die, or wait, because a disk is full.
"""

from __future__ import annotations

import contextlib
import logging
import os
from pathlib import Path
from typing import Final

from hunter.clock import utc_text

FILE_BYTES_MAX: Final = 8 << 20
FILES_KEPT: Final = 3
_STDERR: Final = 2


class _LineFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        stamp = utc_text(int(record.created * 1e9))
        text = f"{stamp} {record.levelname} {record.name} {record.getMessage()}"
        if record.exc_info:
            text += "\n" + self.formatException(record.exc_info)
        return text


class _DescriptorHandler(logging.Handler):
    """Writes whole lines to descriptor 2 and rotates the file behind it."""

    def __init__(self, path: Path | None) -> None:
        super().__init__()
        self._path = path
        self.lost = 0
        self.errors = 0

    def emit(self, record: logging.LogRecord) -> None:
        if record.levelno >= logging.ERROR:
            self.errors += 1
        line = self.format(record).encode("utf-8", "replace") + b"\n"
        try:
            if self._path is not None and os.fstat(_STDERR).st_size + len(line) > FILE_BYTES_MAX:
                self._rotate(self._path)
            if os.write(_STDERR, line) != len(line):
                self.lost += 1
        except OSError:
            self.lost += 1

    def _rotate(self, path: Path) -> None:
        # The new file first: when it cannot be had, the older ones must not pay for the attempts.
        aside = path.with_name(f"{path.name}.new")
        fresh = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            for number in range(FILES_KEPT - 1, -1, -1):
                older = path.with_name(f"{path.name}.{number}") if number else path
                with contextlib.suppress(FileNotFoundError):
                    older.rename(path.with_name(f"{path.name}.{number + 1}"))
            aside.rename(path)
            os.dup2(fresh, 1)
            os.dup2(fresh, _STDERR)
        finally:
            os.close(fresh)


def log_path(log_dir: Path, actor: str) -> Path:
    return log_dir / f"{actor}.log"


def start_logging(name: str, path: Path | None) -> tuple[logging.Logger, _DescriptorHandler]:
    """Set up this process's one logger; `path` is the file behind descriptor 2, if it is a file."""
    handler = _DescriptorHandler(path if path is not None and _is_behind_stderr(path) else None)
    handler.setFormatter(_LineFormatter())
    logger = logging.getLogger(name)
    logger.handlers = [handler]
    logger.setLevel(logging.INFO)
    logger.propagate = False
    return logger, handler


def _is_behind_stderr(path: Path) -> bool:
    with contextlib.suppress(OSError):
        return os.path.samestat(path.stat(), os.fstat(_STDERR))
    return False
