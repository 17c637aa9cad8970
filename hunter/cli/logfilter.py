"""Which log entries are wanted: by time, level and text. Pure.

Stamps are UTC and of one length, so they compare as texts. A line without one (a traceback, what a
program printed) belongs to the entry before it.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import msgspec

from hunter.clock import utc_text

LEVELS: Final = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
AROUND_NS: Final = 5_000_000_000
STAMP_LENGTH: Final = 24
_UNITS_S: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_DAY_NS: Final = 86_400_000_000_000
_STAMP: Final = re.compile(
    r"(?:(\d{4}-\d\d-\d\d)[T ])?(\d\d):(\d\d)(?::(\d\d)(?:\.(\d{1,3}))?)?Z?", re.ASCII
)


class LogFilterError(ValueError):
    """What was asked for makes no sense; in words."""


class ToldEntry(msgspec.Struct, frozen=True):
    """`hunter logs --json`. `at`: UTC, null where the line has no stamp; `more`: what follows it,
    as a traceback does.
    """

    at: str | None
    level: str | None
    actor: str
    text: str
    more: list[str]


def split_stamp(line: str) -> tuple[str, str]:
    """The stamp of a log line and what follows it; "" and the whole line when it has none."""
    stamp = line[:STAMP_LENGTH]
    if len(stamp) != STAMP_LENGTH or not stamp.endswith("Z") or stamp[4] != "-":
        return "", line
    return stamp, line[STAMP_LENGTH + 1 :]


class Entry:
    """A line with a stamp, and those after it that have none."""

    __slots__ = ("actor", "level", "lines", "stamp", "text")

    def __init__(self, actor: str, stamp: str, level: str, text: str, line: str) -> None:
        self.actor = actor
        self.stamp = stamp
        self.level = level
        self.text = text
        self.lines = [line]

    @classmethod
    def of(cls, file_actor: str, line: str) -> Entry:
        """One line; `stamp` is "" when it has none."""
        stamp, rest = split_stamp(line)
        level, _, message = rest.partition(" ")
        actor, _, text = message.partition(" ")
        if not stamp or level not in LEVELS:
            return cls(file_actor, stamp, "", rest, line)
        return cls(actor, stamp, level, text, line)

    def told(self) -> ToldEntry:
        return ToldEntry(
            self.stamp or None, self.level or None, self.actor, self.text, self.lines[1:]
        )


class Filter:
    """`first` and `last`: stamps, "" = no bound."""

    def __init__(self, *, level: str | None = None, grep: str | None = None) -> None:
        self.first = ""
        self.last = ""
        self._rank = LEVELS.index(level.upper()) if level else -1
        self._levels = self._rank >= 0
        try:
            self._grep = re.compile(grep) if grep else None
        except re.error as error:
            raise LogFilterError(f"--grep {grep}: {error}") from None
        self._took: dict[Path, bool] = {}

    @property
    def reads_all(self) -> bool:
        """Whether the newest lines alone may not be enough."""
        return bool(self.first or self._levels or self._grep)

    def takes(self, entry: Entry) -> bool:
        if self.first and entry.stamp < self.first:
            return False
        if self.last and entry.stamp > self.last:
            return False
        if self._levels and (not entry.level or LEVELS.index(entry.level) < self._rank):
            return False
        return self._grep is None or any(self._grep.search(line) for line in entry.lines)

    def line(self, path: Path, text: str) -> Entry | None:
        """One line as it comes: without a stamp, it goes the way of the one before it."""
        entry = Entry.of(path.stem, text)
        if entry.stamp or path not in self._took:
            self._took[path] = self.takes(entry)
        return entry if self._took[path] else None


def parse_since(text: str, now_ns: int) -> str:
    """A stamp out of `10m` or of what `parse_stamp` takes. Raises LogFilterError."""
    if found := re.fullmatch(r"(\d{1,9})\s*([smhd])", text.strip(), re.ASCII):
        return utc_text(max(0, now_ns - int(found[1]) * _UNITS_S[found[2]] * 1_000_000_000))
    stamp = parse_stamp(text, now_ns)
    if stamp is None:
        raise LogFilterError(
            f'--since "{text}": write 30s, 10m, 2h or 1d, or a time (UTC) as in the log: 12:00,'
            " 2026-01-31T12:00:05"
        )
    return stamp


def parse_stamp(text: str, now_ns: int) -> str | None:
    """`12:00`, `12:00:05.250` or a whole stamp, UTC; a time that is still to come today was
    yesterday. None: it is no time.
    """
    found = _STAMP.fullmatch(text.strip())
    if found is None:
        return None
    day, hour, minute, second, thousandths = found.groups()
    if int(hour) > 23 or int(minute) > 59 or int(second or 0) > 59:
        return None
    time = f"T{hour}:{minute}:{second or '00'}.{(thousandths or '0').ljust(3, '0')}Z"
    if day is not None:
        return day + time
    stamp = utc_text(now_ns)[:10] + time
    return stamp if stamp <= utc_text(now_ns) else utc_text(now_ns - _DAY_NS)[:10] + time


def window(stamp: str) -> tuple[str, str]:
    """The stamps of five seconds before and after."""
    at_ns = wall_ns_of(stamp)
    return utc_text(max(0, at_ns - AROUND_NS)), utc_text(at_ns + AROUND_NS)


def wall_ns_of(stamp: str) -> int:
    """Of a whole stamp. Raises LogFilterError for a day that there is not."""
    from datetime import UTC, datetime

    try:
        at = datetime.strptime(stamp, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=UTC)
    except ValueError:
        raise LogFilterError(f'there is no time "{stamp}"') from None
    return int(at.timestamp()) * 1_000_000_000 + at.microsecond * 1000
