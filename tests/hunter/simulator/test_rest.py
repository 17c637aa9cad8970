"""REST answers, without a socket."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest

from hunter.simulator.exchange import Exchange
from hunter.simulator.faults import STALE_MATCHES
from hunter.simulator.frames import (
    BookChange,
    PublishedTrade,
    Push,
    book_push,
    ticker_push,
    trade_push,
)
from hunter.simulator.options import SimOptions
from hunter.simulator.rest import Rest

NAME = "BTC-USDT-SWAP"
TRADES, HISTORY = (
    f"/api/v5/market/trades?instId={NAME}",
    f"/api/v5/market/history-trades?instId={NAME}",
)


class Asker:
    """A REST with 40 rows of 5 matches: ids 1 to 200, ts 1000 + id."""

    def __init__(self, clock: Any, *, limits: bool = False) -> None:
        self.clock = clock
        self.exchange = Exchange(SimOptions(limits=limits), clock)
        self.rest = Rest(self.exchange)
        self.exchange.dispatch([self.row(last) for last in range(5, 201, 5)])

    @staticmethod
    def row(last: int) -> Push:
        return trade_push(NAME, PublishedTrade(last, 5, f"{last}", "0.7", "buy", 1000 + last, last))

    def __call__(self, target: str, method: str = "GET") -> tuple[int, Any]:
        status, body = self.rest.handle(method, target, self.clock)
        return status, json.loads(body)

    def data(self, target: str) -> Any:
        status, body = self(target)
        assert (status, body["code"], body["msg"]) == (200, "0", ""), body
        return body["data"]

    def ids(self, target: str) -> list[int]:
        return [int(row["tradeId"]) for row in self.data(target)]


@pytest.fixture
def ask(clock: Any) -> Asker:
    return Asker(clock)


def test_time_is_in_milliseconds(ask: Asker) -> None:
    assert ask.data("/api/v5/public/time") == [{"ts": "1790000000000"}]


def test_instruments_need_their_type(ask: Asker) -> None:
    status, body = ask("/api/v5/public/instruments")
    assert (status, body["code"]) == (400, "50014")
    assert ask("/api/v5/public/instruments?instType=SOUP")[1]["code"] == "51000"
    row, *unsimulated = ask.data("/api/v5/public/instruments?instType=SWAP")
    assert (row["instId"], row["state"]) == (NAME, "live")
    assert "LTC-USDT-SWAP" in {other["instId"] for other in unsimulated}
    assert not ask.exchange.is_listed("LTC-USDT-SWAP")
    assert ask.data("/api/v5/public/instruments?instType=MARGIN") == []
    assert ask.data(f"/api/v5/public/instruments?instType=SWAP&instId={NAME}") == [row]
    status, body = ask("/api/v5/public/instruments?instType=SWAP&instId=NO-PE")
    assert body["code"] == "51001"


def test_options_need_their_family(ask: Asker) -> None:
    path = "/api/v5/public/instruments?instType=OPTION"
    status, body = ask(path)
    assert (status, body["code"], body["data"]) == (400, "50014", [])
    rows = ask.data(f"{path}&instFamily=BTC-USD")
    assert {row["instFamily"] for row in rows} == {"BTC-USD"}
    assert {(row["optType"], row["stk"]) for row in rows} == {("C", "60000"), ("P", "60000")}
    assert ask.data(f"{path}&uly=BTC-USD") == rows
    (row,) = ask.data("/api/v5/public/instruments?instType=FUTURES&instFamily=ETH-USD")
    assert (row["instId"], row["expTime"], row["ctType"]) == (
        "ETH-USD-271231",
        "1830240000000",
        "inverse",
    )


def test_matches_that_rest_has_lost_are_left_out_for_good(ask: Asker) -> None:
    ask(f"/sim/fault?name=rest_missing&code=7&instId={NAME}")
    assert ask.ids(f"{TRADES}&limit=3") == [193, 192, 191]
    ask.exchange.dispatch([ask.row(205)])
    assert ask.ids(f"{HISTORY}&limit=8") == [205, 204, 203, 202, 201, 193, 192, 191]
    ask("/sim/fault?clear=all")
    assert ask.ids(f"{HISTORY}&after=200&limit=1") == [193]


def test_trades_are_matches_newest_first(ask: Asker) -> None:
    assert ask.ids(TRADES) == list(range(200, 100, -1))
    assert ask.ids(f"{TRADES}&limit=500") == list(range(200, 0, -1))
    assert ask.ids(f"{TRADES}&limit=3") == [200, 199, 198]
    rows = ask.data(f"{TRADES}&limit=5")
    assert {row["px"] for row in rows} == {"200"}
    assert sum(Decimal(row["sz"]) for row in rows) == Decimal("0.7")
    assert set(rows[0]) == {"instId", "side", "sz", "source", "px", "tradeId", "ts"}


def test_history_pages_backwards_from_after_which_is_exclusive(ask: Asker) -> None:
    assert ask.ids(HISTORY) == list(range(200, 100, -1))
    assert ask.ids(f"{HISTORY}&type=1&after=103&limit=4") == [102, 101, 100, 99]
    assert ask.ids(f"{HISTORY}&after=101") == list(range(100, 0, -1))
    assert ask.ids(f"{HISTORY}&after=1") == []
    assert len(ask.ids(f"{HISTORY}&limit=400")) == 100


def test_history_before_alone_is_the_latest_page(ask: Asker) -> None:
    assert ask.ids(f"{HISTORY}&before=20&limit=2") == [200, 199]


def test_history_by_time(ask: Asker) -> None:
    assert ask.ids(f"{HISTORY}&type=2&after=1010&limit=3") == [5, 4, 3]
    assert ask.ids(f"{HISTORY}&type=2&limit=1") == [200]


@pytest.mark.parametrize("bad", ["limit=x", "after=-5", "type=one", "limit=1.5"])
def test_bad_number_is_a_parameter_error(ask: Asker, bad: str) -> None:
    status, body = ask(f"{HISTORY}&{bad}")
    assert (status, body["code"]) == (400, "51000")


def test_instrument_must_be_given_and_exist(ask: Asker) -> None:
    assert ask("/api/v5/market/trades")[1]["code"] == "50014"
    assert ask("/api/v5/market/trades?instId=NO-PE")[1]["code"] == "51001"


def test_books_answer_one_level_unless_asked(ask: Asker) -> None:
    bids = [[str(100 - i), "1", "0", "2"] for i in range(400)]
    asks = [[str(101 + i), "1", "0", "2"] for i in range(400)]
    ask.exchange.dispatch([book_push(NAME, BookChange(True, bids, asks, 7, 9, -1))])
    path = f"/api/v5/market/books?instId={NAME}"
    (row,) = ask.data(path)
    assert row == {"asks": [asks[0]], "bids": [bids[0]], "ts": "7", "seqId": 9}
    (row,) = ask.data(f"{path}&sz=5000")
    assert (len(row["asks"]), len(row["bids"])) == (400, 400)
    (row,) = ask.data(f"/api/v5/market/books-full?instId={NAME}&sz=2")
    assert row["bids"] == [["100", "1", "2"], ["99", "1", "2"]]


def test_book_without_sequence_says_none(ask: Asker) -> None:
    ask.exchange.dispatch([book_push(NAME, BookChange(True, [], [], 7, -1, -1))])
    assert "seqId" not in ask.data(f"/api/v5/market/books?instId={NAME}")[0]


def test_ticker_and_tickers(ask: Asker) -> None:
    path = f"/api/v5/market/ticker?instId={NAME}"
    assert ask.data(path) == ask.data("/api/v5/market/tickers?instType=SWAP") == []
    ask.exchange.dispatch([ticker_push(NAME, {"instId": NAME, "last": "5"})])
    assert ask.data(path) == [{"instId": NAME, "last": "5"}]
    assert ask.data("/api/v5/market/tickers?instType=SWAP") == ask.data(path)
    assert ask.data("/api/v5/market/tickers?instType=SPOT") == []


def test_unknown_path_and_method(ask: Asker) -> None:
    assert ask("/api/v5/trade/order")[0] == 404
    assert ask(TRADES, "POST")[0] == 404
    assert ask(TRADES, "DELETE")[0] == 405


def test_rate_limit_answers_429_until_the_window_is_over(clock: Any) -> None:
    ask = Asker(clock, limits=True)
    statuses = [ask(HISTORY)[0] for _ in range(21)]
    assert statuses == [200] * 20 + [429]
    assert ask(HISTORY)[1] == {"code": "50011", "msg": "Too Many Requests", "data": []}
    assert ask(TRADES)[0] == 200
    clock.now_ns += 2_000_000_000
    assert ask(HISTORY)[0] == 200


def test_rest_faults(ask: Asker) -> None:
    ask("/sim/fault?name=rest_unavailable&count=1")
    ask("/sim/fault?name=rest_throttled&count=1")
    ask("/sim/fault?name=rest_stale&count=1")
    assert [ask(TRADES)[0] for _ in range(2)] == [503, 429]
    assert ask.ids(f"{TRADES}&limit=1") == [200 - STALE_MATCHES]
    assert ask.ids(f"{TRADES}&limit=1") == [200]
    ask("/sim/fault?name=rest_stale&count=1")
    assert ask.ids(f"{HISTORY}&after=50&limit=1") == [49]


def test_ledger_gives_rows_or_matches_after_an_id(ask: Asker) -> None:
    _, body = ask(f"/sim/ledger?instId={NAME}&after=190")
    assert [row["trade_id"] for row in body["rows"]] == [195, 200]
    assert body["rows"][0] == {
        "trade_id": 195,
        "match_count": 5,
        "price": "195",
        "size": "0.7",
        "side": "buy",
        "ts_ms": 1195,
        "seq_id": 195,
    }
    _, body = ask(f"/sim/ledger?instId={NAME}&after=190&limit=1&matches=1")
    assert [row["trade_id"] for row in body["rows"]] == [191, 192, 193, 194, 195]
    assert body["book"] == {"seqId": -1, "bids": [], "asks": []}


@pytest.mark.parametrize(
    "target",
    [
        "/sim/ledger",
        f"/sim/ledger?instId={NAME}&after=x",
        "/sim/fault?name=nonsense",
        "/sim/fault?count=3",
    ],
)
def test_bad_question_of_a_test_is_400_with_the_reason(ask: Asker, target: str) -> None:
    status, body = ask(target)
    assert status == 400
    assert body["msg"]


def test_faults_are_listed_armed_and_cleared(ask: Asker) -> None:
    assert ask("/sim/fault")[1]["armed"] == []
    body = ask(f"/sim/fault?name=drop_trades&count=3&conn=abcd0123&instId={NAME}", "POST")[1]
    assert body["armed"] == [
        {"name": "drop_trades", "conn": "abcd0123", "instId": NAME, "code": 0, "left": 3}
    ]
    assert "mute" in body["names"]
    assert ask("/sim/fault?clear=mute")[1]["armed"] == body["armed"]
    assert ask("/sim/fault?clear=all")[1]["armed"] == []


def test_counts(ask: Asker) -> None:
    assert ask("/sim/counts")[1]["matches"] == {NAME: 200}
