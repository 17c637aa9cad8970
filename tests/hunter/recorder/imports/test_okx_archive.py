"""OKX's archives become frames; what cannot be read is counted with its reason."""

from __future__ import annotations

import gzip
import json
import zipfile
from itertools import islice
from pathlib import Path

import pytest
from fakes.brain_rows import CAPTURES
from fakes.import_files import (
    START_MS,
    SWAP,
    Recorded,
    book_line,
    csv_text,
    frames_of,
    rows_of,
    tar_gz,
    trade_rows,
)

from hunter.exchange.okx.orderbook import Applied, OrderBook
from hunter.exchange.okx.parse import parse_books
from hunter.recorder.imports import okx_archive as module
from hunter.recorder.imports.market import ImportedMarket
from hunter.recorder.imports.okx_archive import import_okx_archive
from hunter.recorder.imports.sources import Sources
from hunter.recorder.imports.tally import ImportRefused, ImportTally
from hunter.recorder.imports.writing import ImportWriter
from hunter.simulator.lines import Counts, merged_lines

TRADES = trade_rows(
    (50, "buy", "42897.9", "8.0", 3),
    (51, "buy", "42897.9", "2.5", 3),
    (52, "sell", "42897.8", "1.0", 12),
)
BOOKS = [
    book_line(3, [["42897.8", "5.0", "1"]], [["42897.9", "20.0", "3"]], "snapshot"),
    book_line(12, [["42897.8", "4.0", "1"]], [["42898.0", "7.0", "1"]]),
    book_line(22, [], [["42897.9", "0.0", "0"]]),
    book_line(150, [["42897.8", "4.0", "1"]], [["42898.0", "7.0", "2"]], "snapshot"),
    book_line(260, [["42897.7", "9.0", "1"]], []),
]


def run(directory: Path, *paths: Path, wanted: tuple[str, ...] = ()) -> ImportTally:
    tally = ImportTally()
    writer = ImportWriter(directory, "test")
    market = ImportedMarket(writer.write)
    for _ in import_okx_archive(Sources(paths, tally), wanted, market, tally):
        pass
    writer.close()
    return tally


def write(path: Path, *lines: str) -> Path:
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.fixture
def archives(tmp_path: Path) -> tuple[Path, Path]:
    trades = tmp_path / "BTC-USDT-SWAP-trades-2024-01-15.zip"
    with zipfile.ZipFile(trades, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("BTC-USDT-SWAP-trades-2024-01-15.csv", csv_text(TRADES))
    books = tmp_path / "BTC-USDT-SWAP-L2orderbook-400lv-2024-01-15.tar.gz"
    return trades, tar_gz(books, "x.data", "\n".join(BOOKS).encode())


def test_trades_and_books_come_out_in_order_of_their_stamps(
    tmp_path: Path, archives: tuple[Path, Path]
) -> None:
    tally = run(tmp_path / "out", *archives)
    assert not tally.dropped
    assert not tally.torn
    told = [(ms, channel) for ms, channel, _ in frames_of(tmp_path / "out")]
    assert told == [
        (3, "trades"),
        (3, "bbo-tbt"),
        (3, "books"),
        (3, "tickers"),
        (12, "trades"),
        (13, "bbo-tbt"),
        (23, "bbo-tbt"),
        (103, "books"),
        (103, "tickers"),
        (260, "books"),
    ]
    trades = [
        (row["tradeId"], row["count"], row["side"], row["px"], row["sz"], row["ts"])
        for row in rows_of(tmp_path / "out", "trades")
    ]
    assert trades == [
        ("51", "2", "buy", "42897.9", "10.5", str(START_MS + 3)),
        ("52", "1", "sell", "42897.8", "1", str(START_MS + 12)),
    ]


def test_books_chain_for_hunters_own_book_and_end_where_the_archive_ends(
    tmp_path: Path, archives: tuple[Path, Path]
) -> None:
    """A snapshot amid the day becomes an update of what is different."""
    run(tmp_path / "out", *archives)
    book, answers = OrderBook(), []
    for _, channel, frame in frames_of(tmp_path / "out"):
        if channel == "books":
            (update,) = parse_books(json.dumps(frame["data"]).encode(), frame["action"])
            answers.append(book.apply(update))
    assert answers == [Applied.APPLIED] * 3
    assert book.best_bid == 42897.8
    assert book.best_ask == 42898.0
    assert book.level_counts == (2, 1)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (f"{SWAP},1,buy,-1,1,{START_MS}", "a number out of range"),
        (f"{SWAP},1,buy,1,-1,{START_MS}", "a number out of range"),
        (f"{SWAP},1,buy,1,0,{START_MS}", "a number out of range"),
        (f"{SWAP},1,buy,nan,1,{START_MS}", "a number out of range"),
        (f"{SWAP},1,buy,1,inf,{START_MS}", "a number out of range"),
        (f"{SWAP},1,buy,1,1,{START_MS}000", "a number out of range"),
        (f"{SWAP},{2**63},buy,1,1,{START_MS}", "a number out of range"),
        (f"{SWAP},1,long,1,1,{START_MS}", "a side that is neither buy nor sell"),
        (f"{SWAP},1,buy,1", "a row with too few columns"),
        (f"{SWAP},one,buy,1,1,{START_MS}", "a field that is no number or not a name"),
        (f"{SWAP},{'9' * 5_000},buy,1,1,{START_MS}", "a field that is no number or not a name"),
        (f"../../etc,1,buy,1,1,{START_MS}", "a name that is no instrument's"),
        ("\x00\xff", "a row with too few columns"),
    ],
)
def test_bad_trade_rows_are_counted_and_the_rest_is_taken(
    tmp_path: Path, line: str, reason: str
) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(csv_text([TRADES[0], line, TRADES[1]]))
    tally = run(tmp_path / "out", path)
    assert tally.dropped == {reason: 1}
    assert [row["count"] for row in rows_of(tmp_path / "out", "trades")] == ["2"]


@pytest.mark.parametrize(
    "line",
    [
        "{",
        "[" * 100_000,
        book_line(5, [], [], "replace"),
        book_line(5, [["nan", "1"]], []),
        book_line(5, [["1", "-1"]], []),
        book_line(5, [["1"]], []),
        book_line(5, [], [], ts="soon"),
        book_line(5, [], [], instId="nobody's"),
        '{"instId":"BTC-USDT-SWAP"}',
    ],
)
def test_bad_book_lines_are_counted_and_the_rest_is_taken(tmp_path: Path, line: str) -> None:
    tally = run(tmp_path / "out", write(tmp_path / "a", BOOKS[0], line, BOOKS[1]))
    assert sum(tally.dropped.values()) == 1
    assert len(rows_of(tmp_path / "out", "books")) == 2


def test_header_tells_where_the_columns_stand(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    header = "\ufeffsource,created_time,Price,size,side,trade_id,instrument_name"
    path.write_bytes(csv_text([f"0,{START_MS},1.5,2,SELL,9,{SWAP}"], header))
    run(tmp_path / "out", path)
    (row,) = rows_of(tmp_path / "out", "trades")
    assert (row["tradeId"], row["px"], row["sz"], row["side"]) == ("9", "1.5", "2", "sell")


@pytest.mark.parametrize("text", [b"id,price\n1,2\n", b"\x89PNG\r\n\x1a\n\x00", b"<html>"])
def test_file_of_another_kind_is_refused_with_what_is_wanted(tmp_path: Path, text: bytes) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(text)
    with pytest.raises(ImportRefused, match=r"instrument_name,trade_id,side.*instId, action"):
        run(tmp_path / "out", path)


def test_matches_that_came_before_and_updates_before_a_snapshot_are_left_out(
    tmp_path: Path,
) -> None:
    twice = tmp_path / "twice.csv"
    twice.write_bytes(csv_text([*TRADES, *TRADES]))
    tally = run(tmp_path / "out", twice, write(tmp_path / "b", BOOKS[1], BOOKS[0]))
    assert tally.dropped == {
        "a match that came before": 3,
        "an update before the first snapshot": 1,
    }


def test_only_wanted_instruments_are_taken(tmp_path: Path) -> None:
    path = tmp_path / "a.csv.gz"
    others = trade_rows((7, "buy", "1", "1", 0), name="ETH-USDT-SWAP")
    path.write_bytes(gzip.compress(csv_text([*TRADES, *others])))
    tally = run(tmp_path / "out", path, wanted=("ETH-USDT-SWAP",))
    assert tally.dropped == {"another instrument": 3}
    assert [row["instId"] for row in rows_of(tmp_path / "out", "trades")] == ["ETH-USDT-SWAP"]


def test_file_that_is_not_in_time_order_is_read_one_instrument_at_a_time(tmp_path: Path) -> None:
    late = trade_rows(
        (1, "buy", "1", "1", 0), (2, "buy", "1", "1", 9_500), (3, "buy", "1", "1", 9_600),
        name="ETH-USDT-SWAP",
    )  # fmt: skip
    path = tmp_path / "a.csv"
    path.write_bytes(csv_text([*trade_rows((7, "buy", "2", "1", 10_000)), *late]))
    tally = run(tmp_path / "all", path)
    assert tally.dropped == {"a row out of time order; take one instrument at a time": 1}
    assert [ms for ms, channel, _ in frames_of(tmp_path / "all")] == [10_000] * 3
    run(tmp_path / "one", path, wanted=("ETH-USDT-SWAP",))
    assert [ms for ms, channel, _ in frames_of(tmp_path / "one")] == [0, 9_500, 9_600]


def test_more_instruments_than_hunter_takes_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "INSTRUMENTS_MAX", 2)
    rows = [trade_rows((1, "buy", "1", "1", 0), name=f"C{n}-USDT")[0] for n in range(3)]
    path = tmp_path / "a.csv"
    path.write_bytes(csv_text(rows))
    with pytest.raises(ImportRefused, match="--instrument"):
        run(tmp_path / "out", path)


@pytest.mark.skipif(not CAPTURES.is_dir(), reason="needs recorded market data in ../shared")
def test_recorded_market_put_into_archives_comes_back_whole(tmp_path: Path) -> None:
    with gzip.open(CAPTURES / "okx-framed-binance" / "BTC-USDT-SWAP.jsonl.gz") as file:
        before = Recorded(islice(file, 4_000))
    rows = [
        f"{SWAP},{number},{side},{price},{size!r},{ts}"
        for number, (ts, side, price, size) in enumerate(before.trades, 1_000)
    ]
    trades, books = tmp_path / "trades.csv.gz", tmp_path / "books.tar.gz"
    trades.write_bytes(gzip.compress(csv_text(rows)))
    lines = [
        json.dumps(
            {name: book[name] for name in ("action", "ts", "bids", "asks")} | {"instId": SWAP}
        )
        for book in before.books
    ]
    tar_gz(books, "x.data", "\n".join(lines).encode())
    tally = run(tmp_path / "out", trades, books)
    assert not tally.dropped
    counts = Counts()
    found = merged_lines(sorted((tmp_path / "out").iterdir()), counts)
    after = Recorded(b"%d %b" % line for line in found)
    assert len(after.trades) == len(before.trades) > 1_000
    volumes = before.volumes()
    assert after.volumes() == pytest.approx(volumes, rel=1e-6)
    shared = after.best.keys() & before.best.keys()
    assert len(shared) > 0.9 * len(before.best)
    assert {ts: after.best[ts] for ts in shared} == {ts: before.best[ts] for ts in shared}
