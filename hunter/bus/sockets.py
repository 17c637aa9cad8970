"""The sockets of the bus and their settings; the only file that imports zmq.

All are `ipc://` paths inside the runtime directory. Its mode 0700 is what keeps other users out:
libzmq deprecates its own filters by uid. The socket files are 0600 all the same. Never tcp, never
an abstract name, which has no mode. Whoever is let in is not believed: messages are JSON of a
closed schema (no pickle), and every queue, message and handshake has a limit.

A second bind on such a path succeeds and steals it, so only a process that holds a lock binds: the
supervisor's instance lock covers `control`, and its one-child-per-name rule covers the others.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Final

import zmq

from hunter.bus import codec
from hunter.bus.messages import Answer, Command
from hunter.bus.sleep import SleepWord
from hunter.errors import ConfigError, MalformedMessage, TimedOut

PATH_BYTES_MAX: Final = 107  # sockaddr_un.sun_path, less its zero
SIGNAL_QUEUE_MAX: Final = 10_000
COMMAND_BYTES_MAX: Final = 8_192
ANSWER_BYTES_MAX: Final = 1 << 20
# One call of `receive`: a flood must not keep the supervisor from its children.
COMMANDS_PER_CALL_MAX: Final = 16
MESSAGES_PER_CALL_MAX: Final = 1_000
_QUEUE_MAX: Final = 100
_WAKE_BYTES_MAX: Final = 64
_WAKES_MAX: Final = 1_000
_HANDSHAKE_MS: Final = 2_000
_SOCKET_UMASK: Final = 0o177
_WAKE: Final = b"\0"

_context = zmq.Context.instance
_Socket = zmq.Socket[bytes]


def _endpoint(directory: Path, name: str) -> str:
    path = directory / f"{name}.ipc"
    if len(str(path).encode()) > PATH_BYTES_MAX:
        raise ConfigError(
            f"hunter.runtime_dir: {directory} is too long for a socket; choose a shorter path"
        )
    return f"ipc://{path}"


def _open(kind: int, queue_max: int, message_bytes_max: int, linger_ms: int = 0) -> _Socket:
    """A socket with every limit set: libzmq's defaults are no limit, or a generous one."""
    made: _Socket = _context().socket(kind)
    made.setsockopt(zmq.SNDHWM, queue_max)
    made.setsockopt(zmq.RCVHWM, queue_max)
    made.setsockopt(zmq.MAXMSGSIZE, message_bytes_max)
    made.setsockopt(zmq.HANDSHAKE_IVL, _HANDSHAKE_MS)
    made.setsockopt(zmq.LINGER, linger_ms)
    return made


def _bind(made: _Socket, endpoint: str) -> None:
    """libzmq makes the socket file within the call, with the modes that the umask leaves."""
    before = os.umask(_SOCKET_UMASK)
    try:
        made.bind(endpoint)
    finally:
        os.umask(before)


class WakeSender:
    """Tells a reader that its ring has news. PUB: a reader that is not there costs nothing, and one
    that is awake, as its `sleep` says, is not told.
    """

    def __init__(self, runtime_dir: Path, reader: str, sleep: SleepWord | None = None) -> None:
        endpoint = _endpoint(runtime_dir, f"wake-{reader}")
        self._sleep = sleep
        # Not a queue of two, though one wake-up says as much as a thousand: libzmq learns only a
        # millisecond later or so that a message has left the queue, and drops what comes meanwhile.
        self._socket = _open(zmq.PUB, _WAKES_MAX, _WAKE_BYTES_MAX)
        self._socket.setsockopt(zmq.RECONNECT_IVL, 10)
        self._socket.connect(endpoint)

    def wake(self) -> None:
        """After news were published."""
        if self._sleep is None or self._sleep.is_asleep():
            with contextlib.suppress(zmq.Again):
                self._socket.send(_WAKE, zmq.NOBLOCK)

    def close(self) -> None:
        self._socket.close(0)


class WakeReceiver:
    """Where a reader sleeps. It binds and writers connect, so that a writer that takes over steals
    nothing. With a `sleep`, writers send nothing but while it is in here.
    """

    def __init__(self, runtime_dir: Path, reader: str, sleep: SleepWord | None = None) -> None:
        endpoint = _endpoint(runtime_dir, f"wake-{reader}")
        self._sleep = sleep
        self._timeout_ms = -1  # the socket's own setting
        self._socket = _open(zmq.SUB, 2, _WAKE_BYTES_MAX)
        self._socket.setsockopt(zmq.CONFLATE, 1)
        self._socket.setsockopt(zmq.SUBSCRIBE, b"")
        _bind(self._socket, endpoint)
        if sleep is not None:
            sleep.wake_up()  # whatever the one before has left

    def wait(self, timeout_ms: int, has_news: Callable[[], bool] | None = None) -> bool:
        """Sleep until woken or the time is over; whether it was woken. Not at all when `has_news`,
        asked after the writers can see that this reader sleeps, says so.
        """
        if self._sleep is None:
            return self._receive(timeout_ms)
        self._sleep.fall_asleep()
        try:
            return (has_news is not None and has_news()) or self._receive(timeout_ms)
        finally:
            self._sleep.wake_up()

    def _receive(self, timeout_ms: int) -> bool:
        if timeout_ms != self._timeout_ms:
            self._socket.setsockopt(zmq.RCVTIMEO, timeout_ms)
            self._timeout_ms = timeout_ms
        try:
            self._socket.recv()  # one call where poll and recv would be two, and dearer ones
        except zmq.Again:
            return False
        return True

    def close(self) -> None:
        self._socket.close(0)


class SignalPublisher:
    """Copies of signals for users' programs: one frame, `INSTRUMENT json`. The journal is the
    record.
    """

    def __init__(self, runtime_dir: Path) -> None:
        endpoint = _endpoint(runtime_dir, "signals")
        self._socket = _open(zmq.PUB, SIGNAL_QUEUE_MAX, COMMAND_BYTES_MAX)
        _bind(self._socket, endpoint)

    def publish(self, instrument: str, signal_json: bytes) -> None:
        with contextlib.suppress(zmq.Again):
            self._socket.send(instrument.encode() + b" " + signal_json, zmq.NOBLOCK)

    def close(self) -> None:
        self._socket.close(0)


class ControlServer:
    """The supervisor's ear. Answers go back to whoever asked, if it is still there."""

    def __init__(self, runtime_dir: Path) -> None:
        endpoint = _endpoint(runtime_dir, "control")
        self._socket = _open(zmq.ROUTER, _QUEUE_MAX, COMMAND_BYTES_MAX, linger_ms=200)
        _bind(self._socket, endpoint)
        self.malformed = 0

    def fileno(self) -> int:
        """Edge-triggered, as all ZeroMQ descriptors: after it was readable, `receive` until nothing
        comes, and once more on each turn of the loop.
        """
        return int(self._socket.getsockopt(zmq.FD))

    def receive(self) -> list[tuple[bytes, Command]]:
        """The commands that are there, each with the address to answer; at most
        COMMANDS_PER_CALL_MAX, out of at most MESSAGES_PER_CALL_MAX messages.
        """
        found: list[tuple[bytes, Command]] = []
        for _ in range(MESSAGES_PER_CALL_MAX):
            try:
                address, *parts = self._socket.recv_multipart(zmq.NOBLOCK)
            except zmq.Again:
                break
            try:
                message = codec.decode(parts[-1] if parts else b"")
            except MalformedMessage as error:
                self.malformed += 1
                self.answer(address, Answer(ok=False, text=str(error)))
                continue
            if not isinstance(message, Answer):
                found.append((address, message))
                if len(found) == COMMANDS_PER_CALL_MAX:
                    break
        return found

    def answer(self, address: bytes, answer: Answer) -> None:
        with contextlib.suppress(zmq.ZMQError):
            self._socket.send_multipart([address, b"", codec.encode(answer)], zmq.NOBLOCK)

    def close(self) -> None:
        self._socket.close()


class ControlClient:
    """Asks the supervisor. `ask` never waits longer than it is told to."""

    def __init__(self, runtime_dir: Path) -> None:
        self._endpoint = _endpoint(runtime_dir, "control")

    def ask(self, command: Command, timeout_ms: int) -> Answer:
        """Send one command and wait for its answer.

        Raises TimedOut when the supervisor does not answer.
        """
        with _open(zmq.REQ, _QUEUE_MAX, ANSWER_BYTES_MAX) as request:
            request.connect(self._endpoint)
            request.send(codec.encode(command))
            if not request.poll(timeout_ms):
                raise TimedOut(
                    f"the supervisor did not answer within {timeout_ms} ms; see: hunter status"
                )
            answer = codec.decode(request.recv())
        if not isinstance(answer, Answer):
            raise MalformedMessage("the supervisor sent something that is not an answer")
        return answer

    def tell(self, command: Command) -> bool:
        """Send without waiting: for actors, whose loop must not stand still. False: there was no
        descriptor for a socket, or the like, and nobody was told.
        """
        try:
            with _open(zmq.DEALER, _QUEUE_MAX, ANSWER_BYTES_MAX, linger_ms=500) as request:
                request.connect(self._endpoint)
                request.send_multipart([b"", codec.encode(command)], zmq.NOBLOCK)
        except zmq.ZMQError:
            return False
        return True
