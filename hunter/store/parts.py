"""PartFile files: their names, which say what is in them, and which of them belong together. Pure.

    TABLE/instrument=BTC-USDT-SWAP/date=2026-11-23/
        part-SERIES-ORIGIN-FIRST-LAST-LEVEL.parquet

A part holds the rows of one lane (a table of one instrument) from FIRST to LAST, which are ring
sequences, or places in the journal of signals. ORIGIN is the ring they are from, SERIES counts the
origins of the lane. The newest part therefore says where the lane goes on, and says it at the
moment its rows can be seen. LEVEL says how often its rows were merged. In a merged part FIRST may
be of an origin before ORIGIN.

Invariant: the parts of a lane, in the order of (series, last), are its rows in order, each once.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from hunter.config.schema import TABLES
from hunter.market.instrument import is_instrument

MERGE_COUNT: Final = 64
"""So many parts of one level, one after the other, are merged while their day goes on."""
LEVEL_MAX: Final = 9
_NS_PER_DAY: Final = 86_400_000_000_000
DAY_OVER_AFTER_NS: Final = 1_800_000_000_000
"""A day is merged into one part so long after its end: late rows have come by then."""
_NAME: Final = re.compile(r"part-(\d{6})-([0-9a-f]{16})-(\d{20})-(\d{20})-(\d)\.parquet")
_INSTRUMENT: Final = "instrument="
_DATE: Final = "date="


class StoredLane(NamedTuple):
    """A table of one instrument."""

    table: str
    instrument: str


class Folder(NamedTuple):
    """One day of a lane; `day` counts from the epoch, in UTC."""

    lane: StoredLane
    day: int

    @property
    def path(self) -> str:
        """Below the store's directory."""
        lane = self.lane
        return f"{lane.table}/{_INSTRUMENT}{lane.instrument}/{_DATE}{day_text(self.day)}"


class Place(NamedTuple):
    """How far a lane has come: `last` of its origin. Places compare by (series, last) alone."""

    series: int
    origin: str
    last: int


class PartFile(NamedTuple):
    """One file of a folder."""

    folder: Folder
    place: Place
    first: int
    level: int = 0
    size_bytes: int = 0

    @property
    def name(self) -> str:
        series, origin, last = self.place
        return f"part-{series:06d}-{origin}-{self.first:020d}-{last:020d}-{self.level}.parquet"

    @property
    def path(self) -> str:
        return f"{self.folder.path}/{self.name}"

    @property
    def order(self) -> tuple[int, int]:
        return self.place.series, self.place.last


def day_text(day: int) -> str:
    return datetime.date.fromordinal(_EPOCH + day).isoformat()


_EPOCH: Final = datetime.date(1970, 1, 1).toordinal()
DAY_MAX: Final = datetime.date.max.toordinal() - _EPOCH


def day_of(ts_ns: int) -> int:
    return min(max(ts_ns // _NS_PER_DAY, 0), DAY_MAX)


def parse_folder(table: str, instrument: str, date: str) -> Folder | None:
    """Of the names of three directories; None when one of them is not ours."""
    name = instrument.removeprefix(_INSTRUMENT)
    if table not in TABLES or name == instrument or not is_instrument(name):
        return None
    try:
        day = datetime.date.fromisoformat(date.removeprefix(_DATE)).toordinal() - _EPOCH
    except ValueError:
        return None
    folder = Folder(StoredLane(table, name), day)
    return folder if folder.path == f"{table}/{instrument}/{date}" else None


def parse_part(folder: Folder, name: str, size_bytes: int) -> PartFile | None:
    """Of a file's name; None when it is none of ours."""
    found = _NAME.fullmatch(name)
    if found is None:
        return None
    series, first, last, level = (int(found[place]) for place in (1, 3, 4, 5))
    return PartFile(folder, Place(series, found[2], last), first, level, size_bytes)


def merged(parts: Sequence[PartFile]) -> PartFile:
    """The part that all of these become; they are in order."""
    level = min(LEVEL_MAX, 1 + max(part.level for part in parts))
    return PartFile(parts[-1].folder, parts[-1].place, parts[0].first, level)


def parts_to_merge(parts: Iterable[PartFile], now_wall_ns: int) -> list[PartFile]:
    """Which parts of a folder are to become one now, in order; none when all is well."""
    ordered = sorted(parts, key=lambda part: part.order)
    if not ordered:
        return []
    end_ns = (ordered[0].folder.day + 1) * _NS_PER_DAY
    if now_wall_ns >= end_ns + DAY_OVER_AFTER_NS:
        return ordered if len(ordered) > 1 else []
    run: list[PartFile] = []
    for part in ordered:
        if run and (part.level != run[-1].level or part.level >= LEVEL_MAX):
            run = []
        run.append(part)
        if len(run) >= MERGE_COUNT:
            return run
    return []


class StoreLimits(NamedTuple):
    """What may be kept; retention_days 0: for ever."""

    retention_days: int
    budget_bytes: int


def parts_to_remove(
    parts: Iterable[PartFile], kept: Iterable[PartFile], limits: StoreLimits, now_wall_ns: int
) -> list[PartFile]:
    """What is too old, or more than there is room for, oldest day first.

    `kept`: those that say where a lane goes on. They stay, whatever the limits say. Days are
    counted from the newest one that is stored: a host's clock that jumps ahead removes nothing.
    """
    staying = set(kept)
    ordered = sorted(parts, key=lambda part: (part.folder.day, part.order))
    total_bytes = sum(part.size_bytes for part in ordered)
    first_day = 0
    if limits.retention_days:
        newest_day = max((part.folder.day for part in ordered), default=0)
        first_day = min(day_of(now_wall_ns), newest_day) - limits.retention_days + 1
    found = []
    for part in ordered:
        if part.folder.day >= first_day and total_bytes <= limits.budget_bytes:
            break
        if part not in staying:
            found.append(part)
            total_bytes -= part.size_bytes
    return found
