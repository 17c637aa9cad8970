"""What is pushed is the net difference to what was shown."""

from __future__ import annotations

import json
from typing import Any

from hunter.simulator.frames import PublishedTrade, Push
from hunter.simulator.instruments import listing
from hunter.simulator.ladder import Ladder
from hunter.simulator.published import Published


def sides() -> tuple[Ladder, Ladder]:
    bids, asks = Ladder(-1), Ladder(1)
    for offset in range(410):
        bids.put(640_000 - offset, 100, 2)
        asks.put(640_001 + offset, 100, 2)
    return bids, asks


def only(pushes: list[Push], channel: str) -> list[Any]:
    return [json.loads(p.text)["data"][0] for p in pushes if p.channel == channel]


def test_window_of_400_deletes_what_is_pushed_out_and_adds_what_returns() -> None:
    shown, (bids, asks) = Published(listing("BTC-USDT-SWAP"), 640_000), sides()
    pushes: list[Push] = []
    shown.book(pushes, bids, asks, 1, 10)
    (first,) = only(pushes, "books")
    assert len(first["bids"]) == len(first["asks"]) == 400
    bids.remove(640_000)
    pushes.clear()
    shown.book(pushes, bids, asks, 2, 11)
    (change,) = only(pushes, "books")
    assert change["asks"] == []
    assert change["bids"] == [["64000", "0", "0", "0"], ["63960", "1", "0", "2"]]
    bids.put(640_000, 300, 5)
    pushes.clear()
    shown.book(pushes, bids, asks, 3, 12)
    (change,) = only(pushes, "books")
    assert change["bids"] == [["64000", "3", "0", "5"], ["63960", "0", "0", "0"]]
    assert (change["prevSeqId"], change["seqId"]) == (11, 12)


def test_there_and_back_within_an_interval_is_not_sent() -> None:
    shown, (bids, asks) = Published(listing("BTC-USDT-SWAP"), 640_000), sides()
    shown.book([], bids, asks, 1, 10)
    bids.put(640_000, 7, 1)
    bids.put(640_000, 100, 2)
    pushes: list[Push] = []
    shown.book(pushes, bids, asks, 2, 12)
    assert pushes == []


def test_deep_change_leaves_five_levels_unsaid() -> None:
    shown, (bids, asks) = Published(listing("BTC-USDT-SWAP"), 640_000), sides()
    shown.book([], bids, asks, 1, 10)
    bids.put(639_990, 7, 1)
    pushes: list[Push] = []
    shown.book(pushes, bids, asks, 2, 11)
    assert [push.channel for push in pushes] == ["books"]


def test_ticker_waits_for_a_trade_and_then_for_a_change() -> None:
    shown, (bids, asks) = Published(listing("BTC-USDT-SWAP"), 640_000), sides()
    pushes: list[Push] = []
    shown.best(pushes, bids, asks, 1, 10)
    shown.ticker(pushes, 1)
    assert only(pushes, "tickers") == []
    shown.traded(PublishedTrade(1, 1, "64000.1", "0.5", "buy", 1, 11), 640_001, 50)
    shown.ticker(pushes, 2)
    shown.ticker(pushes, 3)
    (row,) = only(pushes, "tickers")
    assert (row["last"], row["lastSz"], row["vol24h"], row["volCcy24h"]) == (
        "64000.1",
        "0.5",
        "0.5",
        "0.005",
    )
    assert (row["bidPx"], row["askPx"]) == ("64000", "64000.1")
