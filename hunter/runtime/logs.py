"""Log lines of one process: `2026-01-31T12:00:00.123Z WARNING stream-0 text`, to its standard
error.

The supervisor opens each actor's log file as descriptors 1 and 2, so that even a crash inside the
interpreter leaves its trace there. The process itself keeps the file small: past `FILE_BYTES_MAX`
it moves the file aside and points its descriptors at a new one; also when somebody has removed or
moved the file under it. A line that cannot be written is given up: no actor may die, or wait,
because a disk is full or a reader is gone. How many were given up is the first thing that the log
says when it can be written again.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import os
from pathlib import Path
from typing import Final

from hunter.clock import utc_text
from hunter.text import printable

FILE_BYTES_MAX: Final = 8 << 20
FILES_KEPT: Final = 3
_STDERR: Final = 2
_INDENT: Final = "    "


class _LineFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        stamp = utc_text(int(record.created * 1e9))
        text = f"{stamp} {record.levelname} {record.name} {printable(record.getMessage())}"
        if record.exc_info:
            # Indented and line by line: what an exception says may come from outside, too.
            lines = self.formatException(record.exc_info).split("\n")
            text += "".join(f"\n{_INDENT}{printable(line)}" for line in lines)
        return text


class _DescriptorHandler(logging.Handler):
    """Writes whole lines to descriptor 2 and looks after the file behind it."""

    def __init__(self, path: Path | None) -> None:
        super().__init__()
        self._path = path
        self._half_line = False
        self._lost_told = 0
        self.lost = 0
        self.errors = 0

    def emit(self, record: logging.LogRecord) -> None:
        if record.levelno >= logging.ERROR:
            self.errors += 1
        lost = self.lost - self._lost_told
        line = self._line(record)
        if lost:
            said = {"level": logging.WARNING, "msg": f"{lost} log lines before this one were lost"}
            about = logging.makeLogRecord(record.__dict__ | said | {"args": (), "exc_info": None})
            about.levelname = "WARNING"
            line = self._line(about) + line
        if self._half_line:
            line = b"\n" + line
        try:
            if self._path is not None:
                self._keep_in_place(self._path, len(line))
            self._write(line)
        except OSError:
            self.lost += 1
        else:
            self._lost_told = self.lost

    def _line(self, record: logging.LogRecord) -> bytes:
        return self.format(record).encode("utf-8", "replace") + b"\n"

    def _write(self, line: bytes) -> None:
        count = os.write(_STDERR, line)
        if count:
            self._half_line = count != len(line)
        if count != len(line):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))  # so a full disk begins

    def _keep_in_place(self, path: Path, byte_count: int) -> None:
        """See that the file behind descriptor 2 has its name, and room for so many bytes."""
        now = os.fstat(_STDERR)
        if not _is_at(path, now):
            path.parent.mkdir(parents=True, exist_ok=True)
            self._take(_opened(path))
        elif now.st_size + byte_count > FILE_BYTES_MAX:
            self._rotate(path)

    def _rotate(self, path: Path) -> None:
        # The new file first: when it cannot be had, the older ones must not pay for the attempts.
        aside = path.with_name(f"{path.name}.new")
        fresh = _opened(aside)
        try:
            for number in range(FILES_KEPT - 1, -1, -1):
                older = path.with_name(f"{path.name}.{number}") if number else path
                with contextlib.suppress(FileNotFoundError):
                    older.rename(path.with_name(f"{path.name}.{number + 1}"))
            aside.rename(path)
        except OSError:
            os.close(fresh)
            raise
        self._take(fresh)

    def _take(self, fresh: int) -> None:
        """Have prints and crash traces go to the new file as well."""
        os.dup2(fresh, 1)
        os.dup2(fresh, _STDERR)
        os.close(fresh)
        self._half_line = False


def _opened(path: Path) -> int:
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)


def _is_at(path: Path, file: os.stat_result) -> bool:
    try:
        return os.path.samestat(path.stat(), file)
    except (FileNotFoundError, NotADirectoryError):
        return False


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
        return _is_at(path, os.fstat(_STDERR))
    return False
