"""Frames are written as the live exchange writes them."""

from __future__ import annotations

import pytest
from websockets.frames import Frame, Opcode

from hunter.simulator.frames import (
    BookChange,
    PublishedTrade,
    bbo_push,
    book_push,
    books5_push,
    match_push,
    matches,
    ticker_push,
    trade_push,
    wire_payload,
    wire_text,
)

ROW = PublishedTrade(2832749645, 10, "63913.4", "34.95", "sell", 1786540436090, 333793118093)


def test_trade_has_the_live_key_order() -> None:
    assert trade_push("BTC-USDT-SWAP", ROW).text == (
        b'{"arg":{"channel":"trades","instId":"BTC-USDT-SWAP"},"data":[{"instId":"BTC-USDT-SWAP",'
        b'"tradeId":"2832749645","px":"63913.4","sz":"34.95","side":"sell","ts":"1786540436090",'
        b'"count":"10","source":"0","seqId":333793118093}]}'
    )


def test_match_has_neither_count_nor_sequence() -> None:
    text = match_push("BTC-USDT", ROW).text
    assert b"count" not in text
    assert b"seqId" not in text
    assert b'"channel":"trades-all"' in text


def test_matches_of_a_row_are_consecutive_and_end_with_its_id() -> None:
    found = matches(ROW)
    assert [match.trade_id for match in found] == list(range(2832749636, 2832749646))
    assert {(match.price, match.side, match.ts_ms) for match in found} == {
        ("63913.4", "sell", 1786540436090)
    }
    assert matches(ROW._replace(match_count=1)) == [ROW._replace(match_count=1)]


def test_book_has_the_live_key_order() -> None:
    change = BookChange(
        True, [["78722.2", "1", "0", "2"]], [["78722.3", "0.4", "0", "10"]], 7, 9, -1
    )
    assert book_push("BTC-USDT", change).text == (
        b'{"arg":{"channel":"books","instId":"BTC-USDT"},"action":"snapshot","data":[{"asks":'
        b'[["78722.3","0.4","0","10"]],"bids":[["78722.2","1","0","2"]],"ts":"7","checksum":0,'
        b'"seqId":9,"prevSeqId":-1}]}'
    )


def test_book_without_sequence_leaves_the_chain_out() -> None:
    text = book_push("BTC-USDT", BookChange(False, [], [], 7, -1, -1)).text
    assert b"eqId" not in text
    assert b'"action":"update"' in text


def test_best_prices_and_five_levels_and_ticker() -> None:
    bid, ask = ["1", "2", "0", "1"], ["3", "4", "0", "1"]
    assert bbo_push("A-B", [bid], [ask], 5, 6).text == (
        b'{"arg":{"channel":"bbo-tbt","instId":"A-B"},"data":[{"asks":[["3","4","0","1"]],'
        b'"bids":[["1","2","0","1"]],"ts":"5","seqId":6}]}'
    )
    assert books5_push("A-B", [bid], [ask], 5, 6).text.endswith(
        b'"instId":"A-B","ts":"5","seqId":6}]}'
    )
    assert ticker_push("A-B", {"last": "1"}).text == (
        b'{"arg":{"channel":"tickers","instId":"A-B"},"data":[{"last":"1"}]}'
    )


@pytest.mark.parametrize("size", [0, 1, 125, 126, 65_535, 65_536, 100_000])
def test_wire_form_is_what_the_library_writes(size: int) -> None:
    payload = b"x" * size
    wire = wire_text(payload)
    assert wire == Frame(Opcode.TEXT, payload).serialize(mask=False)
    assert wire_payload(wire) == payload
