"""Binance's streams become an instrument of OKX, with books put together as Binance asks it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from fakes.import_files import START_MS, SWAP, frames_of, rows_of

from hunter.recorder.imports import binance as module
from hunter.recorder.imports.binance import BinanceImport
from hunter.recorder.imports.market import ImportedMarket
from hunter.recorder.imports.sources import Sources
from hunter.recorder.imports.tally import ImportRefused, ImportTally
from hunter.recorder.imports.writing import ImportWriter


def said(stream: str, **data: Any) -> dict[str, Any]:
    return {"stream": f"btcusdt@{stream}", "data": {"s": "BTCUSDT"} | data}


def trade(number: int, ms: int, price: str = "61800.30", **other: Any) -> dict[str, Any]:
    data = {"e": "trade", "E": START_MS + ms, "T": START_MS + ms, "t": number, "p": price}
    return said("trade", **data | {"q": "0.020", "X": "MARKET", "m": False} | other)


def ticker(bid: str, ask: str, ms: int) -> dict[str, Any]:
    sizes = {"B": "1.5", "A": "0.25"}
    return said(
        "bookTicker", e="bookTicker", T=START_MS + ms, E=START_MS + ms, b=bid, a=ask, **sizes
    )


def depth(first: int, last: int, before: int, bids: Any, asks: Any = ()) -> dict[str, Any]:
    data = {"e": "depthUpdate", "E": START_MS, "T": START_MS, "U": first, "u": last}
    return said("depth@0ms", **data | {"pu": before, "b": bids, "a": asks})


def snapshot(last: int, bids: Any, asks: Any) -> dict[str, Any]:
    return {"lastUpdateId": last, "bids": bids, "asks": asks}


def write(path: Path, *messages: tuple[int, Any] | Any) -> Path:
    """(receive time in ms after the start, message), or a message or text without a time."""
    lines = []
    for message in messages:
        if isinstance(message, tuple):
            lines.append(f"{(START_MS + message[0]) * 1_000_000} {json.dumps(message[1])}")
        else:
            lines.append(message if isinstance(message, str) else json.dumps(message))
    path.write_text("\n".join(lines) + "\n")
    return path


def run(
    directory: Path, *paths: Path, name: str = SWAP, value: float = 0.01
) -> tuple[ImportTally, BinanceImport]:
    tally = ImportTally()
    writer = ImportWriter(directory, "test")
    made = BinanceImport(name, "btcusdt", value, tally)
    for _ in made.run(Sources(paths, tally), ImportedMarket(writer.write)):
        pass
    writer.close()
    return tally, made


def books(directory: Path) -> list[tuple[str, Any, Any]]:
    return [
        (frame["action"], frame["data"][0]["bids"], frame["data"][0]["asks"])
        for _, channel, frame in frames_of(directory)
        if channel == "books"
    ]


def test_trades_of_one_taker_are_one_frame_in_contracts_with_the_takers_side(
    tmp_path: Path,
) -> None:
    path = write(
        tmp_path / "a",
        (5, trade(7, 1)),
        (6, trade(8, 1, q="0.001")),
        (7, trade(9, 2, X="INSURANCE_FUND")),
        (9, trade(10, 3, m=True)),
        (9, trade(10, 3, m=True)),
    )
    tally, _ = run(tmp_path / "out", path)
    told = [
        (ms, row["tradeId"], row["count"], row["px"], row["sz"], row["side"], row["ts"])
        for ms, channel, frame in frames_of(tmp_path / "out")
        if channel == "trades"
        for row in frame["data"]
    ]
    assert told == [
        (6, "8", "2", "61800.3", "2.1", "buy", str(START_MS + 1)),
        (9, "9", "1", "61800.3", "2", "sell", str(START_MS + 3)),
    ]
    assert tally.dropped == {"a fill that is no public match": 1, "a match that came before": 1}


def test_aggregate_trades_count_their_matches_and_are_not_counted_twice(tmp_path: Path) -> None:
    data = {"e": "aggTrade", "T": START_MS, "f": 3, "l": 6, "p": "1.0", "q": "2", "m": True}
    path = write(tmp_path / "a", (0, said("aggTrade", a=1, **data)), (1, trade(3, 0)))
    tally, _ = run(tmp_path / "out", path, value=1.0)
    (row,) = rows_of(tmp_path / "out", "trades")
    assert (row["tradeId"], row["count"], row["sz"], row["side"]) == ("6", "4", "2", "sell")
    assert tally.dropped == {"the other stream of the same trades": 1}


def test_book_is_the_snapshot_and_every_update_that_follows_it(tmp_path: Path) -> None:
    path = write(
        tmp_path / "a",
        (0, depth(90, 95, 89, [["9", "1"]])),  # within the snapshot
        (1, depth(96, 102, 95, [["10", "0.5"]])),  # across it: came before, belongs on top
        (2, snapshot(100, [["10", "1"], ["9", "2"]], [["11", "1"]])),
        (3, depth(103, 104, 102, [["9", "0"]], [["11", "0.75"]])),
        (300, depth(105, 106, 104, [["10.5", "1"]])),
    )
    tally, made = run(tmp_path / "out", path)
    assert not tally.dropped
    assert made.book_gaps == 0
    assert books(tmp_path / "out") == [
        ("snapshot", [["10", "50", "0", "1"], ["9", "200", "0", "1"]], [["11", "100", "0", "1"]]),
        ("update", [["9", "0", "0", "0"]], [["11", "75", "0", "1"]]),
        ("update", [["10.5", "100", "0", "1"]], []),
    ]
    # No bookTicker: the quotes are the book's.
    quotes = [row["bids"][0][:2] for row in rows_of(tmp_path / "out", "bbo-tbt")]
    assert quotes == [["10", "50"], ["10", "50"], ["10.5", "100"]]


def test_update_that_does_not_follow_ends_the_book_until_the_next_snapshot(
    tmp_path: Path,
) -> None:
    path = write(
        tmp_path / "a",
        (0, snapshot(100, [["10", "1"]], [["11", "1"]])),
        (1, depth(101, 102, 100, [["10", "2"]])),
        (200, depth(110, 112, 109, [["10", "3"]])),
        (400, depth(113, 114, 112, [["10", "4"]])),
        (600, snapshot(111, [["8", "1"]], [["11", "1"]])),
    )
    _, made = run(tmp_path / "out", path)
    assert made.book_gaps == 1
    told = books(tmp_path / "out")
    assert [action for action, *_ in told] == ["snapshot", "update", "snapshot"]
    # The updates after the second snapshot's id are on top of it.
    assert told[-1][1] == [["10", "400", "0", "1"], ["8", "100", "0", "1"]]


def test_spot_updates_follow_by_their_first_id(tmp_path: Path) -> None:
    def spot(first: int, last: int, size: str) -> dict[str, Any]:
        message = depth(first, last, 0, [["10", size]])
        del message["data"]["pu"], message["data"]["T"]
        return message

    path = write(
        tmp_path / "a",
        (0, snapshot(100, [["10", "1"]], [["11", "1"]])),
        (1, spot(99, 103, "2")),
        (300, spot(104, 105, "3")),
        (500, spot(107, 108, "4")),
    )
    _, made = run(tmp_path / "out", path, name="BTC-USDT", value=1.0)
    assert made.book_gaps == 1
    assert [bids[0][1] for _, bids, _ in books(tmp_path / "out")] == ["1", "2", "3"]


def test_partial_books_are_whole_each_time(tmp_path: Path) -> None:
    futures = depth(1, 2, 0, [["10", "1"]], [["11", "1"]])
    futures["stream"] = "btcusdt@depth20@100ms"
    spot = {"stream": "btcusdt@depth5", "data": snapshot(9, [["9", "1"]], [["11", "1"]])}
    path = write(tmp_path / "a", (0, futures), (200, spot))
    run(tmp_path / "out", path, value=1.0)
    assert books(tmp_path / "out")[1][1] == [["9", "1", "0", "1"], ["10", "0", "0", "0"]]


def test_quotes_are_book_tickers_where_there_are_any(tmp_path: Path) -> None:
    plain = {"u": 1, "s": "BTCUSDT", "b": "61800.4", "B": "1", "a": "61800.5", "A": "2"}
    path = write(
        tmp_path / "a",
        (0, ticker("61800.2", "61800.3", 0)),
        (20, snapshot(100, [["10", "1"]], [["11", "1"]])),
        (40, plain),
    )
    run(tmp_path / "out", path)
    quotes = [(row["bids"][0][:2], row["ts"]) for row in rows_of(tmp_path / "out", "bbo-tbt")]
    assert quotes == [
        (["61800.2", "150"], str(START_MS)),
        (["61800.4", "100"], str(START_MS + 40)),  # spot tells no time: that of the reception
    ]


def test_messages_without_a_receive_time_have_the_exchanges(tmp_path: Path) -> None:
    spot = {"s": "BTCUSDT", "b": "1", "B": "1", "a": "2", "A": "2"}
    path = write(tmp_path / "a", spot, trade(1, 10), trade(2, 30), ticker("1", "3", 20))
    tally, _ = run(tmp_path / "out", path)
    assert tally.dropped == {"a message before any time is known": 1}
    told = [
        ms for ms, channel, _ in frames_of(tmp_path / "out") if channel in ("trades", "bbo-tbt")
    ]
    assert told == [10, 30, 30]


@pytest.mark.parametrize(
    "line",
    [
        '12345 {"e":"trade"}',
        "abc {}",
        "{",
        json.dumps(trade(3, 0, p="-1")),
        json.dumps(trade(3, 0, q="nan")),
        json.dumps(trade(3, 0, T=10**17)),
        json.dumps(trade(-3, 0)),
        json.dumps(said("trade", e="trade")),
        json.dumps(depth(1, 2, 0, [["1", "-1"]])),
        json.dumps({"stream": 1, "data": {}}),
        json.dumps(said("kline_1m", e="kline")),
        '{"data":' * 5_000,
    ],
)
def test_bad_lines_are_counted_and_the_rest_is_taken(tmp_path: Path, line: str) -> None:
    tally, _ = run(
        tmp_path / "out", write(tmp_path / "a", (0, trade(1, 0)), line, (1, trade(4, 5)))
    )
    assert sum(tally.dropped.values()) == 1
    assert len(rows_of(tmp_path / "out", "trades")) == 2


def test_other_symbols_are_left_out_and_named_when_ours_never_comes(tmp_path: Path) -> None:
    path = write(tmp_path / "a", (0, trade(1, 0)), (1, trade(2, 1, s="ETHUSDT")))
    tally, _ = run(tmp_path / "out", path)
    assert tally.dropped == {"another symbol": 1}
    only = write(tmp_path / "b", (1, trade(2, 1, s="ETHUSDT")))
    with pytest.raises(ImportRefused, match="BTCUSDT does not come in it, but ETHUSDT"):
        run(tmp_path / "none", only)


def test_segments_of_one_recording_are_read_as_one(tmp_path: Path) -> None:
    first = write(tmp_path / "1", (0, snapshot(1, [["10", "1"]], [["11", "1"]])), (1, trade(1, 0)))
    second = write(tmp_path / "2", (200, depth(2, 3, 1, [["10", "2"]])), (300, trade(2, 300)))
    _, made = run(tmp_path / "out", second, first)
    assert made.book_gaps == 0
    assert [row["tradeId"] for row in rows_of(tmp_path / "out", "trades")] == ["1", "2"]


def test_updates_that_wait_for_a_snapshot_are_bounded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "EARLY_UPDATES_MAX", 3)
    messages = [(n, depth(n, n, n - 1, [["10", str(n)]])) for n in range(1, 9)]
    whole = (20, snapshot(1, [["10", "1"]], [["11", "1"]]))
    _, made = run(tmp_path / "out", write(tmp_path / "a", *messages, whole))
    assert made.book_gaps == 1  # 2 to 5 were forgotten: there is no book that follows
    assert not (tmp_path / "out").exists()
