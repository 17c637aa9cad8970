"""The journal of signals, read from its beginning, with the place of each line.

A place is one number: the file's, and in it where the line ends. It grows along the journal, so a
lane of the store knows by the place of its newest signal what it has. A journal that somebody
removed begins again at its first file: `beginnings` counts that. Needs no writer alive.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final, NamedTuple

from hunter.errors import MalformedMessage
from hunter.signals.journal_reader import BLOCK_BYTES, journal_files, journal_path
from hunter.signals.line import decode_line
from hunter.signals.signal import Signal

_OFFSET_BITS: Final = 32


class PlacedSignal(NamedTuple):
    """A signal and where its line ends."""

    signal: Signal
    place: int


def place_of(number: int, offset: int) -> int:
    return number << _OFFSET_BITS | offset


class PlacedJournal:
    """`poll` never waits, and reads at most a block."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._number = 0
        self._offset = 0
        self.beginnings = 0
        """How often the journal has begun anew meanwhile."""

    def poll(self) -> list[PlacedSignal]:
        """The next signals, oldest first; none at the end. Lines that are no signals are left out.
        Raises OSError.
        """
        while True:
            # Listed before the file is read: what came before a rotation is not passed over.
            numbers = journal_files(self._directory)
            later = [number for number in numbers if number > self._number]
            found, is_end = self._read_block()
            if found or not is_end:
                return found
            if later:
                self._number, self._offset = later[0], 0
            elif numbers and self._has_begun_anew(numbers[-1]):
                self._number = self._offset = 0
                self.beginnings += 1
            else:
                return []

    def _has_begun_anew(self, newest: int) -> bool:
        if newest < self._number:
            return True
        return journal_path(self._directory, self._number).stat().st_size < self._offset

    def _read_block(self) -> tuple[list[PlacedSignal], bool]:
        """Signals of the next block, and whether there was no whole line."""
        if not self._number:
            return [], True
        try:
            with journal_path(self._directory, self._number).open("rb") as file:
                file.seek(self._offset)
                block = file.read(BLOCK_BYTES)
                if b"\n" not in block:
                    block += file.readline()
        except FileNotFoundError:
            return [], True
        found = []
        for line in block[: block.rfind(b"\n") + 1].splitlines(keepends=True):
            self._offset += len(line)
            try:
                signal = decode_line(line.rstrip(b"\n"))
            except MalformedMessage:
                continue
            found.append(PlacedSignal(signal, place_of(self._number, self._offset)))
        return found, b"\n" not in block


def has_at(directory: Path, place: int, signal_id: str) -> bool:
    """Whether the journal is the one in which that signal's line ended there, as far as can be
    seen: its file may have been rotated away since.
    """
    number, offset = place >> _OFFSET_BITS, place & ((1 << _OFFSET_BITS) - 1)
    numbers = journal_files(directory)
    if number not in numbers:
        return bool(numbers) and number < numbers[0]
    start = max(0, offset - BLOCK_BYTES)
    with journal_path(directory, number).open("rb") as file:
        file.seek(start)
        text = file.read(offset - start)
    if len(text) < offset - start or not text.endswith(b"\n"):
        return False
    try:
        return decode_line(text[:-1].rsplit(b"\n", 1)[-1]).id == signal_id
    except MalformedMessage:
        return False
