"""Read-only access to an instance whose pages, ring and journal were made by the test."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import pytest
from fakes.actor_stage import SWAP, Stage
from fakes.ring_rows import Feeder, make_ring
from fakes.signals import signal

import hunter
from hunter.access import Instance, attach
from hunter.access import instance as access
from hunter.config import Config
from hunter.errors import ConfigError, NotFound, NotRunning, SegmentError
from hunter.ring import segment
from hunter.ring.layout import RingLayout, capacities_of
from hunter.ring.rows import FIRST_ALIKE, ROW_BYTES, Kind
from hunter.ring.writer import RingWriter
from hunter.signals.journal import Journal
from hunter.system import ring_layout

NOW = 1_790_000_000_000_000_000
OTHER = "ETH-USDT-SWAP"


@pytest.fixture
def stage() -> Iterator[Stage]:
    made = Stage('okx.instruments=["BTC-USDT-SWAP", "ETH-USDT-SWAP"]', "stream.shards=2")
    made.make_rings()
    yield made
    made.close()


def put_trades(writer: RingWriter, count: int) -> None:
    for number in range(1, count + 1):
        writer.put_trade(0, NOW + number, (number, NOW, 100.0 + number, 0.5, 1, -1), 1)
    writer.publish()


def test_lane_last_is_a_named_private_copy(instance: Instance, writer: RingWriter) -> None:
    put_trades(writer, 5)
    rows = instance.trades(SWAP).last(3)
    assert rows["trade_id"].tolist() == [3, 4, 5]
    assert rows["price"].tolist() == [103.0, 104.0, 105.0]
    assert rows["received_ts_ns"][0] == NOW + 3
    rows["price"] = 0
    assert instance.trades(SWAP).last(1)["price"].tolist() == [105.0]


def test_lane_last_rows_are_the_same_as_tuples(instance: Instance, writer: RingWriter) -> None:
    put_trades(writer, 5)
    lane = instance.trades(SWAP)
    assert [row[2] for row in lane.last_rows(2)] == [4, 5]
    assert lane.sequence == 5
    assert lane.last(100).shape == (5,)


def test_lanes_of_every_kind(instance: Instance, writer: RingWriter) -> None:
    writer.put_bbo(0, NOW, (7, NOW, 100.0, 1.0, 101.0, 2.0))
    writer.put_ticker(0, NOW, NOW, [1.0] * 11)
    writer.put_book(0, NOW, 9, NOW, ([100.0, 1.0], [101.0, 2.0]))
    writer.publish()
    assert instance.quotes(SWAP).last(1)["bid_price"].tolist() == [100.0]
    assert instance.tickers(SWAP).last(1)["last_price"].tolist() == [1.0]
    assert instance.books(SWAP).last(1)["bids"][0, 0].tolist() == [100.0, 1.0]
    assert instance.lane(SWAP, Kind.BOOK).sequence == 1


@pytest.fixture
def every_lane() -> Iterator[tuple[Instance, Feeder]]:
    """An instance that all channels feed, and who writes its ring."""
    made = Stage()
    layout = RingLayout((SWAP,), capacities_of(dict.fromkeys(Kind, 64)), 7, NOW)
    feeder = Feeder(make_ring(made.ring_path(), layout))
    with Instance(made.config) as found:
        yield found, feeder
    feeder.close()
    made.close()


def test_rows_of_the_further_kinds_are_had_by_name(every_lane: tuple[Instance, Feeder]) -> None:
    instance, feeder = every_lane
    writer = feeder.writer
    writer.put(0, Kind.INSTRUMENT, 9, 8, (0.1, 0.01, 0.01, 0.01, 1.0, 5, 0, 1, 1, b"BTC"))
    writer.put(0, Kind.MARK, 9, 8, (101.0,))
    writer.put(0, Kind.INDEX, 9, 8, (102.0, 1.0, 2.0, 3.0))
    writer.put(0, Kind.FUNDING, 9, 8, (0.0001, 0.5, -1.0, 1.0, 0.25, 0.75, 6, 7))
    writer.put(0, Kind.OPEN_INTEREST, 9, 8, (103.0, 1.0, 2.0))
    writer.put(0, Kind.LIQUIDATION, 9, 8, (104.0, 1.0, 2.0, 3.0, 4.0, -1, 1))
    writer.put(0, Kind.CANDLE, 9, 8, (5, 1.0, 2.0, 3.0, 105.0, 6.0, 7.0, 8.0, 60, 1, 0))
    writer.publish()
    told = instance.instrument_facts(SWAP).last(1)
    assert told["tick_size"].tolist() == [0.1]
    assert told["value_currency"].tolist() == [b"BTC"]
    assert instance.marks(SWAP).last(1)["price"].tolist() == [101.0]
    assert instance.indexes(SWAP).last(1)["price"].tolist() == [102.0]
    assert instance.funding(SWAP).last(1)["next_funding_ts_ns"].tolist() == [7]
    assert instance.open_interest(SWAP).last(1)["size"].tolist() == [103.0]
    assert instance.liquidations(SWAP).last(1)[["side", "position"]].tolist() == [(-1, 1)]
    assert instance.candles(SWAP).last(1)["close"].tolist() == [105.0]
    for kind in Kind:
        if kind >= FIRST_ALIKE:
            row = instance.lane(SWAP, kind).last(1)[0]
            assert (row["exchange_ts_ns"], row["received_ts_ns"]) == (8, 9), kind


def put_candles(feeder: Feeder, *bars: tuple[int, int]) -> None:
    """A candle each of (bar_s, utc); they open at 1, 2, 3 and so on."""
    for number, bar in enumerate(bars, 1):
        values = (number, *(1.0,) * 7, bar[0], 0, bar[1])
        feeder.writer.put(0, Kind.CANDLE, NOW, NOW, values)
    feeder.publish()


@pytest.mark.parametrize(
    ("bar", "opened"),
    [
        ("1m", [1, 4, 6]),
        ("1H", [2]),
        ("1D", [3]),
        ("1Dutc", [5, 7]),
        ("5m", []),
        (None, [1, 2, 3, 4, 5, 6, 7]),
    ],
)
def test_candles_are_those_of_the_bar(
    every_lane: tuple[Instance, Feeder], bar: str | None, opened: list[int]
) -> None:
    instance, feeder = every_lane
    put_candles(feeder, (60, 0), (3600, 0), (86400, 0), (60, 0), (86400, 1), (60, 0), (86400, 1))
    lane = instance.candles(SWAP, bar)
    for count in (100, 2, 1, 0):
        wanted = opened[len(opened) - min(count, len(opened)) :]
        assert lane.last(count)["open_ts_ns"].tolist() == wanted
        assert [row[4] for row in lane.last_rows(count)] == wanted
    assert lane.sequence == 7


def test_candles_of_a_bar_that_came_seldom_are_found_among_the_others(
    every_lane: tuple[Instance, Feeder],
) -> None:
    instance, feeder = every_lane
    put_candles(feeder, (3600, 0), *[(1, 0)] * 60)
    assert instance.candles(SWAP, "1H").last(1)["open_ts_ns"].tolist() == [1]
    put_candles(feeder, *[(1, 0)] * 10)
    assert len(instance.candles(SWAP, "1H").last(1)) == 0, "overwritten"


def test_bar_that_the_exchange_does_not_have_is_refused(
    every_lane: tuple[Instance, Feeder],
) -> None:
    with pytest.raises(NotFound, match='no bar "7m"; there are 1s, 1m'):
        every_lane[0].candles(SWAP, "7m")


@pytest.mark.parametrize(
    ("ask", "channel"),
    [
        (Instance.quotes, "bbo-tbt"),
        (Instance.tickers, "tickers"),
        (Instance.books, "books"),
        (Instance.marks, "mark-price"),
        (Instance.indexes, "index-tickers"),
        (Instance.funding, "funding-rate"),
        (Instance.open_interest, "open-interest"),
        (Instance.liquidations, "liquidation-orders"),
        (Instance.candles, "candle1m"),
        (lambda instance, name: instance.candles(name, "4H"), "candle4H"),
    ],
)
def test_rows_that_no_channel_feeds_name_the_channel_to_subscribe(
    ask: Callable[[Instance, str], Any], channel: str
) -> None:
    stage = Stage('okx.channels=["trades"]')
    try:
        stage.make_rings()
        with Instance(stage.config) as found:
            with pytest.raises(NotFound, match=f'add "{channel}" to \\[okx\\] channels'):
                ask(found, SWAP)
            assert found.trades(SWAP).sequence == 0
            assert found.instrument_facts(SWAP).sequence == 0
            assert [found.lane(SWAP, kind).last_rows(9) for kind in Kind] == [[]] * len(Kind)
    finally:
        stage.close()


def test_channel_named_for_missing_rows_is_one_that_makes_their_lane() -> None:
    """As the composition root reads the configuration."""
    for kind, channel in access._CHANNELS.items():
        defaults = Config()
        okx = msgspec.structs.replace(defaults.okx, channels=("trades", channel))
        config = msgspec.structs.replace(defaults, okx=okx)
        assert ring_layout(config, 0, "test").capacities[kind] > 0, kind


def test_empty_lane_has_no_rows(instance: Instance) -> None:
    assert len(instance.trades(SWAP).last(10)) == 0
    assert instance.trades(SWAP).last_rows(10) == []
    assert instance.trades(SWAP).sequence == 0


def test_instruments_of_every_shard_and_none_besides(instance: Instance) -> None:
    assert instance.instruments == [SWAP, OTHER]
    assert instance.trades(OTHER).sequence == 0
    with pytest.raises(NotFound, match='no instrument "XRP-USDT" here; this instance streams BTC'):
        instance.trades("XRP-USDT")


def test_instrument_is_written_while_its_writer_lives(instance: Instance, stage: Stage) -> None:
    assert not instance.is_written(SWAP), "nobody ever did"
    writer = RingWriter(stage.ring_path(), NOW)
    assert instance.is_written(SWAP)
    assert not instance.is_written(OTHER), "it is in another ring"
    assert not instance.is_written("XRP-USDT")
    writer.close()


def test_instance_maps_read_only(instance: Instance) -> None:
    for shared, _ in instance._mapped.rings:
        with pytest.raises(TypeError):
            shared.words[100] = 1


def test_status_is_the_report_of_the_pages(instance: Instance) -> None:
    report = instance.status()
    assert report.name == "default"
    assert report.state == "stopped"
    assert [ring.instrument for ring in report.rings] == [SWAP, OTHER]


def test_instance_that_does_not_run_says_how_to_start_it(stage: Stage) -> None:
    (stage.shared / "status").unlink()
    with pytest.raises(NotRunning, match='"default" is not running; start it: hunter start'):
        Instance(stage.config)


def test_instance_with_a_damaged_ring_says_so_and_shows_the_others(stage: Stage) -> None:
    stage.ring_path(1).write_bytes(b"x" * 8192)
    before = set(os.listdir("/proc/self/map_files"))
    with Instance(stage.config) as found:
        assert found.instruments == [SWAP]
        assert found.status().reasons[0] == (
            "ring-1: not a hunter ring; make it anew: hunter stop, then hunter start"
        )
        assert found.trades(SWAP).last_rows(1) == []
        with pytest.raises(SegmentError, match="ring-1: not a hunter ring; make it anew"):
            found.trades(OTHER)
    assert set(os.listdir("/proc/self/map_files")) == before


@pytest.mark.parametrize("size_bytes", [0, 4096])
def test_r7_ring_cut_short_under_its_user_is_said_and_not_touched(
    stage: Stage, instance: Instance, size_bytes: int
) -> None:
    assert instance.trades(SWAP).last_rows(1) == []
    os.truncate(stage.ring_path(1), size_bytes)
    pid = os.fork()
    if not pid:  # it would end by SIGBUS
        reasons = instance.status().reasons
        with contextlib.suppress(SegmentError):
            instance.trades(OTHER).last_rows(1)
            os._exit(1)
        written = instance.is_written(OTHER)
        told = "ring-1: somebody has cut it short; make it anew: hunter stop, then hunter start"
        instance.trades(SWAP).last_rows(1)
        os._exit(2 * written + 4 * (told not in reasons))
    assert os.waitpid(pid, 0)[1] == 0


@pytest.mark.parametrize("kind", [kind for kind in Kind if kind <= FIRST_ALIKE])
def test_r6_damaged_rows_are_left_out_of_what_users_see(
    stage: Stage, instance: Instance, kind: Kind
) -> None:
    path = stage.ring_path()
    feeder = Feeder(path)
    layout = feeder.writer.layout
    feeder.put(0, kind, 5)
    feeder.publish()
    feeder.close()
    with segment.attach(path, writable=True) as writable:
        writable.view[layout.lane_offset(0, kind) + 3 * ROW_BYTES[kind] + 18] ^= 1
    lane = instance.lane(SWAP, kind)
    assert [row[0] for row in lane.last_rows(9)] == [1, 2, 3, 5]
    assert lane.last(9)["sequence"].tolist() == [1, 2, 3, 5]


def test_attach_finds_the_instance_by_its_file(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage.config_file.write_text(
        '[hunter]\nruntime_dir = "run"\n[okx]\ninstruments = ["BTC-USDT-SWAP"]\n'
    )
    with hunter.attach(stage.config_file) as found:
        assert found.instruments == [SWAP, OTHER], "what runs, whatever the file says now"
    monkeypatch.chdir(stage.home)
    with attach() as found:
        assert found.config.runtime_dir == stage.config.runtime_dir
    with pytest.raises(ConfigError, match="no such file"):
        attach(stage.home / "missing.toml")


def test_signals_come_from_the_journal_newest_last(instance: Instance, stage: Stage) -> None:
    journal = Journal(stage.config.data_dir / "signals")
    for boundary_ms in (1_000, 2_000, 3_000):
        journal.append(signal(boundary_ms))
    journal.append(signal(9_000, OTHER))
    journal.close()
    found = [item.id.rsplit("-", 1)[1] for item in instance.signals(SWAP, 2)]
    assert found == ["2000", "3000"]
    assert len(list(instance.signals())) == 4
