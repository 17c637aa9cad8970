"""What is kept of each death: one JSON object a line in LOG_DIR/deaths.jsonl.

Written by the supervisor's process alone, read by anybody at any time. Bounded: past
`FILE_BYTES_MAX` the file is moved aside, over the one before. A disk that refuses costs the record
and nothing else; a line that was torn is passed over by readers and closed by the next record.
Everything about the process is as it was last measured; log lines are the last ones that it wrote.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

SCHEMA: Final = 1
FILE_NAME: Final = "deaths.jsonl"
FILE_BYTES_MAX: Final = 4 << 20
LOG_LINES_MAX: Final = 50
LOG_BYTES_MAX: Final = 8 << 10


class RingPosition(msgspec.Struct, frozen=True):
    """How far a ring had been written: rows of the market over all its instruments."""

    ring: str
    arrivals: int


class DeathRecord(msgspec.Struct, frozen=True):
    """One death. `restarts`: how often the actor had been started again before it; `asked`: it was
    wanted, by an operator; the measurements are 0 when its page had been taken over already;
    `detail`: what was known of why, before it was ended.
    """

    actor: str
    role: str
    pid: int
    restarts: int
    last_exit: str
    cause: str
    asked: bool
    at_ns: int
    at_monotonic_ns: int
    uptime_s: float
    rss_bytes: int = 0
    cpu_percent: float = 0.0
    progress: int = 0
    rings: tuple[RingPosition, ...] = ()
    log: tuple[str, ...] = ()
    detail: str = ""
    schema: int = SCHEMA


class DeathLog:
    """The one writer."""

    def __init__(self, log_dir: Path) -> None:
        self._path = log_dir / FILE_NAME
        self.lost = 0
        """Records that the disk refused."""

    def append(self, record: DeathRecord) -> None:
        line = msgspec.json.encode(record) + b"\n"
        try:
            self._rotate(len(line))
            flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
            descriptor = os.open(self._path, flags, 0o600)
            try:
                _write_whole(descriptor, line)
            finally:
                os.close(descriptor)
        except OSError:
            self.lost += 1

    def _rotate(self, more_bytes: int) -> None:
        with contextlib.suppress(FileNotFoundError):
            if self._path.stat().st_size + more_bytes > FILE_BYTES_MAX:
                self._path.rename(_older(self._path))


def _write_whole(descriptor: int, line: bytes) -> None:
    size_bytes = os.fstat(descriptor).st_size
    if size_bytes and os.pread(descriptor, 1, size_bytes - 1) != b"\n":
        line = b"\n" + line  # the one before was torn
    if os.write(descriptor, line) != len(line):
        os.ftruncate(descriptor, size_bytes)
        raise OSError("the disk took half a record")


def _older(path: Path) -> Path:
    return path.with_name(f"{path.name}.1")


def read_deaths(log_dir: Path, actor: str | None = None) -> list[DeathRecord]:
    """All records that there still are, oldest first; of one actor if it is named."""
    path = log_dir / FILE_NAME
    records = [record for name in (_older(path), path) for record in _records(name)]
    return [record for record in records if actor in (None, record.actor)]


def _records(path: Path) -> Iterator[DeathRecord]:
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        return
    for line in raw.splitlines():
        with contextlib.suppress(msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            yield msgspec.json.decode(line, type=DeathRecord)


class LogMark(NamedTuple):
    """Where a log file ended at a moment."""

    inode: int = 0
    size_bytes: int = 0


def log_mark(path: Path) -> LogMark:
    try:
        info = path.stat()
    except OSError:
        return LogMark()
    return LogMark(info.st_ino, info.st_size)


def last_lines(path: Path, since: LogMark) -> tuple[str, ...]:
    """The end of a log file: at most LOG_LINES_MAX whole lines, at most LOG_BYTES_MAX, and nothing
    that was there at the mark; of a file that has been rotated since, the newer part.
    """
    try:
        with path.open("rb") as file:
            info = os.fstat(file.fileno())
            first = since.size_bytes if info.st_ino == since.inode else 0
            start = max(first, info.st_size - LOG_BYTES_MAX)
            file.seek(start)
            lines = file.read(LOG_BYTES_MAX).splitlines()
    except OSError:
        return ()
    whole = lines[1:] if start > first and len(lines) > 1 else lines
    return tuple(line.decode("utf-8", "replace") for line in whole[-LOG_LINES_MAX:])
