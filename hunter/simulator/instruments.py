"""What the simulated exchange lists: price steps, lot sizes and a typical price per instrument.

Steps of the named instruments are the exchange's own (public/instruments); any other well-spelt
name gets steps that fit a price drawn from its name, the same in every run.
"""

from __future__ import annotations

import calendar
import zlib
from collections.abc import Container
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

    @property
    def is_inverse(self) -> bool:
        """A contract's value is in US dollars, not in the base currency."""
        return bool(self.contract_value) and self.inst_id.split("-")[1] == "USD"

    def contract_text(self, lots: int) -> str:
        """Lots times the value of a contract, in whatever currency that is."""
        units, decimals = _product(self.lot_size, self.contract_value or "1")
        return decimal_text(lots * units, decimals)

    def base_text(self, lots: int, turnover: int) -> str:
        """`lots` in the base currency; `turnover` (ticks times lots) says at which price."""
        if not self.is_inverse or not lots:
            return self.contract_text(lots)
        price = turnover / lots * float(self.tick_size)
        return f"{float(self.contract_text(lots)) / price:.8f}"

    def quote_text(self, turnover: int) -> str:
        """`turnover` in the quote currency; for contracts that are not inverse."""
        units, decimals = _product(self.lot_size, self.contract_value or "1", self.tick_size)
        return decimal_text(turnover * units, decimals)

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


def _product(*texts: str) -> tuple[int, int]:
    """Decimal texts multiplied: (units, decimals)."""
    units, decimals = 1, 0
    for text in texts:
        factor, places = decimal_units(text)
        units, decimals = units * factor, decimals + places
    return units, decimals


LIVE, SUSPENDED, DELISTED = "live", "suspend", "expired"

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


# Listed, and so in REST `instruments`, but without a market here: near misses need company.
_UNSIMULATED: Final = (
    "LTC-USDT",
    "XRP-USDT",
    "BTC-USD-SWAP",
    "LTC-USDT-SWAP",
    "XRP-USDT-SWAP",
    "BTC-USD-271231",
    "BTC-USDT-271231",
    "ETH-USD-271231",
    "BTC-USD-271231-60000-C",
    "BTC-USD-271231-60000-P",
    "ETH-USD-271231-3000-C",
)


def unsimulated(simulated: Container[str]) -> list[Listing]:
    return [listing(name) for name in _UNSIMULATED if name not in simulated]


def _expiry_ms(inst_id: str) -> str:
    """Contracts end at 08:00 UTC of the day in their name."""
    parts = inst_id.split("-")
    if len(parts) < 3 or parts[2] == "SWAP":
        return ""
    year, month, day = (int(parts[2][i : i + 2]) for i in (0, 2, 4))
    return str(calendar.timegm((2000 + year, month, day, 8, 0, 0)) * 1000)


def listing_row(item: Listing, state: str = LIVE) -> dict[str, Any]:
    """One row of GET /api/v5/public/instruments, or of channel instruments."""
    kind = instrument_type(item.inst_id)
    base, quote = item.inst_id.split("-")[:2]
    is_spot = kind is InstrumentType.SPOT
    is_inverse = not is_spot and quote == "USD"
    is_option = kind is InstrumentType.OPTION
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
        "ctType": "" if is_spot or is_option else ("inverse" if is_inverse else "linear"),
        "optType": item.inst_id[-1] if is_option else "",
        "stk": item.inst_id.split("-")[3] if is_option else "",
        "tickSz": item.tick_size,
        "lotSz": item.lot_size,
        "minSz": item.lot_size,
        "listTime": "1573557408000",
        "expTime": _expiry_ms(item.inst_id),
        "state": state,
        "upcChg": [],
    }
