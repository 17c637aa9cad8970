"""What the exchange says of an instrument besides trades and books: mark price, index, funding,
open interest, liquidations, candles. Synthetic, and coherent with the market they are about.

Only what somebody has subscribed to is made. Texts and intervals are those of the channels' pages
(mark-price 200 ms on change, else 10 s; index-tickers 100 ms on change, else 1 min; funding-rate
30 to 90 s; open-interest 3 s; liquidation-orders at most 1 a second and contract; candles 1 s).
Owned by the source of the synthetic market.
"""

from __future__ import annotations

import random
import zlib
from collections.abc import Callable, Collection, Mapping
from typing import Any, Final

from hunter.simulator.candles import grid_start_s
from hunter.simulator.channels import BARS, Key, index_of
from hunter.simulator.decimals import decimal_text, decimal_units
from hunter.simulator.frames import Push, envelope
from hunter.simulator.instruments import Listing, listing_row
from hunter.simulator.market import Market

_MS: Final = 1_000_000
_S: Final = 1_000_000_000
_STEP_NS: Final = 100 * _MS
_FUNDING_S: Final = 8 * 3600
_FINAL_BARS_MAX: Final = 10  # of one channel, said later when nobody could say them in time
# channel: shortest time between two pushes, longest without one although nothing has changed
_PACE: Final = {
    "mark-price": (200 * _MS, 10 * _S),
    "index-tickers": (100 * _MS, 60 * _S),
    "funding-rate": (45 * _S, 45 * _S),
    "open-interest": (3 * _S, 60 * _S),
}
LIQUIDATIONS: Final = "liquidation-orders"
_LIQUIDATION_GAP_S: Final = 6.0

Row = dict[str, Any]


class PublicData:
    """`advance` gives what is due on the `wanted` keys, `current` what a new subscriber is told."""

    def __init__(self, markets: Mapping[str, Market], seed: int) -> None:
        self._markets = markets
        self._rng = random.Random(f"public/{seed}")
        self._next_ns = 0
        self._said: dict[Key, tuple[Row, int]] = {}  # last row without its time, and when
        # Open time of the last bar, its last row, and the second in which it was looked at.
        self._bars: dict[Key, tuple[int, list[str], int]] = {}
        self._interest: dict[str, int] = {}  # lots
        self._index_range: dict[str, tuple[str, float, str, float, str]] = {}
        self._makers: dict[str, Callable[[str, int], Row | None]] = {
            "mark-price": self._mark,
            "index-tickers": self._index,
            "funding-rate": self._funding,
            "open-interest": self._open_interest,
        }

    def makes(self, channel: str) -> bool:
        return channel in self._makers or channel in BARS

    def current(self, key: Key, now_ns: int) -> bytes | None:
        """The text a new subscriber of `key` gets at once."""
        channel, subject = key
        if channel in BARS:
            row = self._bar_row(key, now_ns // _S)
            return None if row is None else envelope(channel, subject, row)
        made = self._makers[channel](subject, now_ns)
        return None if made is None else envelope(channel, subject, _stamped(made, now_ns))

    def advance(self, now_ns: int, wanted: Collection[Key]) -> list[Push]:
        if now_ns < self._next_ns:
            return []
        self._next_ns = now_ns + _STEP_NS
        for key in self._bars.keys() - set(wanted):
            del self._bars[key]  # so that who comes back is not told of the bars between
        pushes: list[Push] = []
        for key in wanted:
            if key[0] in BARS:
                self._candle(pushes, key, now_ns)
            elif key[0] in _PACE:
                self._row(pushes, key, now_ns)
            elif key[0] == LIQUIDATIONS:
                self._liquidate(pushes, key, now_ns)
        return pushes

    def _row(self, pushes: list[Push], key: Key, now_ns: int) -> None:
        shortest_ns, longest_ns = _PACE[key[0]]
        said, said_ns = self._said.get(key, ({}, 0))
        if now_ns - said_ns < shortest_ns:
            return
        row = self._makers[key[0]](key[1], now_ns)
        if row is None or (row == said and now_ns - said_ns < longest_ns):
            return
        self._said[key] = (row, now_ns)
        pushes.append(Push(*key, envelope(*key, _stamped(row, now_ns)), None))

    # prices

    def _mark(self, inst_id: str, now_ns: int) -> Row:
        del now_ns
        market = self._markets[inst_id]
        price = _middle(market)
        return {"instId": inst_id, "instType": market.listing.inst_type, "markPx": price}

    def _index(self, index: str, now_ns: int) -> Row | None:
        """Follows the spot market where that is simulated, else a contract."""
        del now_ns
        names = [name for name in self._markets if index_of(name) == index]
        if not names:
            return None
        price = _middle(self._markets[min(names, key=len)], below=20_000)
        value = float(price)
        opened, high, high_text, low, low_text = self._index_range.get(
            index, (price, value, price, value, price)
        )
        if value > high:
            high, high_text = value, price
        if value < low:
            low, low_text = value, price
        self._index_range[index] = (opened, high, high_text, low, low_text)
        return {
            "instId": index,
            "idxPx": price,
            "high24h": high_text,
            "low24h": low_text,
            "open24h": opened,
            "sodUtc0": opened,
            "sodUtc8": opened,
        }

    def _funding(self, inst_id: str, now_ns: int) -> Row:
        """Longs pay while the market leans upwards; `nextFundingRate` is empty, as it is there."""
        market = self._markets[inst_id]
        period = now_ns // _S // _FUNDING_S
        premium = 0.0004 * market.mood.pressure
        settled = (zlib.crc32(f"{inst_id}/{period}".encode()) % 20_000 - 10_000) / 1e8
        return {
            "formulaType": "withRate",
            "fundingRate": f"{0.0001 + premium / 4:.16f}",
            "fundingTime": str((period + 1) * _FUNDING_S * 1000),
            "impactValue": "20000.0000000000000000",
            "instId": inst_id,
            "instType": market.listing.inst_type,
            "interestRate": "0.0001000000000000",
            "maxFundingRate": "0.00375",
            "method": "current_period",
            "minFundingRate": "-0.00375",
            "nextFundingRate": "",
            "nextFundingTime": str((period + 2) * _FUNDING_S * 1000),
            "premium": f"{premium:.16f}",
            "prevFundingTime": str(period * _FUNDING_S * 1000),
            "settFundingRate": f"{settled:.16f}",
            "settState": "settled",
        }

    def _open_interest(self, inst_id: str, now_ns: int) -> Row:
        del now_ns
        market = self._markets[inst_id]
        item = market.listing
        lots = self._interest.get(inst_id, item.lots_typical * 200_000)
        if not market.is_quiet:
            lots = max(item.lots_typical, int(lots * (1 + 0.0005 * self._rng.gauss(0, 1))))
        self._interest[inst_id] = lots
        turnover = lots * market.bids.best_tick()
        usd = item.contract_text(lots) if item.is_inverse else item.quote_text(turnover)
        return {
            "instId": inst_id,
            "instType": item.inst_type,
            "oi": item.size_text(lots),
            "oiCcy": item.base_text(lots, turnover),
            "oiUsd": usd,
        }

    def _liquidate(self, pushes: list[Push], key: Key, now_ns: int) -> None:
        """Now and then somebody's position is closed, against the way the market leans."""
        rng = self._rng
        for name, market in self._markets.items():
            item = market.listing
            if item.inst_type != key[1] or market.is_quiet:
                continue
            if rng.random() >= _STEP_NS / _S / _LIQUIDATION_GAP_S:
                continue
            said_ns = self._said.get((LIQUIDATIONS, name), ({}, 0))[1]
            if now_ns - said_ns < _S:
                continue
            self._said[LIQUIDATIONS, name] = ({}, now_ns)
            is_long = rng.random() < 0.5 - 0.3 * market.mood.pressure
            away = int(market.bids.best_tick() * rng.uniform(0.0005, 0.004))
            tick = market.bids.best_tick() + (-away if is_long else away)
            lots = max(1, int(item.lots_typical * rng.lognormvariate(1.0, 1.5)))
            pushes.append(
                Push(*key, _liquidation_text(key, item, (is_long, tick, lots), now_ns), None)
            )

    # candles

    def _bar_row(self, key: Key, now_s: int) -> list[str] | None:
        market, span = self._markets[key[1]], BARS[key[0]]
        bar = market.tape.bar(span, grid_start_s(span, now_s))
        return None if bar is None else bar.row(market.listing, is_over=False)

    def _candle(self, pushes: list[Push], key: Key, now_ns: int) -> None:
        """Each second at most: the bars that have ended, else the one that is open if it moved."""
        now_s = now_ns // _S
        last_s, last_row, said_s = self._bars.get(key, (0, [], 0))
        if said_s == now_s:
            return
        market, span = self._markets[key[1]], BARS[key[0]]
        start_s = grid_start_s(span, now_s)
        last_s = last_s or start_s
        if last_s < start_s:
            first_s = max(last_s, start_s - _FINAL_BARS_MAX * span.seconds)
            rows = [
                bar.row(market.listing, is_over=True)
                for open_s in range(first_s, start_s, span.seconds)
                if (bar := market.tape.bar(span, open_s)) is not None
            ]
            row = None
        else:
            row = self._bar_row(key, now_s)
            rows = [] if row is None or row == last_row else [row]
        self._bars[key] = (start_s, row or [], now_s)
        pushes += [Push(*key, envelope(*key, row), None) for row in rows]


def _middle(market: Market, below: int = 0) -> str:
    """Halfway between the best prices; with `below`, lower by that part of itself."""
    units, decimals = decimal_units(market.listing.tick_size)
    double = (market.bids.best_tick() + market.asks.best_tick()) * units * 5
    return decimal_text(double - (double // below if below else 0), decimals + 1)


def _stamped(row: Row, now_ns: int) -> Row:
    return {**row, "ts": str(now_ns // _MS)}


def _liquidation_text(
    key: Key, item: Listing, position: tuple[bool, int, int], now_ns: int
) -> bytes:
    is_long, tick, lots = position
    names = listing_row(item)
    detail = {
        "bkLoss": "0",
        "bkPx": item.price_text(tick),
        "ccy": "",
        "posSide": "long" if is_long else "short",
        "side": "sell" if is_long else "buy",
        "sz": item.size_text(lots),
        "ts": str(now_ns // _MS),
    }
    row = {
        "details": [detail],
        "instFamily": names["instFamily"],
        "instId": item.inst_id,
        "instType": item.inst_type,
        "uly": names["uly"],
    }
    return envelope(*key, row)
