"""Connection against scripted bytes, and against the real server of the websockets library."""

from __future__ import annotations

import errno
import select
import socket
import threading
from collections.abc import Callable

import pytest
from fakes.library_server import real_server
from fakes.websocket_peer import Client, Peer, agreement, close_frame, frame
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from websockets.frames import Opcode

from hunter.exchange.okx.asks import NEVER_NS
from hunter.stream.connection import (
    FRAME_BYTES_MAX,
    MESSAGE_TIMEOUT_NS,
    OPEN_TIMEOUT_NS,
    BinaryFrame,
)
from hunter.stream.phases import Failure, Phase
from hunter.stream.resolver import Address, look_up

Connect = Callable[..., Client]


def test_connection_open_passes_text_both_ways(peer: Peer, shaken: Client) -> None:
    peer.send(frame(b'{"a":1}') + frame(b'{"a":2}'))
    shaken.until("two frames", lambda: len(shaken.received) == 2)
    assert shaken.received == [b'{"a":1}', b'{"a":2}']
    shaken.connection.send_text(b"ping")
    assert shaken.connection.poll_events() == select.POLLIN | select.POLLOUT
    sent = shaken.until("the ping", peer.request)
    assert sent[0] == 0x81, "one whole text frame"
    assert sent[1] == 0x80 | 4, "masked, as a client must"
    assert shaken.connection.poll_events() == select.POLLIN


def test_connection_offers_no_compression(peer: Peer, connect: Connect) -> None:
    client = connect(peer.url)
    client.until("the call", lambda: peer.is_called)
    peer.accept()
    request = client.until("the request", peer.request)
    assert b"GET /ws/v5/public HTTP/1.1" in request
    assert b"extensions" not in request.lower()


def test_connection_refused_says_where(connect: Connect) -> None:
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    client = connect(f"ws://127.0.0.1:{port}/")
    assert client.until_closed() == f"cannot connect to 127.0.0.1:{port}: Connection refused"
    assert client.connection.failure is Failure.UNREACHABLE
    assert client.connection.fileno() == -1


def test_connection_that_opens_and_ends_in_one_step_says_how_far_it_got(
    peer: Peer, connect: Connect
) -> None:
    """Found by a test run on a busy machine: told that it was refused while connecting."""
    client = connect(peer.url)
    connection = client.connection
    connection.resolved(look_up(connection.host, connection.port))
    connection.connect_next(client.now_ns)
    peer.accept()
    peer.send(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
    assert select.select([connection.fileno()], [], [], 10)[0], "the answer is there"
    assert connection.phase is Phase.CONNECTING
    connection.step(client.now_ns)
    assert (connection.phase, connection.closed_in) == (Phase.CLOSED, Phase.HANDSHAKE)


def test_connection_to_silent_server_gives_up_in_time(peer: Peer, connect: Connect) -> None:
    client = connect(peer.url)
    client.until("the call", lambda: peer.is_called)
    peer.accept()
    client.until("the request", peer.request)
    client.now_ns += OPEN_TIMEOUT_NS
    client.turn()
    assert client.connection.phase is Phase.HANDSHAKE
    client.now_ns += 1
    client.turn()
    assert client.connection.reason == "no connection within 5 s (handshake)"
    assert client.connection.failure is Failure.TIMEOUT


def test_connection_open_has_no_open_timeout(peer: Peer, shaken: Client) -> None:
    shaken.now_ns += 100 * OPEN_TIMEOUT_NS
    peer.send(frame(b"x"))
    shaken.until("the frame", lambda: shaken.received)
    assert shaken.connection.phase is Phase.OPEN
    assert shaken.connection.deadline_ns == NEVER_NS


@pytest.mark.parametrize("reset", [False, True])
def test_connection_accepted_then_closed_before_the_answer_ends(
    peer: Peer, connect: Connect, reset: bool
) -> None:
    client = connect(peer.url)
    client.until("the call", lambda: peer.is_called)
    peer.accept()
    client.until("the request", peer.request)
    peer.hang_up(reset=reset)
    expected = "read: Connection reset by peer" if reset else "handshake failed: "
    assert client.until_closed().startswith(expected)


@pytest.mark.parametrize(
    ("status", "failure"),
    [
        ("429 Too Many Requests", Failure.RATE_LIMITED),
        ("403 Forbidden", Failure.RATE_LIMITED),
        ("302 Found\r\nLocation: ws://127.0.0.1:9/", Failure.REFUSED),
        ("503 Service Unavailable", Failure.REFUSED),
        ("200 OK", Failure.REFUSED),
    ],
)
def test_connection_answered_by_http_names_the_status(
    peer: Peer, connect: Connect, status: str, failure: Failure
) -> None:
    client = connect(peer.url)
    client.until("the call", lambda: peer.is_called)
    peer.accept()
    client.until("the request", peer.request)
    peer.send(f"HTTP/1.1 {status}\r\nContent-Length: 5\r\n\r\nlater".encode())
    assert client.until_closed() == f"handshake refused: HTTP {status[:3]}"
    assert client.connection.failure is failure


def test_connection_with_wrong_accept_key_is_refused(peer: Peer, connect: Connect) -> None:
    client = connect(peer.url)
    client.until("the call", lambda: peer.is_called)
    peer.accept()
    client.until("the request", peer.request)
    peer.send(
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: AAAAAAAAAAAAAAAAAAAAAAAAAAA=\r\n\r\n"
    )
    reason = client.until_closed()
    assert reason.startswith("handshake refused: ")
    assert "Sec-WebSocket-Accept" in reason


def test_connection_answered_by_no_http_is_refused(peer: Peer, connect: Connect) -> None:
    client = connect(peer.url)
    client.until("the call", lambda: peer.is_called)
    peer.accept()
    client.until("the request", peer.request)
    peer.send(b"220 smtp.example ready\r\n\r\n")
    assert client.until_closed().startswith("handshake failed: ")


def test_connection_first_frames_in_the_answers_packet_are_kept(
    peer: Peer, connect: Connect
) -> None:
    client = connect(peer.url)
    client.until("the call", lambda: peer.is_called)
    peer.accept()
    request = client.until("the request", peer.request)
    peer.send(agreement(request) + frame(b"early") + close_frame(1001))
    assert client.until_closed() == "closed 1001"
    assert client.received == [b"early"]


def test_connection_joins_fragments_and_answers_pings_between(peer: Peer, shaken: Client) -> None:
    peer.send(frame(b'{"a"', Opcode.TEXT, fin=False))
    peer.send(frame(b"are you there", Opcode.PING))
    peer.send(frame(b":", Opcode.CONT, fin=False) + frame(b"1}", Opcode.CONT))
    shaken.until("the whole", lambda: shaken.received)
    assert shaken.received == [b'{"a":1}']
    pong = shaken.until("the pong", peer.request)
    assert pong[0] == 0x80 | Opcode.PONG
    peer.send(frame(b"ne", fin=False) + frame(b"xt", Opcode.CONT))
    shaken.until("the next", lambda: len(shaken.received) == 2)
    assert shaken.received[1] == b"next"


def test_connection_marks_binary_messages(peer: Peer, shaken: Client) -> None:
    peer.send(frame(b"\xff\x00", Opcode.BINARY) + frame(b"", Opcode.TEXT) + frame(b"\0\xff"))
    peer.send(frame(b"{", Opcode.BINARY, fin=False) + frame(b"}", Opcode.CONT))
    peer.send(frame(b"[", Opcode.TEXT, fin=False) + frame(b"]", Opcode.CONT))
    shaken.until("all", lambda: len(shaken.received) == 5)
    assert shaken.received == [b"\xff\x00", b"", b"\0\xff", b"{}", b"[]"]
    assert [type(item) for item in shaken.received] == [
        BinaryFrame, bytes, bytes, BinaryFrame, bytes,
    ]  # fmt: skip


def test_connection_gives_up_a_message_that_does_not_end(peer: Peer, shaken: Client) -> None:
    """However slowly its bytes keep coming."""
    wire = frame(b"x" * 200)
    peer.send(frame(b"before") + wire[:3])
    for index in range(3, 15):
        peer.send(wire[index : index + 1])
        shaken.turn()
        shaken.now_ns += MESSAGE_TIMEOUT_NS // 9
    shaken.turn()
    assert shaken.connection.reason == "a message was not complete within 10 s"
    assert shaken.connection.failure is Failure.TIMEOUT
    assert shaken.received == [b"before"]


def test_connection_waits_for_a_slow_message_that_ends_in_time(peer: Peer, shaken: Client) -> None:
    wire = frame(b"x" * 20)
    for index in range(len(wire)):
        peer.send(wire[index : index + 1])
        shaken.turn()
        shaken.now_ns += MESSAGE_TIMEOUT_NS // 30
    shaken.until("the message", lambda: shaken.received)
    shaken.now_ns += 10 * MESSAGE_TIMEOUT_NS
    shaken.turn()
    assert shaken.connection.phase is Phase.OPEN


def test_connection_gives_up_fragments_without_end(peer: Peer, shaken: Client) -> None:
    peer.send(frame(b"begin", Opcode.TEXT, fin=False))
    for _ in range(9):
        shaken.turn()
        peer.send(frame(b"more", Opcode.CONT, fin=False) + frame(b"", Opcode.PING))
        shaken.now_ns += MESSAGE_TIMEOUT_NS // 8
    assert shaken.until_closed() == "a message was not complete within 10 s"


def test_connection_reads_a_frame_split_over_many_packets(peer: Peer, shaken: Client) -> None:
    payload = bytes(range(256)) * 4
    wire = frame(payload)
    for start in range(0, len(wire), 97):
        peer.send(wire[start : start + 97])
        shaken.turn()
    shaken.until("the frame", lambda: shaken.received)
    assert shaken.received == [payload]


def test_connection_reads_more_than_one_step_takes(peer: Peer, shaken: Client) -> None:
    payload = b"x" * 1_000_000
    sender = threading.Thread(target=peer.send, args=(frame(payload) * 4,))
    sender.start()
    shaken.until("all of it", lambda: len(shaken.received) == 4)
    sender.join(10)
    assert shaken.received == [payload] * 4


@pytest.mark.parametrize(
    ("code", "reason"),
    [(1000, b""), (1001, b""), (1009, b"too long"), (4004, b"No data received in 30s")],
)
def test_connection_closed_by_server_tells_code_and_reason(
    peer: Peer, shaken: Client, code: int, reason: bytes
) -> None:
    peer.send(frame(b"last") + close_frame(code, reason))
    assert shaken.until_closed() == f"closed {code} {reason.decode()}".rstrip()
    expected = Failure.PING_UNHEARD if code == 4004 else Failure.LOST
    assert shaken.connection.failure is expected
    assert shaken.received == [b"last"]


def test_connection_ended_without_close_frame_is_1006(peer: Peer, shaken: Client) -> None:
    peer.hang_up()
    assert shaken.until_closed() == "closed 1006"


def test_connection_reset_keeps_what_came_before(peer: Peer, shaken: Client) -> None:
    peer.hang_up(reset=True)
    assert shaken.until_closed() == "read: Connection reset by peer"
    assert shaken.connection.step(shaken.now_ns) == []


def test_connection_refuses_a_frame_over_the_limit(peer: Peer, shaken: Client) -> None:
    size = (FRAME_BYTES_MAX + 1).to_bytes(8, "big")
    peer.send(b"\x81\x7f" + size)
    reason = shaken.until_closed()
    assert reason.startswith("closed 1009")
    assert str(FRAME_BYTES_MAX) in reason
    assert shaken.connection.failure is Failure.OVERSIZED


def test_connection_accepts_what_its_own_limit_allows(peer: Peer, connect: Connect) -> None:
    client = connect(peer.url, frame_bytes_max=1_000)
    shake(client, peer)
    peer.send(frame(b"x" * 1_000) + frame(b"x" * 1_001))
    assert client.until_closed().startswith("closed 1009")
    assert len(client.received) == 1


def test_connection_counts_fragments_together(peer: Peer, connect: Connect) -> None:
    client = connect(peer.url, frame_bytes_max=1_000)
    shake(client, peer)
    peer.send(frame(b"x" * 600, fin=False) + frame(b"x" * 600, Opcode.CONT))
    assert client.until_closed().startswith("closed 1009")
    assert client.connection.failure is Failure.OVERSIZED


def test_connection_refuses_what_is_no_frame(peer: Peer, shaken: Client) -> None:
    peer.send(b"\xf1\x00")
    assert shaken.until_closed().startswith("closed 1002")


def test_connection_whose_server_reads_nothing_is_given_up(peer: Peer, shaken: Client) -> None:
    for _ in range(1_000):
        shaken.connection.send_text(b"x" * 60_000)
        if shaken.connection.phase is Phase.CLOSED:
            break
        shaken.connection.step(shaken.now_ns)
    assert shaken.connection.reason == "the server takes nothing any more"


def test_close_reason_cannot_forge_a_line_or_steer_a_terminal(peer: Peer, shaken: Client) -> None:
    peer.send(close_frame(1000, b"bye\n\x1b[2J"))
    assert shaken.until_closed() == r"closed 1000 bye\x0a\x1b[2J"


def test_connection_aborted_resets_and_keeps_its_first_reason(peer: Peer, shaken: Client) -> None:
    shaken.connection.abort("no more")
    shaken.connection.abort("again")
    assert shaken.connection.reason == "no more"
    assert shaken.connection.failure is Failure.ABORTED
    assert peer.link is not None
    with pytest.raises(ConnectionResetError):
        peer.link.recv(1)


def shake(client: Client, peer: Peer) -> None:
    client.until("the call", lambda: peer.is_called)
    peer.accept()
    peer.send(agreement(client.until("the request", peer.request)))
    client.until_phase(Phase.OPEN)


def address(port: int, family: int = socket.AF_INET) -> Address:
    return family, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port)


def test_connection_tries_the_next_address(peer: Peer, connect: Connect) -> None:
    with socket.create_server(("127.0.0.1", 0)) as unused:
        closed = unused.getsockname()[1]
    client = connect("ws://unresolved.invalid/")
    client.connection.resolved([address(closed), address(peer.port)])
    client.connection.resolved([address(1)])
    client.until("the call", lambda: peer.is_called)


def test_connection_asks_for_leave_before_each_address(peer: Peer, connect: Connect) -> None:
    """The exchange counts the attempt that failed as well."""
    with socket.create_server(("127.0.0.1", 0)) as unused:
        closed = unused.getsockname()[1]
    connection = connect("ws://unresolved.invalid/").connection
    connection.resolved([address(closed), address(peer.port)])
    connection.connect_next(0)
    assert select.select([], [connection.fileno()], [], 10)[1]
    assert connection.step(0) == []
    assert (connection.phase, connection.fileno()) == (Phase.WAITING, -1)
    assert not peer.is_called
    connection.connect_next(0)
    assert select.select([peer.listener], [], [], 10)[0]


def test_connection_to_an_address_that_is_silent_tries_the_next(
    peer: Peer, connect: Connect
) -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full:
        port = full.getsockname()[1]
        fill = [socket.socket() for _ in range(4)]
        for item in fill:
            item.setblocking(False)
            item.connect_ex(("127.0.0.1", port))
        client = connect("ws://unresolved.invalid/")
        client.connection.resolved([address(port), address(peer.port)])
        client.turn()
        assert client.connection.phase is Phase.CONNECTING
        client.now_ns += OPEN_TIMEOUT_NS + 1
        client.until("the call", lambda: peer.is_called)
        alone = connect("ws://unresolved.invalid/")
        alone.connection.resolved([address(port)])
        alone.turn()
        alone.now_ns += OPEN_TIMEOUT_NS + 1
        assert alone.until_closed() == "no connection within 5 s (connecting)"
        assert alone.connection.failure is Failure.TIMEOUT
        for item in fill:
            item.close()


def test_connection_passes_over_a_family_the_host_has_not(peer: Peer, connect: Connect) -> None:
    client = connect("ws://unresolved.invalid/")
    without_ipv6 = 9_999
    client.connection.resolved([address(1, without_ipv6), address(peer.port)])
    client.until("the call", lambda: peer.is_called)
    alone = connect("ws://unresolved.invalid/")
    alone.connection.resolved([address(1, without_ipv6)])
    alone.turn()
    assert alone.connection.phase is Phase.CLOSED
    assert "cannot connect to unresolved.invalid:80: Address family" in alone.connection.reason


def test_connection_refused_at_once_is_reported(
    connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unreachable(self: socket.socket, where: object) -> None:
        raise OSError(errno.ENETUNREACH, "Network is unreachable")

    client = connect("ws://unresolved.invalid/")
    monkeypatch.setattr(socket.socket, "connect", unreachable)
    client.connection.resolved([address(1)])
    client.turn()
    assert client.connection.reason.endswith(": Network is unreachable")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
@given(payloads=st.lists(st.binary(max_size=70_000), max_size=4), data=st.data())
def test_connection_payloads_survive_any_split(
    peer: Peer, shaken: Client, payloads: list[bytes], data: st.DataObject
) -> None:
    wire = b"".join(frame(payload) for payload in payloads)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(wire)), max_size=6)))
    shaken.received.clear()
    for start, end in zip([0, *cuts], [*cuts, len(wire)], strict=True):
        peer.send(wire[start:end])
        shaken.received += shaken.connection.step(shaken.now_ns)
    shaken.until("every frame", lambda: len(shaken.received) == len(payloads))
    assert shaken.received == payloads


def test_connection_talks_with_the_real_library(connect: Connect) -> None:
    with real_server() as server:
        client = connect(f"ws://localhost:{server.port}/ws/v5/public")
        client.until_phase(Phase.OPEN)
        client.connection.send_text(b"ping")
        client.connection.send_text(b"y" * 200_000)
        client.until("the echo", lambda: len(client.received) == 2)
        assert client.received == [b"ping", b"y" * 200_000]
        client.connection.send_text(b"close 1001")
        assert client.until_closed() == "closed 1001 as asked"
