from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from hunter import clock
from hunter.clock import Clock, SystemClock


@pytest.fixture
def new_york(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "America/New_York")
        time.tzset()
        yield
    time.tzset()


def test_system_clock_is_a_clock_and_goes_forward() -> None:
    now: Clock = SystemClock()
    first = now.monotonic_ns()
    assert now.monotonic_ns() >= first
    assert abs(now.wall_ns() - time.time_ns()) < 60_000_000_000


def test_monotonic_time_is_the_same_for_all_processes() -> None:
    before = SystemClock().monotonic_ns()
    program = "from hunter.clock import SystemClock; print(SystemClock().monotonic_ns())"
    other = int(subprocess.check_output([sys.executable, "-c", program], timeout=30))
    assert before < other < SystemClock().monotonic_ns()


def test_sleep_waits_at_least_so_long() -> None:
    started_ns = time.monotonic_ns()
    wait = clock.sleep_s
    wait(0.002)
    assert time.monotonic_ns() - started_ns >= 2_000_000


def test_cpu_time_grows_with_work() -> None:
    before = clock.process_cpu_ns()
    assert sum(range(200_000))
    assert clock.process_cpu_ns() > before


@pytest.mark.parametrize(
    ("wall_ns", "text"),
    [
        (0, "1970-01-01T00:00:00.000Z"),
        (1_769_860_800_123_999_999, "2026-01-31T12:00:00.123Z"),
        (1_709_251_199_999_999_999, "2024-02-29T23:59:59.999Z"),
    ],
)
def test_utc_text_cuts_to_milliseconds(wall_ns: int, text: str) -> None:
    assert clock.utc_text(wall_ns) == text


@pytest.mark.usefixtures("new_york")
def test_zone_of_the_reader_changes_the_screen_and_not_the_log() -> None:
    wall_ns = 1_769_860_800_000_000_000
    assert clock.local_clock_text(wall_ns) == "07:00:00"
    assert clock.utc_text(wall_ns) == "2026-01-31T12:00:00.000Z"
