"""Stamps and latencies of one connection's reads."""

from __future__ import annotations

from collections.abc import Callable

from fakes.actor_stage import MS, HandClock, Stage

from hunter.status.latency import Stage as LatencyStage
from hunter.stream.reception import Reception


def counted(stage: Stage, kind: LatencyStage) -> int:
    return sum(stage.context("stream-0").latencies.counts(kind).every)


def test_reads_are_stamped_and_their_waits_are_counted_once(stage: Callable[..., Stage]) -> None:
    there, clock = stage(), HandClock()
    reception = Reception(clock, there.context("stream-0").latencies)
    reception.opened()
    clock.skip(5)
    reception.was_read(100, drained=False)
    clock.skip(2)
    reception.was_read(100, drained=True)
    assert reception.received_ts_ns == clock.wall_ns()
    assert reception.read_ns == clock.monotonic_ns()
    clock.skip(1)
    reception.arrived(reception.received_ts_ns - 40 * MS)
    reception.published(3)
    latencies = there.context("stream-0").latencies
    assert counted(there, LatencyStage.EXCHANGE_TO_RECEIVE) == 1
    assert counted(there, LatencyStage.RECEIVE_TO_RING) == 3
    (waited,) = latencies.counts(LatencyStage.RECEIVE_TO_RING).percentiles(0.5)
    assert 7 * MS < waited < 9 * MS, "since the socket was last known to be empty"


def test_the_plain_reception_takes_no_frame(stage: Callable[..., Stage]) -> None:
    reception = Reception(HandClock(), stage().context("stream-0").latencies)
    assert reception.take(bytearray(9), 2, 7) == (2, 7)
    assert reception.taken() == (0, 0)


def test_what_came_while_the_process_stood_still_is_dated_back(stage: Callable[..., Stage]) -> None:
    there, clock = stage(), HandClock()
    reception = Reception(clock, there.context("stream-0").latencies)
    reception.was_read(10, drained=True)
    began_ns = clock.monotonic_ns()
    clock.skip(500)
    reception.waited(began_ns, clock.monotonic_ns(), 20 * MS, readable=True)
    reception.was_read(10, drained=True)
    reception.published(1)
    latencies = there.context("stream-0").latencies
    assert latencies.counts(LatencyStage.RECEIVE_TO_RING).percentiles(0.5)[0] > 400 * MS
