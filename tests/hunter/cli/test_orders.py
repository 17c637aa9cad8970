"""`hunter stop` and `restart`: their words and codes."""

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

from hunter.bus.messages import Answer, RestartActor, StopActor
from hunter.bus.sockets import ControlServer
from hunter.cli import orders
from hunter.errors import AlreadyRunning, HunterError, NotFound, NotRunning, TimedOut
from hunter.status.block import SUPERVISOR
from hunter.status.documents import ChildDocument, SupervisorDocument
from hunter.status.page import process_start_ticks

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


def test_stop_of_what_does_not_run_is_fine(shown: Any) -> None:
    shown.stage.status.close()
    assert shown.output("stop") == (
        'hunter "default" is not running; removed what a killed run had left\n'
    )
    assert not shown.stage.shared.exists()
    assert shown.output("stop") == 'hunter "default" is not running\n'


def test_stop_waits_for_the_end(shown: Any, holder: Any) -> None:
    process = holder("polite")
    reaper = threading.Thread(target=process.wait)  # a zombie's pidfd tells the end all the same
    reaper.start()
    assert shown.output("stop").startswith('hunter "default" stopped in ')
    reaper.join(10)
    assert process.returncode == -signal.SIGTERM


def test_stop_gets_through_when_nothing_else_can_be_read(
    shown: Any, holder: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_: Any) -> None:
        raise ValueError("a bug in the report")

    monkeypatch.setattr(orders, "read", broken)
    shown.down()
    process = holder("polite")
    reaper = threading.Thread(target=process.wait)
    reaper.start()
    assert "stopped in" in shown.output("stop")
    reaper.join(10)


def test_stop_that_is_not_heard_times_out(
    shown: Any, holder: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(orders, "STOP_GRACE_S", 0.05)
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
    monkeypatch.setattr(orders, "RESTART_WAIT_S", 0.1)
    shown.up()
    operator(Answer(ok=True, text="", leaving_pid=os.getpid()))
    error = shown.call("restart", "stream-0").exception
    assert isinstance(error, TimedOut)
    assert "see: hunter logs stream-0" in str(error)


def test_restart_of_what_is_starting_already_waits_for_that_process(
    shown: Any, operator: Any
) -> None:
    shown.up()
    operator(Answer(ok=True, text="stream-0 is starting already"))
    assert shown.output("restart", "stream-0").startswith(f"stream-0: pid {os.getpid()} in ")


def test_stop_of_one_actor_asks_for_that_alone(shown: Any, operator: Any) -> None:
    shown.up()
    there = operator(Answer(ok=True, text="stream-0 is being stopped"), 0)
    assert shown.output("stop", "stream-0").startswith("stream-0 stopped in ")
    assert there.heard == [StopActor(actor="stream-0")]


def test_stop_of_one_actor_that_stays_times_out(shown: Any, operator: Any) -> None:
    shown.up()
    operator(Answer(ok=True, text="brain-0 is being stopped"))
    error = shown.call("stop", "brain-0", "--timeout", "0.05").exception
    assert isinstance(error, TimedOut)
    assert f"brain-0 (pid {os.getpid()}) is not down after 0.05 s" in str(error)


def test_stop_of_an_actor_that_is_not_there(shown: Any, operator: Any) -> None:
    shown.up()
    assert isinstance(shown.call("stop", "nobody").exception, NotFound)
    operator(Answer(ok=False, text="everything is being stopped; start it again"))
    error = shown.call("stop", "brain-0").exception
    assert str(error) == "brain-0 not stopped: everything is being stopped; start it again"
    shown.down()
    assert isinstance(shown.call("stop", "brain-0").exception, NotRunning)


@pytest.mark.system
def test_restart_names_both_processes(shown: Any, operator: Any) -> None:
    shown.up()
    page = shown.stage.status.pages["stream-0"]
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as successor:
        page.store("process_start", process_start_ticks(successor.pid))
        operator(Answer(ok=True, text="", leaving_pid=os.getpid()), successor.pid)
        output = shown.output("restart", "stream-0")
        successor.kill()
    assert output.startswith(f"stream-0: pid {os.getpid()} -> {successor.pid} in ")


def test_stop_that_meets_another_at_the_lock_looks_again(
    shown: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = iter([AlreadyRunning("held"), True])

    def remove(_: Any) -> bool:
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_IGN, "the other one must not end us"
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return bool(answer)

    before = signal.getsignal(signal.SIGTERM)
    monkeypatch.setattr(orders, "remove_leftovers", remove)
    assert "is not running; removed what" in shown.output("stop")
    assert signal.getsignal(signal.SIGTERM) is before


def test_stop_that_never_gets_the_lock_gives_up(
    shown: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def remove(_: Any) -> bool:
        raise AlreadyRunning("held")

    monkeypatch.setattr(orders, "remove_leftovers", remove)
    monkeypatch.setattr(orders.clock, "sleep_s", lambda _: None)
    assert isinstance(shown.call("stop").exception, TimedOut)


def test_stop_of_what_ends_between_two_signals_is_fine(
    shown: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(_: int, number: int) -> None:
        raise ProcessLookupError

    monkeypatch.setattr(signal, "pidfd_send_signal", gone)
    monkeypatch.setattr(orders, "_ended", lambda *_: True)
    shown.lock()
    assert "stopped in" in shown.output("stop")


@pytest.mark.parametrize(
    ("state", "first"), [("stopping", []), ("running", [signal.SIGTERM])], ids=lambda v: str(v)
)
def test_stop_of_what_is_stopping_waits_and_does_not_hurry(
    shown: Any, monkeypatch: pytest.MonkeyPatch, state: str, first: list[int]
) -> None:
    sent: list[int] = []
    monkeypatch.setattr(signal, "pidfd_send_signal", lambda _, number: sent.append(number))
    monkeypatch.setattr(orders, "STOP_GRACE_S", 0.01)
    shown.lock()
    shown.up(state)
    assert isinstance(shown.call("stop", "--timeout", "0.01").exception, TimedOut)
    assert sent == [*first, signal.SIGCONT, signal.SIGTERM]
