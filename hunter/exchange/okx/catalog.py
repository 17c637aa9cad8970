"""What the exchange lists, and whether an instrument of ours is among it. Pure.

A type's list counts once it has come whole (`add`); changes of single instruments (`update`, from
the channel `instruments`) do not make a list whole. Until then an instrument that is not known is
UNKNOWN, never UNLISTED: nobody is parked because an answer is late.

Called by the stream actor and by the start-up check, which ask for `paths`.
"""

from __future__ import annotations

import difflib
import enum
from collections.abc import Iterable
from typing import Final, NamedTuple
from urllib.parse import parse_qs, urlsplit

from hunter.exchange.okx.plan import index_of
from hunter.exchange.okx.rest import instruments_path
from hunter.exchange.okx.rows import InstrumentDetails, ListingState
from hunter.market.instrument import InstrumentType, instrument_type, is_instrument

# Below this likeness a hint would be a guess: BTC-USDT-SWP and BTC-USDT-SWAP have 0.96.
_LIKENESS_MIN: Final = 0.6
_CANDIDATES_MAX: Final = 1_000
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
            whole.add((query["instType"][0], query.get("instFamily", [""])[0]))
        self._whole |= whole
        gone = [
            name
            for name, row in self._details.items()
            if name not in listed and _list_of(row.inst_type, name) in whole
        ]
        for name in gone:
            del self._details[name]
        self._details.update(listed)

    def update(self, rows: Iterable[InstrumentDetails]) -> None:
        """Changes of some instruments, as pushed by the channel `instruments`."""
        self._details.update((row.inst_id, row) for row in rows)

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
        wanted = inst_id.upper().replace("/", "-").replace("_", "-")
        if wanted in self._details:
            return wanted
        near = difflib.get_close_matches(wanted, self._candidates(wanted), 1, _LIKENESS_MIN)
        return near[0] if near else None

    def _candidates(self, wanted: str) -> list[str]:
        """Few enough to compare letter by letter: those of the same base, else of bases like it.

        Options are many and look alike; they are candidates for something like an option only.
        """
        names: Iterable[str] = self._details
        if wanted.count("-") < _OPTION_DASHES:
            names = [name for name in names if name.count("-") < _OPTION_DASHES]
        else:
            expiry = wanted.rsplit("-", 2)[0] + "-"
            names = [name for name in names if name.startswith(expiry)] or names
        by_base: dict[str, list[str]] = {}
        for name in names:
            by_base.setdefault(name.partition("-")[0], []).append(name)
        base = wanted.partition("-")[0]
        found = list(by_base.get(base, ()))
        if not found:
            for other in difflib.get_close_matches(base, by_base, 5, _LIKENESS_MIN):
                found += by_base[other]
        return found[:_CANDIDATES_MAX]

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
