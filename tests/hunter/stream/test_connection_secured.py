"""Connection by TLS and through proxies: whom it believes, and what it tells whom."""

from __future__ import annotations

import contextlib
import ssl
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from fakes.actor_stage import HandClock, Stage
from fakes.library_server import real_server
from fakes.tls import EXPIRED, server_context
from fakes.websocket_peer import Client, Peer, agreement, frame

from hunter.stream.connection import OPEN_TIMEOUT_NS
from hunter.stream.phases import Failure, Phase
from hunter.stream.proxy import Proxy
from hunter.stream.reception import Reception
from hunter.stream.tls import client_context

Connect = Callable[..., Client]


@pytest.fixture
def trust(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], None]]:
    """Trust the test servers' certificate; the context is the process's only one."""

    def believe() -> None:
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "certificate.pem"))
        client_context.cache_clear()

    client_context.cache_clear()
    yield believe
    client_context.cache_clear()


def test_connection_by_tls_trusts_a_known_certificate(
    connect: Connect, tmp_path: Path, trust: Callable[[], None]
) -> None:
    context = server_context(tmp_path)
    trust()
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


class Watcher(Reception):
    """Notes what it is told of the socket."""

    def __init__(self, there: Stage) -> None:
        super().__init__(HandClock(), there.context("stream-0").latencies)
        self.told: list[str] = []

    def was_read(self, byte_count: int, *, drained: bool) -> None:
        assert not drained, "one record says nothing about the next one"
        self.told.append("read")

    def found_empty(self) -> None:
        self.told.append("empty")


def test_end_of_a_turn_by_tls_is_seen(
    connect: Connect, stage: Callable[..., Stage], tmp_path: Path, trust: Callable[[], None]
) -> None:
    context = server_context(tmp_path)
    trust()
    with real_server(ssl=context) as server:
        client = connect(f"wss://127.0.0.1:{server.port}/")
        client.connection.taker = watcher = Watcher(stage())
        client.until_phase(Phase.OPEN)
        client.connection.send_text(b"small")
        client.until("the echo", lambda: client.received)
        assert watcher.told[-2:] == ["read", "empty"]
        client.connection.abort("enough")


def test_connection_by_tls_refuses_a_self_signed_certificate(
    connect: Connect, tmp_path: Path, trust: Callable[[], None]
) -> None:
    with real_server(ssl=server_context(tmp_path)) as server:
        client = connect(f"wss://127.0.0.1:{server.port}/")
        assert client.until_closed() == (
            "certificate of 127.0.0.1 refused: self-signed certificate"
        )
        assert client.connection.failure is Failure.CERTIFICATE


def test_connection_by_tls_refuses_an_expired_certificate(
    connect: Connect, tmp_path: Path, trust: Callable[[], None]
) -> None:
    context = server_context(tmp_path, EXPIRED)
    trust()
    with real_server(ssl=context) as server:
        client = connect(f"wss://127.0.0.1:{server.port}/")
        assert "certificate has expired" in client.until_closed()
        assert client.connection.failure is Failure.CERTIFICATE


def test_connection_by_tls_refuses_an_old_protocol(
    connect: Connect, tmp_path: Path, trust: Callable[[], None]
) -> None:
    context = server_context(tmp_path)
    context.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        context.minimum_version = ssl.TLSVersion.TLSv1_1
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    trust()
    with real_server(ssl=context) as server:
        client = connect(f"wss://127.0.0.1:{server.port}/")
        assert client.until_closed().startswith("securing: ")
        assert client.connection.failure is Failure.CERTIFICATE


@pytest.mark.parametrize("reset", [False, True])
def test_connection_cut_while_it_is_secured_is_lost(
    peer: Peer, connect: Connect, reset: bool
) -> None:
    client = connect(peer.url.replace("ws:", "wss:"))
    client.until("the call", lambda: peer.is_called)
    peer.accept()
    client.until("the greeting", peer.request)
    peer.hang_up(reset=reset)
    assert client.until_closed().startswith("securing: ")
    assert client.connection.failure is Failure.LOST


def test_connection_by_tls_refuses_a_certificate_of_another_host(
    connect: Connect, tmp_path: Path, trust: Callable[[], None]
) -> None:
    context = server_context(tmp_path)
    trust()
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


def tunnel(peer: Peer, connect: Connect, url: str, password: str = "") -> tuple[Client, bytes]:
    """A client that has asked `peer`, as its proxy, for a tunnel; and what it asked."""
    user = "anna" if password else ""
    client = connect(url, Proxy("127.0.0.1", peer.port, user, password))
    client.until("the call", lambda: peer.is_called)
    peer.accept()
    return client, client.until("the request", peer.request)


def test_connection_through_a_proxy_is_a_tunnel_to_the_server(peer: Peer, connect: Connect) -> None:
    client, asked = tunnel(peer, connect, "ws://exchange.invalid:8443/ws", "secret")
    assert asked.startswith(b"CONNECT exchange.invalid:8443 HTTP/1.1\r\n")
    assert b"\r\nProxy-Authorization: Basic YW5uYTpzZWNyZXQ=\r\n" in asked
    assert client.connection.phase is Phase.TUNNELLING
    peer.send(b"HTTP/1.1 200 Conn")
    client.turn()
    peer.send(b"ection established\r\nVia: test\r\n\r\n")
    request = client.until("the handshake", peer.request)
    assert request.startswith(b"GET /ws HTTP/1.1\r\nHost: exchange.invalid:8443\r\n")
    assert b"Proxy-Authorization" not in request
    peer.send(agreement(request) + frame(b"through"))
    client.until("the frame", lambda: client.received)
    assert client.received == [b"through"]


def test_connection_through_a_proxy_is_secured_to_the_server(
    peer: Peer, connect: Connect, tmp_path: Path, trust: Callable[[], None]
) -> None:
    """The proxy sees nothing, and its own name is no name of the server's certificate."""
    context = server_context(tmp_path)
    trust()
    client, _ = tunnel(peer, connect, "wss://exchange.invalid/ws")
    assert peer.link is not None
    peer.send(b"HTTP/1.1 200 OK\r\n\r\n")
    link = peer.link
    link.setblocking(False)
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    server = context.wrap_bio(incoming, outgoing, server_side=True)
    while client.connection.phase is not Phase.CLOSED:
        with contextlib.suppress(BlockingIOError, OSError):
            incoming.write(link.recv(65_536))
        with contextlib.suppress(ssl.SSLError):
            server.do_handshake()
        with contextlib.suppress(OSError):
            link.sendall(outgoing.read())
        client.turn()
    assert "certificate of exchange.invalid refused: Hostname mismatch" in client.connection.reason


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n", "the proxy refused: HTTP 407"),
        (b"HTTP/1.1 403 Forbidden\r\n\r\n", "the proxy refused: HTTP 403"),
        (b"SSH-2.0-OpenSSH\r\n\r\n", "the proxy does not speak HTTP"),
        (b"HTTP/1.1 200 OK\r\n\r\nmore", "the proxy sent more than its answer"),
        (b"x" * 20_000, "the proxy's answer does not end"),
        (b"", "the proxy closed the connection"),
    ],
)
def test_connection_refused_by_its_proxy_says_so(
    peer: Peer, connect: Connect, answer: bytes, reason: str
) -> None:
    client, _ = tunnel(peer, connect, "wss://exchange.invalid/", "secret")
    if answer:
        peer.send(answer)
    else:
        peer.hang_up()
    assert client.until_closed() == reason
    assert client.connection.failure is Failure.PROXY


def test_connection_whose_proxy_is_silent_gives_up_in_time(peer: Peer, connect: Connect) -> None:
    client, _ = tunnel(peer, connect, "wss://exchange.invalid/")
    client.now_ns += OPEN_TIMEOUT_NS + 1
    assert client.until_closed() == "no connection within 5 s (tunnelling)"
