"""Payloads of the channels beside trades, tickers and books -> rows, or MalformedMessage. Pure.

The rules of `parse` hold: one bad item rejects its payload, `data` may be a list or one object,
unknown fields are skipped, an empty number is NaN and an empty time 0. Called by the stream, and by
`rest` for instruments.
"""

from __future__ import annotations

from typing import Final

from hunter.exchange.okx.messages import (
    CandleMessage,
    FundingRateMessage,
    IndexTickerMessage,
    InstrumentMessage,
    LiquidationMessage,
    MaintenanceMessage,
    MarkPriceMessage,
    OpenInterestMessage,
)
from hunter.exchange.okx.parse import (
    NS_PER_MS,
    SIDES,
    Items,
    Payload,
    number,
    price,
    size,
    time_ns,
)
from hunter.exchange.okx.rows import (
    Candle,
    FundingRate,
    IndexPrice,
    InstrumentDetails,
    Liquidation,
    Maintenance,
    MarkPrice,
    OpenInterest,
)
from hunter.text import printable

_POSITIONS: Final = {"long": 1, "short": -1, "net": 0, "": 0}
_TITLE_LENGTH_MAX: Final = 200

_MARK_PRICES = Items(MarkPriceMessage)
_INDEX_TICKERS = Items(IndexTickerMessage)
_FUNDING_RATES = Items(FundingRateMessage)
_OPEN_INTEREST = Items(OpenInterestMessage)
_LIQUIDATIONS = Items(LiquidationMessage)
_CANDLES = Items(CandleMessage)
_INSTRUMENTS = Items(InstrumentMessage)
_MAINTENANCE = Items(MaintenanceMessage)


def parse_mark_prices(payload: Payload) -> list[MarkPrice]:
    """`mark-price`."""
    return [MarkPrice(item.mark_px, item.ts * NS_PER_MS) for item in _MARK_PRICES.decode(payload)]


def parse_index_tickers(payload: Payload) -> list[IndexPrice]:
    """`index-tickers`."""
    return [
        IndexPrice(
            item.idx_px,
            price(item.open24h),
            price(item.high24h),
            price(item.low24h),
            item.ts * NS_PER_MS,
        )
        for item in _INDEX_TICKERS.decode(payload)
    ]


def parse_funding_rates(payload: Payload) -> list[FundingRate]:
    """`funding-rate`."""
    return [
        FundingRate(
            number(item.funding_rate),
            number(item.next_funding_rate),
            number(item.min_funding_rate),
            number(item.max_funding_rate),
            number(item.sett_funding_rate),
            number(item.premium),
            time_ns(item.funding_time),
            time_ns(item.next_funding_time),
            time_ns(item.ts),
        )
        for item in _FUNDING_RATES.decode(payload)
    ]


def parse_open_interest(payload: Payload) -> list[OpenInterest]:
    """`open-interest`."""
    return [
        OpenInterest(item.oi, size(item.oi_ccy), size(item.oi_usd), item.ts * NS_PER_MS)
        for item in _OPEN_INTEREST.decode(payload)
    ]


def parse_liquidations(payload: Payload) -> list[Liquidation]:
    """`liquidation-orders`: of any instrument of the type, several of one as several rows."""
    return [
        Liquidation(
            item.inst_id,
            SIDES[detail.side],
            _POSITIONS[detail.pos_side],
            price(detail.bk_px),
            size(detail.sz),
            number(detail.bk_loss),
            detail.ts * NS_PER_MS,
        )
        for item in _LIQUIDATIONS.decode(payload)
        for detail in item.details
    ]


def parse_candles(payload: Payload) -> list[Candle]:
    """`candle1s` to `candle3Mutc`."""
    return [
        Candle(
            item.ts * NS_PER_MS,
            price(item.open),
            price(item.high),
            price(item.low),
            price(item.close),
            size(item.vol),
            size(item.vol_ccy),
            size(item.vol_ccy_quote),
            item.confirm == "1",
        )
        for item in _CANDLES.decode(payload)
    ]


def parse_instruments(payload: Payload) -> list[InstrumentDetails]:
    """`instruments`, and the same of REST."""
    return [_details(item) for item in _INSTRUMENTS.decode(payload)]


def parse_maintenance(payload: Payload) -> list[Maintenance]:
    """`status`."""
    return [
        Maintenance(
            printable(item.state[:_TITLE_LENGTH_MAX]),
            item.service_type,
            printable(item.title[:_TITLE_LENGTH_MAX]),
            item.system,
            time_ns(item.begin),
            time_ns(item.end),
            item.ts * NS_PER_MS,
        )
        for item in _MAINTENANCE.decode(payload)
    ]


def _details(item: InstrumentMessage) -> InstrumentDetails:
    named = item.inst_id.split("-")
    return InstrumentDetails(
        item.inst_id,
        item.inst_type,
        item.state,
        number(item.tick_sz),
        number(item.lot_sz),
        number(item.min_sz),
        number(item.ct_val),
        number(item.ct_mult),
        item.ct_type,
        item.ct_val_ccy,
        time_ns(item.list_time) or None,
        time_ns(item.exp_time) or None,
        item.base_ccy or named[0],
        item.quote_ccy or (named[1] if len(named) > 1 else ""),
    )
