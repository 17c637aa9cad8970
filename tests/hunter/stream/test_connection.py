"""Connection against scripted bytes, and against the real server of the websockets library."""

from __future__ import annotations

import contextlib
import errno
import select
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from fakes.tls import server_context
from fakes.websocket_peer import Client, Peer, agreement, close_frame, frame
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from websockets.frames import Opcode
from websockets.sync.server import Server, ServerConnection, serve

from hunter.stream import connection as connection_module
from hunter.stream.connection import FRAME_BYTES_MAX, OPEN_TIMEOUT_NS, Phase

Connect = Callable[[str], Client]


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
    assert client.connection.fileno() == -1


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


def test_connection_open_has_no_open_timeout(peer: Peer, shaken: Client) -> None:
    shaken.now_ns += 100 * OPEN_TIMEOUT_NS
    peer.send(frame(b"x"))
    shaken.until("the frame", lambda: shaken.received)
    assert shaken.connection.phase is Phase.OPEN


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


@pytest.mark.parametrize("status", ["429 Too Many Requests", "503 Service Unavailable", "200 OK"])
def test_connection_answered_by_http_names_the_status(
    peer: Peer, connect: Connect, status: str
) -> None:
    client = connect(peer.url)
    client.until("the call", lambda: peer.is_called)
    peer.accept()
    client.until("the request", peer.request)
    peer.send(f"HTTP/1.1 {status}\r\nContent-Length: 5\r\n\r\nlater".encode())
    assert client.until_closed() == f"handshake refused: HTTP {status[:3]}"


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


def test_connection_hands_binary_frames_over_as_they_are(peer: Peer, shaken: Client) -> None:
    peer.send(frame(b"\xff\x00", Opcode.BINARY) + frame(b"", Opcode.TEXT))
    shaken.until("both", lambda: len(shaken.received) == 2)
    assert shaken.received == [b"\xff\x00", b""]


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
    ("code", "reason"), [(1000, b""), (1001, b""), (4004, b"No data received in 30s")]
)
def test_connection_closed_by_server_tells_code_and_reason(
    peer: Peer, shaken: Client, code: int, reason: bytes
) -> None:
    peer.send(frame(b"last") + close_frame(code, reason))
    assert shaken.until_closed() == f"closed {code} {reason.decode()}".rstrip()
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


def test_connection_aborted_resets_and_keeps_its_first_reason(peer: Peer, shaken: Client) -> None:
    shaken.connection.abort("no more")
    shaken.connection.abort("again")
    assert shaken.connection.reason == "no more"
    assert peer.link is not None
    with pytest.raises(ConnectionResetError):
        peer.link.recv(1)


def test_connection_name_not_found_says_so(connect: Connect) -> None:
    client = connect("ws://no-such-host.invalid/")
    client.connection.resolved(None, socket.gaierror(socket.EAI_NONAME, "Name unknown"))
    assert client.until_closed().startswith("cannot look up no-such-host.invalid: ")
    client.connection.resolved([], None)
    assert client.connection.reason.startswith("cannot look up"), "a late answer changes nothing"


def test_connection_to_what_cannot_be_a_name_says_so(connect: Connect) -> None:
    """Anything but an OSError would end the worker's thread."""
    reason = connect(f"ws://{'x' * 64}.invalid/").until_closed()
    assert "cannot look up" in reason
    assert "not a host name" in reason


def test_connection_with_full_worker_ends_at_once(connect: Connect) -> None:
    client = connect("ws://127.0.0.1:1/")
    client.worker.submit = lambda key, call: False  # type: ignore[method-assign]
    made = connection_module.Connection(client.connection.url, client.worker, 0)
    assert (made.phase, made.reason) == (Phase.CLOSED, "too many name look-ups are waiting")


def address(port: int, family: int = socket.AF_INET) -> tuple[object, ...]:
    return family, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port)


def test_connection_tries_the_next_address(peer: Peer, connect: Connect) -> None:
    with socket.create_server(("127.0.0.1", 0)) as unused:
        closed = unused.getsockname()[1]
    client = connect("ws://unresolved.invalid/")
    client.connection.resolved([address(closed), address(peer.port)], None)
    client.until("the call", lambda: peer.is_called)


def test_connection_passes_over_a_family_the_host_has_not(peer: Peer, connect: Connect) -> None:
    client = connect("ws://unresolved.invalid/")
    without_ipv6 = 9_999
    client.connection.resolved([address(1, without_ipv6), address(peer.port)], None)
    client.until("the call", lambda: peer.is_called)
    alone = connect("ws://unresolved.invalid/")
    alone.connection.resolved([address(1, without_ipv6)], None)
    assert alone.connection.phase is Phase.CLOSED
    assert "cannot connect to unresolved.invalid:80: Address family" in alone.connection.reason


def test_connection_refused_at_once_is_reported(
    connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unreachable(self: socket.socket, where: object) -> None:
        raise OSError(errno.ENETUNREACH, "Network is unreachable")

    client = connect("ws://unresolved.invalid/")
    monkeypatch.setattr(socket.socket, "connect", unreachable)
    client.connection.resolved([address(1)], None)
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


class RealServer:
    """An echo server of the websockets library in a thread; `close 1001` makes it close."""

    def __init__(self, **options: object) -> None:
        self.server: Server = serve(self.answer, "127.0.0.1", 0, **options)  # type: ignore[arg-type]
        self.port = self.server.socket.getsockname()[1]
        self._thread = threading.Thread(target=self.server.serve_forever)
        self._thread.start()

    @staticmethod
    def answer(link: ServerConnection) -> None:
        for message in link:
            if isinstance(message, str) and message.startswith("close "):
                link.close(int(message[6:]), "as asked")
                return
            link.send(message)

    def close(self) -> None:
        self.server.shutdown()
        self._thread.join(10)


@contextlib.contextmanager
def real_server(**options: object) -> Iterator[RealServer]:
    server = RealServer(**options)
    try:
        yield server
    finally:
        server.close()


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


def test_connection_by_tls_trusts_a_known_certificate(
    connect: Connect, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    context = server_context(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "certificate.pem"))
    with real_server(ssl=context) as server:
        client = connect(f"wss://127.0.0.1:{server.port}/")
        client.until_phase(Phase.OPEN)
        # many small records, then one longer than what one read takes
        for _ in range(20):
            client.connection.send_text(b"small")
        client.connection.send_text(b"z" * 700_000)
        client.until("the echo", lambda: len(client.received) == 21)
        assert client.received[-1] == b"z" * 700_000
        client.connection.abort("enough")


def test_connection_by_tls_refuses_a_self_signed_certificate(
    connect: Connect, tmp_path: Path
) -> None:
    with real_server(ssl=server_context(tmp_path)) as server:
        client = connect(f"wss://127.0.0.1:{server.port}/")
        assert client.until_closed() == (
            "certificate of 127.0.0.1 refused: self-signed certificate"
        )


def test_connection_by_tls_refuses_a_certificate_of_another_host(
    connect: Connect, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    context = server_context(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "certificate.pem"))
    with real_server(ssl=context) as server:
        client = connect(f"wss://localhost:{server.port}/")
        assert "certificate of localhost refused: Hostname mismatch" in client.until_closed()


def test_connection_by_tls_to_a_plain_server_ends(peer: Peer, connect: Connect) -> None:
    client = connect(peer.url.replace("ws:", "wss:"))
    client.until("the call", lambda: peer.is_called)
    peer.accept()
    client.until("the greeting", peer.request)
    peer.send(b"HTTP/1.1 400 Bad Request\r\n\r\n")
    assert client.until_closed().startswith("securing: ")
