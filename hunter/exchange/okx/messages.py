"""OKX payloads exactly as sent, for msgspec to decode and check in one pass.

Numbers come as strings, so decoders are lax (`strict=False`); unknown fields are skipped, because
the exchange adds some; key order means nothing. Only `session`, `parse` and `rest` use these.
"""

from __future__ import annotations

from typing import Annotated, Final, Literal

import msgspec

from hunter.exchange.okx.rows import NO_SEQUENCE, BookLevel, Price, Size

# Ids and times end in int64 fields, times after a multiplication by a million.
Id = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
SequenceId = Annotated[int, msgspec.Meta(ge=NO_SEQUENCE, le=2**63 - 1)]
# A trade of nothing is none: what would move the chain of matches has to be one.
TradeSize = Annotated[float, msgspec.Meta(gt=0, lt=1e18)]
# What a trade row of the ring has room for; the matches of a frame that is refused come by REST.
Count = Annotated[int, msgspec.Meta(ge=1, le=2**16 - 1)]
MILLISECONDS_MAX: Final = (2**63 - 1) // 1_000_000
Milliseconds = Annotated[int, msgspec.Meta(ge=1, le=MILLISECONDS_MAX)]
Text = str | int | None
# Names, states, currencies and numbers as text: bounded, because they are kept.
Word = Annotated[str, msgspec.Meta(max_length=100)]

NO_DATA: Final = msgspec.Raw(b"")


class Arg(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """`{"channel":"trades","instId":"BTC-USDT"}`, `{"channel":"instruments","instType":"SWAP"}`."""

    channel: str = ""
    inst_id: str = ""
    inst_type: str = ""


class Envelope(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """Any JSON frame of the exchange; `data` is not decoded yet.

    {"arg":{"channel":"books","instId":"BTC-USDT"},"action":"update","data":[...]}
    {"id":"1512","event":"subscribe","arg":{...},"connId":"a4d3ae55"}
    {"event":"error","msg":"Wrong URL or channel:x,instId:y doesn't exist. ...","code":"60018"}
    {"event":"notice","code":"64008","msg":"The connection will soon be closed ..."}
    """

    arg: Arg | None = None
    action: str = ""
    data: msgspec.Raw = NO_DATA
    event: str | None = None
    code: Text = None
    msg: Text = None
    conn_id: Text = None
    id: Text = None


class TradeMessage(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """{"instId":"BTC-USDT-SWAP","tradeId":"2832749645","px":"63913.4","sz":"34.95","side":"sell",
    "ts":"1786540436090","count":"10","source":"0","seqId":333793118093}

    `trades-all`, REST rows and frames of 2022 have no `count` (one match) and no `seqId`.
    """

    trade_id: Id
    px: Price
    sz: TradeSize
    side: Literal["buy", "sell"]
    ts: Milliseconds
    count: Count = 1
    seq_id: SequenceId = NO_SEQUENCE
    source: Annotated[int, msgspec.Meta(ge=0, le=127)] = 0


class TickerMessage(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """{"instType":"SWAP","instId":"BTC-USDT-SWAP","last":"63921","lastSz":"0.4","askPx":"63921.1",
    "askSz":"1871.75","bidPx":"","bidSz":"","open24h":"64297.6","high24h":"64466",
    "low24h":"63162.7","sodUtc0":"63566","sodUtc8":"63584.6","volCcy24h":"73998.8786",
    "vol24h":"7399887.86","ts":"1786540471710"}

    Any number may be "": an empty book, an instrument that never traded.
    """

    last: str
    ask_px: str
    bid_px: str
    ts: Milliseconds
    last_sz: str = ""
    ask_sz: str = ""
    bid_sz: str = ""
    open24h: str = ""
    high24h: str = ""
    low24h: str = ""
    vol24h: str = ""
    vol_ccy24h: str = msgspec.field(default="", name="volCcy24h")


class BookMessage(msgspec.Struct, frozen=True, rename="camel"):
    """{"asks":[["78729.9","0","0","0"]],"bids":[],"ts":"1787612486307","checksum":0,
    "seqId":80274874887,"prevSeqId":80274874876}

    A level is [price, size, "0", order count]. Frames of 2022 have no ids but a checksum; `books5`,
    `bbo-tbt` and REST books have no `prevSeqId`.
    """

    asks: list[BookLevel]
    bids: list[BookLevel]
    ts: Milliseconds
    seq_id: SequenceId = NO_SEQUENCE
    prev_seq_id: SequenceId = NO_SEQUENCE
    checksum: Annotated[int, msgspec.Meta(ge=-(2**31), le=2**32 - 1)] = 0


class BookTextMessage(msgspec.Struct, frozen=True):
    """The same payload once more, as strings, for the checksum."""

    asks: list[list[str]]
    bids: list[list[str]]


class RestAnswer(msgspec.Struct, frozen=True):
    """{"code":"0","msg":"","data":[...]}"""

    code: Text = None
    msg: Text = None
    data: msgspec.Raw = NO_DATA


class TimeMessage(msgspec.Struct, frozen=True):
    """{"ts":"1597026383085"}"""

    ts: Milliseconds


class InstrumentMessage(msgspec.Struct, frozen=True, rename="camel"):
    """{"instType":"SWAP","instId":"BTC-USDT-SWAP","ctVal":"0.01","ctMult":"1","ctType":"linear",
    "ctValCcy":"BTC","lotSz":"0.01","minSz":"0.01","tickSz":"0.1","state":"live",
    "listTime":"1573557408000","expTime":"","baseCcy":"","quoteCcy":"","settleCcy":"USDT"}

    Spot instruments have "" in every `ct` field, contracts in baseCcy and quoteCcy. Until minutes
    before a listing everything but type, name, listing time and state may be "".
    """

    inst_type: Word
    inst_id: Word
    tick_sz: Word
    lot_sz: Word
    min_sz: Word
    state: Word
    ct_val: Word = ""
    ct_mult: Word = ""
    ct_type: Word = ""
    ct_val_ccy: Word = ""
    list_time: Word = ""
    exp_time: Word = ""
    base_ccy: Word = ""
    quote_ccy: Word = ""


class MarkPriceMessage(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """{"instId":"BTC-USDT-SWAP","instType":"SWAP","markPx":"83679.8","ts":"1790369003540"}"""

    mark_px: Price
    ts: Milliseconds


class IndexTickerMessage(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """{"instId":"BTC-USDT","idxPx":"83700.1","high24h":"84100","low24h":"82000","open24h":"82500",
    "sodUtc0":"83000","sodUtc8":"83100","ts":"1790369003540"}"""

    idx_px: Price
    ts: Milliseconds
    open24h: Word = ""
    high24h: Word = ""
    low24h: Word = ""


class FundingRateMessage(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """{"formulaType":"withRate","fundingRate":"0.0000263463215391","fundingTime":"1790380800000",
    "impactValue":"20000","instId":"BTC-USDT-SWAP","instType":"SWAP","interestRate":"0.0001",
    "maxFundingRate":"0.00375","method":"current_period","minFundingRate":"-0.00375",
    "nextFundingRate":"","nextFundingTime":"1790409600000","premium":"-0.0004010920207754",
    "prevFundingTime":"1790352000000","settFundingRate":"0.0000341625964238",
    "settState":"settled","ts":"1790369003540"}

    Frames of 2022 end after `nextFundingRate`.
    """

    funding_rate: Word
    funding_time: Word = ""
    next_funding_rate: Word = ""
    next_funding_time: Word = ""
    min_funding_rate: Word = ""
    max_funding_rate: Word = ""
    sett_funding_rate: Word = ""
    premium: Word = ""
    ts: Word = ""


class OpenInterestMessage(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """{"instId":"BTC-USDT-SWAP","instType":"SWAP","oi":"3185878.69","oiCcy":"31858.79",
    "oiUsd":"2054002894.90","ts":"1790369003540"}"""

    oi: Size
    ts: Milliseconds
    oi_ccy: Word = ""
    oi_usd: Word = ""


class LiquidationDetail(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """{"bkLoss":"0","bkPx":"0.007831","ccy":"","posSide":"short","side":"buy","sz":"13",
    "ts":"1692266434010"}"""

    side: Literal["buy", "sell"]
    ts: Milliseconds
    pos_side: Literal["long", "short", "net", ""] = ""
    bk_px: Word = ""
    sz: Word = ""
    bk_loss: Word = ""


class LiquidationMessage(msgspec.Struct, frozen=True, rename="camel"):
    """{"details":[...],"instFamily":"IOST-USDT","instId":"IOST-USDT-SWAP","instType":"SWAP",
    "uly":"IOST-USDT"}"""

    inst_id: Word
    details: list[LiquidationDetail]


class CandleMessage(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """["1786540440000","63913.0","63951.8","63913.0","63951.8","1803.61","18.0361",
    "1153203.99426000","0"]

    Opening time, open, high, low, close, three volumes, confirmed. Arrays of 2022 end after the
    second volume.
    """

    ts: Milliseconds
    open: Word
    high: Word
    low: Word
    close: Word
    vol: Word
    vol_ccy: Word = ""
    vol_ccy_quote: Word = ""
    confirm: Literal["0", "1"] = "0"


class MaintenanceMessage(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """{"begin":"1764666600000","end":"1764667800000","env":"1","href":"","maintType":"1",
    "preOpenBegin":"","scheDesc":"","serviceType":"11","state":"completed","system":"unified",
    "title":"...","ts":"1764667948527"}"""

    state: Word
    ts: Milliseconds
    begin: Word = ""
    end: Word = ""
    service_type: Word = ""
    system: Word = ""
    title: str = ""
