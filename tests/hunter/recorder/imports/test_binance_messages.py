"""Each kind of Binance's messages is told apart, with its time and symbol."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from hunter.recorder.imports.binance_messages import (
    AggregateTrade,
    BinanceTrade,
    BookTicker,
    DepthUpdate,
    WholeBook,
    decode_message,
)

TRADE = {"e": "trade", "E": 9, "T": 8, "s": "BTCUSDT", "t": 1, "p": "1.5", "q": "2", "m": True}
DEPTH = {"e": "depthUpdate", "E": 9, "s": "X", "U": 1, "u": 2, "b": [["1", "2"]], "a": []}
TICKER = {"s": "BTCUSDT", "b": "1", "B": "2", "a": "3", "A": "4"}


def decoded(message: Any, stream: str = "") -> tuple[int, str, object]:
    whole = {"stream": stream, "data": message} if stream else message
    return decode_message(json.dumps(whole).encode())


def test_each_kind_is_told_by_its_name_or_its_stream() -> None:
    assert decoded(TRADE) == (8, "BTCUSDT", BinanceTrade(1, 8, 1.5, 2.0, True))
    both = {**TRADE, "e": "aggTrade", "f": 1, "l": 3}
    assert decoded(both)[2] == AggregateTrade(1, 3, 8, 1.5, 2.0, True)
    assert decoded(TICKER) == (0, "BTCUSDT", BookTicker(1.0, 2.0, 3.0, 4.0))
    assert decoded({"e": "bookTicker", **TICKER, "T": 7})[0] == 7
    update = decoded(DEPTH)[2]
    assert isinstance(update, DepthUpdate)
    assert (update.U, update.u, update.pu) == (1, 2, -1)
    whole = decoded({"lastUpdateId": 5, "bids": [["1", "2"]], "asks": []})
    assert isinstance(whole[2], WholeBook)
    assert (whole[1], whole[2].lastUpdateId) == ("", 5)


def test_partial_book_of_futures_is_a_whole_one_and_the_stream_names_the_symbol() -> None:
    ts_ms, symbol, body = decoded({**DEPTH, "s": ""}, "ethusdt@depth10@100ms")
    assert (ts_ms, symbol) == (9, "ETHUSDT")
    assert isinstance(body, WholeBook)
    assert (body.lastUpdateId, body.bids[0].price) == (2, 1.0)
    assert isinstance(decoded(DEPTH, "ethusdt@depth@100ms")[2], DepthUpdate)


@pytest.mark.parametrize("kind", ["kline", "markPriceUpdate", "forceOrder", ""])
def test_other_kinds_are_none(kind: str) -> None:
    assert decoded({"e": kind, "E": 4})[2] is None


@pytest.mark.parametrize("change", [{"p": "0"}, {"q": "-1"}, {"T": -5}, {"t": "x"}, {"m": "maybe"}])
def test_numbers_out_of_range_are_refused(change: dict[str, Any]) -> None:
    with pytest.raises(msgspec.DecodeError):
        decoded(TRADE | change)
