"""`hunter start`: its words and codes, and one real life of the demo."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
from typing import Any

import msgspec
import pytest

from hunter.cli import process as process_module
from hunter.cli.status import read
from hunter.errors import AlreadyRunning
from hunter.system import running_pid


def test_start_of_a_running_instance_changes_nothing(shown: Any) -> None:
    shown.lock()
    for words in (["start"], ["start", "-d"], ["start", "--demo"]):
        error = shown.call(*words).exception
        assert isinstance(error, AlreadyRunning)
        assert error.exit_code == 11
        assert f"already running (pid {os.getpid()})" in str(error)


def test_start_as_root_warns_in_one_line(shown: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    shown.lock()
    monkeypatch.setattr(os, "getuid", lambda: 0)
    assert shown.call("start").stderr.count("running as root") == 1
    monkeypatch.setattr(os, "getuid", lambda: 1000)
    assert "root" not in shown.call("start").stderr


STUBBORN = """
import signal, sys
left = int(sys.argv[1])
def count(*_):
    global left
    left -= 1
    if left == 0:
        print("all killed", flush=True)
        sys.exit(0)
signal.signal(signal.SIGTERM, count)
print("ready", flush=True)
while True:
    signal.pause()
"""


@pytest.mark.parametrize(
    ("requests", "code"),
    [(1, 0), (2, 0), (3, -signal.SIGKILL)],
    ids=["polite", "fast", "deaf"],
)
def test_start_that_gives_up_asks_twice_before_it_kills_the_supervisor(
    shown: Any, monkeypatch: pytest.MonkeyPatch, requests: int, code: int
) -> None:
    # Less than no time, so that half a second is left before the second request.
    monkeypatch.setattr(process_module, "STOP_GRACE_S", 0.5 if requests == 3 else 20.0)
    limits = msgspec.structs.replace(
        shown.config.supervisor, stop_timeout_s=20.0 if requests == 1 else -19.5
    )
    config = msgspec.structs.replace(shown.config, supervisor=limits)
    words = [sys.executable, "-S", "-c", STUBBORN, str(requests)]
    with subprocess.Popen(words, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        process_module._end(config, process, [])
        assert process.returncode == code


@pytest.mark.parametrize(
    ("tree", "brain", "is_late"),
    [("running", "stopped", False), ("degraded", "stopped", False), ("starting", "stopped", True),
     ("running", "backoff", True)],
)  # fmt: skip
def test_actor_that_the_operator_has_stopped_is_not_waited_for(
    shown: Any, tree: str, brain: str, is_late: bool
) -> None:
    shown.up()
    report = read(shown.config)
    report.state = tree
    report.actors[1].state = brain
    assert [actor.name for actor in process_module._late(report)] == ["brain-0"] * is_late
    if tree != "starting":
        assert process_module._all_ready(report) is not is_late
    assert len(process_module._ready_lines(report)) == 2


@pytest.mark.system
def test_demo_starts_in_the_background_restarts_an_actor_and_stops(shown: Any) -> None:
    shown.stage.status.close()
    started = shown.run("start", "-d", "--demo", "--set", "ring.capacity=256")
    try:
        assert started.returncode == 0, started.stderr
        lines = started.stdout.splitlines()
        assert [line.split()[:2] for line in lines[:-1]] == [
            ["ok", name] for name in ("exchange", "stream-0", "brain-0", "watchdog")
        ]
        assert lines[-1].startswith("Ready in ")
        assert read(shown.config).rings[0].capacity == 256
        assert shown.run("start", "-d").returncode == 11
        assert shown.output("restart", "brain-0").startswith("brain-0: pid ")
    finally:
        stopped = shown.run("stop")
    assert stopped.returncode == 0
    assert running_pid(shown.config) is None
    assert not shown.stage.shared.exists()


@pytest.mark.system
def test_start_that_is_not_ready_in_time_leaves_nothing(shown: Any) -> None:
    """Nobody listens where the exchange should be, so the stream never gets ready."""
    shown.stage.status.close()
    nowhere = "okx.public_url=ws://127.0.0.1:9/ws/v5/public"
    done = shown.run("start", "-d", "--wait", "6", "--set", nowhere)
    assert done.returncode == 6
    assert "stream-0 is " in done.stderr
    assert "cannot connect to 127.0.0.1:9" in done.stderr, "its last log lines"
    assert "everything was stopped again" in done.stderr
    assert running_pid(shown.config) is None
    assert not shown.stage.shared.exists()


@pytest.mark.system
def test_start_in_the_background_that_fails_says_why(shown: Any) -> None:
    (shown.config.runtime_dir / "control.ipc").mkdir()
    done = shown.run("start", "-d", "--demo")
    assert done.returncode == 1
    assert "Traceback" in done.stderr or "hunter:" in done.stderr


@pytest.mark.system
def test_start_outlives_the_reader_of_its_output(shown: Any) -> None:
    """`hunter start | head -1`: the terminal's end is no reason to kill the market's record."""
    shown.stage.status.close()
    with shown.spawn("start", "--demo") as process:
        assert process.stdout.readline().startswith('hunter "default" on the embedded exchange')
        process.stdout.close()
        poller = select.poll()
        for _ in range(500):
            if read(shown.config).state == "running" or process.poll() is not None:
                break
            poller.poll(20)
        assert process.poll() is None
        assert read(shown.config).state == "running"
        process.send_signal(signal.SIGINT)
        assert process.wait(15) == 0
    assert not shown.stage.shared.exists()
