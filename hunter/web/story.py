"""What has happened to the instance, for the page's log of events and its time line. Bounded.

Deaths, and the restarts after them, come from the records, which are there from before this process
began, and from who is there now; the rest from comparing one status report with the next. What is
*new* has not been told to those who look yet; who comes gets all the rest first, and the new with
everybody.
"""

from __future__ import annotations

from collections import deque
from pathlib import Path
from typing import Final, Generic, NamedTuple, TypeVar

import msgspec

from hunter.status.changes import Change, ChangeTracker
from hunter.status.deaths import FILE_NAME, DeathRecord, read_deaths
from hunter.status.shapes import StatusReport

KEPT_MAX: Final = 200
_MS_NS: Final = 1_000_000
_S_NS: Final = 1_000_000_000


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


class _Start(NamedTuple):
    """One process of an actor."""

    actor: str
    pid: int


Entry = TypeVar("Entry", EventView, TurnView)


class Telling(Generic[Entry]):
    """The newest KEPT_MAX entries, and how many of them are new."""

    def __init__(self) -> None:
        self._kept: deque[Entry] = deque(maxlen=KEPT_MAX)
        self._new_count = 0

    def add(self, entries: list[Entry]) -> None:
        self._kept.extend(sorted(entries, key=lambda entry: entry.at_ms))
        self._new_count = min(self._new_count + len(entries), len(self._kept))

    @property
    def new(self) -> list[Entry]:
        return list(self._kept)[len(self._kept) - self._new_count :]

    @property
    def told(self) -> list[Entry]:
        return list(self._kept)[: len(self._kept) - self._new_count]

    def forget_new(self) -> None:
        """Everybody who looks has been told."""
        self._new_count = 0


class Story:
    """`look` at each report in turn."""

    def __init__(self, log_dir: Path) -> None:
        self.events: Telling[EventView] = Telling()
        self.turns: Telling[TurnView] = Telling()
        self._log_dir = log_dir
        self._tracker = ChangeTracker()
        self._deaths_stamp = (0, 0)
        self._death_ns = 0
        self._has_looked = False
        self._restarted: deque[_Start] = deque(maxlen=KEPT_MAX)

    def look(self, report: StatusReport, now_wall_ns: int) -> None:
        """Take in what has happened since the last look. The first one takes in what is on file,
        and how things stand.
        """
        deaths = self._new_deaths()
        changes = self._tracker.look(report, now_wall_ns)
        self.events.add(events_of(deaths, changes, is_first=not self._has_looked))
        self._has_looked = True
        takeovers = [takeover_turn(each) for each in changes if each.kind == "takeover"]
        restarts = self._new_restarts(restarts_of(deaths, report, now_wall_ns))
        self.turns.add([death_turn(each) for each in deaths] + takeovers + restarts)

    def forget_new(self) -> None:
        self.events.forget_new()
        self.turns.forget_new()

    def _new_deaths(self) -> list[DeathRecord]:
        try:
            info = (self._log_dir / FILE_NAME).stat()
        except OSError:
            return []
        stamp = (info.st_ino, info.st_size)
        if stamp == self._deaths_stamp:
            return []
        self._deaths_stamp = stamp
        records = [each for each in read_deaths(self._log_dir) if each.at_ns > self._death_ns]
        if records:
            self._death_ns = max(each.at_ns for each in records)
        return records[-KEPT_MAX:]

    def _new_restarts(self, starts: dict[_Start, int]) -> list[TurnView]:
        """Each once, whether who was started lives, or lived so short that nobody saw it."""
        known = set(self._restarted)
        new = {start: at_ns for start, at_ns in starts.items() if start not in known}
        self._restarted.extend(new)
        return [restart_turn(start, at_ns) for start, at_ns in new.items()]


def events_of(
    deaths: list[DeathRecord], changes: list[Change], *, is_first: bool
) -> list[EventView]:
    """A death that we see is told as those on file are: then a page that has heard of it from two
    processes, one after the other, has one line of it. A stop that was asked for is not: what to do
    about it is in the change.
    """
    seen = set() if is_first else {each.actor for each in deaths if not each.asked}
    told = [each for each in deaths if is_first or not each.asked]
    rest = [
        each for each in changes if each.kind != "actor" or each.is_over or each.subject not in seen
    ]
    return [death_event(each) for each in told] + [event_of(change) for change in rest]


def restarts_of(
    deaths: list[DeathRecord], report: StatusReport, now_wall_ns: int
) -> dict[_Start, int]:
    """When each of these was started that was not the first of its name."""
    former = {
        _Start(each.actor, each.pid): each.at_ns - int(each.uptime_s * _S_NS)
        for each in deaths
        if each.restarts and each.pid
    }
    living = {
        _Start(each.name, each.pid): now_wall_ns - int(each.uptime_s * _S_NS)
        for each in report.actors
        if each.restarts and each.pid
    }
    return former | living


def event_of(change: Change) -> EventView:
    return EventView(
        change.at_ns // _MS_NS,
        change.kind,
        change.severity,
        change.subject,
        change.text,
        change.is_over,
    )


def takeover_turn(change: Change) -> TurnView:
    return TurnView(change.at_ns // _MS_NS, change.subject, "takeover", change.text)


def restart_turn(start: _Start, at_ns: int) -> TurnView:
    text = f"{start.actor} was started again, pid {start.pid}"
    return TurnView(at_ns // _MS_NS, start.actor, "restarted", text)


def death_turn(record: DeathRecord) -> TurnView:
    """One death on the time line."""
    what = "stopped" if record.asked else "died"
    return TurnView(record.at_ns // _MS_NS, record.actor, what, death_text(record))


def death_event(record: DeathRecord) -> EventView:
    """One death in the log. Not `is_over`: that says that something is well again."""
    severity = "info" if record.asked else "warning"
    at_ms, text = record.at_ns // _MS_NS, death_text(record)
    return EventView(at_ms, "actor", severity, record.actor, text)


def death_text(record: DeathRecord) -> str:
    """In one line, as `hunter deaths` has it in several."""
    text = f"{record.actor} ended after {record.uptime_s:.0f} s: {record.last_exit}"
    if record.asked:
        text += ", as the operator had asked"
    elif record.cause not in record.last_exit:
        text += f" ({record.cause})"
    return f"{text}; {record.detail}" if record.detail else text
