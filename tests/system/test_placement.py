"""Cores and busy polling with real processes."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from fakes.instance import running

from hunter.runtime.placement import COMPANION_NICE

pytestmark = pytest.mark.system


def allowed(pid: int) -> str:
    status = Path(f"/proc/{pid}/status").read_text()
    return next(
        line.split()[1] for line in status.splitlines() if line.startswith("Cpus_allowed_list:")
    )


def test_actors_run_on_their_cores_and_the_others_anywhere(home: Path) -> None:
    first, *_, last = *sorted(os.sched_getaffinity(0)), max(os.sched_getaffinity(0))
    settings = (
        f'stream.cpus="{first},{last}"', "stream.standby=true",
        f'brain.cpus="{last}"', "brain.busy_poll_us=200", "stream.busy_poll_us=200",
    )  # fmt: skip
    with running(home, *settings) as (instance, _):
        actors = {actor["name"]: actor for actor in instance.status()["actors"]}
        wanted = {"stream-0": str(first), "stream-0b": str(last), "brain-0": str(last)}
        assert {name: allowed(actors[name]["pid"]) for name in wanted} == wanted
        assert {name: actors[name]["cpus"] for name in wanted} == wanted
        assert f"INFO stream-0 runs on cpus {first}\n" in instance.log("stream-0")
        for pid in (actors["watchdog"]["pid"], instance.supervisor_pid()):
            assert allowed(pid) == allowed(os.getpid())


def test_companion_stands_back_and_keeps_off_the_data_paths_core(home: Path) -> None:
    cpus = sorted(os.sched_getaffinity(0))
    if len(cpus) < 2:
        pytest.skip("needs two cores: on one there is nowhere to go")
    settings = (f'stream.cpus="{cpus[-1]}"', f'brain.cpus="{cpus[-1]}"', "store.enabled=true")
    with running(home, *settings) as (instance, _):
        pids = {actor["name"]: actor["pid"] for actor in instance.status()["actors"]}
        assert os.sched_getaffinity(pids["store"]) == set(cpus[:-1])
        nice = {name: os.getpriority(os.PRIO_PROCESS, pids[name]) for name in pids}
        assert nice["store"] == min(19, nice["stream-0"] + COMPANION_NICE)
        assert os.sched_getscheduler(pids["store"]) == os.SCHED_BATCH
        assert os.sched_getscheduler(pids["stream-0"]) == os.sched_getscheduler(0)
