"""Instrument names as OKX spells them.

BTC-USDT            spot
BTC-USDT-SWAP       perpetual
BTC-USD-241227      future, expiry YYMMDD
BTC-USD-241227-60000-C   option
"""

from __future__ import annotations

import enum
import re
from collections.abc import Sequence

_NAME = re.compile(r"[A-Z0-9]{1,20}-[A-Z0-9]{1,10}(-(SWAP|\d{6}(-\d+(\.\d+)?-[CP])?))?")


class InstrumentType(enum.StrEnum):
    """OKX's `instType`."""

    SPOT = "SPOT"
    SWAP = "SWAP"
    FUTURES = "FUTURES"
    OPTION = "OPTION"


def is_instrument(name: str) -> bool:
    """Whether `name` is spelt like an OKX instrument (not whether OKX lists it)."""
    return _NAME.fullmatch(name) is not None


def instrument_type(name: str) -> InstrumentType:
    """Type by spelling; `name` must satisfy `is_instrument`."""
    assert is_instrument(name), name
    parts = name.split("-")
    if len(parts) == 2:
        return InstrumentType.SPOT
    if parts[2] == "SWAP":
        return InstrumentType.SWAP
    return InstrumentType.FUTURES if len(parts) == 3 else InstrumentType.OPTION


def mate_of(name: str) -> str | None:
    """The perpetual of a spot's base and quote, and the other way round; None where there is none
    by spelling (futures, options). Whether OKX lists it is another question.
    """
    base, _, rest = name.partition("-")
    quote, _, kind = rest.partition("-")
    if not base or not quote or kind not in ("", "SWAP"):
        return None
    return f"{base}-{quote}" if kind else f"{name}-SWAP"


def group_leaders(names: Sequence[str]) -> tuple[int, ...]:
    """For each name the place of the first of its group. Mates are a group; whoever has no mate
    among the names is one alone.
    """
    places = {name: place for place, name in enumerate(names)}
    return tuple(
        min(place, places.get(mate_of(name) or "", place)) for place, name in enumerate(names)
    )
