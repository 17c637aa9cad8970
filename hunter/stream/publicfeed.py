"""Channels beside the market's own (marks, funding, candles ...): decoded payload in, row of their
lane out. One table says which lane and how.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Final, NamedTuple

from hunter.exchange.okx import parse_public
from hunter.exchange.okx.endpoints import candle_bar
from hunter.exchange.okx.parse import Payload
from hunter.exchange.okx.rows import (
    Candle,
    FundingRate,
    IndexPrice,
    InstrumentDetails,
    Liquidation,
    MarkPrice,
    OpenInterest,
)
from hunter.market.instrument import instrument_type
from hunter.ring.rows import Kind
from hunter.ring.writer import RingWriter

Values = tuple[Any, ...]


class _Form(NamedTuple):
    kind: Kind
    parse: Callable[[Payload], list[Any]]
    values: Callable[[Any], Values]


def _mark(row: MarkPrice) -> Values:
    return (row.price,)


def _index(row: IndexPrice) -> Values:
    return (row.price, row.open_24h, row.high_24h, row.low_24h)


def _funding(row: FundingRate) -> Values:
    return (
        row.rate, row.next_rate, row.min_rate, row.max_rate, row.settled_rate, row.premium,
        row.funding_ts_ns, row.next_funding_ts_ns,
    )  # fmt: skip


def _open_interest(row: OpenInterest) -> Values:
    return (row.size, row.size_base, row.value_usd)


_LANES: Final = {
    "mark-price": _Form(Kind.MARK, parse_public.parse_mark_prices, _mark),
    "index-tickers": _Form(Kind.INDEX, parse_public.parse_index_tickers, _index),
    "funding-rate": _Form(Kind.FUNDING, parse_public.parse_funding_rates, _funding),
    "open-interest": _Form(Kind.OPEN_INTEREST, parse_public.parse_open_interest, _open_interest),
}


class PublicFeed:
    """Of one instrument. `details`: what its sizes mean, once REST or its channel has said it."""

    def __init__(self, instrument: str, index: int, writer: RingWriter) -> None:
        self.details: InstrumentDetails | None = None
        self._type = instrument_type(instrument)
        self._index = index
        self._writer = writer

    def on_push(self, channel: str, payload: Payload, received_ts_ns: int) -> int:
        """Rows of one push; returns the newest exchange time in it, 0 where it has none to compare
        with. Raises MalformedMessage.
        """
        lane = _LANES.get(channel)
        if lane is None:
            return self._on_candles(channel, payload, received_ts_ns)
        exchange_ts_ns = 0
        for row in lane.parse(payload):
            exchange_ts_ns = row.exchange_ts_ns
            self._put(lane.kind, received_ts_ns, exchange_ts_ns, lane.values(row))
        return exchange_ts_ns

    def on_liquidation(self, row: Liquidation, received_ts_ns: int) -> None:
        """One forced order; sizes in base and quote currency need the contract's value."""
        details, base, quote = self.details, math.nan, math.nan
        if details is not None:
            base = details.size_base(row.size, row.price)
            quote = details.value_quote(row.size, row.price)
        values = (row.price, row.size, base, quote, row.loss, int(row.side), row.position)
        self._put(Kind.LIQUIDATION, received_ts_ns, row.exchange_ts_ns, values)

    def on_details(self, details: InstrumentDetails, received_ts_ns: int) -> bool:
        """What the exchange says of the instrument; False when that is known."""
        if details == self.details:
            return False
        self.details = details
        values = (
            details.tick_size, details.lot_size, details.min_size, details.contract_value,
            details.contract_multiplier, details.list_ts_ns or 0, details.expiry_ts_ns or 0,
            int(details.kind), int(details.status),
            details.contract_value_currency.encode("ascii", "replace")[:8],
        )  # fmt: skip
        self._put(Kind.INSTRUMENT, received_ts_ns, 0, values)
        return True

    def _on_candles(self, channel: str, payload: Payload, received_ts_ns: int) -> int:
        bar = candle_bar(channel)
        assert bar is not None, channel
        for row in parse_public.parse_candles(payload):
            values = self._candle(row, bar.seconds, bar.utc)
            self._put(Kind.CANDLE, received_ts_ns, row.open_ts_ns, values)
        return 0

    def _candle(self, row: Candle, bar_s: int, utc: bool) -> Values:
        return (
            row.open_ts_ns, row.open, row.high, row.low, row.close,
            row.volume, row.volume_base(self._type), row.volume_quote,
            bar_s, int(row.confirmed), int(utc),
        )  # fmt: skip

    def _put(self, kind: Kind, received_ts_ns: int, exchange_ts_ns: int, values: Values) -> None:
        self._writer.put(self._index, kind, received_ts_ns, exchange_ts_ns, values)
