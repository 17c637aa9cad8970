"""`hunter start`, `stop` and `restart`: their words and codes, and one real life of the demo."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from hunter.bus.messages import Answer, RestartActor
from hunter.bus.sockets import ControlServer
from hunter.cli import process as process_module
from hunter.cli.status import read
from hunter.errors import AlreadyRunning, HunterError, NotFound, NotRunning, TimedOut
from hunter.status.block import SUPERVISOR
from hunter.status.documents import ChildDocument, SupervisorDocument
from hunter.status.page import process_start_ticks
from hunter.system import running_pid

HOLDER = """
import signal, sys
from supervisor.lock import InstanceLock
if sys.argv[2] == "stubborn":
    signal.signal(signal.SIGTERM, lambda *_: None)
lock = InstanceLock(sys.argv[1])
lock.acquire()
print("held", flush=True)
while True:
    signal.pause()
"""


@pytest.fixture
def holder(shown: Any) -> Iterator[Callable[[str], subprocess.Popen[str]]]:
    """A process that holds the instance's lock, polite or stubborn."""
    made: list[subprocess.Popen[str]] = []

    def hold(kind: str) -> subprocess.Popen[str]:
        path = str(shown.config.runtime_dir / "supervisor.lock")
        words = [sys.executable, "-c", HOLDER, path, kind]
        made.append(subprocess.Popen(words, stdout=subprocess.PIPE, text=True))
        assert made[-1].stdout is not None
        assert made[-1].stdout.readline() == "held\n"
        return made[-1]

    yield hold
    for process in made:
        process.kill()
        process.communicate(timeout=10)


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


def test_stop_of_what_does_not_run_is_fine(shown: Any) -> None:
    shown.stage.status.close()
    assert shown.output("stop") == (
        'hunter "default" is not running; removed what a killed run had left in shared memory\n'
    )
    assert not shown.stage.shared.exists()
    assert shown.output("stop") == 'hunter "default" is not running\n'


def test_stop_waits_for_the_end(shown: Any, holder: Any) -> None:
    process = holder("polite")
    reaper = threading.Thread(target=process.wait)  # a zombie's pidfd tells the end all the same
    reaper.start()
    assert shown.output("stop").startswith('hunter "default" stopped in 0.')
    reaper.join(10)
    assert process.returncode == -signal.SIGTERM


def test_stop_that_is_not_heard_times_out(
    shown: Any, holder: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process_module, "STOP_GRACE_S", 0.05)
    process = holder("stubborn")
    error = shown.call("stop", "--timeout", "0.05").exception
    assert isinstance(error, TimedOut)
    assert str(error).endswith(f"the last resort: kill -9 {process.pid}")


def test_stop_of_what_has_just_ended(shown: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(pid: int) -> int:
        raise ProcessLookupError

    shown.lock()
    monkeypatch.setattr(os, "pidfd_open", gone)
    assert shown.output("stop") == 'hunter "default" has just stopped\n'


def test_restart_of_what_is_not_there(shown: Any) -> None:
    shown.up()
    error = shown.call("restart", "nobody").exception
    assert isinstance(error, NotFound)
    assert str(error) == 'no actor "nobody"; there are: stream-0, brain-0, watchdog'
    shown.down()
    assert isinstance(shown.call("restart", "stream-0").exception, NotRunning)


class Operator:
    """The supervisor's end of `restart`, in a thread."""

    def __init__(self, shown: Any, answer: Answer, successor: int | None) -> None:
        self._shown = shown
        self._answer = answer
        self._successor = successor
        self._control = ControlServer(shown.config.runtime_dir)
        self._done = threading.Event()
        self.heard: list[Any] = []
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        while not self._done.is_set():
            select.select([self._control.fileno()], [], [], 0.01)
            for address, command in self._control.receive():
                self.heard.append(command)
                if self._successor is not None:
                    child = ChildDocument("stream-0", "stream", "ready", self._successor)
                    self._shown.stage.show(SUPERVISOR, SupervisorDocument("running", "1", (child,)))
                    self._shown.stage.status.pages["stream-0"].store("pid", self._successor)
                self._control.answer(address, self._answer)

    def close(self) -> None:
        self._done.set()
        self._thread.join(10)
        self._control.close()


@pytest.fixture
def operator(shown: Any) -> Iterator[Callable[..., Operator]]:
    made: list[Operator] = []

    def make(answer: Answer, successor: int | None = None) -> Operator:
        made.append(Operator(shown, answer, successor))
        return made[-1]

    yield make
    for item in made:
        item.close()


def test_restart_refused_says_why(shown: Any, operator: Any) -> None:
    shown.up()
    there = operator(Answer(ok=False, text="it is stopping"))
    error = shown.call("restart", "stream-0").exception
    assert isinstance(error, HunterError)
    assert str(error) == "stream-0 not restarted: it is stopping"
    assert there.heard == [RestartActor(actor="stream-0", reason="operator")]


def test_restart_that_never_gets_ready_times_out(
    shown: Any, operator: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process_module, "RESTART_WAIT_S", 0.1)
    shown.up()
    operator(Answer(ok=True, text=""))
    error = shown.call("restart", "stream-0").exception
    assert isinstance(error, TimedOut)
    assert "see: hunter logs stream-0" in str(error)


@pytest.mark.system
def test_restart_names_both_processes(shown: Any, operator: Any) -> None:
    shown.up()
    page = shown.stage.status.pages["stream-0"]
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as successor:
        page.store("process_start", process_start_ticks(successor.pid))
        operator(Answer(ok=True, text=""), successor.pid)
        output = shown.output("restart", "stream-0")
        successor.kill()
    assert output.startswith(f"stream-0: pid {os.getpid()} -> {successor.pid} in 0.")


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
    done = shown.run("start", "-d", "--wait", "1.5", "--set", nowhere)
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
