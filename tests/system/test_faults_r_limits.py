"""Memory, descriptors and processor time that run out: one actor is affected, and nobody else."""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from fakes import eager_brain
from fakes.instance import HunterInstance, Simulator, running, temporary_home, wait_until
from fakes.memory_group import memory_group
from fakes.whole_tree import (
    data_failures,
    pids_of,
    restarts_of,
    wait_for_trades,
    wait_until_replaced,
    wait_until_running,
)

pytestmark = pytest.mark.system

SIM = ("--no-limits", "--rate", "100")
MIB = 1 << 20


@pytest.fixture(scope="module")
def small() -> Iterator[tuple[HunterInstance, Simulator]]:
    """An instance whose actors may have little memory, for tests that leave it healthy."""
    with temporary_home() as home:
        eager_brain.put_beside(home)
        settings = (
            *(eager_brain.KIND, "brain.interval_ms=100", "brain.horizon_ms=1000"),
            *("watchdog.memory_limit_mb=160", "supervisor.max_restarts=50"),
        )
        with running(home, *settings, sim=SIM) as (instance, simulator):
            wait_until_running(instance)
            yield instance, simulator


def leak(instance: HunterInstance) -> None:
    (instance.home / eager_brain.LEAK).touch()


@contextlib.contextmanager
def limited(pid: int, kind: int, most: int) -> Iterator[None]:
    """A limit of a running process, until it ends or the test does."""
    before = resource.prlimit(pid, kind)
    resource.prlimit(pid, kind, (most, before[1]))
    try:
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):
            resource.prlimit(pid, kind, before)


def reasons(instance: HunterInstance) -> str:
    return "; ".join(instance.status()["reasons"])


def test_r13_brain_that_leaks_is_restarted_alone(
    small: tuple[HunterInstance, Simulator],
) -> None:
    instance, simulator = small
    before = pids_of(instance)
    leak(instance)
    after = wait_until_replaced(instance, "brain-0", before["brain-0"])
    assert after["last_exit"] == "memory"
    assert pids_of(instance) == before | {"brain-0": after["pid"]}
    assert "memory; asking for a restart" in instance.log("watchdog")
    assert data_failures(instance, simulator) == []


def test_r13_brain_that_gets_no_more_memory_ends_with_a_line_and_is_back(
    small: tuple[HunterInstance, Simulator],
) -> None:
    instance, simulator = small
    before = pids_of(instance)
    pid = before["brain-0"]
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[0])
    most = pages * resource.getpagesize() + 24 * MIB
    with limited(pid, resource.RLIMIT_AS, most):
        leak(instance)
        after = wait_until_replaced(instance, "brain-0", pid)
    assert after["last_exit"] == "exit 1"
    assert "out of memory" in instance.log("brain-0")
    assert pids_of(instance) == before | {"brain-0": after["pid"]}
    assert data_failures(instance, simulator) == []


@pytest.fixture
def small_group() -> Iterator[Path]:
    with memory_group(48 * MIB) as group:
        yield group


def test_r13_brain_that_the_kernel_kills_for_its_memory_is_back_and_said(
    small: tuple[HunterInstance, Simulator], small_group: Path
) -> None:
    instance, simulator = small
    before = pids_of(instance)
    try:
        (small_group / "cgroup.procs").write_text(str(before["brain-0"]))
    except OSError as error:
        pytest.skip(f"a process that runs cannot be moved here: {error}")
    leak(instance)
    after = wait_until_replaced(instance, "brain-0", before["brain-0"])
    assert after["last_exit"].startswith("signal 9")
    assert pids_of(instance) == before | {"brain-0": after["pid"]}
    assert data_failures(instance, simulator) == []


def open_files(pid: int) -> int:
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


def cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_r14_stream_without_descriptors_waits_says_so_and_goes_on(
    small: tuple[HunterInstance, Simulator],
) -> None:
    instance, simulator = small
    before, restarts = pids_of(instance), restarts_of(instance)
    pid = before["stream-0"]
    with limited(pid, resource.RLIMIT_NOFILE, 3):
        used_s = cpu_s(pid)
        simulator.control("/sim/fault?name=close&code=1011")
        wait_until("it is said", lambda: "Too many open files" in instance.log("stream-0"))
        time.sleep(2)
        assert cpu_s(pid) - used_s < 1.5, "it waits, and does not spin"
        said = instance.log("stream-0").count("Too many open files")
        assert said < 10
    wait_for_trades(instance, 50)
    wait_until_running(instance)
    assert pids_of(instance) == before
    assert restarts_of(instance) == restarts
    assert data_failures(instance, simulator) == []


def test_r14_brain_and_watchdog_without_descriptors_say_so_and_go_on(
    small: tuple[HunterInstance, Simulator],
) -> None:
    instance, simulator = small
    before, restarts = pids_of(instance), restarts_of(instance)
    with (
        limited(before["brain-0"], resource.RLIMIT_NOFILE, 3),
        limited(before["watchdog"], resource.RLIMIT_NOFILE, 3),
    ):
        for text in (
            "the brain's checkpoint cannot be written: Too many open files",
            "the watchdog sees little: Too many open files",
        ):
            wait_until(text, lambda text=text: text in reasons(instance))  # type: ignore[misc]
        signals = instance.status()["brain"]["signals"]
        wait_until("signals", lambda: instance.status()["brain"]["signals"] > signals + 5)
    wait_until_running(instance)
    assert pids_of(instance) == before
    assert restarts_of(instance) == restarts
    assert instance.log("brain-0").count("checkpoint not written: Too many open files") == 1
    assert data_failures(instance, simulator) == []


def test_r16_start_whose_reader_has_gone_runs_on(home: Path) -> None:
    """As `hunter start | head -1`."""
    instance = HunterInstance(home, [], None)
    command = [sys.executable, "-m", "hunter", "start", "--demo", "-c", str(instance.config_file)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline()
            process.stdout.close()
            wait_until("trades", lambda: instance.status()["state"] == "running", 40)
            wait_for_trades(instance, 20)
            time.sleep(2.5)  # the console has had something to say since
            assert process.poll() is None
            process.send_signal(signal.SIGTERM)
            assert process.wait(20) == 0
        finally:
            instance.stop()
            process.kill()
    assert not instance.shared.exists()
    assert "Traceback" not in instance.log("supervisor")


BURN = """
import sys, time
end = time.monotonic() + float(sys.argv[1])
while time.monotonic() < end: pass
"""
BURN_S = 6.0


def test_r17_busy_host_of_one_core_hangs_nobody(home: Path) -> None:
    """All processes, the exchange's too, share one core with four programs that never rest."""
    core = min(os.sched_getaffinity(0))
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})  # our children have it from us
    burners: list[subprocess.Popen[bytes]] = []
    try:
        with running(home, sim=("--no-limits", "--rate", "50")) as (instance, simulator):
            wait_until_running(instance)
            pids = pids_of(instance)
            command = [sys.executable, "-c", BURN, str(BURN_S)]
            burners += [subprocess.Popen(command) for _ in range(4)]
            for burner in burners:
                burner.wait(BURN_S * 20)
            wait_for_trades(instance, 5)
            assert pids_of(instance) == pids
            assert set(restarts_of(instance).values()) == {0}
            assert "asking for a restart" not in instance.log("watchdog")
            wait_until_running(instance)
            assert data_failures(instance, simulator) == []
    finally:
        os.sched_setaffinity(0, before)
        for burner in burners:
            burner.kill()
            burner.wait()
