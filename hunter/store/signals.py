"""The signals that wait for their files, by instrument, out of the journal.

The journal is on the disk and keeps what nobody has stored: there is no hurry, and nothing to lose.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from hunter.errors import MalformedMessage
from hunter.market.instrument import is_instrument
from hunter.signals.signal import Signal, parse_signal_id
from hunter.store.journal import PlacedJournal, PlacedSignal
from hunter.store.parts import Place, StoredLane
from hunter.store.resume import NO_ORIGIN, SignalsStart
from hunter.store.waiting import WaitingSignals

POLL_EVERY_NS: Final = 250_000_000


class StoredSignals:
    """`poll` now and then; `trouble` says why the journal cannot be read now."""

    def __init__(self, directory: Path, start: SignalsStart) -> None:
        self._journal = PlacedJournal(directory)
        self._start = start
        self._lanes: dict[str, WaitingSignals] = {}
        self._due_ns = 0
        self.trouble = ""

    @property
    def waiting(self) -> list[WaitingSignals]:
        return list(self._lanes.values())

    def hurry(self) -> None:
        """The next `poll` looks, however soon it comes."""
        self._due_ns = 0

    def poll(self, now_ns: int) -> int:
        """Take in a block of the journal, if it is time; how many signals were in it."""
        if now_ns < self._due_ns:
            return 0
        try:
            found = self._journal.poll()
            self.trouble = ""
        except OSError as error:
            found, self.trouble = [], f"the journal cannot be read: {error.strerror or error}"
        if not found:
            self._due_ns = now_ns + POLL_EVERY_NS
        for placed in found:
            self._take(placed, now_ns)
        return len(found)

    def _take(self, placed: PlacedSignal, now_ns: int) -> None:
        signal = placed.signal
        if not _is_named(signal):
            return
        series = self._start.series + self._journal.beginnings
        place = Place(series, NO_ORIGIN, placed.place)
        stored = self._start.places.get(signal.instrument)
        if stored is not None and (stored.series, stored.last) >= (series, placed.place):
            return
        if _is_up_to(signal, self._start.ids.get(signal.instrument)):
            return
        lane = self._lanes.get(signal.instrument)
        if lane is None:
            lane = WaitingSignals(StoredLane("signals", signal.instrument), place)
            self._lanes[signal.instrument] = lane
        lane.add(signal, place, now_ns)


def _is_named(signal: Signal) -> bool:
    """Whether instrument and id are such as they have to be: the one names a directory, the other
    tells the day.
    """
    try:
        parse_signal_id(signal.id)
    except MalformedMessage:
        return False
    return is_instrument(signal.instrument)


def _is_up_to(signal: Signal, stored_id: str | None) -> bool:
    """Whether it is the stored signal, or one before it of the same ring."""
    if stored_id is None:
        return False
    stored, found = parse_signal_id(stored_id), parse_signal_id(signal.id)
    return stored.ring_id == found.ring_id and found.boundary_ms <= stored.boundary_ms
