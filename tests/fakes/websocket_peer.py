"""Both ends of a connection in the test's own thread: nobody to wait for, every byte a script."""

from __future__ import annotations

import select
import socket
from collections.abc import Callable
from typing import Any

from websockets.frames import Frame, Opcode
from websockets.utils import accept_key

from hunter.clock import SystemClock
from hunter.stream.connection import Connection
from hunter.stream.phases import Phase
from hunter.stream.proxy import Proxy
from hunter.stream.resolver import look_up

PATIENCE_NS = 10_000_000_000


class Peer:
    """The server's end: a listening socket, and the link it accepted."""

    def __init__(self) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.listener.settimeout(10)
        self.port = self.listener.getsockname()[1]
        self.url = f"ws://127.0.0.1:{self.port}/ws/v5/public"
        self.link: socket.socket | None = None

    @property
    def is_called(self) -> bool:
        return bool(select.select([self.listener], [], [], 0)[0])

    def accept(self) -> socket.socket:
        if self.link is not None:
            self.link.close()
        self.link, _ = self.listener.accept()
        self.link.settimeout(10)
        return self.link

    def request(self) -> bytes:
        """The request for the handshake, once it is complete; else what there is of it."""
        assert self.link is not None
        if not select.select([self.link], [], [], 0)[0]:
            return b""
        return self.link.recv(65_536)

    def send(self, data: bytes) -> None:
        assert self.link is not None
        self.link.sendall(data)

    def hang_up(self, *, reset: bool = False) -> None:
        assert self.link is not None
        if reset:
            self.link.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        self.link.close()
        self.link = None

    def close(self) -> None:
        if self.link is not None:
            self.link.close()
        self.listener.close()


def agreement(request: bytes) -> bytes:
    """The answer 101 to a handshake."""
    key = next(
        line.split(b":", 1)[1].strip()
        for line in request.split(b"\r\n")
        if line.lower().startswith(b"sec-websocket-key")
    )
    return (
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: " + accept_key(key.decode()).encode() + b"\r\n\r\n"
    )


def frame(payload: bytes, opcode: Opcode = Opcode.TEXT, fin: bool = True) -> bytes:
    return Frame(opcode, payload, fin).serialize(mask=False)


def close_frame(code: int, reason: bytes = b"") -> bytes:
    return frame(code.to_bytes(2, "big") + reason, Opcode.CLOSE)


class Client:
    """A Connection driven as a link does it, with leave to connect at any time."""

    def __init__(self, url: str, proxy: Proxy | None = None, **options: int) -> None:
        self.now_ns = SystemClock().monotonic_ns()
        self.connection = Connection(url, proxy, **options)
        self.received: list[bytes] = []

    def turn(self) -> None:
        connection = self.connection
        if connection.phase is Phase.RESOLVING:
            connection.resolved(look_up(connection.host, connection.port))
        if connection.phase is Phase.WAITING:
            connection.connect_next(self.now_ns)
        self.received += self.connection.step(self.now_ns)
        poller = select.poll()
        if self.connection.fileno() >= 0:
            poller.register(self.connection.fileno(), self.connection.poll_events())
        poller.poll(5)

    def until(self, what: str, condition: Callable[[], Any]) -> Any:
        end_ns = SystemClock().monotonic_ns() + PATIENCE_NS
        while not (value := condition()):
            assert SystemClock().monotonic_ns() < end_ns, f"not in time: {what}"
            self.turn()
        return value

    def until_phase(self, phase: Phase) -> None:
        self.until(phase.value, lambda: self.connection.phase is phase)

    def until_closed(self) -> str:
        self.until_phase(Phase.CLOSED)
        return self.connection.reason
