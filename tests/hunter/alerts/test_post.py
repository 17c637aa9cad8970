from __future__ import annotations

import ssl
from pathlib import Path

import pytest
from fakes import tls
from fakes.alert_server import AlertServer

from hunter.alerts.post import PostError, check_address, post_json
from hunter.errors import ConfigError


def test_body_arrives_as_json(server: AlertServer) -> None:
    answer = post_json(f"{server.url}/hook?key=1", b'{"a": 1}')
    assert (answer.status, answer.body) == (200, b'{"ok": true}')
    (post,) = server.posts
    assert (post.path, post.body) == ("/hook?key=1", {"a": 1})
    assert post.headers["Content-Type"] == "application/json"
    assert "Authorization" not in post.headers


def test_user_and_password_of_the_address_are_a_header(server: AlertServer) -> None:
    post_json(server.url.replace("//", "//me:p%40ss@") + "/hook", b"{}")
    assert server.posts[0].headers["Authorization"] == "Basic bWU6cEBzcw=="
    assert "me" not in server.posts[0].headers["Host"]


def test_redirect_is_an_answer_and_not_followed(server: AlertServer) -> None:
    server.mood = "redirect"
    assert post_json(f"{server.url}/hook", b"{}").status == 302
    assert [post.path for post in server.posts] == ["/hook"]


def test_status_and_patience_of_a_server_that_refuses(server: AlertServer) -> None:
    server.mood, server.headers = "429", {"Retry-After": "7"}
    assert post_json(server.url, b"{}")[::2] == (429, 7.0)
    server.headers = {"Retry-After": "Wed, 21 Oct 2026 07:28:00 GMT"}
    assert post_json(server.url, b"{}").retry_after_s == 0.0


def test_server_that_hangs_or_closes_is_an_error_in_time(server: AlertServer) -> None:
    server.mood = "hang"
    with pytest.raises(PostError, match=r"^no answer within 0 s$"):
        post_json(f"{server.url}/bot-secret", b"{}", timeout_s=0.1)
    server.mood = "close"
    with pytest.raises(PostError) as caught:
        post_json(f"{server.url}/bot-secret", b"{}")
    assert "bot-secret" not in repr(caught.value)
    assert caught.value.__cause__ is None


def test_server_that_is_not_there(server: AlertServer) -> None:
    server.close()
    with pytest.raises(PostError, match="Connection refused"):
        post_json(f"{server.url}/bot-secret", b"{}")


def test_certificate_that_nobody_vouches_for_is_refused(
    server: AlertServer, tmp_path: Path
) -> None:
    for name, text in (("key", tls.KEY), ("certificate", tls.CERTIFICATE)):
        (tmp_path / name).write_text(text)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "certificate", tmp_path / "key")
    listening = server._server
    listening.socket = context.wrap_socket(listening.socket, server_side=True)
    with pytest.raises(PostError, match=r"its certificate is not good: self"):
        post_json(server.url.replace("http:", "https:"), b"{}")
    assert server.posts == []


@pytest.mark.parametrize(
    "bad",
    [
        "",
        "hooks",
        "ftp://host/x",
        "https://?secret",
        "http://host:port",
        "http://h/a b",
        "http://h/\n",
    ],
)
def test_secret_that_is_no_address_is_refused_and_not_repeated(bad: str) -> None:
    with pytest.raises(ConfigError) as caught:
        check_address(bad, "alerts.webhook")
    assert str(caught.value).startswith("alerts.webhook: the secret is no address")
    assert not bad or bad not in str(caught.value)


def test_proxy_of_the_environment_is_used(
    server: AlertServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", server.url)
    monkeypatch.delenv("no_proxy", raising=False)
    post_json("http://alerts.invalid/hook", b"{}")
    assert [post.path for post in server.posts] == ["http://alerts.invalid/hook"]
