"""One WebSocket connection without asyncio; the only file that imports websockets.

The library's sans-I/O protocol does the handshake, fragments, control frames and close codes; this
shell owns a non-blocking socket, moves bytes, and cuts plain data frames itself (`frames`). What is
not plain goes through the library frame by frame: it never holds the beginning of a frame that it
is not given whole. It never waits: `step` does what the
socket allows now. A connection that is given up is aborted, never closed politely: a polite close
of a dead link takes 10 s. permessage-deflate is not offered: it adds 0.8 us to a trade's 2.7 and
3.8 us to a book update's 2.9 (tests/benchmarks/bench_deflate.py), and lets a small frame grow a
thousandfold; what it saves is four fifths of a traffic that is small.

The owner looks up `host`, gives the addresses to `resolved`, and calls `connect_next` whenever the
phase is WAITING and one more connection may be opened: there may be several for one object, if the
first address does not answer.
"""

from __future__ import annotations

import contextlib
import logging
import os
import select
import socket
import ssl
import struct
from typing import Final, Protocol
from urllib.parse import urlsplit

from websockets.client import ClientProtocol
from websockets.frames import CloseCode, Frame, Opcode
from websockets.http11 import Response
from websockets.uri import parse_uri

from hunter.exchange.okx.asks import NEVER_NS
from hunter.stream.frames import READ_BYTES, Inflow, is_plain, length_of, split
from hunter.stream.phases import Failure, Phase
from hunter.stream.proxy import Proxy, ProxyError, tunnel_opened
from hunter.stream.resolver import Address
from hunter.stream.tls import client_context
from hunter.text import printable

FRAME_BYTES_MAX: Final = 4 << 20
READS_PER_STEP_MAX: Final = 8
# A read of less has emptied the socket; of TLS, one read is one record, maybe one small frame.
FULL_READ_BYTES: Final = READ_BYTES >> 4
TLS_READS_PER_STEP_MAX: Final = 64
OPEN_TIMEOUT_NS: Final = 5_000_000_000
# A message that has begun must be complete in time, however slowly its bytes keep coming.
MESSAGE_TIMEOUT_NS: Final = 10_000_000_000
SEND_BUFFER_BYTES_MAX: Final = 1 << 20
# TLS versions below ours: the server, or somebody between, wants what we do not trust.
_DOWNGRADES: Final = frozenset(
    ("UNSUPPORTED_PROTOCOL", "TLSV1_ALERT_PROTOCOL_VERSION", "WRONG_SSL_VERSION")
)
_TOO_MANY: Final = (403, 429)
_PING_UNHEARD: Final = 4004

_silent = logging.getLogger("hunter.websockets")
_silent.addHandler(logging.NullHandler())
_silent.propagate = False


class BinaryFrame(bytes):
    """Payload of a binary message, which the exchange does not send: no data, whatever is in it."""

    __slots__ = ()


class Taker(Protocol):
    """Takes frames out of a connection's buffer before they become payloads."""

    def opened(self) -> None:
        """This connection is new."""

    def was_read(self, byte_count: int, *, drained: bool) -> None:
        """Bytes were read just now; `drained`: the socket is empty."""

    def found_empty(self) -> None:
        """A read brought nothing: the socket is empty."""

    def take(self, buffer: bytearray, start: int, end: int) -> tuple[int, int]:
        """(taken, others): the frames up to `taken` are done with; those up to `others` are plain,
        and for the caller before `take` is asked about what follows them.
        """


class Connection:
    """`step` until CLOSED; frames received are returned by it, `reason` says why it ended.

    With a `taker`, a step returns where frames that it did not take are followed by such that it
    may: `has_more` is true then, and the next step goes on from there before it reads.
    """

    def __init__(
        self, url: str, proxy: Proxy | None = None, frame_bytes_max: int = FRAME_BYTES_MAX
    ) -> None:
        self.taker: Taker | None = None
        self.has_more = False
        self.url = url
        self.phase = Phase.RESOLVING
        # How far it had got when it was closed.
        self.closed_in = Phase.RESOLVING
        self.reason = ""
        self.failure = Failure.LOST
        parts = urlsplit(url)
        self._server = parts.hostname or ""
        self._server_port = parts.port or (443 if parts.scheme == "wss" else 80)
        self._secure = parts.scheme == "wss"
        self._proxy = proxy
        self.host = self._server if proxy is None else proxy.host
        self.port = self._server_port if proxy is None else proxy.port
        self._protocol = ClientProtocol(parse_uri(url), max_size=frame_bytes_max, logger=_silent)
        self._socket: socket.socket | None = None
        self._deadline_ns = NEVER_NS
        self._outgoing = bytearray()
        self._tunnel = b""
        self._frame_bytes_max = frame_bytes_max
        self._inflow = Inflow()
        self._reads_left = 0
        # Of the last read: whether it brought an end of anything.
        self._has_completed = False
        # Bytes of a frame for the library that have not come yet.
        self._owed = 0
        self._fragments: list[bytes] = []
        self._is_binary = False
        self._addresses: list[Address] = []

    @property
    def deadline_ns(self) -> int:
        """When `step` has something to do although the socket is silent."""
        return self._deadline_ns

    def resolved(self, addresses: list[Address]) -> None:
        """Where `host` is: in the order of preference."""
        if self.phase is Phase.RESOLVING:
            self._addresses = list(addresses)
            self.phase = Phase.WAITING

    def connect_next(self, now_ns: int) -> None:
        """Open a connection to the next address; those the host cannot even try are passed over."""
        assert self.phase is Phase.WAITING, self.phase
        self._deadline_ns = now_ns + OPEN_TIMEOUT_NS
        while True:
            family, kind, proto, _, address = self._addresses.pop(0)
            try:
                link = socket.socket(
                    family, kind | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC, proto
                )
                self._socket = link
                self.phase = Phase.CONNECTING
                link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                link.connect(address)
            except BlockingIOError:
                return
            except OSError as error:  # such as an IPv6 address on a host without IPv6
                self._connect_failed(Failure.UNREACHABLE, error.strerror or str(error))
                if self.phase is Phase.WAITING:
                    continue
            return

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

    def abort(self, reason: str, failure: Failure = Failure.ABORTED) -> None:
        """Drop the connection now, with a reset instead of a close handshake."""
        if self.phase is Phase.CLOSED:
            return
        self.closed_in = self.phase
        self.phase = Phase.CLOSED
        self.has_more = False
        self.reason = printable(reason)  # the peer's own words may be in it
        self.failure = failure
        self._deadline_ns = NEVER_NS
        self._drop_socket()

    def step(self, now_ns: int) -> list[bytes]:
        """Move on as far as the socket allows; returns the payloads of complete messages, in order:
        a BinaryFrame where it was none of text.
        """
        if now_ns > self._deadline_ns:
            self._late()
        try:
            if self.phase is Phase.CONNECTING:
                self._finish_connect()
            if self.phase is Phase.TUNNELLING:
                self._open_tunnel()
            if self.phase is Phase.SECURING:
                self._secure_link()
            if self.phase in (Phase.HANDSHAKE, Phase.OPEN):
                self._flush()
                return self._receive(now_ns)
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError, BlockingIOError):
            pass
        except ssl.SSLCertVerificationError as error:
            self.abort(
                f"certificate of {self._server} refused: {error.verify_message}",
                Failure.CERTIFICATE,
            )
        except ProxyError as error:
            self.abort(str(error), Failure.PROXY)
        except OSError as error:
            downgrade = isinstance(error, ssl.SSLError) and error.reason in _DOWNGRADES
            self.abort(
                f"{self.phase.value}: {error.strerror or error}",
                Failure.CERTIFICATE if downgrade else Failure.LOST,
            )
        return []

    def _late(self) -> None:
        if self.phase is Phase.OPEN:
            seconds = MESSAGE_TIMEOUT_NS // 1_000_000_000
            self.abort(f"a message was not complete within {seconds} s", Failure.TIMEOUT)
            return
        reason = f"no connection within {OPEN_TIMEOUT_NS // 1_000_000_000} s ({self.phase.value})"
        if self.phase is Phase.CONNECTING:
            self._connect_failed(Failure.TIMEOUT, reason)
        else:
            self.abort(reason, Failure.TIMEOUT)

    def _connect_failed(self, failure: Failure, reason: str) -> None:
        """Of one address: there may be another one."""
        if self._addresses:
            self._drop_socket()
            self._deadline_ns = NEVER_NS
            self.phase = Phase.WAITING
        elif failure is Failure.TIMEOUT:
            self.abort(reason, failure)
        else:
            self.abort(f"cannot connect to {self.host}:{self.port}: {reason}", failure)

    def _drop_socket(self) -> None:
        if self._socket is not None:
            with contextlib.suppress(OSError):  # it is broken already, which is what was wanted
                linger = struct.pack("ii", 1, 0)
                self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            self._socket.close()
            self._socket = None

    def _finish_connect(self) -> None:
        assert self._socket is not None
        poller = select.poll()
        poller.register(self._socket, select.POLLOUT)
        if not poller.poll(0):
            return
        code = self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if code:
            self._connect_failed(Failure.UNREACHABLE, os.strerror(code))
        elif self._proxy is not None:
            self._outgoing += self._proxy.request(self._server, self._server_port)
            self.phase = Phase.TUNNELLING
        else:
            self._begin()

    def _open_tunnel(self) -> None:
        assert self._socket is not None
        self._flush()
        data = self._socket.recv(READ_BYTES)
        if not data:
            raise ProxyError("the proxy closed the connection")
        self._tunnel += data
        if tunnel_opened(self._tunnel):
            self._begin()

    def _begin(self) -> None:
        """The way to the server is open."""
        assert self._socket is not None
        if self._secure:
            self._socket = client_context().wrap_socket(
                self._socket, server_hostname=self._server, do_handshake_on_connect=False
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

    def _receive(self, now_ns: int) -> list[bytes]:
        """Read and cut until nothing more has come, or enough for a step."""
        payloads: list[bytes] = []
        if not self.has_more:
            secured = isinstance(self._socket, ssl.SSLSocket)
            self._reads_left = TLS_READS_PER_STEP_MAX if secured else READS_PER_STEP_MAX
        while True:
            if self.has_more:
                self.has_more = False
            elif not self._reads_left or not self._read(payloads):
                break
            self._cut(payloads)
            if self.phase is Phase.CLOSED or self.has_more:
                break
            if self.phase is Phase.OPEN:
                self._watch_message(now_ns)
        return payloads

    def _read(self, payloads: list[bytes]) -> bool:
        """One read of the socket; whether it brought anything."""
        inflow = self._inflow
        assert self._socket is not None
        try:
            count = self._socket.recv_into(inflow.room())
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError, BlockingIOError):
            if self.taker is not None:
                self.taker.found_empty()
            return False
        except OSError as error:
            # What came before the reset is data all the same.
            self.abort(f"read: {error.strerror or error}", Failure.LOST)
            return False
        if not count:
            self._give(payloads, inflow.end)
            self._protocol.receive_eof()
            self._events(payloads)
            self._end()
            return False
        inflow.end += count
        self._has_completed = False
        self._reads_left -= 1
        drained = count < FULL_READ_BYTES and not isinstance(self._socket, ssl.SSLSocket)
        if drained:
            self._reads_left = 0
        if self.taker is not None:
            self.taker.was_read(count, drained=drained)
        return True

    def _cut(self, payloads: list[bytes]) -> None:
        """Frames out of what was read: plain ones here, the others by the library."""
        inflow = self._inflow
        while inflow.start < inflow.end and self.phase is not Phase.CLOSED:
            if self.phase is Phase.HANDSHAKE:
                # Line by line: what follows the answer is not for the library.
                line_end = inflow.data.find(b"\n", inflow.start, inflow.end)
                self._give(payloads, inflow.end if line_end < 0 else line_end + 1)
            elif self._owed:
                stop = min(inflow.start + self._owed, inflow.end)
                self._owed -= stop - inflow.start
                self._give(payloads, stop)
            elif payloads and self.taker is not None:
                # They come before whatever it would take.
                self.has_more = True
                return
            else:
                if not self._fragments and self._cut_plain(payloads):
                    return
                self._owed = self._foreign_bytes()
                if not self._owed:
                    return

    def _cut_plain(self, payloads: list[bytes]) -> bool:
        """The plain frames that come next; whether that is enough for now."""
        inflow = self._inflow
        start, end = inflow.start, inflow.end
        others = end
        if self.taker is not None:
            start, others = self.taker.take(inflow.data, start, end)
            self._has_completed |= start > inflow.start
            if start == end:
                inflow.start = end
                return True
            if others == start:
                others = end  # what comes next is not plain, not whole, or very long
        cut = split(inflow.data, start, others, self._frame_bytes_max, payloads)
        self._has_completed |= cut > start
        inflow.start = cut
        self.has_more = cut == others < end
        return cut == end or self.has_more

    def _foreign_bytes(self) -> int:
        """Length of the frame that comes next, if it is the library's; 0 if it may be plain."""
        inflow = self._inflow
        length = length_of(inflow.data, inflow.start, inflow.end)
        if length is None:
            return 0
        if self._fragments or not is_plain(
            inflow.data, inflow.start, self._frame_bytes_max, length
        ):
            return length
        return 0

    def _give(self, payloads: list[bytes], stop: int) -> None:
        """What lies before `stop` is the library's."""
        given = self._inflow.take(stop)
        if given:
            self._protocol.receive_data(given)
            self._has_completed |= self._events(payloads)
        self._collect_outgoing()
        if self._protocol.close_expected():
            self._end()

    def _end(self) -> None:
        """The protocol has come to its end."""
        if self.phase is not Phase.CLOSED:
            self._collect_outgoing()
            self._flush_quietly()
            self.abort(*self._ending())

    def _events(self, payloads: list[bytes]) -> bool:
        """Take what the protocol made of the bytes; whether there was anything complete."""
        events = self._protocol.events_received()
        for event in events:
            if isinstance(event, Frame):
                if event.opcode is Opcode.TEXT and event.fin:
                    payloads.append(bytes(event.data))
                elif event.opcode in (Opcode.TEXT, Opcode.BINARY, Opcode.CONT):
                    self._on_fragment(event, payloads)
            elif isinstance(event, Response):
                # Not by the protocol's state: a close in the same read has ended OPEN again.
                if self._protocol.handshake_exc is None:
                    self.phase = Phase.OPEN
                    if self.taker is not None:
                        self.taker.opened()
                else:
                    limited = event.status_code in _TOO_MANY
                    self.abort(
                        f"handshake refused: {self._handshake_reason(event)}",
                        Failure.RATE_LIMITED if limited else Failure.REFUSED,
                    )
        return bool(events)

    def _on_fragment(self, frame: Frame, payloads: list[bytes]) -> None:
        if frame.opcode is not Opcode.CONT:
            self._is_binary = frame.opcode is Opcode.BINARY
        self._fragments.append(bytes(frame.data))
        if frame.fin:
            payload = b"".join(self._fragments)
            payloads.append(BinaryFrame(payload) if self._is_binary else payload)
            self._fragments.clear()

    def _watch_message(self, now_ns: int) -> None:
        """Bytes that complete nothing are a message's beginning. Where a read ends with the first
        bytes of the next message this sees it one read later, which is soon enough: if no read
        follows at all, the session misses its pong.
        """
        if self._has_completed and not self._fragments:
            self._deadline_ns = NEVER_NS
        elif self._deadline_ns == NEVER_NS:
            self._deadline_ns = now_ns + MESSAGE_TIMEOUT_NS

    def _handshake_reason(self, response: Response) -> str:
        if response.status_code != 101:
            return f"HTTP {response.status_code}"
        return str(self._protocol.handshake_exc or "not a WebSocket answer")

    def _flush_quietly(self) -> None:
        with contextlib.suppress(OSError):  # the answer to a close frame is a courtesy
            self._flush()

    def _ending(self) -> tuple[str, Failure]:
        """Why the protocol is at its end."""
        protocol = self._protocol
        if self.phase is not Phase.OPEN:
            refused = protocol.handshake_exc
            return f"handshake failed: {refused or 'the server closed'}", Failure.LOST
        # The library's own close_code is None until the end of the stream, which is not waited for.
        close = protocol.close_rcvd or protocol.close_sent
        if close is None:
            return "closed 1006", Failure.LOST
        failure = Failure.LOST
        if protocol.close_rcvd is None and close.code == CloseCode.MESSAGE_TOO_BIG:
            failure = Failure.OVERSIZED
        elif protocol.close_rcvd is not None and close.code == _PING_UNHEARD:
            failure = Failure.PING_UNHEARD
        return f"closed {int(close.code)} {close.reason}".rstrip(), failure
