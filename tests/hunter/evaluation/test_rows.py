"""A recording's rows: the same as a real stream process puts into a real ring, and what is done
about what a recording lacks.
"""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from fakes.instance import running, temporary_home, wait_until
from fakes.recordings import FIRST_ID, SPOT, SWAP, Line, ToldMarket, text, write

from hunter.access import Instance
from hunter.brain.inputs import BboRow, TradeRow, book_row, ticker_row
from hunter.evaluation.rows import (
    RecordedRow,
    RowCounts,
    mates_name,
    recorded_instruments,
    recorded_rows,
)
from hunter.recorder.segments import Segments
from hunter.ring.rows import Kind, TradeFlag

CAPTURES = Path(__file__).resolve().parents[4] / "shared" / "captures"


def rows_of(*paths: Path) -> tuple[list[RecordedRow], RowCounts]:
    counts = RowCounts()
    return list(recorded_rows(paths, counts)), counts


def of_kind(rows: list[RecordedRow], kind: Kind, instrument: str = SWAP) -> list[Any]:
    return [item.row for item in rows if (item.instrument, item.kind) == (instrument, kind)]


@pytest.fixture
def market() -> list[Line]:
    return ToldMarket(6).lines


@pytest.mark.system
def test_rows_are_those_of_a_real_stream_process(tmp_path: Path) -> None:
    """Through sockets, session, compiled or plain feeds and shared memory, against no more than the
    files. What a replay cannot repeat is when it is received."""
    files = [write(tmp_path / f"{name}.jsonl", ToldMarket(12, name).lines) for name in (SPOT, SWAP)]
    expected, counts = rows_of(*files)
    assert counts.rows == len(expected) == counts.frames > 300
    settings = (f'okx.instruments=["{SPOT}","{SWAP}"]', "ring.capacity=4096")
    sim = ("--replay", str(files[0]), "--replay", str(files[1]), "--speed", "max")
    with (
        temporary_home() as home,
        running(home, *settings, sim=sim) as (instance, _),
        Instance(instance.config) as there,
    ):
        for name in (SPOT, SWAP):
            made: list[tuple[int, Any]] = []
            for kind in (Kind.TRADE, Kind.BBO, Kind.TICKER, Kind.BOOK):
                wanted = len(of_kind(expected, kind, name))
                lane = there.lane(name, kind)
                wait_until(f"{kind.name} of {name}", lambda lane=lane, n=wanted: lane.sequence >= n)
                made += [made_of(raw, kind) for raw in lane.last_rows(4_096)]
            made.sort(key=lambda row: row.arrival)
            rows = [item.row for item in expected if item.instrument == name]
            assert [comparable(row) for row in made] == [comparable(row) for row in rows]


def made_of(raw: tuple[Any, ...], kind: Kind) -> Any:
    """A row of the ring as a brain gets it."""
    if kind is Kind.TICKER:
        return ticker_row(raw)
    if kind is Kind.BOOK:
        return book_row(raw)
    return (TradeRow if kind is Kind.TRADE else BboRow)._make(raw)


def comparable(row: Any) -> Any:
    """Without what depends on when it was received, and on who else is on the shard."""
    return type(row).__name__, row._replace(arrival=0, received_ts_ns=0, check=0)


def test_rows_come_in_the_order_received_and_count_as_in_a_ring(tmp_path: Path) -> None:
    files = [write(tmp_path / f"{name}.jsonl.gz", ToldMarket(5, name).lines)
             for name in (SPOT, SWAP, "ETH-USDT")]  # fmt: skip
    rows, counts = rows_of(*files)
    received = [item.row.received_ts_ns for item in rows]
    assert received == sorted(received)
    pair = [item.row.arrival for item in rows if item.instrument != "ETH-USDT"]
    assert pair == list(range(1, len(pair) + 1))
    alone = [item.row.arrival for item in rows if item.instrument == "ETH-USDT"]
    assert alone == list(range(1, len(alone) + 1))
    for kind in (Kind.TRADE, Kind.BBO, Kind.TICKER, Kind.BOOK):
        sequences = [row.sequence for row in of_kind(rows, kind)]
        assert sequences == list(range(1, len(sequences) + 1))
    assert (counts.malformed, counts.gaps, counts.lost) == (0, 0, 0)
    assert recorded_instruments(files) == (SPOT, SWAP, "ETH-USDT")


def test_receive_time_that_goes_back_is_held(tmp_path: Path, market: list[Line]) -> None:
    at, frame = market[50]
    market[50] = (at - 3_000_000_000, frame)
    received = [item.row.received_ts_ns for item in rows_of(write(tmp_path / "a", market))[0]]
    assert received == sorted(received)
    assert len(received) == len(market)


def test_hole_in_the_trades_is_lost_and_flagged(tmp_path: Path, market: list[Line]) -> None:
    places = [i for i, (_, frame) in enumerate(market) if frame["arg"]["channel"] == "trades"]
    (_, missing), (_, after) = market[places[3]], market[places[4]]
    del market[places[3]]
    rows, counts = rows_of(write(tmp_path / "a", market))
    trades = of_kind(rows, Kind.TRADE)
    flagged = [row for row in trades if row.flags & TradeFlag.AFTER_LOSS]
    assert [row.trade_id for row in flagged] == [int(after["data"][0]["tradeId"])]
    assert counts.lost == int(missing["data"][0]["count"])
    assert counts.gaps == 1
    assert flagged[0].received_ts_ns == market[places[4] - 1][0]


def test_hole_is_filled_by_the_single_trades(tmp_path: Path, market: list[Line]) -> None:
    """`trades-all` brings the same matches one by one; what it has brought before is no loss."""
    lines: list[Line] = []
    trades = 0
    for at, frame in market:
        if frame["arg"]["channel"] == "trades":
            item = frame["data"][0]
            last, count = int(item["tradeId"]), int(item["count"])
            arg = {"channel": "trades-all", "instId": SWAP}
            for number in range(last - count + 1, last + 1):
                single = {k: v for k, v in item.items() if k != "count"}
                lines.append((at, {"arg": arg, "data": [single | {"tradeId": str(number)}]}))
            trades += 1
            if trades == 4:
                continue
        lines.append((at, frame))
    rows, counts = rows_of(write(tmp_path / "a", lines))
    found = of_kind(rows, Kind.TRADE)
    for before, row in pairwise(found):
        assert row.trade_id - row.count == before.trade_id
    assert any(row.flags & TradeFlag.BACKFILL for row in found)
    assert counts.lost == 0
    assert found[0].trade_id > FIRST_ID


def test_broken_book_is_invalid_until_the_next_snapshot(tmp_path: Path, market: list[Line]) -> None:
    places = [i for i, (_, frame) in enumerate(market) if frame["arg"]["channel"] == "books"]
    again = market[places[0]][1]
    del market[places[5]]
    market.append((market[-1][0] + 1, again))
    rows, counts = rows_of(write(tmp_path / "a", market))
    valid = [row.valid for row in of_kind(rows, Kind.BOOK)]
    assert valid == [1] * 5 + [0, 1]
    assert counts.gaps == 1
    assert of_kind(rows, Kind.BOOK)[-2].bid_count == 0


def test_what_cannot_be_read_is_counted(tmp_path: Path, market: list[Line]) -> None:
    bad = b"garbage\n12 {\n" + b"%d notjson\n" % market[0][0]
    other = {"arg": {"channel": "candle1m", "instId": SWAP}, "data": [[]]}
    ack = {"event": "subscribe", "arg": {"channel": "trades", "instId": SWAP}}
    foreign = {"arg": {"channel": "trades", "instId": "no instrument"}, "data": []}
    wrong = {"arg": {"channel": "trades", "instId": SWAP}, "data": [{"tradeId": "x"}]}
    at = market[0][0]
    path = tmp_path / "a.jsonl"
    path.write_bytes(
        bad + text([(at, other), (at, ack), (at, foreign), (at, wrong)]) + text(market)
    )
    rows, counts = rows_of(path)
    assert len(rows) == len(market)
    assert (counts.malformed, counts.skipped) == (4, 3)


def test_segments_are_one_recording_and_a_torn_one_is_told(
    tmp_path: Path, market: list[Line]
) -> None:
    segments = Segments(tmp_path, "x", segment_bytes_max=1_200, budget_bytes=1 << 20)
    for begin in range(0, len(market), 25):
        segments.append(text(market[begin : begin + 25]))
    segments.close()
    assert len(segments.paths) > 2
    whole, counts = rows_of(write(tmp_path / "whole", market))
    rows, counts = rows_of(*segments.paths)
    assert (rows, counts.torn) == (whole, 0)
    torn = segments.paths[-1]
    torn.write_bytes(torn.read_bytes()[:-30])
    rows, counts = rows_of(*segments.paths)
    assert counts.torn == 1
    assert rows == whole[: len(rows)]


def test_only_the_instruments_named(tmp_path: Path) -> None:
    files = [write(tmp_path / name, ToldMarket(3, name).lines) for name in (SPOT, SWAP)]
    found = recorded_rows(files, RowCounts(), [SPOT])
    assert {item.instrument for item in found} == {SPOT}


def test_instrument_that_comes_late_is_taken(tmp_path: Path, market: list[Line]) -> None:
    late = ToldMarket(1, "SOL-USDT").lines
    lines = market * 20 + [(market[-1][0] + i + 1, frame) for i, (_, frame) in enumerate(late)]
    rows, _ = rows_of(write(tmp_path / "a", lines))
    assert sum(item.instrument == "SOL-USDT" for item in rows) == len(late)


def test_mates_have_a_name_in_common() -> None:
    assert mates_name(SWAP) == mates_name(SPOT) == "BTC-USDT"
    assert mates_name("BTC-USD-SWAP") == "BTC-USD"
    assert mates_name("BTC-USDT-241227") == "BTC-USDT-241227"


@pytest.mark.skipif(not CAPTURES.is_dir(), reason="needs recorded market data in ../shared")
def test_captures_are_whole() -> None:
    rows, counts = rows_of(*sorted((CAPTURES / "okx-framed-binance").glob("*.gz")))
    assert len(rows) == 48_925
    assert (counts.lost, counts.gaps, counts.malformed, counts.duplicates) == (0, 0, 0, 0)
    assert all(item.row.valid for item in rows if item.kind is Kind.BOOK)
