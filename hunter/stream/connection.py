"""One WebSocket connection without asyncio; the only file that imports websockets.

The library's sans-I/O protocol does the handshake, frames, fragments, control frames and close
codes; this shell owns a non-blocking socket and moves bytes. It never waits: `step` does what the
socket allows now. A connection that is given up is aborted, never closed politely: a polite close
of a dead link takes 10 s. permessage-deflate is not offered: it costs 1 to 1.6 us a message, and
allows a small frame to grow a thousandfold.
"""

from __future__ import annotations

import contextlib
import enum
import logging
import os
import select
import socket
import ssl
import struct
from typing import Any, Final
from urllib.parse import urlsplit

from websockets.client import ClientProtocol
from websockets.frames import Frame, Opcode
from websockets.http11 import Response
from websockets.uri import parse_uri

from hunter.stream.worker import Worker

FRAME_BYTES_MAX: Final = 4 << 20
READ_BYTES: Final = 256 << 10
READS_PER_STEP_MAX: Final = 8
OPEN_TIMEOUT_NS: Final = 5_000_000_000
SEND_BUFFER_BYTES_MAX: Final = 1 << 20

_silent = logging.getLogger("hunter.websockets")
_silent.addHandler(logging.NullHandler())
_silent.propagate = False


class Phase(enum.Enum):
    """Of a connection's life. CLOSED is final: make a new object for the next attempt."""

    RESOLVING = "resolving"
    CONNECTING = "connecting"
    SECURING = "securing"
    HANDSHAKE = "handshake"
    OPEN = "open"
    CLOSED = "closed"


class Connection:
    """`step` until CLOSED; frames received are returned by it, `reason` says why it ended."""

    def __init__(self, url: str, worker: Worker, now_ns: int) -> None:
        self.url = url
        self.phase = Phase.RESOLVING
        self.reason = ""
        self._deadline_ns = now_ns + OPEN_TIMEOUT_NS
        parts = urlsplit(url)
        self._host = parts.hostname or ""
        self._port = parts.port or (443 if parts.scheme == "wss" else 80)
        self._secure = parts.scheme == "wss"
        self._protocol = ClientProtocol(parse_uri(url), max_size=FRAME_BYTES_MAX, logger=_silent)
        self._socket: socket.socket | None = None
        self._outgoing = bytearray()
        self._fragments: list[bytes] = []
        self._addresses: list[Any] = []
        host, port = self._host, self._port
        if not worker.submit(self, lambda: _look_up(host, port)):
            self.abort("too many name look-ups are waiting")

    def resolved(self, addresses: list[Any] | None, error: OSError | None) -> None:
        """The worker's answer to the name look-up."""
        if self.phase is not Phase.RESOLVING:
            return
        if error is not None or not addresses:
            self.abort(f"cannot look up {self._host}: {error}")
            return
        self._addresses = list(addresses)
        self._connect_next()

    def fileno(self) -> int:
        return -1 if self._socket is None else self._socket.fileno()

    def poll_events(self) -> int:
        """What to poll `fileno()` for."""
        if self.phase is Phase.CONNECTING:
            return select.POLLOUT
        return select.POLLIN | (select.POLLOUT if self._outgoing else 0)

    def send_text(self, text: bytes) -> None:
        """Queue one text frame; it leaves with the next `step`."""
        self._protocol.send_text(text)
        self._collect_outgoing()

    def abort(self, reason: str) -> None:
        """Drop the connection now, with a reset instead of a close handshake."""
        if self.phase is Phase.CLOSED:
            return
        self.phase = Phase.CLOSED
        self.reason = reason
        if self._socket is not None:
            try:
                linger = struct.pack("ii", 1, 0)
                self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            except OSError:
                pass  # it is broken already, which is all that was wanted
            self._socket.close()
            self._socket = None

    def step(self, now_ns: int) -> list[bytes]:
        """Move on as far as the socket allows; returns the payloads of complete text frames, in
        order.
        """
        if self.phase not in (Phase.OPEN, Phase.CLOSED) and now_ns > self._deadline_ns:
            self.abort(
                f"no connection within {OPEN_TIMEOUT_NS // 1_000_000_000} s ({self.phase.value})"
            )
        try:
            if self.phase is Phase.CONNECTING:
                self._finish_connect()
            if self.phase is Phase.SECURING:
                self._secure_link()
            if self.phase in (Phase.HANDSHAKE, Phase.OPEN):
                self._flush()
                return self._read()
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError, BlockingIOError):
            pass
        except ssl.SSLCertVerificationError as error:
            self.abort(f"certificate of {self._host} refused: {error.verify_message}")
        except OSError as error:
            self.abort(f"{self.phase.value}: {error.strerror or error}")
        return []

    def _connect_next(self) -> None:
        family, kind, proto, _, address = self._addresses.pop(0)
        try:
            link = socket.socket(family, kind | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC, proto)
        except OSError as error:  # such as an IPv6 address on a host without IPv6
            self._connect_failed(error)
            return
        link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket = link
        self.phase = Phase.CONNECTING
        try:
            link.connect(address)
        except BlockingIOError:
            return
        except OSError as error:
            self._connect_failed(error)

    def _connect_failed(self, error: OSError) -> None:
        if self._addresses:
            if self._socket is not None:
                self._socket.close()
                self._socket = None
            self._connect_next()
        else:
            self.abort(f"cannot connect to {self._host}:{self._port}: {error.strerror}")

    def _finish_connect(self) -> None:
        assert self._socket is not None
        poller = select.poll()
        poller.register(self._socket, select.POLLOUT)
        if not poller.poll(0):
            return
        code = self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if code:
            self._connect_failed(OSError(code, os.strerror(code)))
            return
        if self._secure:
            context = ssl.create_default_context()
            self._socket = context.wrap_socket(
                self._socket, server_hostname=self._host, do_handshake_on_connect=False
            )
            self.phase = Phase.SECURING
        else:
            self._begin_handshake()

    def _secure_link(self) -> None:
        assert isinstance(self._socket, ssl.SSLSocket)
        self._socket.do_handshake()
        self._begin_handshake()

    def _begin_handshake(self) -> None:
        self.phase = Phase.HANDSHAKE
        self._protocol.send_request(self._protocol.connect())
        self._collect_outgoing()

    def _collect_outgoing(self) -> None:
        for data in self._protocol.data_to_send():
            # b"" asks for a half-close, which a peer that has closed does not need from us
            self._outgoing += data
        if len(self._outgoing) > SEND_BUFFER_BYTES_MAX:
            self.abort("the server takes nothing any more")

    def _flush(self) -> None:
        while self._outgoing and self._socket is not None:
            try:
                sent = self._socket.send(self._outgoing)
            except (ssl.SSLWantReadError, ssl.SSLWantWriteError, BlockingIOError):
                return
            del self._outgoing[:sent]

    def _read(self) -> list[bytes]:
        payloads: list[bytes] = []
        for _ in range(READS_PER_STEP_MAX):
            assert self._socket is not None
            try:
                data = self._socket.recv(READ_BYTES)
            except (ssl.SSLWantReadError, ssl.SSLWantWriteError, BlockingIOError):
                break
            except OSError as error:
                # What came before the reset is data all the same.
                self.abort(f"read: {error.strerror or error}")
                break
            if data:
                self._protocol.receive_data(data)
            else:
                self._protocol.receive_eof()
            self._events(payloads)
            self._collect_outgoing()
            if not data or self._protocol.close_expected():
                self._flush_quietly()
                self.abort(self._close_reason())
            if self.phase is Phase.CLOSED or len(data) < READ_BYTES >> 4:
                break
        return payloads

    def _events(self, payloads: list[bytes]) -> None:
        for event in self._protocol.events_received():
            if isinstance(event, Frame):
                if event.opcode is Opcode.TEXT and event.fin:
                    payloads.append(bytes(event.data))
                elif event.opcode in (Opcode.TEXT, Opcode.BINARY, Opcode.CONT):
                    self._fragments.append(bytes(event.data))
                    if event.fin:
                        payloads.append(b"".join(self._fragments))
                        self._fragments.clear()
            elif isinstance(event, Response):
                # Not by the protocol's state: a close in the same read has ended OPEN again.
                if self._protocol.handshake_exc is None:
                    self.phase = Phase.OPEN
                else:
                    self.abort(f"handshake refused: {self._handshake_reason(event)}")

    def _handshake_reason(self, response: Response) -> str:
        if response.status_code != 101:
            return f"HTTP {response.status_code}"
        return str(self._protocol.handshake_exc or "not a WebSocket answer")

    def _flush_quietly(self) -> None:
        with contextlib.suppress(OSError):  # the answer to a close frame is a courtesy
            self._flush()

    def _close_reason(self) -> str:
        protocol = self._protocol
        if self.phase is not Phase.OPEN:
            refused = protocol.handshake_exc
            return f"handshake failed: {refused or 'the server closed'}"
        # The library's own close_code is None until the end of the stream, which is not waited for.
        close = protocol.close_rcvd or protocol.close_sent
        if close is None:
            return "closed 1006"
        return f"closed {int(close.code)} {close.reason}".rstrip()


def _look_up(host: str, port: int) -> list[Any]:
    """Addresses of a host; waits. Raises OSError, also for what cannot be a name."""
    try:
        return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except UnicodeError as error:
        raise OSError(f"not a host name: {error}") from error
