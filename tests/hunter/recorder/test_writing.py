"""The writer thread hands lines over in time, at the end, and when there are many."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from fakes.actor_stage import HandClock

from hunter.clock import SystemClock
from hunter.recorder import writing
from hunter.recorder.backlog import Backlog
from hunter.recorder.segments import BudgetUsed, RecordingError, Segments
from hunter.recorder.writing import WriterThread
from hunter.simulator.lines import Counts, file_lines

NOW = 1_790_000_000_000_000_000


class Desk:
    """A writer thread with its backlog and segments."""

    def __init__(self, tmp_path: Path, budget_bytes: int = 1 << 30) -> None:
        self.clock = HandClock()
        self.backlog = Backlog()
        self.segments = Segments(tmp_path, "lab", 1 << 30, budget_bytes)
        self.writer = WriterThread(self.backlog, self.segments, self.clock)

    def until_written(self, frames: int) -> None:
        waited = threading.Event()
        end_ns = SystemClock().monotonic_ns() + 10_000_000_000
        while self.segments.frames < frames:
            assert SystemClock().monotonic_ns() < end_ns, "not written in time"
            waited.wait(0.005)

    def read(self) -> list[bytes]:
        paths = self.segments.paths
        return [frame for path in paths for _, frame in file_lines(path, Counts())]


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def test_lines_wait_until_half_a_second_is_over(desk: Desk) -> None:
    desk.backlog.put(NOW, [b"1"])
    desk.backlog.put(NOW, [b"2"])
    end_ns = SystemClock().monotonic_ns() + 10_000_000_000
    while desk.backlog.waiting_bytes and SystemClock().monotonic_ns() < end_ns:
        pass
    assert desk.segments.frames == 0
    desk.clock.skip(500)
    desk.until_written(2)
    assert desk.read() == [b"1", b"2"]
    assert desk.writer.finish()


def test_many_lines_do_not_wait(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writing, "PART_BYTES_MAX", 50)
    desk = Desk(tmp_path)
    desk.backlog.put(NOW, [b"1", b"2", b"3"])
    desk.until_written(3)
    assert desk.writer.finish()


def test_end_writes_what_is_left_and_closes(desk: Desk) -> None:
    desk.backlog.put(NOW, [b"1"])
    assert desk.writer.finish()
    assert desk.read() == [b"1"]
    assert desk.writer.failure is None


def test_budget_ends_the_thread_and_is_its_failure(tmp_path: Path) -> None:
    desk = Desk(tmp_path, budget_bytes=10)
    desk.backlog.put(NOW, [b"1"])
    assert desk.writer.finish()
    assert isinstance(desk.writer.failure, BudgetUsed)
    assert desk.read() == []


def test_disk_error_is_the_threads_failure(tmp_path: Path) -> None:
    place = tmp_path / "rec"
    desk = Desk(place)
    place.rmdir()
    desk.backlog.put(NOW, [b"1"])
    assert desk.writer.finish()
    assert isinstance(desk.writer.failure, RecordingError)


def test_disk_that_stands_still_does_not_hold_up_the_end(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writing, "END_TIMEOUT_S", 0.01)
    stuck = threading.Event()
    monkeypatch.setattr(desk.segments, "append", lambda lines: stuck.wait(10))
    desk.backlog.put(NOW, [b"1"])
    assert not desk.writer.finish()
    stuck.set()
