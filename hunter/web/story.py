"""What has happened to the instance, for the page's log of events and its time line. Bounded.

Deaths come from their records, which are there from before this process began; the rest from
comparing one status report with the next.
"""

from __future__ import annotations

import os
from collections import deque
from pathlib import Path
from typing import Final

import msgspec

from hunter.status.deaths import FILE_NAME, DeathRecord, read_deaths
from hunter.status.shapes import StatusReport

KEPT_MAX: Final = 200
_MS_NS: Final = 1_000_000


class EventView(msgspec.Struct, frozen=True):
    """A line of the log. `severity`: info, warning or critical."""

    at_ms: int
    kind: str
    severity: str
    subject: str
    text: str
    is_over: bool = False


class TurnView(msgspec.Struct, frozen=True):
    """A mark on an actor's line. `what`: died, restarted, takeover or stopped."""

    at_ms: int
    actor: str
    what: str
    text: str


class Story:
    """`look` now and then; what it found last is `events_new` and `turns_new`."""

    def __init__(self, log_dir: Path) -> None:
        self._log_dir = log_dir
        self._deaths_stamp = (0, 0)
        self._death_ns = 0
        self._actors: dict[str, tuple[int, int, int]] = {}
        self.events: deque[EventView] = deque(maxlen=KEPT_MAX)
        self.turns: deque[TurnView] = deque(maxlen=KEPT_MAX)
        self.events_new: list[EventView] = []
        self.turns_new: list[TurnView] = []

    def look(self, report: StatusReport, now_wall_ns: int) -> None:
        """Take in what has changed since the last look; the first one only learns how it is."""
        at_ms = now_wall_ns // _MS_NS
        turns = self._deaths() + self._turns(report, at_ms)
        self.turns_new += sorted(turns, key=lambda turn: turn.at_ms)[-KEPT_MAX:]
        self.turns.extend(self.turns_new)

    def forget_news(self) -> None:
        """Everybody who looks has been told."""
        self.events_new, self.turns_new = [], []

    @property
    def told_events(self) -> list[EventView]:
        """All that are kept, but for the news, which everybody is going to be told."""
        return list(self.events)[: max(0, len(self.events) - len(self.events_new))]

    @property
    def told_turns(self) -> list[TurnView]:
        return list(self.turns)[: max(0, len(self.turns) - len(self.turns_new))]

    def _deaths(self) -> list[TurnView]:
        path = self._log_dir / FILE_NAME
        try:
            info = os.stat(path)
        except OSError:
            return []
        stamp = (info.st_ino, info.st_size)
        if stamp == self._deaths_stamp:
            return []
        self._deaths_stamp = stamp
        records = [each for each in read_deaths(self._log_dir) if each.at_ns > self._death_ns]
        if records:
            self._death_ns = records[-1].at_ns
        return [death_turn(record) for record in records[-KEPT_MAX:]]

    def _turns(self, report: StatusReport, at_ms: int) -> list[TurnView]:
        return []


def death_turn(record: DeathRecord) -> TurnView:
    """One death on the time line."""
    what = "stopped" if record.asked else "died"
    return TurnView(record.at_ns // _MS_NS, record.actor, what, death_text(record))


def death_text(record: DeathRecord) -> str:
    cause = "" if record.cause in record.last_exit or record.asked else f" ({record.cause})"
    asked = ", as the operator had asked" if record.asked else ""
    detail = f": {record.detail}" if record.detail else ""
    return f"{record.actor} ended after {record.uptime_s:.0f} s, {record.last_exit}{cause}{asked}{detail}"
