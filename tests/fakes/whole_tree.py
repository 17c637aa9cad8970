"""Looks at all actors of an instance at once, and a supervisor that runs odd ones."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from fakes import odd_actors
from fakes.instance import HunterInstance, Simulator, wait_until
from soak.kill_actors import check

BACK_S = 40.0
RING = f"ring.capacity={1 << 16}"  # every trade of a test stays readable


def pids_of(instance: HunterInstance) -> dict[str, int]:
    """Actor -> pid."""
    return {actor["name"]: actor["pid"] for actor in instance.status()["actors"]}


def restarts_of(instance: HunterInstance) -> dict[str, int]:
    return {actor["name"]: actor["restarts"] for actor in instance.status()["actors"]}


def wait_until_replaced(instance: HunterInstance, name: str, pid: int) -> Any:
    """The actor's report once it is ready with another pid."""

    def replaced() -> Any:
        now = instance.actor(name)
        return now and now["pid"] not in (0, pid) and now["state"] == "ready" and now

    return wait_until(f"{name} replaced", replaced, BACK_S)


def wait_until_running(instance: HunterInstance) -> None:
    wait_until("running", lambda: instance.status()["state"] == "running", BACK_S)


def wait_for_trades(instance: HunterInstance, more: int = 1) -> None:
    """Of the first instrument, from now on."""

    def sequence() -> int:
        return int(instance.status()["rings"][0]["sequence"])

    before = sequence()
    wait_until(f"{more} trades", lambda: sequence() >= before + more, BACK_S)


def data_failures(instance: HunterInstance, simulator: Simulator) -> list[str]:
    """What is wrong with rows and signals; who was restarted is each test's own matter."""
    failures: list[str] = check(instance, simulator, {})["failures"]
    return [failure for failure in failures if " restarts, " not in failure]


@contextlib.contextmanager
def running_odd(
    home: Path, oddity: str, settings: Sequence[str], sim: Sequence[str]
) -> Iterator[tuple[HunterInstance, Simulator, Path]]:
    """As `fakes.instance.running`, with `odd_actors`; the path is their control file."""
    simulator = Simulator(*sim)
    try:
        instance = HunterInstance(home, settings, simulator.port)
        control = home / oddity
        odd_actors.set_control(control, 0)
        start = ["start", "--background", "-c", str(instance.config_file)]
        start += [word for setting in instance.settings for word in ("--set", setting)]
        process = subprocess.Popen(
            [sys.executable, odd_actors.__file__, "host", oddity, str(control), *start]
        )
        try:
            wait_until_running(instance)
            yield instance, simulator, control
            instance.command("stop")
            assert process.wait(10) == 0
        finally:
            instance.stop()
            process.kill()
            process.wait()
    finally:
        simulator.stop()
