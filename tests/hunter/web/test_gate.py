from __future__ import annotations

from typing import Any

from fakes.asgi import answer_of, ask, scope
from starlette.types import Receive, Scope, Send

from hunter.web.gate import HEADERS, Gate, asked_of
from hunter.web.guard import Guard


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers everything; one path with a header of its own."""
    del receive
    headers = [(b"Cache-Control", b"no-cache")] if scope["path"] == "/own" else []
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b"in"})


def gate(host: str = "127.0.0.1") -> Gate:
    return Gate(app, Guard(host, 8787, (), "a-token-that-nobody-guesses"))


def test_who_may_ask_is_answered_with_the_headers() -> None:
    there = gate()
    answer = ask(there, "/")
    assert (answer.status, answer.body) == (200, b"in")
    assert answer.headers == {name.decode(): value.decode() for name, value in HEADERS.items()}
    assert "script-src 'self'" in answer.headers["content-security-policy"]
    assert "unsafe" not in answer.headers["content-security-policy"]
    assert (there.requests, there.refused) == (1, 0)


def test_header_that_an_answer_has_stays() -> None:
    headers = ask(gate(), "/own").headers
    assert headers["Cache-Control"] == "no-cache"
    assert "cache-control" not in headers


def test_refusals_are_counted_and_have_the_headers_too() -> None:
    there = gate()
    answer = ask(there, "/", host="evil.example")
    assert (answer.status, answer.body[:10]) == (421, b"not a host")
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["connection"] == "close"
    assert int(answer.headers["content-length"]) == len(answer.body)
    deleted = ask(there, "/", "DELETE")
    assert (deleted.status, deleted.headers["allow"]) == (405, "GET, HEAD")
    assert (there.requests, there.refused) == (2, 2)


def test_token_is_asked_for() -> None:
    there = gate("0.0.0.0")
    assert ask(there, "/metrics").headers["www-authenticate"] == "Bearer"
    login = ask(there, "/", accept="text/html")
    assert (login.status, login.headers["location"]) == (303, "/login")
    assert (there.requests, there.refused) == (2, 1)


def test_websocket_is_refused_before_the_handshake() -> None:
    there = gate()
    answer = answer_of(there, scope("/ws", kind="websocket", origin="http://evil.example"))
    assert answer.status == 403
    assert there.refused == 1


def test_asked_of_keeps_every_value_and_the_address_here() -> None:
    given: dict[str, Any] = scope("/ws", kind="websocket")
    given["headers"] = [(b"Host", b"a"), (b"host", b"b"), (b"x", b"\xe9")]
    asked = asked_of(given)
    assert asked.headers == {"host": ["a", "b"], "x": ["\u00e9"]}
    assert (asked.local_host, asked.is_websocket, asked.path) == ("127.0.0.1", True, "/ws")
    given["server"] = None
    assert asked_of(given).local_host == ""
