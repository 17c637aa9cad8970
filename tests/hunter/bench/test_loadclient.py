from __future__ import annotations

import contextlib
import os

import pytest

from hunter.bench.loadclient import Load, LoadReport, pinned
from hunter.bench.traffic import TrafficPlan
from hunter.errors import TimedOut


def report(**given: object) -> LoadReport:
    fields = {"sent": 1, "seconds": 1.0, "start_monotonic_ns": 0, "start_wall_ns": 0}
    return LoadReport(**fields, **{"idle_share": 0.9, **given})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({}, ""),
        ({"idle_share": 0.02}, "idle for only 2%"),
        ({"lag_us": {"p99": 300.0}}, ""),
        ({"lag_us": {"p99": 4_000.0}}, "sent late (p99 4.0 ms)"),
        ({"lag_us": {"p99": 4_000.0}, "blocked_share": 0.2}, ""),
    ],
)
def test_load_says_when_it_was_the_narrow_place_itself(given: dict[str, object], told: str) -> None:
    narrow = report(**given).narrow
    assert told in narrow
    assert bool(told) == bool(narrow)


def test_process_listens_waits_and_ends_with_its_object() -> None:
    with contextlib.closing(Load(TrafficPlan("trades", 10), frozenset())) as load:
        assert load.port > 0
        os.kill(load.pid, 0)
        with pytest.raises(TimedOut, match="subscribed"):
            load.await_subscriptions(1, 0.01)
        load.go()  # nobody has connected: there is nothing to send, and that is said
        done = load.report(10.0)
        assert done is not None
        assert done.sent == 0
    with pytest.raises(ProcessLookupError):
        os.kill(load.pid, 0)


def test_pinned_gives_the_cores_back() -> None:
    before = os.sched_getaffinity(0)
    core = min(before)
    with pinned(frozenset([core])):
        assert os.sched_getaffinity(0) == {core}
    assert os.sched_getaffinity(0) == before
    with pinned(frozenset()):
        assert os.sched_getaffinity(0) == before
