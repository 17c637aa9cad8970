"""Reading the journal of signals: the newest ones, and those that come.

Needs no writer and locks nothing. Only whole lines count, so a line that is being written, or was
torn, is never seen. Memory is limited by what is asked for, not by the size of the journal.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from hunter.errors import MalformedMessage
from hunter.signals.line import decode_line
from hunter.signals.signal import Signal

BLOCK_BYTES = 64 * 1024
_NAME = re.compile(r"signals-(\d{8})\.jsonl")


def journal_path(directory: Path, number: int) -> Path:
    """The file with this number."""
    return directory / f"signals-{number:08d}.jsonl"


def journal_files(directory: Path) -> list[int]:
    """Numbers of the files there are, oldest first; none when there is no directory."""
    try:
        names = [entry.name for entry in directory.iterdir()]
    except FileNotFoundError:
        return []
    return sorted(int(found[1]) for found in map(_NAME.fullmatch, names) if found)


def complete_lines_backwards(path: Path) -> Iterator[tuple[bytes, int]]:
    """(line, offset after its line end), newest first; a last line without an end is left out."""
    with path.open("rb") as file:
        start = file.seek(0, 2)
        held, end = b"", start
        whole = False  # whether `held` is known to end with a line end
        while start > 0:
            size = min(BLOCK_BYTES, start)
            start -= size
            file.seek(start)
            held = file.read(size) + held
            if not whole:
                cut = held.rfind(b"\n") + 1
                end -= len(held) - cut
                held, whole = held[:cut], cut > 0
            while (found := held.rfind(b"\n", 0, -1)) >= 0:
                yield held[found + 1 : -1], end
                end -= len(held) - found - 1
                held = held[: found + 1]
        if held:
            yield held[:-1], end


def last_signals(directory: Path, count: int, instrument: str | None = None) -> list[Signal]:
    """The newest `count` signals, oldest first; of one instrument if named.

    Lines that are no signals are skipped.
    """
    found: list[Signal] = []
    for number in reversed(journal_files(directory)):
        if len(found) >= count:
            break
        try:
            for line, _ in complete_lines_backwards(journal_path(directory, number)):
                signal = _signal(line, instrument)
                if signal is not None:
                    found.append(signal)
                    if len(found) >= count:
                        break
        except FileNotFoundError:
            break  # rotated away while we looked: all older ones are gone too
    return found[::-1]


class JournalFollower:
    """Signals as they are appended. `poll` never waits; the caller decides how often to ask."""

    def __init__(self, directory: Path, instrument: str | None = None) -> None:
        """Starts at the present end; what is there already is `last_signals`' business."""
        self._directory = directory
        self._instrument = instrument
        numbers = journal_files(directory)
        self._number = numbers[-1] if numbers else 0
        self._offset = self._end_of_lines() if numbers else 0

    def poll(self) -> list[Signal]:
        """The next signals, oldest first: those of one block. Ask again until there are none."""
        while True:
            # Listed before the file is read: what came before a rotation is not passed over.
            later = [n for n in journal_files(self._directory) if n > self._number]
            lines = self._read_block()
            found = [_signal(line, self._instrument) for line in lines]
            signals = [signal for signal in found if signal is not None]
            if signals or not (lines or later):
                return signals
            if not lines:
                self._number, self._offset = later[0], 0

    def _read_block(self) -> list[bytes]:
        if not self._number:
            return []
        try:
            with journal_path(self._directory, self._number).open("rb") as file:
                file.seek(self._offset)
                block = file.read(BLOCK_BYTES)
                if b"\n" not in block:
                    block += file.readline()
        except FileNotFoundError:
            return []
        whole = block[: block.rfind(b"\n") + 1]
        self._offset += len(whole)
        return whole.splitlines()

    def _end_of_lines(self) -> int:
        for _, end in complete_lines_backwards(journal_path(self._directory, self._number)):
            return end
        return 0


def _signal(line: bytes, instrument: str | None) -> Signal | None:
    try:
        signal = decode_line(line)
    except MalformedMessage:
        return None
    return signal if instrument in (None, signal.instrument) else None
