from __future__ import annotations

import msgspec
import pytest

from hunter.exchange.okx.messages import (
    NO_DATA,
    Arg,
    BookMessage,
    Envelope,
    InstrumentMessage,
    TradeMessage,
)

TRADE = (
    b'{"instId":"BTC-USDT-SWAP","tradeId":"2832749645","px":"63913.4","sz":"34.95","side":"sell",'
    b'"ts":"1786540436090","count":"10","source":"0","seqId":333793118093}'
)


def decode_trade(frame: bytes) -> TradeMessage:
    return msgspec.json.decode(frame, type=TradeMessage, strict=False)


def test_envelope_leaves_data_undecoded() -> None:
    frame = b'{"arg":{"channel":"trades","instId":"A-B"},"data":[1,{"x":[]}]}'
    envelope = msgspec.json.decode(frame, type=Envelope)
    assert envelope.arg == Arg("trades", "A-B")
    assert bytes(envelope.data) == b'[1,{"x":[]}]'


def test_envelope_without_data_is_told_by_identity() -> None:
    envelope = msgspec.json.decode(b'{"event":"error","msg":"m","code":60018}', type=Envelope)
    assert envelope.data is NO_DATA
    assert (envelope.code, envelope.msg, envelope.arg) == (60018, "m", None)


def test_envelope_takes_keys_in_any_order_and_skips_new_ones() -> None:
    frame = (
        b'{"connId":"a4d3ae55","data":[],"new":{"a":[1]},'
        b'"arg":{"uly":"X","instId":"A-B","channel":"c"}}'
    )
    envelope = msgspec.json.decode(frame, type=Envelope)
    assert envelope.arg == Arg("c", "A-B")
    assert envelope.conn_id == "a4d3ae55"


def test_trade_numbers_come_from_strings() -> None:
    trade = decode_trade(TRADE)
    assert (trade.trade_id, trade.px, trade.sz) == (2832749645, 63913.4, 34.95)
    assert (trade.count, trade.seq_id, trade.source) == (10, 333793118093, 0)


def test_trade_of_2022_is_one_match_without_sequence() -> None:
    trade = decode_trade(
        b'{"tradeId":"81","px":"0.001","sz":"85","side":"buy","ts":"1646138219181"}'
    )
    assert (trade.count, trade.seq_id) == (1, -1)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'"63913.4"', b'"-1"'),
        (b'"63913.4"', b'"0"'),
        (b'"63913.4"', b'"nan"'),
        (b'"63913.4"', b'"inf"'),
        (b'"63913.4"', b'"1e400"'),
        (b'"63913.4"', b'""'),
        (b'"63913.4"', b"null"),
        (b'"63913.4"', b"true"),
        (b'"63913.4"', b'["1"]'),
        (b'"34.95"', b'"-0.1"'),
        (b'"34.95"', b'"0"'),
        (b'"34.95"', b'"nan"'),
        (b'"sell"', b'"SELL"'),
        (b'"sell"', b'"short"'),
        (b'"10"', b'"0"'),
        (b'"10"', b'"1.5"'),
        (b'"2832749645"', b'"-1"'),
        (b'"2832749645"', b'"99999999999999999999"'),
        (b'"2832749645"', b'"' + b"9" * 100_000 + b'"'),
        (b'"1786540436090"', b'"0"'),
        (b'"1786540436090"', b'"1786540436090000000"'),
        (b"333793118093", b"-2"),
    ],
)
def test_trade_with_an_impossible_value_is_refused(old: bytes, new: bytes) -> None:
    assert old in TRADE
    with pytest.raises(msgspec.DecodeError):
        decode_trade(TRADE.replace(old, new))


def test_book_levels_of_two_to_four_elements_are_read() -> None:
    frame = b'{"asks":[["1.5","2"],["1.6","3","4"]],"bids":[["1.4","0","0","0"]],"ts":"5"}'
    book = msgspec.json.decode(frame, type=BookMessage, strict=False)
    assert [(level.price, level.size) for level in book.asks] == [(1.5, 2.0), (1.6, 3.0)]
    assert book.bids[0].size == 0.0
    assert (book.seq_id, book.prev_seq_id, book.checksum) == (-1, -1, 0)


def test_spot_instrument_has_empty_contract_fields() -> None:
    frame = (
        b'{"instType":"SPOT","instId":"BTC-USDT","tickSz":"0.1","lotSz":"0.00000001",'
        b'"minSz":"0.00001","state":"live","ctVal":"","ctMult":""}'
    )
    details = msgspec.json.decode(frame, type=InstrumentMessage)
    assert (details.ct_val, details.exp_time) == ("", "")
