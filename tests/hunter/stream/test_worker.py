"""The worker with real threads: results by eventfd, errors as values, a bounded queue."""

from __future__ import annotations

import select
import threading
from collections.abc import Callable
from http.client import IncompleteRead

import pytest

from hunter.stream.worker import QUEUED_MAX, THREADS, Result, Worker


def collect(worker: Worker, count: int) -> list[Result]:
    found: list[Result] = []
    while len(found) < count:
        assert select.select([worker.fileno()], [], [], 10)[0], f"{len(found)} of {count} came"
        found += worker.results()
    return found


def test_worker_result_rings_the_descriptor_once_collected_rests() -> None:
    worker = Worker()
    assert worker.results() == []
    assert worker.submit("sum", lambda: 1 + 1)
    assert collect(worker, 1) == [Result("sum", 2, None)]
    assert not select.select([worker.fileno()], [], [], 0)[0]


def test_worker_call_that_fails_brings_its_error() -> None:
    def fail() -> None:
        raise OSError("no route")

    worker = Worker()
    worker.submit("call", fail)
    (result,) = collect(worker, 1)
    assert result.value is None
    assert str(result.error) == "no route"


@pytest.mark.parametrize("error", [ValueError("bad"), IncompleteRead(b"half")])
def test_worker_thread_survives_what_is_no_os_error(error: Exception) -> None:
    def fail() -> None:
        raise error

    worker = Worker()
    for _ in range(3 * THREADS):
        worker.submit("call", fail)
    for result in collect(worker, 3 * THREADS):
        assert isinstance(result.error, OSError)
        assert type(error).__name__ in str(result.error)


def test_worker_many_results_come_in_one_collection() -> None:
    worker = Worker()
    for number in range(50):
        assert worker.submit(number, lambda number=number: number * number)  # type: ignore[misc]
    assert sorted(collect(worker, 50)) == [Result(n, n * n, None) for n in range(50)]


@pytest.fixture
def gate() -> threading.Event:
    return threading.Event()


def test_worker_hanging_calls_fill_the_queue_and_no_more(gate: threading.Event) -> None:
    worker = Worker()
    entered = threading.Semaphore(0)

    def hang() -> bool:
        entered.release()
        return gate.wait(10)

    call: Callable[[], bool] = hang
    for _ in range(THREADS):
        assert worker.submit("hang", call)
    for _ in range(THREADS):
        assert entered.acquire(timeout=10)
    accepted = sum(worker.submit("more", call) for _ in range(QUEUED_MAX + 5))
    assert accepted == QUEUED_MAX
    gate.set()
    assert len(collect(worker, THREADS + QUEUED_MAX)) == THREADS + QUEUED_MAX
