from __future__ import annotations

import os
import resource
import select
import signal
import stat
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from socket import AF_UNIX
from socket import socket as UnixSocket
from typing import TypeVar

import pytest
import zmq

from hunter.bus import codec, sockets
from hunter.bus.messages import Answer, Command, Describe, RestartActor, StopAll
from hunter.bus.sockets import (
    PATH_BYTES_MAX,
    ControlClient,
    ControlServer,
    SignalPublisher,
    WakeReceiver,
    WakeSender,
)
from hunter.errors import ConfigError, MalformedMessage, TimedOut

Closeable = WakeSender | WakeReceiver | SignalPublisher | ControlServer
Socket = TypeVar("Socket", bound=Closeable)
PATIENCE_MS = 5_000


class Opened:
    """Remembers sockets, to close them at the end."""

    def __init__(self) -> None:
        self.sockets: list[Closeable] = []

    def __call__(self, socket: Socket) -> Socket:
        self.sockets.append(socket)
        return socket


@pytest.fixture
def opened() -> Iterator[Opened]:
    made = Opened()
    yield made
    for socket in made.sockets:
        socket.close()


def raw_socket(kind: int) -> zmq.Socket[bytes]:
    """What a peer may open who does not use our package."""
    socket: zmq.Socket[bytes] = zmq.Context.instance().socket(kind)
    socket.setsockopt(zmq.LINGER, 0)
    return socket


def wake_until_received(sender: WakeSender, receiver: WakeReceiver) -> bool:
    """A PUB socket drops until its peer has connected; so does life."""
    for _ in range(PATIENCE_MS // 10):
        sender.wake()
        if receiver.wait(10):
            return True
    return False


def test_receiver_is_woken(bus_dir: Path, opened: Opened) -> None:
    receiver = opened(WakeReceiver(bus_dir, "brain-0"))
    sender = opened(WakeSender(bus_dir, "brain-0"))
    assert wake_until_received(sender, receiver)


def test_sender_may_come_first(bus_dir: Path, opened: Opened) -> None:
    sender = opened(WakeSender(bus_dir, "brain-0"))
    sender.wake()
    receiver = opened(WakeReceiver(bus_dir, "brain-0"))
    assert wake_until_received(sender, receiver)


def test_receiver_that_is_not_woken_returns_in_time(bus_dir: Path, opened: Opened) -> None:
    receiver = opened(WakeReceiver(bus_dir, "brain-0"))
    assert not receiver.wait(0)
    assert not receiver.wait(20)


def test_many_wake_ups_are_one(bus_dir: Path, opened: Opened) -> None:
    receiver = opened(WakeReceiver(bus_dir, "brain-0"))
    sender = opened(WakeSender(bus_dir, "brain-0"))
    assert wake_until_received(sender, receiver)
    for _ in range(10_000):
        sender.wake()
    woken = 0
    while receiver.wait(100):
        woken += 1
    assert 1 <= woken <= 5


def test_wake_up_is_for_the_reader_it_names(bus_dir: Path, opened: Opened) -> None:
    other = opened(WakeReceiver(bus_dir, "brain-1"))
    receiver = opened(WakeReceiver(bus_dir, "brain-0"))
    assert wake_until_received(opened(WakeSender(bus_dir, "brain-0")), receiver)
    assert not other.wait(0)


def test_sender_finds_a_restarted_receiver(bus_dir: Path, opened: Opened) -> None:
    first = WakeReceiver(bus_dir, "brain-0")
    sender = opened(WakeSender(bus_dir, "brain-0"))
    assert wake_until_received(sender, first)
    first.close()
    assert wake_until_received(sender, opened(WakeReceiver(bus_dir, "brain-0")))


def test_signals_are_copied_to_subscribers(bus_dir: Path, opened: Opened) -> None:
    publisher = opened(SignalPublisher(bus_dir))
    publisher.publish("BTC-USDT", b'{"lost": "nobody listens"}')
    with raw_socket(zmq.SUB) as subscriber:
        subscriber.setsockopt(zmq.SUBSCRIBE, b"BTC-USDT ")
        subscriber.connect(f"ipc://{bus_dir}/signals.ipc")
        for number in range(PATIENCE_MS // 10):
            publisher.publish("ETH-USDT", b"{}")
            publisher.publish("BTC-USDT", b'{"id": %d}' % number)
            if subscriber.poll(10):
                break
        assert subscriber.recv(zmq.NOBLOCK).startswith(b'BTC-USDT {"id": ')


def test_stopped_subscriber_blocks_nobody(
    bus_dir: Path, opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sockets, "SIGNAL_QUEUE_MAX", 10)
    publisher = opened(SignalPublisher(bus_dir))
    program = (
        "import sys, zmq; s = zmq.Context().socket(zmq.SUB); s.setsockopt(zmq.SUBSCRIBE, b'');"
        "s.connect(sys.argv[1]); s.recv(); print('in', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, f"ipc://{bus_dir}/signals.ipc"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as subscriber:
        assert subscriber.stdout is not None
        while not select.select([subscriber.stdout], [], [], 0.01)[0]:
            publisher.publish("BTC-USDT", b"{}")
        subscriber.send_signal(signal.SIGSTOP)
        for _ in range(20_000):
            publisher.publish("BTC-USDT", b"x" * 1_000)
        subscriber.kill()


@pytest.fixture
def server(bus_dir: Path, opened: Opened) -> ControlServer:
    return opened(ControlServer(bus_dir))


def in_background(work: Callable[[], None]) -> threading.Thread:
    thread = threading.Thread(target=work)
    thread.start()
    return thread


def received(server: ControlServer, count: int = 1) -> list[tuple[bytes, Command]]:
    """The next commands; the descriptor is edge-triggered, so receive until it is empty."""
    found: list[tuple[bytes, Command]] = []
    for _ in range(PATIENCE_MS // 10):
        found += server.receive()
        if len(found) >= count:
            return found
        select.select([server.fileno()], [], [], 0.01)
    raise AssertionError(f"{len(found)} commands came")


def test_command_is_answered_to_whoever_asked(server: ControlServer, bus_dir: Path) -> None:
    answers: dict[str, Answer] = {}

    def ask(actor: str) -> None:
        command = RestartActor(actor=actor, reason="operator", pid=7)
        answers[actor] = ControlClient(bus_dir).ask(command, PATIENCE_MS)

    threads = [in_background(partial(ask, name)) for name in ("brain-0", "stream-0")]
    for address, command in received(server, 2):
        assert isinstance(command, RestartActor)
        assert (command.reason, command.pid) == ("operator", 7)
        server.answer(address, Answer(ok=True, text=f"{command.actor} restarts"))
    for thread in threads:
        thread.join(PATIENCE_MS / 1000)
    assert {name: answer.text for name, answer in answers.items()} == {
        "brain-0": "brain-0 restarts", "stream-0": "stream-0 restarts",
    }  # fmt: skip


def test_descriptor_becomes_readable(server: ControlServer, bus_dir: Path) -> None:
    assert server.receive() == []
    ControlClient(bus_dir).tell(StopAll())
    assert select.select([server.fileno()], [], [], PATIENCE_MS / 1000)[0]


def test_tell_does_not_wait(server: ControlServer, bus_dir: Path) -> None:
    for _ in range(3):
        ControlClient(bus_dir).tell(Describe())
    assert [command for _, command in received(server, 3)] == [Describe()] * 3


@contextmanager
def no_descriptors() -> Iterator[None]:
    """Not one more in this process; those that are open go on."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_r14_tell_without_a_descriptor_says_that_it_told_nobody(
    server: ControlServer, bus_dir: Path
) -> None:
    client = ControlClient(bus_dir)
    with no_descriptors():
        for _ in range(50):
            assert not client.tell(Describe())
    assert client.tell(StopAll())
    assert [command for _, command in received(server)] == [StopAll()]


FIRST_SOCKET = """
import resource, sys
from pathlib import Path
from hunter.bus.messages import Describe, StopAll
from hunter.bus.sockets import ControlClient
before = resource.getrlimit(resource.RLIMIT_NOFILE)
client = ControlClient(Path(sys.argv[1]))
resource.setrlimit(resource.RLIMIT_NOFILE, (3, before[1]))
assert not client.tell(Describe())
assert not client.tell(Describe())
resource.setrlimit(resource.RLIMIT_NOFILE, before)
assert client.tell(StopAll())
"""


def test_r14_process_whose_first_socket_cannot_be_had_tells_later(
    server: ControlServer, bus_dir: Path
) -> None:
    """libzmq starts its threads with the first socket of a process."""
    command = [sys.executable, "-c", FIRST_SOCKET, str(bus_dir)]
    subprocess.run(command, check=True, timeout=60, cwd=Path(__file__).parents[3])
    assert [command for _, command in received(server)] == [StopAll()]


def test_nobody_there_times_out(bus_dir: Path) -> None:
    with pytest.raises(TimedOut, match=r"within 20 ms; see: hunter status"):
        ControlClient(bus_dir).ask(Describe(), 20)


def test_server_that_does_not_answer_times_out(server: ControlServer, bus_dir: Path) -> None:
    with pytest.raises(TimedOut):
        ControlClient(bus_dir).ask(Describe(), 20)
    ((address, _),) = received(server)
    server.answer(address, Answer(ok=True, text="too late"))


def test_answer_to_somebody_unknown_is_dropped(server: ControlServer) -> None:
    server.answer(b"nobody", Answer(ok=True, text="x"))


def raw_ask(bus_dir: Path, raw: bytes, server: ControlServer) -> Answer:
    """What a peer gets who does not speak the language."""
    with raw_socket(zmq.REQ) as request:
        request.connect(f"ipc://{bus_dir}/control.ipc")
        request.send(raw)
        for _ in range(PATIENCE_MS // 10):
            assert server.receive() == []
            if request.poll(10):
                answer = codec.decode(request.recv())
                assert isinstance(answer, Answer)
                return answer
    raise AssertionError("no answer")


@pytest.mark.parametrize(
    "raw", [b"", b"hello", b'{"type":"Dance"}', b'{"type":"StopAll","version":9}']
)
def test_malformed_message_is_answered_and_counted(
    server: ControlServer, bus_dir: Path, raw: bytes
) -> None:
    answer = raw_ask(bus_dir, raw, server)
    assert not answer.ok
    assert "bus message" in answer.text
    assert server.malformed == 1


def test_server_survives_malformed_messages(server: ControlServer, bus_dir: Path) -> None:
    raw_ask(bus_dir, b"hello", server)
    ControlClient(bus_dir).tell(StopAll())
    assert [command for _, command in received(server)] == [StopAll()]


def test_answer_sent_as_a_command_is_ignored(server: ControlServer, bus_dir: Path) -> None:
    with raw_socket(zmq.DEALER) as peer:
        peer.connect(f"ipc://{bus_dir}/control.ipc")
        peer.send_multipart([b"", codec.encode(Answer(ok=True, text="I am the server"))])
        peer.send_multipart([b"", codec.encode(StopAll())])
        assert [command for _, command in received(server)] == [StopAll()]
    assert server.malformed == 0


def test_oversized_message_cuts_its_sender_off(server: ControlServer, bus_dir: Path) -> None:
    with raw_socket(zmq.DEALER) as peer:
        peer.connect(f"ipc://{bus_dir}/control.ipc")
        peer.send_multipart([b"", b"x" * (sockets.COMMAND_BYTES_MAX + 1)])
        ControlClient(bus_dir).tell(StopAll())
        assert [command for _, command in received(server)] == [StopAll()]
    assert server.malformed == 0


def test_flood_of_nonsense_is_taken_in_parts_and_a_command_comes_through(
    server: ControlServer, bus_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sockets, "MESSAGES_PER_CALL_MAX", 10)
    with raw_socket(zmq.DEALER) as peer:
        peer.connect(f"ipc://{bus_dir}/control.ipc")
        for _ in range(50):
            peer.send(b"nonsense")
        peer.send_multipart([b"", codec.encode(StopAll())])
        before = server.malformed
        found: list[tuple[bytes, Command]] = []
        for _ in range(PATIENCE_MS // 10):
            found += server.receive()
            assert server.malformed - before <= 10
            before = server.malformed
            if found:
                break
            select.select([server.fileno()], [], [], 0.01)
    assert [command for _, command in found] == [StopAll()]
    assert server.malformed == 50


def test_flood_of_commands_is_taken_in_parts(
    server: ControlServer, bus_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sockets, "COMMANDS_PER_CALL_MAX", 3)
    with raw_socket(zmq.DEALER) as peer:
        peer.connect(f"ipc://{bus_dir}/control.ipc")
        for _ in range(20):
            peer.send(codec.encode(Describe()))
        count = 0
        for _ in range(PATIENCE_MS // 10):
            taken = server.receive()
            assert len(taken) <= 3
            count += len(taken)
            if count == 20:
                break
            select.select([server.fileno()], [], [], 0.01)
    assert count == 20


def test_half_a_handshake_is_hung_up_on(
    bus_dir: Path, opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sockets, "_HANDSHAKE_MS", 100)
    opened(ControlServer(bus_dir))
    with UnixSocket(AF_UNIX) as peer:
        peer.settimeout(PATIENCE_MS / 1000)
        peer.connect(f"{bus_dir}/control.ipc")
        peer.send(b"\xff\0")  # the first two bytes of a greeting
        while peer.recv(4096):
            pass


@pytest.mark.parametrize(
    ("make", "name"),
    [
        (SignalPublisher, "signals"),
        (ControlServer, "control"),
        (lambda path: WakeReceiver(path, "brain-0"), "wake-brain-0"),
    ],
    ids=["signals", "control", "wake"],
)
def test_socket_file_is_for_its_owner_alone(
    bus_dir: Path, opened: Opened, make: Callable[[Path], Closeable], name: str
) -> None:
    before = os.umask(0o022)
    try:
        opened(make(bus_dir))
        assert os.umask(0o022) == 0o022, "the umask is as it was"
    finally:
        os.umask(before)
    mode = (bus_dir / f"{name}.ipc").stat().st_mode
    assert stat.S_ISSOCK(mode)
    assert stat.S_IMODE(mode) == 0o600


@pytest.mark.parametrize(
    "make",
    [
        SignalPublisher,
        ControlServer,
        lambda path: WakeReceiver(path, "brain-0"),
        lambda path: WakeSender(path, "brain-0"),
    ],
    ids=["signals", "server", "receiver", "sender"],
)
def test_every_socket_has_limits(
    bus_dir: Path, opened: Opened, make: Callable[[Path], Closeable]
) -> None:
    inner = opened(make(bus_dir))._socket
    assert 0 < inner.getsockopt(zmq.SNDHWM) <= sockets.SIGNAL_QUEUE_MAX
    assert 0 < inner.getsockopt(zmq.RCVHWM) <= sockets.SIGNAL_QUEUE_MAX
    assert 0 < inner.getsockopt(zmq.MAXMSGSIZE) <= sockets.ANSWER_BYTES_MAX
    assert 0 <= inner.getsockopt(zmq.LINGER) <= 500
    assert 0 < inner.getsockopt(zmq.HANDSHAKE_IVL) <= 2_000


def test_server_that_talks_nonsense_is_malformed(bus_dir: Path) -> None:
    with raw_socket(zmq.ROUTER) as router:
        router.bind(f"ipc://{bus_dir}/control.ipc")

        def answer() -> None:
            if router.poll(PATIENCE_MS):
                address, *_ = router.recv_multipart()
                router.send_multipart([address, b"", codec.encode(Describe())])

        thread = in_background(answer)
        with pytest.raises(MalformedMessage, match="not an answer"):
            ControlClient(bus_dir).ask(Describe(), PATIENCE_MS)
        thread.join(PATIENCE_MS / 1000)


@pytest.mark.parametrize(
    "make",
    [
        SignalPublisher,
        ControlServer,
        ControlClient,
        lambda path: WakeSender(path, "brain-0"),
        lambda path: WakeReceiver(path, "brain-0"),
    ],
    ids=["signals", "server", "client", "sender", "receiver"],
)
def test_too_long_path_is_a_configuration_error(make: Callable[[Path], object]) -> None:
    with pytest.raises(ConfigError, match=r"hunter\.runtime_dir: .* choose a shorter path"):
        make(Path("/tmp") / ("x" * PATH_BYTES_MAX))


def test_longest_path_works(bus_dir: Path, opened: Opened) -> None:
    length = PATH_BYTES_MAX - len(f"{bus_dir}//control.ipc")
    directory = bus_dir / ("x" * length)
    directory.mkdir()
    server = opened(ControlServer(directory))
    ControlClient(directory).tell(StopAll())
    assert [command for _, command in received(server)] == [StopAll()]
