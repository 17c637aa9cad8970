"""Views of the ring's own memory, book tops, and lanes whose ring is exchanged under them."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
from collections.abc import Iterator

import numpy as np
import pytest
from fakes.actor_stage import SWAP, Stage
from fakes.ring_rows import Feeder, make_ring

from hunter.access import Instance
from hunter.errors import HunterError, NotFound, NotRunning, SegmentError
from hunter.ring.layout import RingLayout, capacities_of
from hunter.ring.rows import Kind
from hunter.ring.writer import RingWriter
from hunter.status import block
from hunter.status.documents import SupervisorDocument

NOW = 1_790_000_000_000_000_000
CAPACITY = 64


def layout_of(created_wall_ns: int = NOW, instrument: str = SWAP) -> RingLayout:
    return RingLayout(
        (instrument,), capacities_of(dict.fromkeys(Kind, CAPACITY)), 7, created_wall_ns
    )


@pytest.fixture
def stage() -> Iterator[Stage]:
    made = Stage()
    yield made
    made.close()


@pytest.fixture
def feeder(stage: Stage) -> Iterator[Feeder]:
    made = Feeder(make_ring(stage.ring_path(), layout_of()))
    yield made
    made.close()


@pytest.fixture
def instance(stage: Stage, feeder: Feeder) -> Iterator[Instance]:
    with Instance(stage.config) as made:
        yield made


def put(feeder: Feeder, row_count: int, kind: Kind = Kind.TRADE) -> None:
    feeder.put(0, kind, row_count)
    feeder.publish()


@pytest.mark.parametrize("kind", list(Kind))
@pytest.mark.parametrize("published", [0, 1, 10, 64, 70, 127, 128, 200])
def test_view_shows_the_rows_that_last_copies(
    instance: Instance, feeder: Feeder, kind: Kind, published: int
) -> None:
    for start in range(0, published, 16):
        put(feeder, min(16, published - start), kind)
    lane = instance.lane(SWAP, kind)
    for count in (1, 7, 64, 1000):
        with lane.view(count) as view:
            shown = [row for part in view.parts for row in part["sequence"].tolist()]
            assert shown == lane.last(count)["sequence"].tolist()
            assert len(view) == len(shown)
            assert len(view.parts) <= 2
            assert view.is_intact()


def test_view_is_intact_until_the_writer_comes_to_its_oldest_row(
    instance: Instance, feeder: Feeder
) -> None:
    put(feeder, 32)
    put(feeder, 30)
    with instance.trades(SWAP).view(10) as view:  # rows 53 to 62; the ring keeps 64
        before = view.parts[0]["sequence"].tolist()
        put(feeder, 32)
        put(feeder, 22)
        assert view.is_intact(), "rows up to 116: the oldest that is there is 53"
        assert [n for part in view.parts for n in part["sequence"].tolist()] == before
        feeder.put(0, Kind.TRADE, 1)
        feeder.publish()
        assert not view.is_intact()
        assert view.parts[0]["sequence"][0] == 117, "it is the ring's memory, not a copy"


def test_view_of_a_lane_that_nobody_feeds_is_empty(stage: Stage) -> None:
    make_ring(stage.ring_path(), RingLayout((SWAP,), capacities_of({Kind.TRADE: 8}), 7, NOW))
    with Instance(stage.config) as instance, instance.lane(SWAP, Kind.BBO).view(5) as view:
        assert (len(view), view.parts, view.is_intact()) == (0, (), True)


def test_view_cannot_be_written_to_by_numpy(instance: Instance, feeder: Feeder) -> None:
    put(feeder, 3)
    with instance.trades(SWAP).view(3) as view:
        with pytest.raises(ValueError, match="read-only"):
            view.parts[0]["price"] = 0
        with pytest.raises(ValueError, match="WRITEABLE"):
            view.parts[0].flags.writeable = True


def test_mapping_is_read_only_whatever_writes_to_it(instance: Instance, feeder: Feeder) -> None:
    """The kernel refuses it: no mistake in this process can reach the running system."""
    put(feeder, 3)
    with instance.trades(SWAP).view(3) as view:
        address = view.parts[0].ctypes.data
        pid = os.fork()
        if not pid:
            signal.signal(signal.SIGSEGV, signal.SIG_DFL)
            ctypes.memset(address, 0, 1)
            os._exit(0)
    assert os.WTERMSIG(os.waitpid(pid, 0)[1]) == signal.SIGSEGV
    assert instance.trades(SWAP).last(3)["sequence"].tolist() == [1, 2, 3]


def test_view_that_is_kept_too_long_keeps_its_memory_and_nothing_breaks(
    stage: Stage, feeder: Feeder
) -> None:
    put(feeder, 5)
    instance = Instance(stage.config)
    view = instance.trades(SWAP).view(5)
    part = view.parts[0]
    with view:
        pass
    assert view.parts == ()
    instance.close()
    assert part["sequence"].tolist() == [1, 2, 3, 4, 5]


def test_candles_of_one_bar_have_no_view(instance: Instance, feeder: Feeder) -> None:
    with pytest.raises(HunterError, match="do not lie side by side"):
        instance.candles(SWAP, "1m").view(5)
    assert len(instance.candles(SWAP).view(5)) == 0


def test_latest_book_is_two_arrays_best_first(instance: Instance, feeder: Feeder) -> None:
    assert instance.books(SWAP).latest() is None
    writer = feeder.writer
    writer.put_book(0, 8, 9, 7, ([100.0, 1.0, 99.5, 2.0], [101.0, 3.0]))
    writer.publish()
    top = instance.books(SWAP).latest()
    assert top is not None
    assert (top.valid, top.seq_id, top.exchange_ts_ns, top.received_ts_ns) == (True, 9, 7, 8)
    assert top.bids.shape == top.asks.shape == (20, 2)
    assert top.bids[:2].tolist() == [[100.0, 1.0], [99.5, 2.0]]
    assert top.asks[0].tolist() == [101.0, 3.0]
    assert np.isnan(top.bids[2:]).all()
    assert np.isnan(top.asks[1:]).all()
    top.bids[0, 0] = 0.0
    again = instance.books(SWAP).latest()
    assert again is not None
    assert again.bids[0, 0] == 100.0, "a copy"


def test_latest_book_that_is_not_to_be_believed_has_no_levels(
    instance: Instance, feeder: Feeder
) -> None:
    feeder.writer.put_book(0, 8, 9, 7, ([100.0, 1.0], [101.0, 3.0]))
    feeder.writer.put_book(0, 8, 10, 7, None)
    feeder.writer.publish()
    top = instance.books(SWAP).latest()
    assert top is not None
    assert not top.valid
    assert np.isnan(top.bids).all()


def test_latest_book_is_not_believed_when_its_writer_is_gone(
    instance: Instance, feeder: Feeder, stage: Stage
) -> None:
    feeder.writer.put_book(0, 8, 9, 7, ([100.0, 1.0], [101.0, 3.0]))
    feeder.writer.publish()
    stage.end_writer()
    top = instance.books(SWAP).latest()
    assert top is not None
    assert not top.valid
    assert np.isnan(top.bids).all()


def test_lane_tells_how_much_it_keeps(instance: Instance) -> None:
    assert instance.trades(SWAP).capacity == CAPACITY


def replace_ring(stage: Stage, layout: RingLayout) -> RingWriter:
    """What a start does that cannot go on with the former run's ring."""
    stage.ring_path().unlink(missing_ok=True)
    return RingWriter(make_ring(stage.ring_path(), layout), NOW)


def test_lane_goes_on_with_the_ring_of_the_next_run(
    stage: Stage, instance: Instance, feeder: Feeder
) -> None:
    put(feeder, 5)
    lane = instance.trades(SWAP)
    with lane.view(5) as view:
        assert instance.is_current
        writer = replace_ring(stage, layout_of(NOW + 1))
        assert not instance.is_current
        assert lane.last_rows(9) == []
        assert instance.is_current, "the call has taken the new one"
        writer.put_trade(0, NOW, (70, NOW, 1.0, 1.0, 1, 1), 0)
        writer.publish()
        assert lane.last(9)["trade_id"].tolist() == [70]
        assert view.is_intact()
        assert len(view.parts[0]) == 5, "what is open still is of the ring it was opened on"
    writer.close()


def test_lane_of_a_stopped_instance_is_not_running_until_it_is_started_again(
    stage: Stage, instance: Instance, feeder: Feeder
) -> None:
    put(feeder, 5)
    lane = instance.trades(SWAP)
    stage.show(block.SUPERVISOR, SupervisorDocument("stopping", "1", (), ("x",)))
    stage.ring_path().unlink()
    with pytest.raises(NotRunning, match="is being stopped or started"):
        lane.last(1)
    (stage.shared / block.FILE_NAME).unlink()
    for ask in (lambda: lane.last(1), lambda: lane.sequence, lambda: instance.quotes(SWAP)):
        with pytest.raises(NotRunning, match="start it: hunter start"):
            ask()
    assert instance.status().state == "stopped"
    replace_ring(stage, layout_of(NOW + 1)).close()
    block.create(stage.shared, "default", ("stream-0",), 4096, NOW).close()
    assert lane.last_rows(1) == []
    assert instance.status().state == "stopped"
    assert instance.is_current


def test_lane_of_an_instrument_that_is_streamed_no_more_is_not_found(
    stage: Stage, instance: Instance, feeder: Feeder
) -> None:
    lane = instance.trades(SWAP)
    replace_ring(stage, layout_of(NOW + 1, "ETH-USDT-SWAP")).close()
    with pytest.raises(NotFound, match="this instance streams ETH-USDT-SWAP"):
        lane.last(1)
    assert instance.instruments == ["ETH-USDT-SWAP"]


def test_r7_lane_whose_ring_was_cut_short_says_so_instead_of_dying(
    stage: Stage, instance: Instance, feeder: Feeder
) -> None:
    lane = instance.trades(SWAP)
    os.truncate(stage.ring_path(), 4096)
    pid = os.fork()
    if not pid:  # it would end by SIGBUS
        with contextlib.suppress(SegmentError):
            lane.last_rows(1)
            os._exit(1)
        os._exit(0)
    assert os.waitpid(pid, 0)[1] == 0
