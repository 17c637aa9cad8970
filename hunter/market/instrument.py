"""Instrument names as OKX spells them.

BTC-USDT            spot
BTC-USDT-SWAP       perpetual
BTC-USD-241227      future, expiry YYMMDD
BTC-USD-241227-60000-C   option
"""

from __future__ import annotations

import enum
import re

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
