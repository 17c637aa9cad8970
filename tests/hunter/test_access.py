"""Read-only access to an instance whose pages, ring and journal were made by the test."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest
from fakes.actor_stage import SWAP, Stage

import hunter
from hunter import access
from hunter.access import Instance, attach, journal_signals
from hunter.errors import ConfigError, NotFound, NotRunning
from hunter.ring.rows import Kind
from hunter.ring.writer import RingWriter
from hunter.signals.decision import Decision
from hunter.signals.journal import Journal
from hunter.signals.signal import Signal, signal_of

NOW = 1_790_000_000_000_000_000
OTHER = "ETH-USDT-SWAP"


def signal(boundary_ms: int, instrument: str = SWAP) -> Signal:
    decision = Decision(
        direction="up",
        probability_up=0.75,
        horizon_ms=5_000,
        reason="because",
        instrument=instrument,
        boundary_ms=boundary_ms,
    )
    return signal_of(decision, "18c0ffee00000001", "up", "because", 1.0)


@pytest.fixture
def stage() -> Iterator[Stage]:
    made = Stage('okx.instruments=["BTC-USDT-SWAP", "ETH-USDT-SWAP"]', "stream.shards=2")
    made.make_rings()
    yield made
    made.close()


@pytest.fixture
def writer(stage: Stage) -> Iterator[RingWriter]:
    made = RingWriter(stage.ring_path(), NOW)
    yield made
    made.close()


@pytest.fixture
def instance(stage: Stage) -> Iterator[Instance]:
    with Instance(stage.config) as made:
        yield made


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


def test_empty_lane_has_no_rows(instance: Instance) -> None:
    assert len(instance.trades(SWAP).last(10)) == 0
    assert instance.trades(SWAP).last_rows(10) == []
    assert instance.trades(SWAP).sequence == 0


def test_instruments_of_every_shard_and_none_besides(instance: Instance) -> None:
    assert instance.instruments == [SWAP, OTHER]
    assert instance.trades(OTHER).sequence == 0
    with pytest.raises(NotFound, match='no instrument "XRP-USDT" here; this instance streams BTC'):
        instance.trades("XRP-USDT")


def test_instance_maps_read_only(instance: Instance) -> None:
    for shared, _ in instance._rings:
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


def test_instance_with_a_damaged_ring_is_refused_and_nothing_stays_open(stage: Stage) -> None:
    stage.ring_path(1).write_bytes(b"x" * 8192)
    before = set(os.listdir("/proc/self/map_files"))
    with pytest.raises(NotRunning):
        Instance(stage.config)
    assert set(os.listdir("/proc/self/map_files")) == before


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


def test_signals_followed_come_once_each(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = Journal(stage.config.data_dir / "signals")
    journal.append(signal(1_000))
    pauses: list[float] = []

    def pause(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) > 1:
            journal.append(signal(1_000 * len(pauses)))

    monkeypatch.setattr(access.clock, "sleep_s", pause)
    following = journal_signals(stage.config, SWAP, 20, follow=True)
    found = [next(following).id.rsplit("-", 1)[1] for _ in range(4)]
    journal.close()
    assert found == ["1000", "2000", "3000", "4000"]
    assert len(pauses) == 4, "it waits only when there is nothing"


def test_signals_that_come_between_the_two_looks_are_not_told_twice(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The follower was there before the newest were read, so it sees some of them again."""
    journal = Journal(stage.config.data_dir / "signals")
    journal.append(signal(1_000))
    last_signals = access.last_signals

    def look(*arguments: Any) -> list[Signal]:
        journal.append(signal(2_000))
        return last_signals(*arguments)

    monkeypatch.setattr(access, "last_signals", look)
    monkeypatch.setattr(access.clock, "sleep_s", lambda seconds: journal.append(signal(3_000)))
    following = journal_signals(stage.config, SWAP, 20, follow=True)
    found = [next(following).id.rsplit("-", 1)[1] for _ in range(3)]
    journal.close()
    assert found == ["1000", "2000", "3000"]
