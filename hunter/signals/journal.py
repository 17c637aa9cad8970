"""The journal of signals: append-only JSON lines in numbered files, each signal once.

    DIRECTORY/signals-00000001.jsonl, signals-00000002.jsonl, ...   the highest number is written

Invariants: a line is whole or not there; a half line (a crash, a full disk) is cut off at the next
chance. The files together stay below `budget_bytes`, the oldest go first. A disk that refuses
never stops the caller: it is counted, and the signal is missing in the journal. One writer per
directory; readers are in journal_reader.py and need no writer alive.
"""

from __future__ import annotations

import os
from pathlib import Path

import msgspec

from hunter.errors import MalformedMessage
from hunter.signals.journal_reader import complete_lines_backwards, journal_files, journal_path
from hunter.signals.signal import Signal, encode_signal, parse_signal_id

FILE_BYTES_MAX = 16 * 1024 * 1024
BUDGET_BYTES = 128 * 1024 * 1024


class _IdOnly(msgspec.Struct):
    id: str


_IDS = msgspec.json.Decoder(_IdOnly)


class Journal:
    """The writer. `written`, `repeated` and `write_errors` are for the status page."""

    def __init__(
        self,
        directory: Path,
        file_bytes_max: int = FILE_BYTES_MAX,
        budget_bytes: int = BUDGET_BYTES,
    ) -> None:
        assert 0 < file_bytes_max <= budget_bytes, (file_bytes_max, budget_bytes)
        self._directory = directory
        self._file_bytes_max = file_bytes_max
        self._budget_bytes = budget_bytes
        self._descriptor = -1
        self._number = 0
        self._size = 0
        self._torn = False
        self._newest: dict[tuple[str, str], int] | None = None
        self.written = 0
        self.repeated = 0
        """Signals not written because the journal had them: the reruns after a restart."""
        self.write_errors = 0
        self.cut_bytes = 0
        """Bytes of half lines that were cut off."""
        if not self._open():
            self.write_errors += 1

    def append(self, signal: Signal) -> bool:
        """Write `signal` unless the journal has it. False when it was not written."""
        ring_id, instrument, boundary_ms = parse_signal_id(signal.id)
        last = self.last_decided(ring_id, instrument)
        if last is not None and boundary_ms <= last:
            self.repeated += 1
            return False
        line = encode_signal(signal) + b"\n"
        if not self._write(line):
            self.write_errors += 1
            return False
        assert self._newest is not None
        self._newest[ring_id, instrument] = boundary_ms
        self.written += 1
        return True

    def last_decided(self, ring_id: str, instrument: str) -> int | None:
        """The newest boundary (ms) of a signal of this ring and instrument, or None.

        A brain that reads rows again after a restart suppresses its signals up to it. The first
        call reads the whole journal, which `budget_bytes` limits.
        """
        if self._newest is None:
            self._newest = self._scan()
        return self._newest.get((ring_id, instrument))

    def close(self) -> None:
        """Give the file back. Every line written is already in the kernel's hands."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _open(self) -> bool:
        """Open the newest file, or the first; cut its half line."""
        try:
            self._directory.mkdir(parents=True, exist_ok=True)
            numbers = journal_files(self._directory)
            self._number = numbers[-1] if numbers else 1
            self._open_file()
        except OSError:
            self.close()
            return False
        return True

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

    def _write(self, line: bytes) -> bool:
        if self._descriptor < 0 and not self._open():
            return False
        try:
            if self._torn:
                os.ftruncate(self._descriptor, self._size)
                self._torn = False
            if self._size and self._size + len(line) > self._file_bytes_max:
                self._rotate()
            if self._put(line):
                return True
        except OSError:
            pass
        self._drop_half_line()
        return False

    def _put(self, line: bytes) -> bool:
        self._torn = True
        if os.fstat(self._descriptor).st_nlink == 0:
            # Somebody removed the file; what is written to it nobody can read.
            self.close()
            self._open_again()
        count = os.write(self._descriptor, line)
        if count != len(line):
            return False
        self._size += count
        self._torn = False
        return True

    def _open_again(self) -> None:
        self._directory.mkdir(parents=True, exist_ok=True)
        self._open_file()
        self._torn = True

    def _drop_half_line(self) -> None:
        """A full disk takes part of a line: cut it, or the next line would be joined to it."""
        if self._descriptor < 0:
            return
        try:
            os.ftruncate(self._descriptor, self._size)
            self._torn = False
        except OSError:
            self._torn = True  # tried again before the next write

    def _rotate(self) -> None:
        self.close()
        self._number += 1
        self._open_file()
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

    def _scan(self) -> dict[tuple[str, str], int]:
        newest: dict[tuple[str, str], int] = {}
        try:
            for number in journal_files(self._directory):
                self._scan_file(journal_path(self._directory, number), newest)
        except OSError:
            self.write_errors += 1
        return newest

    @staticmethod
    def _scan_file(path: Path, newest: dict[tuple[str, str], int]) -> None:
        for line in path.read_bytes().splitlines():
            try:
                ring_id, instrument, boundary_ms = parse_signal_id(_IDS.decode(line).id)
            except (msgspec.DecodeError, MalformedMessage):
                continue
            key = ring_id, instrument
            newest[key] = max(newest.get(key, 0), boundary_ms)


def _whole_bytes(path: Path) -> int:
    """How much of the file is whole lines that hold a signal's id, counted from its start."""
    for line, end in complete_lines_backwards(path):
        try:
            _IDS.decode(line)
        except msgspec.DecodeError:
            continue
        return end
    return 0
