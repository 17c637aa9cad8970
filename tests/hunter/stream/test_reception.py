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


def test_what_was_read_before_this_turn_is_over(stage: Callable[..., Stage]) -> None:
    """A pong makes no row; what comes much later did not wait since then."""
    there, clock = stage(), HandClock()
    reception = Reception(clock, there.context("stream-0").latencies)
    reception.opened()
    reception.begin_turn()
    reception.was_read(6, drained=True)
    clock.skip(5_000)
    reception.waited(clock.monotonic_ns() - MS, clock.monotonic_ns(), MS, readable=True)
    reception.begin_turn()
    reception.was_read(100, drained=True)
    clock.skip(2)
    reception.published(1)
    latencies = there.context("stream-0").latencies
    (waited,) = latencies.counts(LatencyStage.RECEIVE_TO_RING).percentiles(0.5)
    assert waited < 4 * MS


def test_the_life_before_this_connection_is_no_wait(stage: Callable[..., Stage]) -> None:
    there, clock = stage(), HandClock()
    reception = Reception(clock, there.context("stream-0").latencies)
    clock.skip(60_000)
    reception.begin_turn()
    reception.was_read(300, drained=True)  # the handshake, and the first push behind it
    reception.opened()
    clock.skip(2)
    reception.published(1)
    latencies = there.context("stream-0").latencies
    (waited,) = latencies.counts(LatencyStage.RECEIVE_TO_RING).percentiles(0.5)
    assert waited < 4 * MS


def test_a_socket_that_was_found_empty_dates_nothing_back(stage: Callable[..., Stage]) -> None:
    """By TLS no read says that it was the last one, but the one that finds nothing does."""
    there, clock = stage(), HandClock()
    reception = Reception(clock, there.context("stream-0").latencies)
    reception.opened()
    for _ in range(3):
        began_ns = clock.monotonic_ns()
        clock.skip(900)
        reception.waited(began_ns, clock.monotonic_ns(), 1_000 * MS, readable=True)
        reception.begin_turn()
        reception.was_read(100, drained=False)
        reception.found_empty()
        reception.published(1)
    latencies = there.context("stream-0").latencies
    (waited,) = latencies.counts(LatencyStage.RECEIVE_TO_RING).percentiles(1.0)
    assert waited < MS
