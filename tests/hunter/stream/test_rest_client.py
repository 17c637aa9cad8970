"""One REST request against a server that answers as scripted."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator

import pytest

from hunter.stream import rest_client
from hunter.stream.rest_client import HttpAnswer, get


@pytest.fixture
def answer_once() -> Iterator[Callable[[bytes], tuple[str, list[bytes]]]]:
    """Serve one connection with given bytes; (base url, the requests that came)."""
    listeners: list[socket.socket] = []
    threads: list[threading.Thread] = []

    def serve(answer: bytes) -> tuple[str, list[bytes]]:
        listener = socket.create_server(("127.0.0.1", 0))
        listener.settimeout(10)
        listeners.append(listener)
        requests: list[bytes] = []

        def run() -> None:
            link, _ = listener.accept()
            with link:
                requests.append(link.recv(65_536))
                link.sendall(answer)

        threads.append(threading.Thread(target=run))
        threads[-1].start()
        return f"http://127.0.0.1:{listener.getsockname()[1]}", requests

    yield serve
    for thread in threads:
        thread.join(10)
    for listener in listeners:
        listener.close()


Serve = Callable[[bytes], tuple[str, list[bytes]]]


def test_get_returns_status_and_body(answer_once: Serve) -> None:
    base, requests = answer_once(b"HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\n" + b'{"code":"0"}')
    assert get(base + "/", "/api/v5/public/time?x=1") == HttpAnswer(200, b'{"code":"0"}')
    assert requests[0].startswith(b"GET /api/v5/public/time?x=1 HTTP/1.1\r\n")
    assert b"User-Agent: okx-hunter" in requests[0]


@pytest.mark.parametrize("status", [400, 429, 503])
def test_get_of_an_error_status_is_an_answer_too(answer_once: Serve, status: int) -> None:
    head = f"HTTP/1.1 {status} No\r\nContent-Length: 5\r\n\r\n".encode()
    base, _ = answer_once(head + b"later")
    assert get(base, "/x") == HttpAnswer(status, b"later")


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_get_follows_no_redirect(answer_once: Serve, status: int) -> None:
    elsewhere, others = answer_once(b"HTTP/1.0 200 OK\r\n\r\nsomebody else")
    head = f"HTTP/1.1 {status} Over there\r\nLocation: {elsewhere}/x\r\nContent-Length: 0\r\n\r\n"
    base, _ = answer_once(head.encode())
    assert get(base, "/x") == HttpAnswer(status, b"")
    assert others == []
    get(elsewhere, "/")  # the fixture waits for somebody


def test_get_refuses_an_answer_over_the_limit(
    answer_once: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rest_client, "BODY_BYTES_MAX", 10)
    base, _ = answer_once(b"HTTP/1.0 200 OK\r\n\r\n" + b"x" * 1000)
    with pytest.raises(OSError, match="longer than 10 bytes"):
        get(base, "/")


def test_get_of_an_answer_by_the_drop_ends(
    answer_once: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rest_client, "WHOLE_TIMEOUT_S", 0.0)
    base, _ = answer_once(b"HTTP/1.0 200 OK\r\n\r\n" + b"x" * 10)
    with pytest.raises(OSError, match="no whole answer"):
        get(base, "/")


def test_get_from_this_host_uses_no_proxy(
    answer_once: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    base, _ = answer_once(b"HTTP/1.0 200 OK\r\n\r\nhere")
    assert get(base, "/").body == b"here"


def test_get_through_a_proxy_asks_it_for_the_whole_address(answer_once: Serve) -> None:
    base, requests = answer_once(b"HTTP/1.0 200 OK\r\n\r\nthrough")
    proxy = base.replace("http://", "http://anna:se%40cret@")
    assert get("http://exchange.invalid", "/x", proxy).body == b"through"
    assert requests[0].startswith(b"GET http://exchange.invalid/x HTTP/1.1\r\n")
    assert b"\r\nProxy-Authorization: Basic YW5uYTpzZUBjcmV0\r\n" in requests[0]


def test_get_of_a_secured_server_goes_through_a_tunnel(answer_once: Serve) -> None:
    base, requests = answer_once(b"HTTP/1.0 407 Proxy Authentication Required\r\n\r\n")
    proxy = base.replace("http://", "http://anna:secret@")
    with pytest.raises(OSError, match="407") as caught:
        get("https://exchange.invalid", "/x", proxy)
    assert requests[0].startswith(b"CONNECT exchange.invalid:443 HTTP/1")
    assert "secret" not in repr(caught.value)


def test_get_uses_the_environments_proxy_for_other_hosts(
    answer_once: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    base, requests = answer_once(b"HTTP/1.0 200 OK\r\n\r\n")
    monkeypatch.setenv("http_proxy", base)
    monkeypatch.delenv("no_proxy", raising=False)
    get("http://exchange.invalid", "/x")
    assert requests[0].startswith(b"GET http://exchange.invalid/x ")


def test_get_with_an_unusable_proxy_is_an_os_error() -> None:
    with pytest.raises(OSError, match="not of the form") as caught:
        get("http://exchange.invalid", "/x", "socks5://anna:secret@proxy.invalid:1")
    assert "secret" not in repr(caught.value)


@pytest.mark.parametrize("simulated", [False, True])
def test_get_says_when_the_demo_market_is_meant(answer_once: Serve, simulated: bool) -> None:
    base, requests = answer_once(b"HTTP/1.0 200 OK\r\n\r\n")
    get(base, "/x", simulated=simulated)
    assert (b"\r\nx-simulated-trading: 1\r\n" in requests[0].lower()) is simulated


def test_get_of_nobody_is_an_os_error() -> None:
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    with pytest.raises(OSError, match="refused"):
        get(f"http://127.0.0.1:{port}", "/")


def test_get_of_a_silent_server_ends_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rest_client, "TIMEOUT_S", 0.05)
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        pytest.raises(OSError, match="timed out"),
    ):
        get(f"http://127.0.0.1:{listener.getsockname()[1]}", "/")


@pytest.mark.parametrize(
    "answer",
    [
        b"not http at all\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 503 No\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"",
    ],
)
def test_get_of_a_broken_answer_is_an_os_error(answer_once: Serve, answer: bytes) -> None:
    """Anything else would end the worker's thread."""
    base, _ = answer_once(answer)
    with pytest.raises(OSError):  # noqa: PT011 - each kind has words of its own
        get(base, "/")
