"""What the plug-ins of all instruments do wrong now: for the log when it begins and ends, and for
the status as long as it lasts. Owned by the brain actor, which asks whenever it shows its document.
"""

from __future__ import annotations

from collections.abc import Iterable
from logging import Logger
from typing import Final

from hunter.brain.protocol import Brain

TOLD_MAX: Final = 4
CHARACTERS_MAX: Final = 300
"""Of one: the status document has a page of fixed size."""


class Troubles:
    """By instrument, as they were told last."""

    def __init__(self, log: Logger) -> None:
        self._log = log
        self._told: dict[str, str] = {}
        self.overruns = 0
        """Calls beyond the time budget, of all brains as they were looked at last."""

    def look(self, brains: Iterable[tuple[str, Brain]]) -> tuple[str, ...]:
        """Every instrument with its brain. Logs what is new and what is over; returns what there
        is, for the status."""
        found = {}
        overruns = 0
        for instrument, brain in brains:
            overruns += brain.overruns
            if trouble := brain.trouble:
                found[instrument] = trouble
            if trouble != self._told.get(instrument, ""):
                self._tell(instrument, trouble)
        self._told = found
        self.overruns = overruns
        lines = [f"{name}: {why}"[:CHARACTERS_MAX] for name, why in found.items()]
        if len(lines) > TOLD_MAX:
            more = len(lines) - TOLD_MAX + 1
            lines[TOLD_MAX - 1 :] = [
                f"plug-ins of {more} more instruments: see hunter logs brain-0"
            ]
        return tuple(lines)

    def _tell(self, instrument: str, trouble: str) -> None:
        if trouble:
            self._log.warning("%s: %s", instrument, trouble)
        else:
            self._log.info("%s: over: %s", instrument, self._told[instrument])
