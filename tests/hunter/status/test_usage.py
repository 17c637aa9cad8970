from __future__ import annotations

import mmap
import os

import pytest

from hunter.config import parse_cpus
from hunter.status import usage
from hunter.status.block import SUPERVISOR, StatusBlock
from hunter.status.usage import UsageMeter, cpus_of, private_bytes, resident_bytes

SECOND_NS = 1_000_000_000


def test_meter_measures_at_once_and_then_every_second(
    status: StatusBlock, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = status.pages[SUPERVISOR]
    meter = UsageMeter(page)
    cpu_ns = 0
    monkeypatch.setattr(usage.clock, "process_cpu_ns", lambda: cpu_ns)
    meter.measure(5 * SECOND_NS)
    assert page.beat().rss_bytes > 1_000_000
    assert page.beat().cpu_permille == 0, "of one look nothing follows"
    cpu_ns = SECOND_NS // 2
    page.store("rss_bytes", 1)
    meter.measure(6 * SECOND_NS - 1)
    assert (page.beat().cpu_permille, page.beat().rss_bytes) == (0, 1)
    meter.measure(7 * SECOND_NS)
    assert page.beat().cpu_permille == 250
    assert page.beat().rss_bytes > 1_000_000


def test_memory_of_a_process() -> None:
    assert 1_000_000 < resident_bytes(os.getpid()) < 10**10
    assert resident_bytes(2**30) == 0


def test_cores_of_a_process() -> None:
    assert parse_cpus(cpus_of(os.getpid())) == tuple(sorted(os.sched_getaffinity(0)))
    assert cpus_of(2**30) == ""


def test_private_bytes_leave_shared_memory_out() -> None:
    size_bytes = 32 << 20
    before = private_bytes(os.getpid()), resident_bytes(os.getpid())
    with mmap.mmap(-1, size_bytes) as shared:
        for offset in range(0, size_bytes, 4096):
            shared[offset] = 1
        assert resident_bytes(os.getpid()) - before[1] > size_bytes * 0.9
        assert private_bytes(os.getpid()) - before[0] < size_bytes * 0.1
    assert private_bytes(1 << 30) == 0
