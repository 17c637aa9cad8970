"""The files of a recording: packed parts appended one after the other, a new file now and then.

Each part is a whole zstd frame of whole lines, with its size and checksum, handed to the kernel in
one go. So a file is readable by every decoder up to the last part at any time, and a recorder that
is killed loses what it has not yet handed over; only a machine that loses its power loses more.
Parts of half a second cost about a fifth more disk than one frame over all.

    20261122T204815.123Z-default.jsonl.zst      start of the segment in UTC, instance

Names sort in time order. At the budget the recording ends: to remove its oldest segments instead
would take the book snapshots with them, without which the rest cannot be replayed.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Final

import zstandard

from hunter.clock import utc_text
from hunter.errors import HunterError

SUFFIX: Final = ".jsonl.zst"
# Measured on recorded books and trades: higher levels save little more and cost twice the time.
_LEVEL: Final = 6
_MS: Final = 1_000_000


class BudgetUsed(HunterError):
    """The recording has reached its disk budget."""


class RecordingError(HunterError):
    """A segment cannot be written."""


def compact_utc(wall_ns: int) -> str:
    """`20261122T204815.123Z`: UTC for file names, which sort by it."""
    return utc_text(wall_ns).replace("-", "").replace(":", "")


def recorded_bytes(directory: Path) -> int:
    """Disk taken by all segments in `directory` and below."""
    return sum(path.stat().st_size for path in directory.rglob(f"*{SUFFIX}"))


class Segments:
    """Writes one recording. One thread only."""

    def __init__(
        self, directory: Path, name: str, segment_bytes_max: int, budget_bytes: int
    ) -> None:
        self.directory = directory
        self.paths: list[Path] = []
        self.frames = 0
        self.packed_bytes = 0
        self.raw_bytes = 0
        self._name = name
        self._segment_bytes_max = segment_bytes_max
        self._budget_bytes = budget_bytes
        self._packer = zstandard.ZstdCompressor(level=_LEVEL, write_checksum=True)
        self._descriptor = -1
        self._segment_bytes = 0
        try:
            directory.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise RecordingError(
                f"cannot make {directory}: {error.strerror}; name another with -o"
            ) from error

    def append(self, lines: bytes) -> None:
        """Whole lines. Raises BudgetUsed or RecordingError; what was written before stays good."""
        part = self._packer.compress(lines)
        if self.packed_bytes + len(part) > self._budget_bytes:
            raise BudgetUsed("the disk budget is used up; see --budget-mb")
        is_full = self._segment_bytes + len(part) > self._segment_bytes_max
        if self._descriptor < 0 or (is_full and self._segment_bytes):
            self._begin(int(lines.partition(b" ")[0]))
        try:
            self._write(part)
        except OSError as error:
            with contextlib.suppress(OSError):
                os.ftruncate(self._descriptor, self._segment_bytes)
            raise RecordingError(f"cannot write {self.paths[-1]}: {error.strerror}") from error
        self._segment_bytes += len(part)
        self.packed_bytes += len(part)
        self.raw_bytes += len(lines)
        self.frames += lines.count(b"\n")

    def close(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _begin(self, received_ns: int) -> None:
        self.close()
        while True:
            path = self.directory / f"{compact_utc(received_ns)}-{self._name}{SUFFIX}"
            try:
                self._descriptor = os.open(
                    path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644
                )
                break
            except FileExistsError:
                received_ns += _MS  # another segment of this very millisecond
            except OSError as error:
                raise RecordingError(f"cannot make {path}: {error.strerror}") from error
        self.paths.append(path)
        self._segment_bytes = 0

    def _write(self, part: bytes) -> None:
        rest = memoryview(part)
        while rest:
            rest = rest[os.write(self._descriptor, rest) :]
