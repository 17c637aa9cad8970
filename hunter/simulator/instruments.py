"""What the simulated exchange lists: price steps, lot sizes and a typical price per instrument.

Steps of the named instruments are the exchange's own (public/instruments); any other well-spelt
name gets steps that fit a price drawn from its name, the same in every run.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import Any, Final

from hunter.market.instrument import InstrumentType, instrument_type
from hunter.simulator.decimals import decimal_text, decimal_units


@dataclass(frozen=True, slots=True)
class Listing:
    """Prices are whole ticks and sizes whole lots inside the simulator; texts only outside."""

    inst_id: str
    tick_size: str
    lot_size: str
    contract_value: str
    anchor_ticks: int
    lots_typical: int
    """Median size of a taker's order."""

    def price_text(self, ticks: int) -> str:
        units, decimals = decimal_units(self.tick_size)
        return decimal_text(ticks * units, decimals)

    def size_text(self, lots: int) -> str:
        units, decimals = decimal_units(self.lot_size)
        return decimal_text(lots * units, decimals)

    @property
    def inst_type(self) -> str:
        return instrument_type(self.inst_id).value

    def volume_currency_text(self, lots: int) -> str:
        """`volCcy24h`: base currency for contracts, quote for spot (at the typical price)."""
        lot_units, lot_decimals = decimal_units(self.lot_size)
        factor = self.contract_value or self.price_text(self.anchor_ticks)
        units, decimals = decimal_units(factor)
        return decimal_text(lots * lot_units * units, lot_decimals + decimals)

    def ticks(self, price: str) -> int:
        """Whole ticks nearest below `price`."""
        units, decimals = decimal_units(self.tick_size)
        price_units, price_decimals = decimal_units(price)
        scale = max(decimals, price_decimals)
        in_units = price_units * int(10 ** (scale - price_decimals))
        return in_units // (units * int(10 ** (scale - decimals)))


# name: tick size, lot size, contract value, typical price, median lots of a taker's order
_KNOWN: Final = {
    "BTC-USDT-SWAP": ("0.1", "0.01", "0.01", "64000", 120),
    "BTC-USDT": ("0.1", "0.00000001", "", "64010", 900_000),
    "ETH-USDT-SWAP": ("0.01", "0.01", "0.1", "3400", 150),
    "ETH-USDT": ("0.01", "0.000001", "", "3400.5", 250_000),
    "SOL-USDT-SWAP": ("0.01", "0.01", "1", "150", 300),
    "SOL-USDT": ("0.01", "0.000001", "", "150.1", 4_000_000),
    "BTC-USD-SWAP": ("0.1", "1", "100", "63990", 12),
    "ETH-USD-SWAP": ("0.01", "1", "10", "3399", 20),
    "XRP-USDT-SWAP": ("0.0001", "0.01", "100", "0.6", 400),
    "DOGE-USDT-SWAP": ("0.00001", "0.01", "1000", "0.12", 400),
}


def listing(inst_id: str) -> Listing:
    """The listing of any well-spelt instrument name."""
    known = _KNOWN.get(inst_id)
    if known is None:
        known = _invented(inst_id)
    tick, lot, value, price, lots = known
    draft = Listing(inst_id, tick, lot, value, 1, lots)
    return Listing(inst_id, tick, lot, value, draft.ticks(price), lots)


def _invented(inst_id: str) -> tuple[str, str, str, str, int]:
    draw = zlib.crc32(inst_id.encode())
    # Between 6,000 and 60,000 ticks at the start, so that 400 levels below always fit.
    ticks = 6_000 + draw % 54_000
    decimals = draw // 54_000 % 6
    tick = decimal_text(1, decimals)
    price = decimal_text(ticks, decimals)
    if instrument_type(inst_id) is InstrumentType.SPOT:
        return tick, "0.0001", "", price, 5_000
    return tick, "1", "1", price, 15


def listing_row(item: Listing) -> dict[str, Any]:
    """One row of GET /api/v5/public/instruments."""
    kind = instrument_type(item.inst_id)
    base, quote = item.inst_id.split("-")[:2]
    is_spot = kind is InstrumentType.SPOT
    is_inverse = not is_spot and quote == "USD"
    return {
        "instType": kind.value,
        "instId": item.inst_id,
        "instIdCode": zlib.crc32(item.inst_id.encode()),
        "uly": "" if is_spot else f"{base}-{quote}",
        "instFamily": "" if is_spot else f"{base}-{quote}",
        "baseCcy": base if is_spot else "",
        "quoteCcy": quote if is_spot else "",
        "settleCcy": "" if is_spot else (base if is_inverse else quote),
        "ctVal": item.contract_value,
        "ctMult": "" if is_spot else "1",
        "ctValCcy": "" if is_spot else ("USD" if is_inverse else base),
        "ctType": "" if is_spot else ("inverse" if is_inverse else "linear"),
        "tickSz": item.tick_size,
        "lotSz": item.lot_size,
        "minSz": item.lot_size,
        "listTime": "1573557408000",
        "expTime": "",
        "state": "live",
        "upcChg": [],
    }
