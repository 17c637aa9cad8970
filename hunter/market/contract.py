"""Contract: what a size of an instrument is worth. Pure.

OKX counts sizes of swaps, futures and options in contracts, sizes of spot in base currency. One
contract is worth `value` (ctVal times ctMult): base currency of a linear contract, US dollars of an
inverse one. Which of these an instrument is, its name says already; the value only the exchange
does, so everything that needs it is None until it is known, and never 0. Called by whoever shows
volumes to people.
"""

from __future__ import annotations

import enum
from math import isfinite
from typing import NamedTuple

from hunter.market.instrument import InstrumentType, instrument_type

_INVERSE_QUOTE = "USD"


class SizeUnit(enum.IntEnum):
    """What a size counts. The first three are the numbers of `contract_type` in the ring."""

    BASE = 0  # spot: base currency
    LINEAR = 1  # contracts worth some base currency
    INVERSE = 2  # contracts worth some dollars
    PREMIUM = 3  # options: as LINEAR, but a price is a premium, in a currency of the family's


class Contract(NamedTuple):
    """How sizes of one instrument turn into currency; `value` is None while nobody has said."""

    unit: SizeUnit
    value: float | None

    @property
    def base_per_unit(self) -> float | None:
        """Base currency of one `base_units`."""
        return self.value

    @property
    def quote_per_unit(self) -> float | None:
        """Quote currency of one `quote_units`; None for options: a premium is no price of it."""
        return None if self.unit is SizeUnit.PREMIUM else self.value

    def base_units(self, size: float, price: float) -> float:
        """Proportional to base currency; times `base_per_unit` it is base currency."""
        return size / price if self.unit is SizeUnit.INVERSE else size

    def quote_units(self, size: float, price: float) -> float:
        """Proportional to quote currency; times `quote_per_unit` it is quote currency."""
        return size if self.unit is SizeUnit.INVERSE else size * price

    def quote(self, size: float, price: float) -> float | None:
        """A size at a price in quote currency, if known."""
        per_unit = self.quote_per_unit
        return None if per_unit is None else self.quote_units(size, price) * per_unit


def contract_of(
    instrument: str,
    contract_type: int | None = None,
    contract_value: float | None = None,
    contract_multiplier: float | None = None,
) -> Contract:
    """From a name and what the exchange says (the fields of an `instrument` row), or None or NaN
    where it has not said so.
    """
    kind = instrument_type(instrument)
    if kind is InstrumentType.SPOT:
        return Contract(SizeUnit.BASE, 1.0)
    if kind is InstrumentType.OPTION:
        unit = SizeUnit.PREMIUM
    elif contract_type:
        unit = SizeUnit(contract_type)
    else:
        is_inverse = instrument.split("-")[1] == _INVERSE_QUOTE
        unit = SizeUnit.INVERSE if is_inverse else SizeUnit.LINEAR
    if contract_value is None or not isfinite(contract_value) or not contract_value > 0.0:
        return Contract(unit, None)
    # An empty ctMult is as good as 1, which it is for all but some options.
    if contract_multiplier is None or not isfinite(contract_multiplier):
        contract_multiplier = 1.0
    return Contract(unit, contract_value * contract_multiplier)
