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
Count = Annotated[int, msgspec.Meta(ge=1, le=2**31 - 1)]
Milliseconds = Annotated[int, msgspec.Meta(ge=1, le=(2**63 - 1) // 1_000_000)]
Text = str | int | None

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
    sz: Size
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
    "listTime":"1573557408000","expTime":""}

    Spot instruments have "" in every `ct` field.
    """

    inst_type: str
    inst_id: str
    tick_sz: str
    lot_sz: str
    min_sz: str
    state: str
    ct_val: str = ""
    ct_mult: str = ""
    ct_type: str = ""
    ct_val_ccy: str = ""
    list_time: str = ""
    exp_time: str = ""
