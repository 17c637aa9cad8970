"""What the exchange lists, and whether an instrument of ours is among it. Pure.

A type's list counts once it has come whole (`add`); changes of single instruments (`update`, from
the channel `instruments`) do not make a list whole. Until then an instrument that is not known is
UNKNOWN, never UNLISTED: nobody is parked because an answer is late. An empty list is believed when
it comes twice in a row: one slip of the exchange must not unlist everything.

Hints are found among few names, the neighbours in alphabetical order, because the stream's loop
asks for them: a millisecond each, once for each state of the lists.

Called by the stream actor and by the start-up check, which ask for `paths`.
"""

from __future__ import annotations

import difflib
import enum
import heapq
from bisect import bisect_left, insort
from collections.abc import Iterable
from typing import Final, NamedTuple
from urllib.parse import parse_qs, urlsplit

from hunter.exchange.okx.plan import index_of
from hunter.exchange.okx.rest import instruments_path
from hunter.exchange.okx.rows import InstrumentDetails, ListingState
from hunter.market.instrument import InstrumentType, instrument_type, is_instrument

# Below this likeness a hint would be a guess: BTC-USDT-SWP and BTC-USDT-SWAP have 0.96.
_LIKENESS_MIN: Final = 0.6
# Comparing letter by letter costs 30 us a name.
_CANDIDATES_MAX: Final = 24
_BASES_COMPARED_MAX: Final = 30
_BASES_MAX: Final = 5
_NAME_LENGTH_MAX: Final = 40
# BTC-USD-261225-60000-C
_OPTION_DASHES: Final = 4
_REASONS: Final = {
    ListingState.SUSPENDED: "trading is suspended",
    ListingState.PREOPEN: "it has not opened yet",
    ListingState.TEST: "it is a test pair, which nobody can trade",
    ListingState.UNKNOWN: "hunter does not know that state",
}

# A type, and for options the family, as lists are asked for.
_List = tuple[str, str]


class VerdictKind(enum.Enum):
    LIVE = "live"
    # Listed, and without a market at the moment: park it until it is live.
    SUSPENDED = "suspended"
    UNLISTED = "unlisted"
    # Its type's list has not come yet.
    UNKNOWN = "unknown"


class ListingVerdict(NamedTuple):
    """`text` is one sentence for the log and the command line."""

    kind: VerdictKind
    text: str


class Catalog:
    """All instruments the exchange told us about."""

    def __init__(self) -> None:
        self._details: dict[str, InstrumentDetails] = {}
        self._whole: set[_List] = set()
        # Lists whose last answer was empty, and not believed.
        self._empty: set[_List] = set()
        # Names in order, by base; those of options apart.
        self._options: dict[str, list[str]] = {}
        self._others: dict[str, list[str]] = {}
        self._hints: dict[str, str | None] = {}

    def __len__(self) -> int:
        return len(self._details)

    def add(self, rows: Iterable[InstrumentDetails], path: str = "") -> None:
        """A whole list, as answered to `path`; what was listed before and is not now is gone.

        Without `path` the lists are those of the rows, which says nothing for an empty answer.
        """
        listed = {row.inst_id: row for row in rows}
        whole = {_list_of(row.inst_type, row.inst_id) for row in listed.values()}
        if path:
            query = parse_qs(urlsplit(path).query)
            asked = (query["instType"][0], query.get("instFamily", [""])[0])
            if not listed and asked not in self._empty:
                self._empty.add(asked)
                return
            whole.add(asked)
        self._whole |= whole
        self._empty -= whole
        gone = [
            name
            for name, row in self._details.items()
            if name not in listed and _list_of(row.inst_type, name) in whole
        ]
        for name in gone:
            del self._details[name]
            self._remove_name(name)
        self.update(listed.values())

    def update(self, rows: Iterable[InstrumentDetails]) -> None:
        """Changes of some instruments, as pushed by the channel `instruments`."""
        for row in rows:
            if row.inst_id not in self._details:
                self._add_name(row.inst_id)
            self._details[row.inst_id] = row

    def details(self, inst_id: str) -> InstrumentDetails | None:
        return self._details.get(inst_id)

    def verdict(self, inst_id: str) -> ListingVerdict:
        """Whether `inst_id` can be subscribed, and if not why, with a near miss if there is one."""
        row = self._details.get(inst_id)
        if row is None:
            if not self._is_whole(inst_id):
                return ListingVerdict(
                    VerdictKind.UNKNOWN, f"the exchange's list with {inst_id} has not come yet"
                )
            near = self.nearest(inst_id)
            hint = f"; did you mean {near}?" if near else ""
            return ListingVerdict(VerdictKind.UNLISTED, f"OKX does not list {inst_id}{hint}")
        if row.status is ListingState.LIVE:
            return ListingVerdict(VerdictKind.LIVE, f"{inst_id} is live")
        if row.status is ListingState.DELISTED:
            return ListingVerdict(VerdictKind.UNLISTED, f"OKX has delisted {inst_id} ({row.state})")
        return ListingVerdict(
            VerdictKind.SUSPENDED,
            f"OKX lists {inst_id} as {row.state[:20]}: {_REASONS[row.status]}",
        )

    def nearest(self, inst_id: str) -> str | None:
        """The listed instrument that `inst_id` is most likely a misspelling of."""
        wanted = inst_id[:_NAME_LENGTH_MAX].upper().replace("/", "-").replace("_", "-")
        if wanted in self._details:
            return wanted
        if wanted not in self._hints:
            near = difflib.get_close_matches(wanted, self._candidates(wanted), 1, _LIKENESS_MIN)
            self._hints[wanted] = near[0] if near else None
        return self._hints[wanted]

    def _candidates(self, wanted: str) -> list[str]:
        """Few enough to compare letter by letter: those of the same base, else of bases like it.

        Options are many and look alike; they are candidates for something like an option only.
        """
        base, dash, rest = wanted.partition("-")
        if _is_option(wanted) and base in self._options:
            names = self._options[base]
            # The same strike of other days: most that are asked for have expired.
            strike = "-" + "-".join(wanted.split("-")[3:])
            found = [name for name in names if name.endswith(strike)][: _CANDIDATES_MAX // 2]
            return found + _neighbours(names, wanted, _CANDIDATES_MAX - len(found))
        if base in self._others:
            return _neighbours(self._others[base], wanted, _CANDIDATES_MAX)
        groups = self._options if _is_option(wanted) and self._options else self._others
        found = []
        for other in _like(base, groups):
            wanted = other + dash + rest
            found += _neighbours(groups[other], wanted, _CANDIDATES_MAX // _BASES_MAX)
        return found

    def _add_name(self, name: str) -> None:
        self._hints.clear()
        insort(self._group(name).setdefault(name.partition("-")[0], []), name)

    def _remove_name(self, name: str) -> None:
        self._hints.clear()
        group, base = self._group(name), name.partition("-")[0]
        names = group[base]
        del names[bisect_left(names, name)]
        if not names:
            del group[base]

    def _group(self, name: str) -> dict[str, list[str]]:
        return self._options if _is_option(name) else self._others

    def _is_whole(self, inst_id: str) -> bool:
        if is_instrument(inst_id):
            return _list_of(instrument_type(inst_id), inst_id) in self._whole
        # Spelt like no instrument: any list can tell that it is none.
        return bool(self._whole)


def paths(instruments: Iterable[str]) -> tuple[str, ...]:
    """REST paths whose answers list everything that `instruments` may be, each once."""
    wanted = dict.fromkeys(_list_of(instrument_type(name), name) for name in instruments)
    return tuple(instruments_path(kind, None, family) for kind, family in wanted)


def _list_of(inst_type: str, inst_id: str) -> _List:
    return (inst_type, index_of(inst_id) if inst_type == InstrumentType.OPTION else "")


def _is_option(name: str) -> bool:
    return name.count("-") >= _OPTION_DASHES


def _like(base: str, bases: Iterable[str]) -> list[str]:
    """Bases that `base` may be a misspelling of; first by their letters, which is fast."""
    letters = set(base)
    by_letters = heapq.nsmallest(
        _BASES_COMPARED_MAX, bases, key=lambda other: len(letters.symmetric_difference(other))
    )
    return difflib.get_close_matches(base, by_letters, _BASES_MAX, _LIKENESS_MIN)


def _neighbours(names: list[str], wanted: str, count: int) -> list[str]:
    """Those around the place of `wanted` in order: no others have more of its beginning."""
    start = max(min(bisect_left(names, wanted) - count // 2, len(names) - count), 0)
    return names[start : start + count]
