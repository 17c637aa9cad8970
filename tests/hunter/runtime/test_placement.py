from __future__ import annotations

import logging
import os
from collections.abc import Iterator

import pytest

from hunter.config import BrainSection, Config, StoreSection, StreamSection
from hunter.runtime.placement import COMPANION_NICE, Placement, keep_off, pin, placement


@pytest.fixture
def affinity() -> Iterator[set[int]]:
    before = os.sched_getaffinity(0)
    yield before
    os.sched_setaffinity(0, before)


@pytest.mark.parametrize(
    ("name", "shards", "standby", "cpus"),
    [
        ("stream-0", 1, False, (4, 2, 3)),
        ("stream-0", 1, True, (4,)),
        ("stream-0b", 1, True, (2,)),
        ("stream-1", 2, False, (2,)),
        ("stream-1", 2, True, (2,)),
        ("stream-0b", 2, True, (3,)),
        ("stream-1b", 2, True, (4,)),
    ],
)
def test_cores_are_dealt_out_to_several_streams_and_all_given_to_one(
    name: str, shards: int, standby: bool, cpus: tuple[int, ...]
) -> None:
    section = StreamSection(shards=shards, standby=standby, cpus="4,2-3", busy_poll_us=7)
    assert placement(name, Config(stream=section)) == (cpus, 7_000, 0, ())


def test_brain_has_all_cores_of_its_own() -> None:
    config = Config(stream=StreamSection(cpus="1"), brain=BrainSection(cpus="0,5", busy_poll_us=30))
    assert placement("brain-0", config) == ((0, 5), 30_000, 0, ())


@pytest.mark.parametrize("name", ["watchdog", "simulator", "sample-0"])
def test_others_run_where_they_may_and_never_spin(name: str) -> None:
    config = Config(stream=StreamSection(cpus="1", busy_poll_us=5))
    assert placement(name, config) == Placement()


def test_companions_stand_back_for_the_data_path() -> None:
    config = Config(store=StoreSection(enabled=True))
    assert placement("store", config) == Placement(nice=COMPANION_NICE)
    assert placement("store", Config()) == Placement()


def test_companions_keep_off_the_cores_of_stream_and_brain() -> None:
    config = Config(
        stream=StreamSection(cpus="2-3"),
        brain=BrainSection(cpus="1"),
        store=StoreSection(enabled=True),
    )
    assert placement("store", config).avoided == (2, 3, 1)
    assert placement("watchdog", config).avoided == ()


def test_who_keeps_off_all_cores_runs_all_the_same(affinity: set[int]) -> None:
    log = logging.getLogger("x")
    keep_off(tuple(affinity), log)
    assert os.sched_getaffinity(0) == affinity
    keep_off((), log)
    assert os.sched_getaffinity(0) == affinity
    first = min(affinity)
    if len(affinity) > 1:
        keep_off((first,), log)
        assert os.sched_getaffinity(0) == affinity - {first}


def test_nothing_named_is_nothing_pinned(
    affinity: set[int], caplog: pytest.LogCaptureFixture
) -> None:
    pin((), logging.getLogger("x"))
    assert os.sched_getaffinity(0) == affinity
    assert not caplog.records


def test_process_runs_on_what_it_may_of_its_cores(
    affinity: set[int], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    core = max(affinity)
    pin((core, 4000), logging.getLogger("x"))
    assert os.sched_getaffinity(0) == {core}
    assert caplog.messages == [f"runs on cpus {core}"]


def test_cores_that_are_not_ours_are_a_warning(
    affinity: set[int], caplog: pytest.LogCaptureFixture
) -> None:
    pin((4000, 4001), logging.getLogger("x"))
    assert os.sched_getaffinity(0) == affinity
    assert "cpus 4000-4001 are not ours to use, only " in caplog.text


def test_host_that_refuses_is_a_warning(
    affinity: set[int], caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(pid: int, cpus: set[int]) -> None:
        raise PermissionError(1, "Operation not permitted")

    with monkeypatch.context() as patched:
        patched.setattr(os, "sched_setaffinity", refuse)
        pin(tuple(affinity), logging.getLogger("x"))
    assert "cannot be had: Operation not permitted" in caplog.text
