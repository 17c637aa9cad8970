"""Where a store goes on; test_actor tells the same of whole stores."""

from __future__ import annotations

from typing import Any

import pytest
from fakes.ring_rows import Feeder, make_ring, ring_layout
from fakes.signals import RING, signal
from fakes.store_stage import NOON_NS, StoreStage

from hunter.ring import segment
from hunter.ring.reader import LaneReader
from hunter.ring.rows import STRUCTS, Kind
from hunter.store.files import StoreFiles
from hunter.store.parts import Place, StoredLane
from hunter.store.resume import (
    Continued,
    TradeTail,
    start_candles,
    start_lane,
    start_signals,
)

SWAP = "BTC-USDT-SWAP"
MINUTE_NS = 60_000_000_000


@pytest.fixture
def stored(stage: StoreStage) -> StoreStage:
    """Trades 1 to 150, one a second, and two bars that are over."""
    stage.trade(*range(1, 151))
    stage.journal.append(signal(1_000))
    stage.journal.append(signal(2_000))
    actor = stage.start()
    stage.flush(actor)
    stage.kill(actor)
    return stage


@pytest.fixture
def files(stored: StoreStage) -> Any:
    opened = StoreFiles(stored.store_dir)
    assert opened.open() == ""
    yield opened
    opened.close()


def test_a_ring_that_is_still_there_is_read_on(stored: StoreStage, files: StoreFiles) -> None:
    ring_id, source = stored.writer.layout.ring_id, stored.writer.layout.source
    lane = StoredLane("trades", SWAP)
    start = start_lane(files, lane, ring_id, source, 150)
    assert start == (Place(1, ring_id, 150), 150, None)
    assert start_lane(files, StoredLane("books", SWAP), ring_id, source, 0).cursor == -1


def test_another_ring_is_read_whole_without_what_is_stored(
    stored: StoreStage, files: StoreFiles
) -> None:
    source = stored.writer.layout.source
    lane = StoredLane("trades", SWAP)
    start = start_lane(files, lane, RING, source, 9_000)
    assert (start.place, start.cursor) == (Place(2, RING, 0), -1)
    assert start.tail == TradeTail(150, NOON_NS + 150_000_000_000)
    assert start_lane(files, lane, RING, source + 1, 9_000).tail is None, "another market"
    own = stored.writer.layout.ring_id
    assert start_lane(files, lane, own, source, 149).cursor == -1, "it cannot be that ring"


def test_candles_go_on_from_the_trades_after_the_last_bar(
    stored: StoreStage, files: StoreFiles
) -> None:
    source = stored.writer.layout.source
    start, tail = start_candles(files, SWAP, RING, source)
    # noon + 1 s to noon + 150 s: the bars of 12:00 and 12:01 are over
    assert start.place.last * 1_000_000_000 == NOON_NS + MINUTE_NS
    assert start.seed is not None
    assert start.seed.trade_id == 119
    assert [trade.trade_id for trade in start.trades] == list(range(120, 151))
    assert [trade.side for trade in start.trades[:2]] == [-1, 1]
    assert tail == TradeTail(119, NOON_NS + 2 * MINUTE_NS)
    other, none = start_candles(files, SWAP, RING, source + 1)
    assert (other.place.series, other.seed, none) == (2, None, None)
    assert start_candles(files, "ETH-USDT", RING, source)[0].seed is None


def test_without_the_last_bars_match_trades_count_by_their_stamps(
    stored: StoreStage, files: StoreFiles
) -> None:
    (newest,) = files.parts_of(StoredLane("candles", SWAP))
    assert newest.place.last
    for path in stored.files("trades"):
        path.unlink()
    files.look_again()
    start, _ = start_candles(files, SWAP, RING, stored.writer.layout.source)
    assert start.trades == ()
    from hunter.store.resume import _trades_after

    assert _trades_after(files, SWAP, TradeTail(5, NOON_NS)) == ()


def test_a_tail_that_is_not_stored_is_told_by_time(stored: StoreStage, files: StoreFiles) -> None:
    from hunter.store.resume import _trades_after

    found = _trades_after(files, SWAP, TradeTail(777, NOON_NS))
    assert [trade.trade_id for trade in found] == list(range(60, 151))


def test_signals_go_on_in_the_same_journal_and_begin_in_another(
    stored: StoreStage, files: StoreFiles
) -> None:
    journal = stored.stage.config.data_dir / "signals"
    start = start_signals(files, journal)
    assert (start.series, start.ids) == (1, {})
    assert start.places[SWAP].last > 0
    for path in journal.iterdir():
        path.unlink()
    start = start_signals(files, journal)
    assert (start.series, start.ids) == (2, {SWAP: signal(2_000).id})


def test_an_empty_store_begins(tmp_path: Any) -> None:
    assert start_signals(StoreFiles(tmp_path), tmp_path) == (1, {}, {})


def test_a_damaged_newest_part_says_which(stored: StoreStage, files: StoreFiles) -> None:
    stored.files("signals")[-1].write_bytes(b"damaged")
    with pytest.raises(OSError, match="cannot be read"):
        start_signals(files, stored.stage.config.data_dir / "signals")
    stored.files("candles")[-1].write_bytes(b"damaged")
    assert start_candles(files, SWAP, RING, stored.writer.layout.source)[0].place.series == 2


def raw(trade_id: int, count: int, stamp: int = 0) -> bytes:
    return STRUCTS[Kind.TRADE].pack(1, 1, trade_id, stamp, 1, 1.0, 1.0, count, 1, 0, 0)


def ids(rows: bytes | bytearray) -> list[int]:
    return [row[2] for row in STRUCTS[Kind.TRADE].iter_unpack(rows)]


def test_rows_of_another_ring_are_taken_from_the_first_new_match_on() -> None:
    continued = Continued(TradeTail(10, 100))
    assert ids(continued.new_rows(bytearray(raw(8, 1) + raw(9, 1)))) == []
    assert continued.new_rows(bytearray()) == b""
    assert ids(continued.new_rows(bytearray(raw(10, 2) + raw(12, 2) + raw(14, 2)))) == [12, 14]
    assert ids(continued.new_rows(bytearray(raw(3, 1)))) == [3], "that is for the ring to know"
    assert (continued.known, continued.overlapping) == (3, 0)


def test_a_row_that_is_stored_in_part_is_left_out_and_counted() -> None:
    continued = Continued(TradeTail(10, 100))
    assert ids(continued.new_rows(bytearray(raw(11, 3) + raw(12, 1)))) == [12]
    assert continued.overlapping == 1


def test_numbers_that_begin_again_are_another_series() -> None:
    continued = Continued(TradeTail(10, 100))
    assert ids(continued.new_rows(bytearray(raw(1, 1, 5_000_000_100)))) == [1]


def test_without_a_tail_all_is_new() -> None:
    rows = bytearray(raw(1, 1))
    assert Continued(None).new_rows(rows) is rows


def test_feeder_rows_are_rows_of_a_lane(tmp_path: Any) -> None:
    """What `raw` packs has the layout of the ring's rows."""
    layout = ring_layout()
    feeder = Feeder(make_ring(tmp_path / "ring", layout))
    feeder.put(0, Kind.TRADE)
    feeder.publish()
    with segment.attach(tmp_path / "ring") as shared:
        assert ids(LaneReader(shared, layout, 0, Kind.TRADE).poll_bytes()) == [11]
    feeder.close()
