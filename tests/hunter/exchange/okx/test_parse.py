from __future__ import annotations

import json
import math
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hunter.errors import MalformedMessage
from hunter.exchange.okx.parse import (
    number,
    parse_bbo,
    parse_books,
    parse_tickers,
    parse_trades,
    time_ns,
)
from hunter.exchange.okx.rows import BookAction, TradeSource
from hunter.market.side import Side

TRADE: dict[str, Any] = {
    "instId": "BTC-USDT-SWAP",
    "tradeId": "2832749645",
    "px": "63913.4",
    "sz": "34.95",
    "side": "sell",
    "ts": "1786540436090",
    "count": "10",
    "source": "1",
    "seqId": 333793118093,
}
TICKER: dict[str, Any] = {
    "instType": "SWAP",
    "instId": "BTC-USDT-SWAP",
    "last": "63921",
    "lastSz": "0.4",
    "askPx": "63921.1",
    "askSz": "1871.75",
    "bidPx": "63921",
    "bidSz": "779.3",
    "open24h": "64297.6",
    "high24h": "64466",
    "low24h": "63162.7",
    "sodUtc0": "63566",
    "sodUtc8": "63584.6",
    "volCcy24h": "73998.8786",
    "vol24h": "7399887.86",
    "ts": "1786540471710",
}
BOOK: dict[str, Any] = {
    "asks": [["78722.3", "0.38699412", "0", "10"]],
    "bids": [["78722.2", "1", "0", "2"], ["78722", "0", "0", "0"]],
    "ts": "1787612486107",
    "checksum": 0,
    "seqId": 80274874887,
    "prevSeqId": 80274874876,
}


def payload(*items: object) -> bytes:
    return json.dumps(items).encode()


def test_trade_becomes_numbers_and_nanoseconds() -> None:
    (trade,) = parse_trades(payload(TRADE))
    assert (trade.trade_id, trade.count, trade.price, trade.size) == (
        2832749645,
        10,
        63913.4,
        34.95,
    )
    assert trade.side is Side.SELL
    assert trade.exchange_ts_ns == 1786540436090_000_000
    assert (trade.seq_id, trade.source, trade.order_source) == (333793118093, TradeSource.FEED, 1)


def test_single_object_is_read_like_a_list_of_one() -> None:
    assert parse_trades(json.dumps(TRADE).encode()) == parse_trades(payload(TRADE))
    assert parse_trades(b" \n" + json.dumps(TRADE).encode()) == parse_trades(payload(TRADE))


def test_payload_may_be_any_buffer() -> None:
    text = payload(TRADE)
    expected = parse_trades(text)
    assert parse_trades(memoryview(text)) == expected
    assert parse_trades(bytearray(text)) == expected
    assert parse_trades(msgspec.Raw(text)) == expected


def test_several_trades_of_a_frame_keep_their_order() -> None:
    rows = parse_trades(payload(TRADE, {**TRADE, "tradeId": "2832749646", "side": "buy"}))
    assert [row.trade_id for row in rows] == [2832749645, 2832749646]
    assert rows[1].side is Side.BUY


def test_one_bad_item_rejects_the_whole_frame() -> None:
    with pytest.raises(MalformedMessage, match="TradeMessage"):
        parse_trades(payload(TRADE, {**TRADE, "px": "-1"}))


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"null",
        b"5",
        b'"x"',
        b"[5]",
        b"[[]]",
        b"{}",
        b"[{}]",
        b"[{",
        b"[" * 100_000 + b"]" * 100_000,
        b'[{"new":' + b"[" * 100_000 + b"]" * 100_000 + b"}]",
        b'{"new":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b'[{"tradeId":"\xff"}]',
        b'[{"side":"\xff\xfe"}]',
        b"\xff\xfe",
    ],
)
def test_what_is_no_payload_is_malformed_everywhere(text: bytes) -> None:
    for parse in (parse_trades, parse_tickers, parse_bbo):
        with pytest.raises(MalformedMessage):
            parse(text)
    with pytest.raises(MalformedMessage):
        parse_books(text, "update")


def test_empty_list_is_no_row() -> None:
    assert parse_trades(b"[]") == []


def test_ticker_becomes_numbers() -> None:
    (ticker,) = parse_tickers(payload(TICKER))
    assert (ticker.last, ticker.bid, ticker.ask) == (63921.0, 63921.0, 63921.1)
    assert (ticker.bid_size, ticker.ask_size, ticker.last_size) == (779.3, 1871.75, 0.4)
    assert (ticker.open_24h, ticker.high_24h, ticker.low_24h) == (64297.6, 64466.0, 63162.7)
    assert (ticker.volume_24h, ticker.volume_currency_24h) == (7399887.86, 73998.8786)
    assert ticker.exchange_ts_ns == 1786540471710_000_000


def test_ticker_of_an_empty_book_has_nan_where_nothing_was_sent() -> None:
    empty = {"bidPx": "", "bidSz": "", "open24h": "", "last": ""}
    (ticker,) = parse_tickers(payload({**TICKER, **empty}))
    assert all(map(math.isnan, (ticker.bid, ticker.bid_size, ticker.open_24h, ticker.last)))
    assert ticker.ask == 63921.1


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("last", "0"),
        ("bidPx", "-1"),
        ("askSz", "-1"),
        ("last", "inf"),
        ("last", "nan"),
        ("last", "1_000"),
        ("last", "x"),
        ("last", "1e999"),
        ("last", 5),
        ("ts", ""),
    ],
)
def test_ticker_with_an_impossible_value_is_malformed(field: str, value: object) -> None:
    with pytest.raises(MalformedMessage):
        parse_tickers(payload({**TICKER, field: value}))


def test_book_update_keeps_ids_and_absolute_sizes() -> None:
    (update,) = parse_books(payload(BOOK), "update")
    assert update.action is BookAction.UPDATE
    assert [(level.price, level.size) for level in update.bids] == [(78722.2, 1.0), (78722.0, 0.0)]
    assert (update.seq_id, update.prev_seq_id) == (80274874887, 80274874876)
    assert update.exchange_ts_ns == 1787612486107_000_000
    assert update.texts is None


@pytest.mark.parametrize("action", ["", "snapshot"])
def test_book_without_update_action_is_a_snapshot(action: str) -> None:
    (update,) = parse_books(payload(BOOK), action)
    assert update.action is BookAction.SNAPSHOT


def test_book_with_unknown_action_is_malformed() -> None:
    with pytest.raises(MalformedMessage, match="partial"):
        parse_books(payload(BOOK), "partial")


def test_book_with_a_checksum_brings_the_strings_as_sent() -> None:
    plain, checked = parse_books(payload(BOOK, {**BOOK, "checksum": -855196043}), "update")
    assert plain.texts is None
    assert checked.checksum == -855196043
    assert checked.texts is not None
    assert checked.texts.asks == [["78722.3", "0.38699412", "0", "10"]]


@pytest.mark.parametrize(
    "change",
    [
        {"asks": [["0", "1", "0", "1"]]},
        {"asks": [["1", "-1", "0", "1"]]},
        {"asks": [["1"]]},
        {"asks": [["nan", "1"]]},
        {"bids": [["1", "inf"]]},
        {"bids": "x"},
        {"bids": None},
        {"seqId": "x"},
        {"checksum": 1 << 40},
    ],
)
def test_book_with_an_impossible_value_is_malformed(change: dict[str, object]) -> None:
    with pytest.raises(MalformedMessage):
        parse_books(payload({**BOOK, **change}), "update")


def test_checksum_over_numbers_instead_of_strings_is_malformed() -> None:
    change = {"asks": [[78722.3, 0.5]], "checksum": 5}
    with pytest.raises(MalformedMessage, match="BookTextMessage"):
        parse_books(payload({**BOOK, **change}), "update")


def test_bbo_has_both_sides() -> None:
    (bbo,) = parse_bbo(payload(BOOK))
    assert (bbo.bid, bbo.bid_size, bbo.ask, bbo.ask_size) == (78722.2, 1.0, 78722.3, 0.38699412)
    assert (bbo.seq_id, bbo.exchange_ts_ns) == (80274874887, 1787612486107_000_000)


@pytest.mark.parametrize("bids", [[], [["78722.2", "0", "0", "0"]]])
def test_bbo_of_an_empty_side_is_nan_with_size_0(bids: list[list[str]]) -> None:
    (bbo,) = parse_bbo(payload({**BOOK, "bids": bids}))
    assert math.isnan(bbo.bid)
    assert bbo.bid_size == 0.0
    assert bbo.ask == 78722.3


def test_number_is_nan_when_empty() -> None:
    assert math.isnan(number(""))
    assert number("1.5") == 1.5


@given(st.binary(max_size=200))
def test_no_bytes_make_a_parser_raise_anything_else(text: bytes) -> None:
    for parse in (parse_trades, parse_tickers, parse_bbo):
        try:
            parse(text)
        except MalformedMessage:
            continue


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=10,
)


@given(field=st.sampled_from(sorted(TRADE)), value=_JSON)
def test_trade_with_any_json_in_a_field_is_a_sane_row_or_malformed(field: str, value: Any) -> None:
    try:
        (row,) = parse_trades(payload({**TRADE, field: value}))
    except MalformedMessage:
        return
    assert math.isfinite(row.price)
    assert row.price > 0
    assert math.isfinite(row.size)
    assert row.size >= 0
    assert row.count >= 1
    assert 0 <= row.trade_id < 2**63
    assert 0 < row.exchange_ts_ns < 2**63


def test_time_is_in_nanoseconds_and_nothing_is_zero() -> None:
    assert (time_ns("1786540436090"), time_ns("")) == (1786540436090_000_000, 0)
    assert time_ns("9223372036854") < 2**63


@pytest.mark.parametrize("text", ["soon", "-1", "1.5", "9223372036855", "1" * 5_000, "\u0661"])
def test_time_that_int64_nanoseconds_cannot_hold_is_malformed(text: str) -> None:
    with pytest.raises(MalformedMessage):
        time_ns(text)
