"""Which proxy, what is asked of it, and that its password stays with it."""

from __future__ import annotations

import pytest

from hunter.stream.proxy import Proxy, ProxyError, find_proxy, parse_proxy, tunnel_opened

OKX = "wss://ws.okx.com:8443/ws/v5/public"
REST = "https://openapi.okx.com"


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch) -> None:
    for scheme in ("http", "https", "all", "no"):
        monkeypatch.delenv(f"{scheme}_proxy", raising=False)
        monkeypatch.delenv(f"{scheme}_proxy".upper(), raising=False)


@pytest.mark.parametrize(
    ("text", "host", "port", "user"),
    [
        ("http://proxy.example:3128", "proxy.example", 3128, ""),
        ("proxy.example:3128", "proxy.example", 3128, ""),
        ("http://anna:se%40cret@[2001:db8::1]:8080/", "2001:db8::1", 8080, "anna"),
    ],
)
def test_proxy_is_read(text: str, host: str, port: int, user: str) -> None:
    proxy = parse_proxy(text)
    assert (proxy.host, proxy.port, proxy.user) == (host, port, user)


@pytest.mark.parametrize(
    "text",
    [
        "socks5://anna:secret@proxy.example:1080",
        "https://anna:secret@proxy.example:443",
        "http://anna:secret@proxy.example",
        "http://anna:secret@proxy.example:port",
        "http://anna:secret@:80",
        "http://anna:secret@[::1",
        "http://anna:secret",
    ],
)
def test_what_is_no_usable_proxy_is_refused_without_its_password(text: str) -> None:
    with pytest.raises(ProxyError) as caught:
        parse_proxy(text)
    assert "http://[user:password@]host:port" in str(caught.value)
    assert "secret" not in str(caught.value)
    assert caught.value.__context__ is None, "which would be printed as well"


def test_password_is_given_to_the_wire_only() -> None:
    proxy = Proxy("proxy.example", 3128, "anna", "se@cret")
    assert "se@cret" not in repr(proxy) + str(proxy) + f"{proxy}"
    assert "anna" not in repr(proxy)
    assert proxy.address == "http://anna:se%40cret@proxy.example:3128"
    assert proxy.authorization == "Basic YW5uYTpzZUBjcmV0"
    assert parse_proxy(proxy.address).authorization == proxy.authorization


def test_tunnel_is_asked_for() -> None:
    assert Proxy("p", 1).request("2001:db8::1", 8443) == (
        b"CONNECT [2001:db8::1]:8443 HTTP/1.1\r\nHost: [2001:db8::1]:8443\r\n"
        b"User-Agent: okx-hunter\r\n\r\n"
    )
    asked = Proxy("p", 1, "anna", "secret").request("a", 1)
    assert b"\r\nProxy-Authorization: Basic YW5uYTpzZWNyZXQ=\r\n" in asked
    assert Proxy("p", 1).address == "http://p:1"


@pytest.mark.parametrize(
    ("answer", "opened"),
    [
        (b"", False),
        (b"HTTP/1.1 200 OK\r\nVia: x\r\n", False),
        (b"HTTP/1.1 200 OK\r\n\r\n", True),
        (b"HTTP/1.0 200\r\n\r\n", True),
    ],
)
def test_tunnel_is_open_when_the_answer_is_whole(answer: bytes, opened: bool) -> None:
    assert tunnel_opened(answer) is opened


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n",
        b"HTTP/1.1\r\n\r\n",
        b"HTTP/1.1 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n\r\nrest",
        b"x" * 20_000,
    ],
)
def test_other_answers_are_errors(answer: bytes) -> None:
    with pytest.raises(ProxyError):
        tunnel_opened(answer)


@pytest.mark.parametrize("url", [OKX, REST])
def test_configured_proxy_comes_before_the_environments(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://environment.example:1")
    monkeypatch.setenv("NO_PROXY", "*")
    assert repr(find_proxy(url, "http://configured.example:2")) == "http://configured.example:2"


@pytest.mark.parametrize("url", [OKX, REST])
@pytest.mark.parametrize("name", ["HTTPS_PROXY", "https_proxy", "all_proxy"])
def test_environments_proxy_is_used_for_both_alike(
    url: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert find_proxy(url, "") is None
    monkeypatch.setenv(name, "http://environment.example:1")
    assert repr(find_proxy(url, "")) == "http://environment.example:1"
    monkeypatch.setenv("no_proxy", "other.example,.okx.com")
    assert find_proxy(url, "") is None


def test_plain_websocket_takes_the_plain_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://plain.example:1")
    assert repr(find_proxy("ws://exchange.example/", "")) == "http://plain.example:1"
    assert find_proxy(OKX, "") is None


def test_environments_unusable_proxy_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", "socks5://proxy.example:1080")
    with pytest.raises(ProxyError):
        find_proxy(OKX, "")


@pytest.mark.parametrize("url", ["ws://127.0.0.1:1/", "https://localhost", "ws://[::1]:8790/"])
def test_servers_on_this_host_are_reached_directly(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for scheme in ("http", "https"):
        monkeypatch.setenv(f"{scheme}_proxy", "http://environment.example:1")
    assert find_proxy(url, "") is None
    assert find_proxy(url, "http://configured.example:2") is None
