"""One WebSocket client, from its handshake to its end.

Around the `websockets` library's sans-I/O server: handshake, control frames, fragments, compression
and the close go through it. Data frames are framed once by the exchange and leave in batches,
through the outlet. Faults that concern a connection take effect here.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections import Counter
from collections.abc import Callable
from http import HTTPStatus
from typing import Any, Final

from websockets.extensions.permessage_deflate import ServerPerMessageDeflateFactory
from websockets.frames import Frame, Opcode
from websockets.http11 import Request
from websockets.protocol import State
from websockets.server import ServerProtocol

from hunter.simulator.channels import PATHS, Key, by_channel
from hunter.simulator.exchange import Exchange
from hunter.simulator.faults import Fault
from hunter.simulator.frames import Push, wire_text
from hunter.simulator.outlet import Outlet
from hunter.simulator.protocol import CLOSE_IDLE, CLOSE_SLOW, Session, SessionReply
from hunter.simulator.tampering import Outgoing

_WS_PREFIX: Final = "/ws/v5/"


def reset(transport: asyncio.Transport) -> None:
    """RST instead of FIN, whatever is unread."""
    sock = transport.get_extra_info("socket")
    if sock is not None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()


class WebSocketClient:
    """A subscriber of the exchange. `is_behind` is kept by the connection."""

    def __init__(self, exchange: Exchange, transport: asyncio.Transport, conn_id: str) -> None:
        self.conn_id = conn_id
        self.is_behind = False
        self._exchange = exchange
        self._transport = transport
        bounds = exchange.options.bounds
        self._outlet = Outlet(transport, exchange.faults, conn_id, bounds.queue_bytes_max)
        extensions = [ServerPerMessageDeflateFactory()] if exchange.options.compression else None
        self._ws = ServerProtocol(extensions=extensions, max_size=bounds.request_bytes_max)
        self._session: Session | None = None
        self._fragments: list[bytes] = []
        self._sent: Counter[Key] = Counter()
        self._is_closing = False
        self._close: tuple[int, str] | None = None

    # what the connection calls

    @property
    def is_open(self) -> bool:
        """The handshake is over."""
        return self._session is not None

    def receive(self, data: bytes) -> None:
        if not self._outlet.is_frozen:
            self._ws.receive_data(data)
            self._pump()

    def receive_eof(self) -> None:
        if not self._outlet.is_frozen:
            self._ws.receive_eof()
            self._pump()

    def lost(self) -> None:
        """The socket is gone."""
        self._is_closing = True
        self._outlet.stop()
        self._exchange.detach(self)

    def housekeep(self, now_ns: int, timeout_ns: int) -> None:
        if self._outlet.is_frozen or self._session is None:
            return
        if self._session.is_idle(now_ns, timeout_ns):
            self.start_close(*CLOSE_IDLE)

    def start_close(self, code: int, reason: str) -> None:
        if self._is_closing or self._ws.state is not State.OPEN:
            return
        self._is_closing = True
        self._close = (code, reason)
        self._outlet.drop_batch()
        self._ws.send_close(code, reason)
        self._write(self._ws)
        self._expect_end()

    # what the exchange calls

    def push(self, push: Push, wire: bytes) -> None:
        if self._is_closing:
            return
        if self._exchange.tampering.is_idle:
            self._outlet.put(wire)
        else:
            items = self._exchange.alter(self.conn_id, push, wire)
            if not items:
                return
            for item in items:
                self._put_odd(item)
        self._sent[push.channel, push.inst_id] += 1

    def _put_odd(self, item: Outgoing) -> None:
        if not item.late_ms:
            self._outlet.put_odd(item)
            return

        def arrive() -> None:
            if not self._is_closing:
                self._outlet.put(item.wire)
                self.flush(self._exchange.clock.monotonic_ns())

        asyncio.get_running_loop().call_later(item.late_ms / 1000, arrive)

    def flush(self, now_ns: int) -> None:
        """Write the batch; a live reader that left too much unread is closed with 4005."""
        if not self._outlet.has_batch or self._session is None:
            return
        if self._is_closing or self._transport.is_closing():
            self._outlet.drop_batch()
            return
        self._session.active_ns = now_ns
        self._outlet.flush(self._ws if self._ws.extensions else None)
        # With unlimited speed the source waits for the reader instead.
        if self._exchange.options.speed is not None and self._outlet.is_full:
            self.start_close(*CLOSE_SLOW)

    def describe(self) -> dict[str, Any]:
        session = self._session
        subscriptions = sorted(session.subscriptions) if session else []
        return {
            "connId": self.conn_id,
            "path": session.path if session else "",
            "subscriptions": [list(key) for key in subscriptions],
            "sent": by_channel(self._sent),
            "requests": session.requests.total if session else 0,
            "requests_per_hour_max": session.requests.most if session else 0,
            "unread_bytes": self._outlet.unread_bytes,
            "is_open": not self._is_closing,
            "is_frozen": self._outlet.is_frozen,
            "closed_with": list(self._close) if self._close else None,
        }

    def perform(self, fault: Fault) -> None:
        """A fault of the moment `now`."""
        acts: dict[str, Callable[[], None]] = {
            "abort": lambda: reset(self._transport),
            "fin": self._transport.close,
            "freeze": self._outlet.freeze,
            "close": lambda: self.start_close(fault.code, ""),
            "notice": self._send_notice,
        }
        acts[fault.name]()

    def heal(self) -> None:
        """What faults have left behind goes: nothing is slow any more, and a black hole has
        forgotten its connection.
        """
        if self._outlet.is_frozen:
            reset(self._transport)
        else:
            self._outlet.hurry()

    def _send_notice(self) -> None:
        if self._session is not None:
            self._outlet.put(wire_text(self._session.notice()))
            self.flush(self._exchange.clock.monotonic_ns())

    def _handshake(self, ws: ServerProtocol, request: Request) -> None:
        exchange = self._exchange
        now_ns = exchange.clock.monotonic_ns()
        path = request.path.partition("?")[0]
        name = path.removeprefix(_WS_PREFIX)
        if not path.startswith(_WS_PREFIX) or name not in PATHS:
            ws.send_response(ws.reject(HTTPStatus.NOT_FOUND, "no such path\n"))
            return
        fault = exchange.faults.take("http", self.conn_id)
        if fault:
            ws.send_response(ws.reject(fault.code, HTTPStatus(fault.code).phrase + "\n"))
            return
        if not exchange.may_connect(now_ns):
            ws.send_response(ws.reject(HTTPStatus.TOO_MANY_REQUESTS, "Too Many Requests\n"))
            return
        ws.send_response(ws.accept(request))
        if ws.state is not State.OPEN:
            return
        bounds = exchange.options.bounds
        limit = bounds.requests_per_hour_max if exchange.options.limits else None
        self._session = Session(name, self.conn_id, exchange.serves, now_ns, limit)
        exchange.attach(self)
        fault = exchange.faults.take("accept_then_close", self.conn_id)
        if fault:
            self.start_close(fault.code, "")

    def _pump(self) -> None:
        """Handle what the library understood, then write what it has to say."""
        ws = self._ws
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
            self._outlet.write(data)

    def _frame(self, frame: Frame) -> None:
        if frame.opcode not in (Opcode.TEXT, Opcode.BINARY, Opcode.CONT):
            return
        self._fragments.append(bytes(frame.data))
        if not frame.fin:
            return
        data = b"".join(self._fragments)
        self._fragments.clear()
        if self._session is not None and not self._is_closing:
            self._request(self._session, data.decode("utf-8", "replace"))

    def _request(self, session: Session, text: str) -> None:
        exchange = self._exchange
        take = exchange.faults.take
        if take("deaf", self.conn_id):
            return
        now_ns = exchange.clock.monotonic_ns()
        if text != "ping" and (fault := take("error", self.conn_id)):
            self._outlet.put(wire_text(session.refuse(text, fault.code, now_ns)))
            self.flush(now_ns)
            return
        is_partial = exchange.faults.find("partial_ack", self.conn_id) is not None
        reply = session.receive(text, now_ns, args_max=1 if is_partial else None)
        if reply.left_out:
            take("partial_ack", self.conn_id)
        for key in reply.removed:
            exchange.unsubscribe(self, key)
        self._answer_request(reply)
        self.flush(now_ns)
        for key in reply.added:
            exchange.subscribe(self, key)

    def _answer_request(self, reply: SessionReply) -> None:
        """Acks and initial pushes, in the order and the number that the armed faults leave."""
        take = self._exchange.faults.take
        acks = list(map(wire_text, reply.texts))
        initial = self._exchange.initial(reply.added)
        is_data_first = bool(initial) and take("data_before_ack", self.conn_id)
        if reply.added and take("no_ack", self.conn_id):
            acks = []
        if not is_data_first:
            self._put_all(acks)
        for push in initial:
            if push.channel == "books" and take("no_snapshot", self.conn_id):
                continue
            self.push(push, wire_text(push.text))
        if is_data_first:
            self._put_all(acks)

    def _put_all(self, wires: list[bytes]) -> None:
        for wire in wires:
            self._outlet.put(wire)

    def _expect_end(self) -> None:
        """The client has so long to end the connection; a stalled one is reset."""
        self._is_closing = True
        timeout_s = self._exchange.options.bounds.close_timeout_s
        asyncio.get_running_loop().call_later(timeout_s, self._transport.abort)
