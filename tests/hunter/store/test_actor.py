"""The store as a whole, over a real ring and real files; tests/system/test_store.py kills it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
from fakes.actor_stage import run_until
from fakes.full_disk import file_size_limit
from fakes.signals import signal
from fakes.store_stage import NOON_NS, StoreStage

from hunter import extras
from hunter.errors import HunterError, MissingExtra
from hunter.ring import segment
from hunter.status.page import ActorState
from hunter.store import actor as actor_module
from hunter.store.actor import StoreActor
from hunter.store.files import StoreFiles

MakeStage = Callable[..., StoreStage]


def counts(actor: StoreActor, table: str = "trades") -> Any:
    return next(each for each in actor.document().tables if each.table == table)


def test_everything_is_stored_by_table_instrument_and_day(stage: StoreStage) -> None:
    stage.trade(*range(1, 131))
    stage.book(7)
    stage.journal.append(signal(NOON_NS // 1_000_000))
    actor = stage.start()
    stage.flush(actor)
    assert stage.ids() == list(range(1, 131))
    assert [row["seq_id"] for row in stage.rows("books")] == [7]
    assert [row["complete"] for row in stage.rows("candles")] == [False, True]
    assert [row["direction"] for row in stage.rows("signals")] == ["up"]
    for table in ("trades", "books", "candles", "signals"):
        (path,) = stage.files(table)
        assert path.parent.name == "date=2024-10-04"
    document = actor.document()
    assert counts(actor).rows == 130
    assert document.files == 4
    assert document.bytes > 0
    assert document.written_ns > 0
    assert document.trouble == ""
    assert actor.state() is ActorState.READY
    assert stage.stage.log.having("trades, books, candles, signals")


def test_rows_wait_for_flush_s_and_are_counted_meanwhile(make_stage: MakeStage) -> None:
    stage = make_stage("store.flush_s=600", 'store.tables=["trades"]')
    actor = stage.start()
    stage.trade(1, 2)
    actor.do_work(stage.clock.monotonic_ns())
    stage.clock.skip(599_000)
    actor.do_work(stage.clock.monotonic_ns())
    assert counts(actor).waiting == 2
    assert stage.ids() == []
    stage.flush(actor)
    stage.clock.skip(2_000)
    run_until(actor, stage.clock, "stored", lambda: stage.ids() == [1, 2])
    assert counts(actor).waiting == 0


def test_a_killed_store_goes_on_where_its_files_end(stage: StoreStage) -> None:
    stage.trade(*range(1, 100))
    first = stage.start()
    stage.flush(first)
    stage.trade(*range(100, 140))
    first.do_work(stage.clock.monotonic_ns())  # read, and not written
    stage.kill(first)
    stage.trade(*range(140, 200))
    second = stage.start()
    stage.flush(second)
    assert stage.ids() == list(range(1, 200))
    bars = stage.rows("candles")
    assert [bar["complete"] for bar in bars] == [False, True, True]
    assert [bar["first_trade_id"] for bar in bars] == [1, 60, 120]
    third = stage.start() if not stage.kill(second) else second
    stage.flush(third)
    assert stage.ids() == list(range(1, 200))


def test_a_new_ring_goes_on_by_the_match_numbers(stage: StoreStage) -> None:
    stage.trade(*range(1, 100))
    first = stage.start()
    stage.flush(first)
    stage.kill(first)
    stage.new_ring()
    stage.trade(*range(80, 150))
    second = stage.start()
    stage.flush(second)
    assert stage.ids() == list(range(1, 150))
    assert [bar["complete"] for bar in stage.rows("candles")] == [False, True]
    stage.kill(second)
    third = stage.start()
    stage.trade(150)
    stage.flush(third)
    assert stage.ids() == list(range(1, 151))


def test_rows_that_are_stored_in_part_are_told(stage: StoreStage) -> None:
    stage.trade(1, 2, 3)
    first = stage.start()
    stage.flush(first)
    stage.kill(first)
    stage.new_ring()
    stage.trade(5, count=3)
    stage.trade(6)
    stage.flush(stage.start())
    assert stage.ids() == [1, 2, 3, 6]
    assert stage.stage.log.having("1 trade rows left out")


def test_an_ordered_stop_leaves_nothing_waiting(make_stage: MakeStage) -> None:
    stage = make_stage("store.flush_s=600")
    actor = stage.start()
    stage.trade(*range(1, 70))
    stage.journal.append(signal(NOON_NS // 1_000_000))
    actor.on_stop()
    assert stage.ids() == list(range(1, 70))
    assert len(stage.rows("signals")) == 1
    assert not stage.stage.log.having("not written")


def test_a_stop_right_after_the_start_stores_what_the_ring_has(stage: StoreStage) -> None:
    stage.trade(1, 2, 3)
    actor = StoreActor(stage.stage.context("store"))
    stage.actors.append(actor)
    actor.on_start(stage.clock.monotonic_ns())
    actor.on_stop()
    assert stage.ids() == [1, 2, 3]


def test_a_stop_takes_in_what_had_to_wait_in_the_ring(
    make_stage: MakeStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(actor_module, "HELD_BYTES_MAX", 40 * 64)
    stage = make_stage("store.flush_s=600", 'store.tables=["trades"]')
    actor = stage.start()
    stage.trade(*range(1, 51))
    actor.do_work(stage.clock.monotonic_ns())
    stage.trade(*range(51, 101))
    actor.do_work(stage.clock.monotonic_ns())
    assert counts(actor).waiting == 50
    actor.on_stop()
    assert stage.ids() == list(range(1, 101))


def test_a_stop_tries_the_disk_again_that_was_full(make_stage: MakeStage) -> None:
    stage = make_stage('store.tables=["trades"]')
    actor = stage.start()
    stage.trade(*range(1, 500))
    with file_size_limit(600):
        actor.do_work(stage.clock.monotonic_ns())
        stage.clock.skip(1_100)
        run_until(actor, stage.clock, "told", lambda: actor.document().trouble)
    actor.on_stop()
    assert stage.ids() == list(range(1, 500))
    assert not stage.stage.log.having("not written")


def test_a_stop_on_a_full_disk_says_what_is_lost_and_why(make_stage: MakeStage) -> None:
    stage = make_stage('store.tables=["trades"]')
    actor = stage.start()
    stage.trade(*range(1, 500))
    with file_size_limit(600):
        actor.on_stop()
    (told,) = stage.stage.log.having("not written")
    assert f"499 rows were not written: {stage.store_dir}: File too large" in told


def test_what_is_written_at_the_very_end_is_not_told_as_lost(
    make_stage: MakeStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage = make_stage("supervisor.stop_timeout_s=0.2", 'store.tables=["trades"]')
    actor = stage.start()
    may_write = threading.Event()
    write, close = StoreFiles.write, actor._writing.close

    def late(*words: Any) -> Any:
        may_write.wait(30)
        return write(*words)

    def closing(timeout_s: float) -> bool:
        del timeout_s
        may_write.set()
        return close(10.0)

    monkeypatch.setattr(StoreFiles, "write", late)
    monkeypatch.setattr(actor._writing, "close", closing)
    stage.trade(1, 2)
    actor.on_stop()
    assert stage.ids() == [1, 2]
    assert (counts(actor).rows, counts(actor).waiting) == (2, 0)
    assert not stage.stage.log.having("not written")


def test_rows_that_a_killed_writer_did_not_tell_of_are_stored_at_a_stop(
    stage: StoreStage,
) -> None:
    actor = stage.start()
    stage.trade(1)
    stage.flush(actor)
    word = actor._rings[0].layout.arrival_word(0)
    with segment.attach(stage.stage.ring_path(), writable=True) as shared:
        before = shared.words[word]
        stage.trade(2)
        shared.words[word] = before
    actor.do_work(stage.clock.monotonic_ns())
    assert counts(actor).waiting == 0
    actor.on_stop()
    assert stage.ids() == [1, 2]


def test_a_full_disk_is_told_and_what_waits_is_stored_later(make_stage: MakeStage) -> None:
    stage = make_stage('store.tables=["trades"]')
    actor = stage.start()
    stage.trade(*range(1, 500))
    with file_size_limit(600):
        actor.do_work(stage.clock.monotonic_ns())
        stage.clock.skip(1_100)
        run_until(actor, stage.clock, "told", lambda: actor.document().trouble)
        assert actor.document().trouble == f"{stage.store_dir}: File too large"
        assert actor.state() is ActorState.DEGRADED
        stage.trade(*range(500, 600))
        actor.do_work(stage.clock.monotonic_ns())
        assert counts(actor).waiting == 599
    stage.clock.skip(1_100)
    run_until(actor, stage.clock, "over", lambda: not actor.document().trouble)
    stage.flush(actor)
    assert stage.ids() == list(range(1, 600))
    assert (counts(actor).lapped, counts(actor).dropped) == (0, 0)
    run_until(actor, stage.clock, "told", lambda: stage.stage.log.having("stores again"))
    assert len(stage.stage.log.having("cannot store")) == 1


def test_a_disk_that_refuses_too_long_leaves_the_queueing_to_the_ring(
    make_stage: MakeStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(actor_module, "HELD_BYTES_MAX", 40 * 64)
    stage = make_stage('store.tables=["trades"]', "ring.capacity=64")
    actor = stage.start()
    with file_size_limit(600):
        stage.trade(*range(1, 51))
        actor.do_work(stage.clock.monotonic_ns())
        stage.clock.skip(1_100)
        run_until(actor, stage.clock, "told", lambda: actor.document().trouble)
        for first in (51, 101):
            stage.trade(*range(first, first + 50))
            actor.do_work(stage.clock.monotonic_ns())
        assert counts(actor).waiting == 50, "no more is read"
    stage.clock.skip(1_100)
    run_until(actor, stage.clock, "over", lambda: not actor.document().trouble)
    stage.flush(actor)
    assert counts(actor).dropped > 0
    assert counts(actor).lapped == 0
    assert len(stage.ids()) + counts(actor).dropped == 150
    run_until(actor, stage.clock, "told", lambda: stage.stage.log.having("went by unread"))


@pytest.mark.parametrize("damage", ["cut", "scratched"])
def test_a_damaged_part_is_told_and_ends_no_process(stage: StoreStage, damage: str) -> None:
    stage.trade(*range(1, 400))
    first = stage.start()
    stage.flush(first)
    stage.kill(first)
    (path,) = stage.files()
    whole = path.read_bytes()
    cut, scratched = whole[:-20], whole[:4] + b"\xff" * 2_000 + whole[2_004:]
    path.write_bytes(cut if damage == "cut" else scratched)
    actor = StoreActor(stage.stage.context("store"))
    stage.actors.append(actor)
    actor.on_start(stage.clock.monotonic_ns())
    run_until(actor, stage.clock, "told", lambda: actor.document().trouble)
    assert actor.document().trouble.startswith(f"{path} cannot be read: ")
    path.write_bytes(whole)
    run_until(actor, stage.clock, "open", lambda: actor._begun)


def test_counts_go_on_where_the_process_before_ended(stage: StoreStage) -> None:
    stage.trade(1, 2, 3)
    first = stage.start()
    stage.flush(first)
    stage.stage.show("store", first.document())
    stage.kill(first)
    second = stage.start()
    assert counts(second).rows == 3


def test_another_store_in_the_directory_is_told_and_waited_for(stage: StoreStage) -> None:
    other = StoreFiles(stage.store_dir)
    assert other.open() == ""
    actor = StoreActor(stage.stage.context("store"))
    stage.actors.append(actor)
    assert actor.state() is ActorState.STARTING
    actor.on_start(stage.clock.monotonic_ns())
    run_until(actor, stage.clock, "told", lambda: actor.document().trouble)
    assert "another store writes" in actor.document().trouble
    assert actor.state() is ActorState.DEGRADED
    other.close()
    run_until(actor, stage.clock, "open", lambda: actor._begun)


def test_a_disk_that_does_not_answer_is_told(
    stage: StoreStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    actor = stage.start()
    still = threading.Event()
    write = StoreFiles.write

    def waiting(*words: Any) -> Any:
        still.wait(30)
        return write(*words)

    monkeypatch.setattr(StoreFiles, "write", waiting)
    stage.trade(1)
    actor.do_work(stage.clock.monotonic_ns())
    stage.clock.skip(1_100)
    actor.do_work(stage.clock.monotonic_ns())
    stage.clock.skip(11_000)
    actor.do_work(stage.clock.monotonic_ns())
    assert "the disk does not answer" in actor.document().trouble
    still.set()
    run_until(actor, stage.clock, "over", lambda: not actor.document().trouble)


def test_much_that_waits_is_written_before_it_is_due(
    make_stage: MakeStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(actor_module, "HELD_BYTES_WANTED", 20 * 64)
    stage = make_stage("store.flush_s=3600", 'store.tables=["trades"]')
    actor = stage.start()
    stage.trade(*range(1, 31))
    run_until(actor, stage.clock, "stored", lambda: stage.ids() == list(range(1, 31)))
    monkeypatch.setattr(actor_module, "LANE_BYTES_WANTED", 64)
    monkeypatch.setattr(actor_module, "HELD_BYTES_WANTED", 1 << 20)
    stage.trade(31)
    run_until(actor, stage.clock, "stored", lambda: stage.ids() == list(range(1, 32)))


def test_a_writing_thread_that_ended_ends_the_process(
    stage: StoreStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    actor = stage.start()
    actor._writing.close(5.0)
    stage.clock.skip(1_000)
    with pytest.raises(HunterError, match="the writing thread ended"):
        actor.do_work(stage.clock.monotonic_ns())


def test_without_its_library_it_says_what_to_install(
    stage: StoreStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(extras, "has_extra", lambda _: False)
    with pytest.raises(MissingExtra, match=r"pip install 'okx-hunter\[store\]'"):
        StoreActor(stage.stage.context("store")).on_start(1)


def test_signals_alone_need_no_ring(make_stage: MakeStage) -> None:
    stage = make_stage('store.tables=["signals"]')
    stage.stage.ring_path().unlink()
    stage.journal.append(signal(NOON_NS // 1_000_000))
    stage.flush(stage.start())
    assert len(stage.rows("signals")) == 1
