"""One accepted socket: REST requests, or a WebSocket client after its upgrade.

An asyncio protocol over the `websockets` library's sans-I/O server. The library's own server shell
is not used: it answers nothing but GET, closes after every plain answer, and sends one frame per
system call. Data frames are framed once by the exchange and written in batches; handshake, control
frames, fragments, compression and the close go through the library.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from http import HTTPStatus
from typing import Any, Final, cast

from websockets.extensions.permessage_deflate import ServerPerMessageDeflateFactory
from websockets.frames import Frame, Opcode
from websockets.http11 import Request
from websockets.protocol import State
from websockets.server import ServerProtocol

from hunter.simulator.channels import PATHS, Key, by_channel
from hunter.simulator.exchange import Exchange
from hunter.simulator.faults import Fault
from hunter.simulator.frames import Push, wire_payload, wire_text
from hunter.simulator.plain_http import BODY_BYTES_MAX, answer, parse_request
from hunter.simulator.protocol import CLOSE_IDLE, CLOSE_SLOW, Session
from hunter.simulator.rest import Rest

_HEAD_BYTES_MAX: Final = 16_384
_HIGH_WATER_BYTES: Final = 1 << 20
_WS_PREFIX: Final = "/ws/v5/"


class ClientConnection(asyncio.Protocol):
    """`everybody` holds every open connection, REST clients included; kept up to date here."""

    def __init__(self, exchange: Exchange, rest: Rest, everybody: set[ClientConnection]) -> None:
        self.conn_id = exchange.new_conn_id()
        self.is_behind = False
        self._exchange = exchange
        self._rest = rest
        self._everybody = everybody
        self._transport: asyncio.Transport
        self._head = bytearray()
        self._ws: ServerProtocol | None = None
        self._session: Session | None = None
        self._fragments: list[bytes] = []
        self._outbox: list[bytes] = []
        self._sent: Counter[Key] = Counter()
        self._is_compressed = False
        self._plain_ns = exchange.clock.monotonic_ns()  # when this was last heard before an upgrade
        self._is_closing = False
        self._close: tuple[int, str] | None = None

    # asyncio's callbacks

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._transport.set_write_buffer_limits(high=_HIGH_WATER_BYTES)
        self._everybody.add(self)
        if len(self._everybody) > self._exchange.options.bounds.connections_max:
            self._transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self._is_closing = True
        self._everybody.discard(self)
        self._exchange.detach(self)

    def pause_writing(self) -> None:
        self.is_behind = True

    def resume_writing(self) -> None:
        self.is_behind = False
        self._exchange.reader_moved()

    def data_received(self, data: bytes) -> None:
        if self._ws is not None:
            self._ws.receive_data(data)
            self._pump()
            return
        self._plain_ns = self._exchange.clock.monotonic_ns()
        self._head += data
        while self._ws is None and not self._transport.is_closing():
            end = self._head.find(b"\r\n\r\n")
            if end < 0:
                if len(self._head) > _HEAD_BYTES_MAX + BODY_BYTES_MAX:
                    self._transport.abort()
                return
            if b"\r\nupgrade: websocket" in self._head[:end].lower():
                self._upgrade()
            elif not self._answer(end):
                return

    def eof_received(self) -> bool:
        if self._ws is not None:
            self._ws.receive_eof()
            self._pump()
        return False

    # REST

    def _answer(self, end: int) -> bool:
        """Answer the request whose head ends at `end`; false while its body is incomplete."""
        request = parse_request(bytes(self._head[:end]))
        if request is None:
            self._transport.write(answer(400, b'{"code":"50000","msg":"Bad request"}', True))
            self._transport.close()
            return False
        whole_bytes = end + 4 + request.body_bytes
        if len(self._head) < whole_bytes:
            return False
        del self._head[:whole_bytes]
        status, body = self._rest.handle(request.method, request.target, self._exchange.clock)
        self._transport.write(answer(status, body, request.is_last))
        if request.is_last:
            self._transport.close()
        return True

    # WebSocket

    def _upgrade(self) -> None:
        exchange = self._exchange
        if exchange.faults.take("refuse", self.conn_id):
            self._transport.abort()
            return
        extensions = [ServerPerMessageDeflateFactory()] if exchange.options.compression else None
        self._ws = ServerProtocol(
            extensions=extensions, max_size=exchange.options.bounds.request_bytes_max
        )
        self._ws.receive_data(bytes(self._head))
        self._head.clear()
        self._pump()

    def _handshake(self, ws: ServerProtocol, request: Request) -> None:
        exchange = self._exchange
        now_ns = exchange.clock.monotonic_ns()
        path = request.path.partition("?")[0]
        name = path.removeprefix(_WS_PREFIX)
        if not path.startswith(_WS_PREFIX) or name not in PATHS:
            ws.send_response(ws.reject(HTTPStatus.NOT_FOUND, "no such path\n"))
            return
        if not exchange.may_connect(now_ns):
            ws.send_response(ws.reject(HTTPStatus.TOO_MANY_REQUESTS, "Too Many Requests\n"))
            return
        ws.send_response(ws.accept(request))
        if ws.state is not State.OPEN:
            return
        bounds = exchange.options.bounds
        limit = bounds.requests_per_hour_max if exchange.options.limits else None
        self._session = Session(name, self.conn_id, exchange.is_listed, now_ns, limit)
        self._is_compressed = bool(ws.extensions)
        exchange.attach(self)
        fault = exchange.faults.take("accept_then_close", self.conn_id)
        if fault:
            self._start_close(fault.code, "")

    def _pump(self) -> None:
        """Handle what the library understood, then write what it has to say."""
        ws = self._ws
        assert ws is not None
        for event in ws.events_received():
            if isinstance(event, Request):
                self._handshake(ws, event)
            elif isinstance(event, Frame):
                self._frame(event)
        self._write(ws)
        if ws.state is not State.CONNECTING and ws.close_expected():
            self._expect_end()

    def _write(self, ws: ServerProtocol) -> None:
        for data in ws.data_to_send():
            if self._transport.is_closing():
                return
            if data:
                self._transport.write(data)
            else:
                self._transport.close()

    def _frame(self, frame: Frame) -> None:
        if frame.opcode not in (Opcode.TEXT, Opcode.BINARY, Opcode.CONT):
            return
        self._fragments.append(bytes(frame.data))
        if not frame.fin:
            return
        data = b"".join(self._fragments)
        self._fragments.clear()
        if self._session is not None and not self._is_closing:
            self._receive(self._session, data.decode("utf-8", "replace"))

    def _receive(self, session: Session, text: str) -> None:
        exchange = self._exchange
        if exchange.faults.take("deaf", self.conn_id):
            return
        now_ns = exchange.clock.monotonic_ns()
        reply = session.receive(text, now_ns)
        for key in reply.removed:
            exchange.unsubscribe(self, key)
        initial = exchange.initial(reply.added)
        is_data_first = bool(initial) and exchange.faults.take("data_before_ack", self.conn_id)
        if not is_data_first:
            self._outbox += map(wire_text, reply.texts)
        for push in initial:
            if push.channel == "books" and exchange.faults.take("no_snapshot", self.conn_id):
                continue
            self.push(push, wire_text(push.text))
        if is_data_first:
            self._outbox += map(wire_text, reply.texts)
        self.flush(now_ns)
        for key in reply.added:
            exchange.subscribe(self, key)

    # what the exchange calls

    def push(self, push: Push, wire: bytes) -> None:
        if self._is_closing:
            return
        if self._exchange.faults.armed:
            wire = self._exchange.faults.alter(self.conn_id, push, wire)
            if not wire:
                return
        self._outbox.append(wire)
        self._sent[push.channel, push.inst_id] += 1

    def flush(self, now_ns: int) -> None:
        """Write the batch; a live reader that left too much unread is closed with 4005."""
        if not self._outbox or self._ws is None or self._session is None:
            return
        if self._is_closing or self._transport.is_closing():
            self._outbox.clear()
            return
        self._session.active_ns = now_ns
        if self._is_compressed:
            for wire in self._outbox:
                self._ws.send_text(wire_payload(wire))
            self._write(self._ws)
        else:
            self._transport.write(b"".join(self._outbox))
        self._outbox.clear()
        waiting_bytes = self._transport.get_write_buffer_size()
        options = self._exchange.options
        # With unlimited speed the source waits for the reader instead.
        if options.speed is not None and waiting_bytes > options.bounds.queue_bytes_max:
            self._start_close(*CLOSE_SLOW)

    def describe(self) -> dict[str, Any]:
        path = self._session.path if self._session else ""
        subscriptions = sorted(self._session.subscriptions) if self._session else []
        return {
            "connId": self.conn_id,
            "path": path,
            "subscriptions": [list(key) for key in subscriptions],
            "sent": by_channel(self._sent),
            "unread_bytes": self._transport.get_write_buffer_size(),
            "is_open": not self._is_closing,
            "closed_with": list(self._close) if self._close else None,
        }

    def perform(self, fault: Fault) -> None:
        if fault.name == "abort":
            self._transport.abort()
        elif fault.name == "close":
            self._start_close(fault.code, "")
        elif fault.name == "notice" and self._session is not None:
            self._outbox.append(wire_text(self._session.notice()))
            self.flush(self._exchange.clock.monotonic_ns())

    def housekeep(self, now_ns: int) -> None:
        """Close what has been idle for too long."""
        timeout_ns = int(self._exchange.options.bounds.idle_timeout_s * 1e9)
        if self._session is None:
            if now_ns - self._plain_ns >= timeout_ns:
                self._transport.abort()
        elif self._session.is_idle(now_ns, timeout_ns):
            self._start_close(*CLOSE_IDLE)

    def start_shutdown(self) -> None:
        """The server goes away (1001)."""
        if self._ws is None:
            self._transport.close()
        else:
            self._start_close(1001, "")

    def abort(self) -> None:
        self._transport.abort()

    def _start_close(self, code: int, reason: str) -> None:
        if self._is_closing or self._ws is None or self._ws.state is not State.OPEN:
            return
        self._is_closing = True
        self._close = (code, reason)
        self._outbox.clear()
        self._ws.send_close(code, reason)
        self._write(self._ws)
        self._expect_end()

    def _expect_end(self) -> None:
        """The client has so long to end the connection; a stalled one is reset."""
        self._is_closing = True
        timeout_s = self._exchange.options.bounds.close_timeout_s
        asyncio.get_running_loop().call_later(timeout_s, self._transport.abort)
