"""Link over real sockets: leave to connect, names, proxies, and what each end of it leads to."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from pathlib import Path
from typing import Any

import pytest
from fakes.link_line import Line
from fakes.tls import server_context
from fakes.websocket_peer import Peer, agreement, close_frame, frame
from websockets.frames import Opcode

from hunter.exchange.okx.asks import NEVER_NS
from hunter.stream.connection import FRAME_BYTES_MAX, MESSAGE_TIMEOUT_NS
from hunter.stream.limits import CONNECTS
from hunter.stream.link import (
    CERTIFICATE_RETRY_MS,
    FRAME_BYTES_HARD_MAX,
    OVERSIZED_WITHIN_NS,
    Closed,
    Opened,
)
from hunter.stream.phases import Failure
from hunter.stream.resolver import PATIENCE_NS, Address, look_up
from hunter.stream.tls import client_context

# Leave to connect


def test_link_waits_for_leave_to_connect(line: Line) -> None:
    now_ns = line.clock.monotonic_ns()
    while line.limiter.reserve(CONNECTS, now_ns) == 0:
        pass
    line.until("the wait", lambda: line.link.document().state == "waiting")
    assert line.link.poll_target() is None
    due_ns = line.link.next_deadline_ns()
    assert now_ns + 300_000_000 < due_ns < now_ns + 600_000_000
    assert not line.peer.is_called
    line.clock.skip(600)
    line.open()


def test_link_told_too_many_slows_all_down(line: Line) -> None:
    line.until("the call", lambda: line.peer.is_called)
    line.peer.accept()
    line.until("the request", line.peer.request)
    line.peer.send(b"HTTP/1.1 429 Too Many Requests\r\nContent-Length: 0\r\n\r\n")
    closed = line.until_seen(Closed)
    assert closed.failure is Failure.RATE_LIMITED
    assert line.link.failures == {Failure.RATE_LIMITED: 1}
    state = line.limiter.states(line.clock.monotonic_ns())[0]
    assert (state.name, state.limited) == (CONNECTS, 1)
    assert line.limiter.reserve(CONNECTS, line.clock.monotonic_ns()) > 900_000_000


def test_link_reserves_when_it_knows_where_to(line: Line) -> None:
    """A look-up may take seconds: what was reserved before it would arrive in a bunch."""
    gate = threading.Event()
    line.names = lambda host, port: look_up(host, port) if gate.wait(10) else []
    for _ in range(5):
        line.turn()
    assert line.limiter.states(line.clock.monotonic_ns())[0].tokens == 2.0
    gate.set()
    line.open()
    assert line.limiter.states(line.clock.monotonic_ns())[0].tokens < 2.0


# Names


def test_link_whose_name_is_not_found_tries_again(line: Line) -> None:
    def unknown(host: str, port: int) -> list[Address]:
        raise OSError("Name or service not known")

    line.to("ws://exchange.invalid/ws")
    line.names = unknown
    closed = line.until_seen(Closed)
    assert closed.reason == "cannot look up exchange.invalid: Name or service not known"
    assert closed.failure is Failure.UNRESOLVED
    line.clock.skip(250)
    line.names = lambda host, port: look_up("127.0.0.1", line.peer.port)
    line.open()


def test_link_reconnects_to_the_last_good_address_without_a_name_server(line: Line) -> None:
    gate = threading.Event()
    line.to("ws://exchange.invalid/ws")
    line.names = lambda host, port: look_up("127.0.0.1", line.peer.port)
    line.open()
    line.names = lambda host, port: [][: gate.wait(10)]
    line.peer.hang_up()
    line.until_seen(Closed)
    line.clock.skip(250)
    line.turn()
    line.clock.skip(PATIENCE_NS / 1e6)
    line.open()
    gate.set()


def test_link_looks_up_anew_for_every_connection(line: Line) -> None:
    line.to("ws://exchange.invalid/ws")
    moved = Peer()
    line.names = lambda host, port: look_up("127.0.0.1", line.peer.port)
    line.open()
    line.names = lambda host, port: look_up("127.0.0.1", moved.port)
    line.peer.hang_up()
    line.until_seen(Closed)
    line.clock.skip(250)
    line.until("the call", lambda: moved.is_called)
    moved.close()


# What ends a connection


def test_link_refused_by_certificate_tries_each_minute_and_says_so_once(
    line: Line, tmp_path: Path
) -> None:
    client_context.cache_clear()
    context = server_context(tmp_path)
    listener = socket.create_server(("127.0.0.1", 0))
    threading.Thread(target=refused_handshakes, args=(listener, context, 2)).start()
    line.to(f"wss://127.0.0.1:{listener.getsockname()[1]}/")
    first = line.until_seen(Closed)
    assert first.failure is Failure.CERTIFICATE
    assert first.retry_in_ms >= CERTIFICATE_RETRY_MS
    assert first.alarm.startswith("certificate of 127.0.0.1 refused: self-signed certificate;")
    line.clock.skip(first.retry_in_ms - 1_000)
    line.turn()
    assert line.link.connects == 1
    line.clock.skip(1_000)
    second = line.until_seen(Closed, 2)
    assert (second.failure, second.alarm) == (Failure.CERTIFICATE, "")
    assert second.retry_in_ms >= CERTIFICATE_RETRY_MS
    listener.close()


def refused_handshakes(listener: socket.socket, context: ssl.SSLContext, count: int) -> None:
    for _ in range(count):
        link, _ = listener.accept()
        with contextlib.suppress(OSError):
            context.wrap_socket(link, server_side=True)
        link.close()


def oversize(line: Line) -> Any:
    count = len(line.seen(Closed))
    line.open()
    line.peer.send(b"\x81\x7f" + (FRAME_BYTES_MAX + 1).to_bytes(8, "big"))
    closed = line.until_seen(Closed, count + 1)
    line.clock.skip(closed.retry_in_ms)
    return closed


def test_link_accepts_longer_messages_after_the_second_within_an_hour(line: Line) -> None:
    first = oversize(line)
    assert first.failure is Failure.OVERSIZED
    assert first.alarm == ("a message was longer than 4 MiB; up to 4 MiB are accepted from now on")
    assert oversize(line).alarm.endswith("up to 16 MiB are accepted from now on")
    line.open()
    line.peer.send(b"\x81\x7f" + FRAME_BYTES_HARD_MAX.to_bytes(8, "big"))
    line.turn()
    assert line.link.is_open
    line.peer.hang_up()
    line.until_seen(Closed, 3)
    line.clock.skip(5_000)
    line.open()
    line.peer.send(b"\x81\x7f" + (FRAME_BYTES_HARD_MAX + 1).to_bytes(8, "big"))
    assert line.until_seen(Closed, 4).failure is Failure.OVERSIZED
    assert line.link.oversized == 3


def test_link_keeps_its_limit_when_the_second_comes_much_later(line: Line) -> None:
    oversize(line)
    line.clock.skip(OVERSIZED_WITHIN_NS / 1e6)
    assert "up to 4 MiB" in oversize(line).alarm


def test_link_told_that_its_ping_did_not_arrive_says_so(line: Line) -> None:
    line.open()
    line.peer.send(close_frame(4004, b"No data received in 30s"))
    closed = line.until_seen(Closed)
    assert closed.failure is Failure.PING_UNHEARD
    assert closed.alarm == "no data for 30 s: our ping did not reach the exchange"
    assert line.link.ping_failures == 1
    line.clock.skip(250)
    line.open()


@pytest.mark.parametrize(
    "code", [1000, 1001, 1002, 1006, 1008, 1009, 1011, 1012, 1013, *range(4001, 4010)]
)
def test_link_reconnects_after_every_close_code(line: Line, code: int) -> None:
    line.open()
    if code == 1006:
        line.peer.hang_up()
    else:
        line.peer.send(close_frame(code))
    closed = line.until_seen(Closed)
    assert closed.reason == f"closed {code}"
    assert closed.retry_in_ms <= 250
    line.clock.skip(closed.retry_in_ms)
    line.open()


def test_link_wakes_up_to_give_up_a_message_that_does_not_end(line: Line) -> None:
    line.open()
    line.peer.send(frame(b"begin", fin=False))
    before_ns = line.clock.monotonic_ns()
    line.until("its deadline", lambda: line.link._connection.deadline_ns < NEVER_NS)  # type: ignore[union-attr]
    line.clock.skip(4_900)
    line.turn()
    due_ns = line.link.next_deadline_ns()
    assert due_ns <= before_ns + MESSAGE_TIMEOUT_NS + 1_000_000_000
    line.peer.send(frame(b"pong", Opcode.PONG))
    line.clock.skip(5_200)
    assert line.until_seen(Closed).reason == "a message was not complete within 10 s"


def test_link_through_a_proxy_that_is_none_says_so_and_tries_again(line: Line) -> None:
    line.to("ws://exchange.invalid/", proxy="socks5://anna:secret@proxy.invalid:1")
    closed = line.until_seen(Closed)
    assert closed.failure is Failure.PROXY
    assert "http://[user:password@]host:port" in closed.reason
    assert "secret" not in closed.reason
    line.clock.skip(250)
    line.until_seen(Closed, 2)


def test_link_through_a_proxy_looks_up_the_proxy(line: Line) -> None:
    line.to("ws://exchange.invalid/ws", proxy=f"http://proxy.invalid:{line.peer.port}")
    asked: list[tuple[str, int]] = []

    def names(host: str, port: int) -> list[Address]:
        asked.append((host, port))
        return look_up("127.0.0.1", port)

    line.names = names
    line.until("the call", lambda: line.peer.is_called)
    line.peer.accept()
    request = line.until("the request", line.peer.request)
    assert request.startswith(b"CONNECT exchange.invalid:80 HTTP/1.1\r\n")
    assert asked == [("proxy.invalid", line.peer.port)]
    line.peer.send(b"HTTP/1.1 200 OK\r\n\r\n")
    line.peer.send(agreement(line.until("the handshake", line.peer.request)))
    line.until_seen(Opened)
