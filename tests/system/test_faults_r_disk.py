"""A disk that is full, read-only, or taken away while hunter runs: the market streams on, what
could not be written waits, and is written once when the disk is there again.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from typing import Any

import pytest
from fakes import eager_brain
from fakes.instance import Simulator, temporary_home, wait_until
from fakes.mount_space import EnclosedInstance, MountSpace

pytestmark = pytest.mark.system

INSTRUMENT = "BTC-USDT-SWAP"


@pytest.fixture(scope="module")
def enclosed() -> Iterator[EnclosedInstance]:
    """An instance whose data directory, logs and all, is a disk of 2 MiB."""
    space = MountSpace.make()
    simulator = Simulator("--no-limits", "--rate", "100")
    try:
        with temporary_home() as home:
            eager_brain.put_beside(home)
            settings = [eager_brain.KIND, "brain.interval_ms=100", "brain.horizon_ms=1000"]
            settings.append("watchdog.disk_free_mb=1")
            instance = EnclosedInstance(space, home, settings, simulator.port)
            data = instance.config.data_dir
            data.mkdir()
            space.run("mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(data))
            try:
                instance.start()
                wait_for_signals(instance, 10)
                yield instance
            finally:
                instance.stop()
    finally:
        simulator.stop()
        space.close()


def wait_for_signals(instance: EnclosedInstance, more: int) -> None:
    before = instance.status()["brain"]["signals"]
    wait_until(
        f"{more} more signals", lambda: instance.status()["brain"]["signals"] >= before + more
    )


def reasons(instance: EnclosedInstance) -> str:
    return "; ".join(instance.status()["reasons"])


def wait_for_trouble(instance: EnclosedInstance, why: str) -> Any:
    text = f"the journal cannot be written: {why}"
    wait_until(text, lambda: text in reasons(instance))
    status = instance.status()
    assert status["state"] == "degraded"
    assert [feed["state"] for feed in status["feeds"]] == ["live"] * len(status["feeds"])
    before = status["rings"][0]["sequence"]
    wait_until("trades all the same", lambda: instance.status()["rings"][0]["sequence"] > before)
    wait_until("decisions all the same", lambda: decided(instance) > status["brain"]["decisions"])
    return status


def decided(instance: EnclosedInstance) -> int:
    return int(instance.status()["brain"]["decisions"])


def wait_until_well(instance: EnclosedInstance) -> None:
    said: list[str] = []

    def is_well() -> bool:
        said[:] = instance.status()["reasons"]
        return not said

    try:
        wait_until("no trouble", is_well)
    except AssertionError as error:
        raise AssertionError(said) from error


def assert_each_decision_is_in_the_journal_once(instance: EnclosedInstance) -> None:
    """This brain tells every decision; the checkpoint counts them over all its processes."""
    at_least = decided(instance)
    ids = wait_until(
        "as many signals as decisions",
        lambda: (
            (found := [s["id"] for s in instance.signals()]) and len(found) >= at_least and found
        ),
    )
    assert len(set(ids)) == len(ids)
    boundaries = [int(item.rsplit("-", 1)[1]) for item in ids]
    assert boundaries == sorted(boundaries)
    assert len(ids) <= decided(instance)


def pids(instance: EnclosedInstance) -> dict[str, int]:
    return {actor["name"]: actor["pid"] for actor in instance.status()["actors"]}


def test_r10_r16_full_disk_costs_no_signal_and_no_process(enclosed: EnclosedInstance) -> None:
    space, data = enclosed.space, enclosed.config.data_dir
    before = pids(enclosed)
    space.run("sh", "-c", f"cat /dev/zero > {data}/ballast", check=False)
    wait_for_trouble(enclosed, "No space left on device")
    wait_until("the checkpoint's turn", lambda: "signals wait for it" in reasons(enclosed))
    wait_until("the watchdog's word", lambda: f"free where {data} is" in reasons(enclosed))
    assert pids(enclosed) == before
    os.kill(before["brain-0"], signal.SIGKILL)
    wait_until("another brain", lambda: pids(enclosed)["brain-0"] not in (0, before["brain-0"]))
    wait_for_trouble(enclosed, "No space left on device")
    space.run("rm", f"{data}/ballast")
    wait_until_well(enclosed)
    assert_each_decision_is_in_the_journal_once(enclosed)
    after = pids(enclosed)
    assert {**after, "brain-0": 0} == {**before, "brain-0": 0}
    log = enclosed.log("brain-0")
    assert "journal is written again" in log


def test_r12_disk_that_becomes_read_only_is_waited_for(enclosed: EnclosedInstance) -> None:
    space, data = enclosed.space, enclosed.config.data_dir
    before = pids(enclosed)
    # A file that is open for writing keeps a file system from it: the bind mount has its own flag.
    space.run("mount", "--bind", str(data / "signals"), str(data / "signals"))
    space.run("mount", "-o", "remount,bind,ro", str(data / "signals"))
    os.kill(before["brain-0"], signal.SIGKILL)
    wait_for_trouble(enclosed, "Read-only file system")
    space.run("mount", "-o", "remount,bind,rw", str(data / "signals"))
    wait_until_well(enclosed)
    space.run("umount", "-l", str(data / "signals"))
    assert_each_decision_is_in_the_journal_once(enclosed)


def test_r12_r16_directories_taken_away_are_made_again(enclosed: EnclosedInstance) -> None:
    space, data = enclosed.space, enclosed.config.data_dir
    before = pids(enclosed)
    ids = [signal["id"] for signal in enclosed.signals()]
    space.run("sh", "-c", f"cd {data}; mv signals old; rm -r checkpoints logs")
    wait_for_signals(enclosed, 10)
    wait_until("checkpoints", lambda: space.run("ls", f"{data}/checkpoints", check=False).stdout)
    assert not [s for s in enclosed.signals() if s["id"] in ids], "the old ones were moved away"
    enclosed.command("restart", "brain-0")
    assert "restored from its checkpoint" in enclosed.log("brain-0")
    wait_until("its words", lambda: "brain-0" in enclosed.log("supervisor"))
    wait_for_signals(enclosed, 3)
    now = [signal["id"] for signal in enclosed.signals()]
    assert len(set(now)) == len(now)
    assert pids(enclosed) == before | {"brain-0": pids(enclosed)["brain-0"]}
    wait_until_well(enclosed)
