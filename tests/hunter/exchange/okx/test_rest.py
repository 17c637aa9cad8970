from __future__ import annotations

import json
import math
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from hunter.errors import HunterError, MalformedMessage
from hunter.exchange.okx import rest
from hunter.exchange.okx.rest import RateLimited, RestError, Unavailable
from hunter.exchange.okx.rows import BookAction, TradeSource


def body(data: Any, code: str = "0", msg: str = "") -> bytes:
    return json.dumps({"code": code, "msg": msg, "data": data}).encode()


def query(path: str) -> dict[str, list[str]]:
    return parse_qs(urlsplit(path).query)


def trade(trade_id: int) -> dict[str, str]:
    return {
        "instId": "BTC-USDT",
        "side": "sell",
        "sz": "0.1",
        "px": "29963.2",
        "source": "0",
        "tradeId": str(trade_id),
        "ts": "1654161646974",
    }


def test_paths_carry_what_the_pages_ask_for() -> None:
    assert rest.time_path() == "/api/v5/public/time"
    assert rest.instruments_path("SWAP") == "/api/v5/public/instruments?instType=SWAP"
    assert query(rest.instruments_path("SWAP", "BTC-USDT-SWAP"))["instId"] == ["BTC-USDT-SWAP"]
    options = query(rest.instruments_path("OPTION", inst_family="BTC-USD"))
    assert options == {"instType": ["OPTION"], "instFamily": ["BTC-USD"]}
    assert rest.trades_path("BTC-USDT") == "/api/v5/market/trades?instId=BTC-USDT&limit=500"
    assert rest.books_path("BTC-USDT") == "/api/v5/market/books?instId=BTC-USDT&sz=400"


def test_history_pages_backwards_by_trade_id() -> None:
    path = rest.history_trades_path("BTC-USDT", 1_000)
    assert urlsplit(path).path == "/api/v5/market/history-trades"
    assert query(path) == {
        "instId": ["BTC-USDT"],
        "type": ["1"],
        "after": ["1000"],
        "limit": ["100"],
    }


def test_path_quotes_what_could_change_the_query() -> None:
    assert query(rest.trades_path("A&limit=1", 5)) == {"instId": ["A&limit=1"], "limit": ["5"]}


@pytest.mark.parametrize("limit", [0, 101])
def test_page_outside_the_limit_is_a_programmer_error(limit: int) -> None:
    with pytest.raises(AssertionError):
        rest.history_trades_path("BTC-USDT", 5, limit)


def test_time_is_in_nanoseconds() -> None:
    assert rest.parse_time_answer(200, body([{"ts": "1597026383085"}])) == 1597026383085_000_000
    with pytest.raises(MalformedMessage):
        rest.parse_time_answer(200, body([]))


def test_trades_come_oldest_first_as_backfill() -> None:
    rows = rest.parse_trades_answer(200, body([trade(7), trade(6), trade(5)]))
    assert [row.trade_id for row in rows] == [5, 6, 7]
    assert {(row.source, row.count, row.seq_id) for row in rows} == {(TradeSource.BACKFILL, 1, -1)}


def test_book_is_a_snapshot_with_its_id() -> None:
    data = {"asks": [["2", "1", "0", "1"]], "bids": [], "ts": "1654328918680", "seqId": 77}
    book = rest.parse_books_answer(200, body([data]))
    assert (book.action, book.seq_id, book.prev_seq_id) == (BookAction.SNAPSHOT, 77, -1)
    with pytest.raises(MalformedMessage):
        rest.parse_books_answer(200, body([]))


SWAP = {
    "instType": "SWAP",
    "instId": "BTC-USDT-SWAP",
    "ctVal": "0.01",
    "ctMult": "1",
    "ctType": "linear",
    "ctValCcy": "BTC",
    "lotSz": "0.01",
    "minSz": "0.01",
    "tickSz": "0.1",
    "state": "live",
    "listTime": "1573557408000",
    "expTime": "",
    "upcChg": [],
}


def test_instrument_says_what_a_contract_is() -> None:
    (details,) = rest.parse_instruments_answer(200, body([SWAP]))
    assert (details.inst_id, details.inst_type, details.state) == ("BTC-USDT-SWAP", "SWAP", "live")
    assert (details.contract_value, details.contract_multiplier) == (0.01, 1.0)
    assert (details.contract_type, details.contract_value_currency) == ("linear", "BTC")
    assert (details.tick_size, details.lot_size, details.min_size) == (0.1, 0.01, 0.01)
    assert (details.list_ts_ns, details.expiry_ts_ns) == (1573557408000_000_000, None)


def test_spot_instrument_has_no_contract() -> None:
    empty = {"ctVal": "", "ctMult": "", "ctType": "", "ctValCcy": ""}
    (details,) = rest.parse_instruments_answer(200, body([{**SWAP, **empty}]))
    assert math.isnan(details.contract_value)


@pytest.mark.parametrize("change", [{"tickSz": "x"}, {"listTime": "soon"}, {"state": 5}])
def test_instrument_with_an_impossible_value_is_malformed(change: dict[str, Any]) -> None:
    with pytest.raises(MalformedMessage):
        rest.parse_instruments_answer(200, body([{**SWAP, **change}]))


def test_error_that_is_told_cannot_steer_a_terminal() -> None:
    with pytest.raises(RestError, match=r"code 5\\x1b\[2J: no\\x0aERROR") as caught:
        rest.answer_data(400, body([], "5\x1b[2J", "no\nERROR"))
    assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    ("status", "answer", "kind", "code"),
    [
        (429, body([], "50011", "Too Many Requests"), RateLimited, "50011"),
        (200, body([], "50011", "Rate limit reached"), RateLimited, "50011"),
        (429, body([], "50013", "Systems are busy"), RateLimited, "50013"),
        (429, b"<html>", RateLimited, ""),
        (503, body([], "50001", "Service unavailable"), Unavailable, "50001"),
        (200, body([], "50026", "System error"), Unavailable, "50026"),
        (502, b"Bad gateway", Unavailable, ""),
        (302, b"", Unavailable, ""),
        (200, body([], "51001", "Instrument ID does not exist"), RestError, "51001"),
        (404, b"", RestError, ""),
        (403, body([]), RestError, "0"),
        (200, b'{"code":0,"data":[]}', None, ""),
    ],
)
def test_answer_that_is_no_success_is_a_typed_error(
    status: int, answer: bytes, kind: type[RestError] | None, code: str
) -> None:
    if kind is None:
        assert bytes(rest.answer_data(status, answer)) == b"[]"
        return
    with pytest.raises(HunterError) as caught:
        rest.answer_data(status, answer)
    assert type(caught.value) is kind
    assert (caught.value.status, caught.value.code) == (status, code)
    assert caught.value.retryable is (kind is not RestError)
    assert str(status) in str(caught.value)


@pytest.mark.parametrize("answer", [b"", b"<html>", b"[]", b'{"code":[]}', b"[" * 100_000])
def test_success_that_is_no_answer_is_malformed(answer: bytes) -> None:
    with pytest.raises(MalformedMessage):
        rest.answer_data(200, answer)


def test_answer_without_data_is_malformed_for_every_parser() -> None:
    for parse in (
        rest.parse_time_answer,
        rest.parse_trades_answer,
        rest.parse_books_answer,
        rest.parse_instruments_answer,
    ):
        with pytest.raises(MalformedMessage):
            parse(200, b'{"code":"0","msg":""}')
