from __future__ import annotations

import os
import select
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from fakes.actor_stage import Stage

from hunter.ring.segment import shared_dir
from hunter.status.page import process_start_ticks
from hunter.system.orphans import VARIABLE, end_orphans

SLEEPER = ["sleep", "60"]
LEADER = "import subprocess; print(subprocess.Popen(['sleep', '60'], stdout=2).pid, flush=True)"

Spawn = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def spawn() -> Iterator[Spawn]:
    made: list[subprocess.Popen[str]] = []

    def start(words: list[str], **environment: str) -> subprocess.Popen[str]:
        made.append(
            subprocess.Popen(
                words,
                env=dict(os.environ, **environment),
                stdout=subprocess.PIPE,
                text=True,
                start_new_session=True,
            )
        )
        return made[-1]

    yield start
    for process in made:
        process.kill()
        process.communicate(timeout=10)


def sign(stage: Stage, pid: int, process_start: int) -> None:
    """Put an actor on its page, as of a run that was killed."""
    page = stage.status.pages["brain-0"]
    page.store("process_start", process_start)
    page.store("pid", pid)


def test_process_with_the_mark_of_the_instance_is_ended(stage: Stage, spawn: Spawn) -> None:
    orphan = spawn(SLEEPER, **{VARIABLE: str(stage.config.runtime_dir)})
    assert end_orphans(stage.config) == 1
    assert orphan.wait(10) == -9


def test_process_of_another_instance_or_of_none_is_left_alone(stage: Stage, spawn: Spawn) -> None:
    others = [
        spawn(SLEEPER),
        spawn(SLEEPER, **{VARIABLE: f"{stage.config.runtime_dir}2"}),
        spawn(SLEEPER, **{f"MY_{VARIABLE}": str(stage.config.runtime_dir)}),
    ]
    assert end_orphans(stage.config) == 0
    assert [other.poll() for other in others] == [None] * 3


def test_process_in_the_session_of_a_dead_actor_is_ended(stage: Stage, spawn: Spawn) -> None:
    leader = spawn([sys.executable, "-c", LEADER])
    assert leader.stdout is not None
    orphan = int(leader.stdout.readline())
    sign(stage, leader.pid, process_start_ticks(leader.pid))
    assert leader.wait(10) == 0
    descriptor = os.pidfd_open(orphan)
    assert end_orphans(stage.config) == 1
    end_of(descriptor)


def end_of(descriptor: int) -> None:
    """Wait for the end of a process that is nobody's child."""
    poller = select.poll()
    poller.register(descriptor, select.POLLIN)
    assert poller.poll(10_000)
    os.close(descriptor)


def test_session_whose_number_somebody_else_has_got_is_left_alone(
    stage: Stage, spawn: Spawn
) -> None:
    other = spawn(SLEEPER)
    sign(stage, other.pid, 1)
    assert end_orphans(stage.config) == 0
    assert other.poll() is None


def test_command_that_comes_out_of_an_actor_itself_ends_nobody(
    stage: Stage, spawn: Spawn, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = spawn(SLEEPER, **{VARIABLE: str(stage.config.runtime_dir)})
    monkeypatch.setenv(VARIABLE, str(stage.config.runtime_dir))
    assert end_orphans(stage.config) == 0
    assert other.poll() is None


def test_actors_whose_parent_does_not_ask_for_them_are_no_orphans(
    stage: Stage, spawn: Spawn
) -> None:
    """In a container whose first process reaps nobody, zombies stay for good."""
    dead = spawn(["true"], **{VARIABLE: str(stage.config.runtime_dir)})
    start = process_start_ticks(dead.pid)
    os.waitid(os.P_PID, dead.pid, os.WEXITED | os.WNOWAIT)
    sign(stage, dead.pid, start or 1)
    assert os.getsid(dead.pid) == dead.pid, "it is still there, as a zombie"
    assert end_orphans(stage.config) == 0


def test_run_that_left_no_pages_left_no_sessions(stage: Stage) -> None:
    block = shared_dir(stage.config.hunter.name, stage.config.runtime_dir)
    for path in Path(block).glob("status*"):
        path.unlink()
    assert end_orphans(stage.config) == 0
