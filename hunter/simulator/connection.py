"""One accepted socket: REST requests, or a WebSocket client after its upgrade.

The `websockets` library's own server shell is not used: it answers nothing but GET, closes after
every plain answer, and sends one frame per system call.
"""

from __future__ import annotations

import asyncio
from typing import Final, cast

from hunter.simulator.exchange import Exchange
from hunter.simulator.plain_http import BODY_BYTES_MAX, answer, parse_request
from hunter.simulator.rest import Rest
from hunter.simulator.websocket_client import WebSocketClient, reset

_HEAD_BYTES_MAX: Final = 16_384
_HIGH_WATER_BYTES: Final = 1 << 20


class ClientConnection(asyncio.Protocol):
    """`everybody` holds every open connection, REST clients included; kept up to date here."""

    def __init__(self, exchange: Exchange, rest: Rest, everybody: set[ClientConnection]) -> None:
        self._exchange = exchange
        self._rest = rest
        self._everybody = everybody
        self._transport: asyncio.Transport
        self._head = bytearray()
        self._client: WebSocketClient | None = None
        self._is_hung = False
        self._heard_ns = exchange.clock.monotonic_ns()  # while it is not a WebSocket

    # asyncio's callbacks

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._transport.set_write_buffer_limits(high=_HIGH_WATER_BYTES)
        self._everybody.add(self)
        if len(self._everybody) > self._exchange.options.bounds.connections_max:
            self._transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self._everybody.discard(self)
        if self._client is not None:
            self._client.lost()

    def pause_writing(self) -> None:
        if self._client is not None:
            self._client.is_behind = True

    def resume_writing(self) -> None:
        if self._client is not None:
            self._client.is_behind = False
        self._exchange.reader_moved()

    def data_received(self, data: bytes) -> None:
        if self._client is not None:
            self._client.receive(data)
            return
        self._heard_ns = self._exchange.clock.monotonic_ns()
        self._head += data
        while self._client is None and not self._is_hung and not self._transport.is_closing():
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
        if self._client is not None:
            self._client.receive_eof()
        return False

    # what the server calls

    def housekeep(self, now_ns: int) -> None:
        """Close what has been idle for too long."""
        timeout_ns = int(self._exchange.options.bounds.idle_timeout_s * 1e9)
        if self._client is not None and self._client.is_open:
            self._client.housekeep(now_ns, timeout_ns)
        elif now_ns - self._heard_ns >= timeout_ns:
            self._transport.abort()

    def start_shutdown(self) -> None:
        """The server goes away (1001)."""
        if self._client is None:
            self._transport.close()
        else:
            self._client.start_close(1001, "")

    def abort(self) -> None:
        self._transport.abort()

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

    def _upgrade(self) -> None:
        exchange, conn_id = self._exchange, self._exchange.new_conn_id()
        exchange.number(conn_id)
        if exchange.faults.take("refuse", conn_id):
            reset(self._transport)
        elif exchange.faults.take("hang", conn_id):
            self._is_hung = True
        else:
            self._client = WebSocketClient(exchange, self._transport, conn_id)
            self._client.receive(bytes(self._head))
        self._head.clear()
