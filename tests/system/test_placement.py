"""Cores and busy polling with real processes."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from fakes.instance import running

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
