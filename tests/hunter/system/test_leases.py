from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from fakes.actor_stage import Stage

from hunter.errors import AlreadyRunning
from hunter.ring.segment import WriterLease
from hunter.system import leases
from hunter.system.leases import await_leases, lease_holder

HOLDER = """
import sys
from pathlib import Path
from hunter.ring.segment import WriterLease
lease = WriterLease(Path(sys.argv[1]))
assert lease.acquire()
print("held", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def old_writer(stage: Stage) -> Iterator[subprocess.Popen[str]]:
    words = [sys.executable, "-c", HOLDER, str(lease_path(stage))]
    pipe = subprocess.PIPE
    with subprocess.Popen(words, stdin=pipe, stdout=pipe, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def lease_path(stage: Stage) -> Path:
    return stage.config.runtime_dir / "ring-0.lock"


def test_start_without_an_old_writer_waits_for_nobody(stage: Stage) -> None:
    lease_path(stage).touch()
    await_leases(stage.config, wait_ns=0)
    lease = WriterLease(lease_path(stage))
    assert lease.acquire(), "it was given back"
    lease.close()


def test_old_writer_that_goes_in_time_is_waited_for(
    stage: Stage, old_writer: subprocess.Popen[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[float] = []

    def pause(seconds: float) -> None:
        waits.append(seconds)
        old_writer.kill()
        old_writer.wait(10)

    monkeypatch.setattr(leases.clock, "sleep_s", pause)
    await_leases(stage.config)
    assert waits


def test_old_writer_that_stays_is_named(stage: Stage, old_writer: subprocess.Popen[str]) -> None:
    with pytest.raises(AlreadyRunning) as caught:
        await_leases(stage.config, wait_ns=0)
    assert str(caught.value) == (
        f"ring-0 is still being written by pid {old_writer.pid}; nothing was started;"
        f" end it: kill -9 {old_writer.pid}"
    )


@pytest.mark.usefixtures("old_writer")
def test_old_writer_whom_the_kernel_does_not_name_can_still_be_found(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leases, "lease_holder", lambda _: 0)
    with pytest.raises(AlreadyRunning, match=r"find it: fuser .*/run/ring-0\.lock$"):
        await_leases(stage.config, wait_ns=0)


@pytest.mark.usefixtures("old_writer")
def test_wait_for_an_old_writer_ends_when_the_start_is_called_off(stage: Stage) -> None:
    await_leases(stage.config, lambda: True)


def test_holder_of_a_lease_is_read_from_the_kernel(stage: Stage) -> None:
    path = lease_path(stage)
    assert lease_holder(path) == 0, "no such file"
    lease = WriterLease(path)
    assert lease_holder(path) == 0, "nobody has it"
    lease.acquire()
    assert lease_holder(path) == os.getpid()
    lease.close()


@pytest.mark.parametrize(
    ("line", "pid"),
    [
        ("1: FLOCK  ADVISORY  WRITE 77 {name} 0 EOF", 77),
        ("1: -> FLOCK  ADVISORY  WRITE 78 {name} 0 EOF", 0),
        ("1: POSIX  ADVISORY  WRITE 79 {name} 0 EOF", 0),
        ("1: FLOCK  ADVISORY  WRITE -1 {name} 0 EOF", 0),
        ("", 0),
    ],
)
def test_lines_of_the_kernel_are_told_apart(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, line: str, pid: int
) -> None:
    path = lease_path(stage)
    path.touch()
    info = path.stat()
    name = f"{os.major(info.st_dev):02x}:{os.minor(info.st_dev):02x}:{info.st_ino}"
    read: Callable[[Path], str] = lambda _: line.format(name=name)  # noqa: E731
    monkeypatch.setattr(Path, "read_text", read)
    assert lease_holder(path) == pid
