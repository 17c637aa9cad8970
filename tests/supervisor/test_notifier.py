"""What goes up in systemd's words: to a real socket, from a tree and from a whole supervisor."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
import threading
from pathlib import Path

import pytest
from fakes.supervised import POLITE, WORK

from supervisor.commands import RestartChild, StopAll, StopChild
from supervisor.notifier import EXTENSION_USEC, Notifier, summary
from supervisor.spec import Restart, RestartIntensity

S = 1_000_000_000


class Receiver:
    """The socket of whoever runs the supervisor."""

    def __init__(self, address):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        self.socket.bind(address)
        self.heard = []

    def messages(self):
        """What came since the last look."""
        new = []
        try:
            while True:
                new.append(self.socket.recv(4096).decode())
        except BlockingIOError:
            self.heard += new
            return new

    @contextlib.contextmanager
    def reading_along(self):
        """A socket that nobody reads takes ten messages; this reads whatever comes."""
        ended = threading.Event()

        def read():
            while not ended.is_set():
                select.select([self.socket], [], [], 0.02)
                self.messages()

        thread = threading.Thread(target=read)
        thread.start()
        try:
            yield self.heard
        finally:
            ended.set()
            thread.join()
            self.messages()


@pytest.fixture(params=["path", "abstract"])
def address(request, tmp_path):
    if request.param == "abstract":
        return f"@supervisor-test-{os.getpid()}-{tmp_path.name}"
    return str(tmp_path / "notify")


@pytest.fixture
def receiver(address):
    made = Receiver("\0" + address[1:] if address.startswith("@") else address)
    yield made
    made.socket.close()


@pytest.fixture
def notifier(address, receiver):
    made = Notifier({"NOTIFY_SOCKET": address})
    yield made
    made.close()


def test_readiness_is_told_once_when_the_start_has_been_gone_through(
    notifier, receiver, make_world
):
    world = make_world("ab")
    notifier.tell(world.tree)
    assert "READY=1" not in receiver.messages()
    world.ready("a")
    notifier.tell(world.tree)
    assert "READY=1" not in receiver.messages()
    world.ready("b")
    notifier.tell(world.tree)
    assert receiver.messages() == ["READY=1", "STATUS=2 of 2 ready"]
    world.crash("a")
    notifier.tell(world.tree)
    world.ready("a")
    notifier.tell(world.tree)
    assert receiver.messages() == ["STATUS=1 of 2 ready; a starting", "STATUS=2 of 2 ready"]


@pytest.mark.parametrize("how", ["parked", "finished", "out of time"])
def test_readiness_does_not_wait_for_one_that_does_not_come(notifier, receiver, make_world, how):
    world = make_world(
        "ab",
        first={"restart": Restart.TEMPORARY} if how == "finished" else {},
        intensity=RestartIntensity(max_restarts=0 if how == "parked" else 100),
    )
    if how == "out of time":
        world.pass_ns(20 * S)
    else:
        world.crash("a")
    notifier.tell(world.tree)
    assert "READY=1" not in receiver.messages(), "there is another one to wait for"
    world.ready("b")
    notifier.tell(world.tree)
    assert "READY=1" in receiver.messages()


def test_a_long_start_asks_for_more_time_until_it_is_over(notifier, receiver, make_world):
    world = make_world("a")
    for _ in range(2):
        notifier.tell(world.tree)
    assert receiver.messages().count(f"EXTEND_TIMEOUT_USEC={EXTENSION_USEC}") == 2
    world.ready("a")
    notifier.tell(world.tree)
    notifier.tell(world.tree)
    assert not any("EXTEND" in message for message in receiver.messages())


def test_a_status_is_told_when_it_changes(notifier, receiver, running_world):
    world = running_world("a")
    for _ in range(3):
        notifier.tell(world.tree)
    assert receiver.messages() == ["READY=1", "STATUS=1 of 1 ready"]


def test_a_stop_is_told_once_and_readiness_not_after_it(notifier, receiver, make_world):
    world = make_world("ab")
    world.feed(StopAll())
    notifier.tell(world.tree)
    notifier.tell(world.tree)
    world.exit("a", code=0)
    notifier.tell(world.tree)
    said = ["STOPPING=1", "STATUS=stopping, 1 left", "STATUS=stopping, 0 left"]
    assert receiver.messages() == said


def test_beats_come_at_half_the_interval_and_not_more_often(address, receiver):
    pid = str(os.getpid())
    environ = {"NOTIFY_SOCKET": address, "WATCHDOG_USEC": "2000000", "WATCHDOG_PID": pid}
    notifier = Notifier(environ)
    start_ns = 50 * S
    for tenths in range(31):
        notifier.beat(start_ns + tenths * S // 10)
    assert receiver.messages() == ["WATCHDOG=1"] * 4
    assert notifier.next_beat_ns() == start_ns + 4 * S
    notifier.close()
    assert notifier.next_beat_ns() is None


@pytest.mark.parametrize(
    "variables",
    [
        {"WATCHDOG_USEC": "2000000", "WATCHDOG_PID": "1"},
        {"WATCHDOG_USEC": "0"},
        {"WATCHDOG_USEC": "soon"},
        {},
    ],
    ids=str,
)
def test_no_beats_are_sent_that_nobody_asked_us_for(address, receiver, variables):
    notifier = Notifier({"NOTIFY_SOCKET": address, **variables})
    notifier.beat(50 * S)
    assert notifier.next_beat_ns() is None
    notifier.close()
    assert receiver.messages() == []


@pytest.mark.parametrize(
    "name", ["", "relative", "vsock:2:1", "/no/such/socket", "/" + "x" * 200, "@" + "x" * 200]
)
def test_where_nobody_listens_it_is_silent(running_world, name):
    notifier = Notifier({"NOTIFY_SOCKET": name, "WATCHDOG_USEC": "1000"})
    notifier.tell(running_world("a").tree)
    notifier.beat(50 * S)
    notifier.close()
    notifier.close()
    notifier.tell(running_world("a").tree)


def test_what_a_full_receiver_did_not_take_is_said_again(notifier, receiver, running_world):
    full = 0
    while notifier._send(f"STATUS={full}"):
        full += 1
        assert full < 100_000
    world = running_world("a")
    notifier.tell(world.tree)
    receiver.messages()
    notifier.tell(world.tree)
    assert receiver.messages() == ["READY=1", "STATUS=1 of 1 ready"]


def test_a_summary_names_who_is_not_ready(running_world):
    world = running_world("abc", intensity=RestartIntensity(max_restarts=0))
    world.crash("b")
    world.ask(StopChild("c"))
    assert summary(world.tree) == "1 of 3 ready; b parked; c stopping"


# -- a whole supervisor ---------------------------------------------------------------------------


def test_a_supervisor_tells_ready_alive_and_stopping(
    play, monkeypatch, address, receiver, tmp_path
):
    monkeypatch.setenv("NOTIFY_SOCKET", address)
    monkeypatch.setenv("WATCHDOG_USEC", "100000")
    monkeypatch.setenv("WATCHDOG_PID", str(os.getpid()))
    names = tmp_path / "names"
    code = (
        "names = [n for n in os.environ if n.startswith(('NOTIFY', 'WATCHDOG'))]\n"
        f"open({str(names)!r}, 'w').write(repr(names))\n"
    )

    def scenario(stage):
        yield stage.is_in(a="ready", b="ready")
        yield lambda: "READY=1" in heard
        beats = heard.count("WATCHDOG=1")
        yield lambda: heard.count("WATCHDOG=1") >= beats + 5
        os.kill(stage.record("a").pid, signal.SIGKILL)
        yield lambda: stage.record("a").restarts == 1
        yield stage.is_in(a="ready")
        yield RestartChild("b")
        yield stage.is_in(b="ready")

    with receiver.reading_along() as heard:
        play({"a": code + WORK, "b": POLITE}, scenario)
    assert heard.count("READY=1") == heard.count("STOPPING=1") == 1
    assert heard.index("READY=1") < heard.index("STOPPING=1")
    statuses = [message for message in heard if message.startswith("STATUS")]
    assert statuses[-1] == "STATUS=stopping, 0 left"
    assert "STATUS=2 of 2 ready" in heard
    assert Path(names).read_text() == "[]", "a child must not speak in our name"
