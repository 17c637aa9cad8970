"""The journal of signals: append-only JSON lines in numbered files, each signal once.

    DIRECTORY/signals-00000001.jsonl, signals-00000002.jsonl, ...   the highest number is written

Invariants: a line is whole or not there; a half line (a crash, a full disk) is cut off at the next
chance. Signals stand in the order they were told. The files together stay below `budget_bytes`,
the oldest go first. A file that is not under its name any more (removed, moved) is followed by one
with the next number, because readers go on from number to number. A disk that refuses never stops
the caller: the signals wait here, in order and at most `waiting_max` of them (the oldest are
dropped and counted), and `retry` writes them when the disk takes them again. Whoever keeps a
checkpoint must not go past what waits: then a restart makes those signals again, and none is
missing or doubled. One writer per directory; readers are in journal_reader.py and need no writer
alive.
"""

from __future__ import annotations

import contextlib
import errno
import os
from collections import deque
from pathlib import Path

import msgspec

from hunter.errors import MalformedMessage
from hunter.signals.disksync import DiskSync
from hunter.signals.journal_reader import complete_lines_backwards, journal_files, journal_path
from hunter.signals.line import encode_line, is_intact
from hunter.signals.signal import Signal, SignalId, parse_signal_id

FILE_BYTES_MAX = 16 * 1024 * 1024
BUDGET_BYTES = 128 * 1024 * 1024
WAITING_MAX = 4_096


class _IdOnly(msgspec.Struct):
    id: str


_IDS = msgspec.json.Decoder(_IdOnly)


class Journal:
    """The writer. The counters are for the status page."""

    def __init__(
        self,
        directory: Path,
        file_bytes_max: int = FILE_BYTES_MAX,
        budget_bytes: int = BUDGET_BYTES,
        waiting_max: int = WAITING_MAX,
        disk_sync: DiskSync | None = None,
    ) -> None:
        assert 0 < file_bytes_max <= budget_bytes, (file_bytes_max, budget_bytes)
        self._directory = directory
        self._file_bytes_max = file_bytes_max
        self._budget_bytes = budget_bytes
        self._waiting_max = waiting_max
        self._disk_sync = disk_sync
        self._descriptor = -1
        self._number = 0
        self._size = 0
        self._torn = False
        # The newest boundary by ring and instrument, from all files once `_is_known`.
        self._newest: dict[tuple[str, str], int] = {}
        self._scanned: set[int] = set()
        self._is_known = False
        self._waiting: deque[Signal] = deque()
        self.written = 0
        self.repeated = 0
        """Signals not written because the journal had them: the reruns after a restart."""
        self.refused = 0
        """Signals that could not be written when they came."""
        self.lost = 0
        """Signals that waited and had to make room for later ones."""
        self.damaged = 0
        """Lines that are no whole signals, passed over when the journal was read."""
        self.cut_bytes = 0
        """Bytes of half lines that were cut off."""
        self.trouble = ""
        """Why it cannot be written now; "" when it can."""
        try:
            self._open()
        except OSError as error:
            self._note(error)

    @property
    def waiting(self) -> int:
        """Signals that the disk has refused so far."""
        return len(self._waiting)

    def append(self, signal: Signal) -> bool:
        """Write `signal` unless the journal has it. False when it was not written (yet)."""
        if not self._waiting:
            try:
                return self._append(signal)
            except OSError as error:
                self._note(error)
        self.refused += 1
        if len(self._waiting) >= self._waiting_max:
            self._waiting.popleft()
            self.lost += 1
        self._waiting.append(signal)
        return False

    def retry(self) -> list[Signal]:
        """Write what waits, as far as the disk takes it; the signals written, in order."""
        done: list[Signal] = []
        try:
            if self._descriptor < 0:
                self._open()
            self._known()
            while self._waiting:
                if self._append(self._waiting[0]):
                    done.append(self._waiting[0])
                self._waiting.popleft()
            self.trouble = ""
        except OSError as error:
            self._note(error)
        return done

    def read_known(self) -> None:
        """Read which signals there are, now and not at the first `append`: it takes a while.

        What cannot be read now is tried again later; nothing is written before it can be.
        """
        try:
            self._known()
        except OSError as error:
            self._note(error)

    def close(self) -> None:
        """Give the file back. Every line written is already in the kernel's hands."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _note(self, error: OSError) -> None:
        self.trouble = _why(error)

    def _append(self, signal: Signal) -> bool:
        """Whether it was written now; False: the journal has it. Raises OSError."""
        ring_id, instrument, boundary_ms = parse_signal_id(signal.id)
        newest = self._known()
        if boundary_ms <= newest.get((ring_id, instrument), -1):
            self.repeated += 1
            return False
        self._write(encode_line(signal))
        newest[ring_id, instrument] = boundary_ms
        self.written += 1
        self.trouble = ""
        return True

    def _open(self) -> None:
        """Open the newest file, or the first; cut its half line. Numbers never go back."""
        self.close()
        try:
            self._directory.mkdir(parents=True, exist_ok=True)
            self._number = max(1, self._number, *journal_files(self._directory))
            self._open_file()
        except OSError:
            self.close()
            raise

    def _open_file(self) -> None:
        flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
        path = journal_path(self._directory, self._number)
        self._descriptor = os.open(path, flags, 0o600)
        self._size = os.fstat(self._descriptor).st_size
        self._torn = False
        self._cut(_whole_bytes(path))

    def _cut(self, size: int) -> None:
        if size < self._size:
            os.ftruncate(self._descriptor, size)
            self.cut_bytes += self._size - size
            self._size = size

    def _write(self, line: bytes) -> None:
        if self._descriptor < 0:
            self._open()
        elif not self._is_in_place():
            self._number += 1
            self._open()
        if self._torn:
            os.ftruncate(self._descriptor, self._size)
            self._torn = False
        if self._size and self._size + len(line) > self._file_bytes_max:
            self._rotate()
        self._torn = True
        try:
            _write_whole(self._descriptor, line)
        except OSError:
            self._drop_half_line()
            raise
        self._torn = False
        self._size += len(line)
        if self._disk_sync is not None:
            self._disk_sync.wrote(journal_path(self._directory, self._number))

    def _is_in_place(self) -> bool:
        """Whether readers find our file under its name: somebody may have removed or moved it."""
        try:
            there = os.stat(journal_path(self._directory, self._number))
        except (FileNotFoundError, NotADirectoryError):
            return False
        return os.path.samestat(there, os.fstat(self._descriptor))

    def _drop_half_line(self) -> None:
        """A full disk takes part of a line: cut it, or the next line would be joined to it."""
        with contextlib.suppress(OSError):  # tried again before the next write
            os.ftruncate(self._descriptor, self._size)
            self._torn = False

    def _rotate(self) -> None:
        self.close()
        self._number += 1
        self._open_file()
        with contextlib.suppress(OSError):  # tried again at the next rotation
            self._keep_to_budget()

    def _keep_to_budget(self) -> None:
        sizes = {
            number: journal_path(self._directory, number).stat().st_size
            for number in journal_files(self._directory)
        }
        total = sum(sizes.values()) + self._file_bytes_max
        for number, size in sorted(sizes.items())[:-1]:
            if total <= self._budget_bytes:
                break
            journal_path(self._directory, number).unlink(missing_ok=True)
            total -= size

    def _known(self) -> dict[tuple[str, str], int]:
        """The newest boundary by ring and instrument. Raises OSError: half of it must not count,
        or what could not be read would be written once more. What was read is not read again.
        """
        if self._is_known:
            return self._newest
        trouble = None
        for number in journal_files(self._directory):
            if number in self._scanned:
                continue
            path = journal_path(self._directory, number)
            try:
                self.damaged += _scan(path, self._newest)
                self._scanned.add(number)
            except OSError as error:
                trouble = trouble or OSError(error.errno, f"{path.name}: {_why(error)}")
        if trouble is not None:
            raise trouble
        self._is_known = True
        return self._newest


def _why(error: OSError) -> str:
    return error.strerror or str(error)


def _write_whole(descriptor: int, line: bytes) -> None:
    if os.write(descriptor, line) != len(line):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))  # this is how a full disk begins


def _scan(path: Path, newest: dict[tuple[str, str], int]) -> int:
    """Add what a file holds to `newest`; how many of its lines are no signals.

    A last line without its end does not count: readers do not see it, and it is cut.
    """
    damaged = 0
    *lines, _ = path.read_bytes().split(b"\n")
    for line in lines:
        found = _id_of(line)
        if found is None:
            damaged += 1
            continue
        key = found.ring_id, found.instrument
        newest[key] = max(newest.get(key, 0), found.boundary_ms)
    return damaged


def _id_of(line: bytes) -> SignalId | None:
    """The id of the signal that a line holds, or None when it holds none."""
    if not is_intact(line):
        return None
    try:
        return parse_signal_id(_IDS.decode(line).id)
    except (msgspec.DecodeError, UnicodeDecodeError, MalformedMessage):
        return None


def _whole_bytes(path: Path) -> int:
    """How much of the file is whole lines that hold a signal's id, counted from its start."""
    for line, end in complete_lines_backwards(path):
        if _id_of(line) is not None:
            return end
    return 0
