"""A request to an ASGI application without a socket."""

from __future__ import annotations

import asyncio
from typing import Any, NamedTuple

from starlette.types import ASGIApp, Message

HOST = "127.0.0.1:8787"


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes


def scope(
    path: str = "/", method: str = "GET", kind: str = "http", **headers: str
) -> dict[str, Any]:
    """As uvicorn makes it; `headers` with underscores for dashes."""
    given = {"host": HOST} | {name.replace("_", "-"): value for name, value in headers.items()}
    made = {
        "type": kind,
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "scheme": "ws" if kind == "websocket" else "http",
        "path": path,
        "raw_path": path.encode(),
        "root_path": "",
        "query_string": b"",
        "headers": [(name.encode(), value.encode("latin-1")) for name, value in given.items()],
        "server": ("127.0.0.1", 8787),
        "client": ("127.0.0.1", 50_000),
    }
    return made | ({"method": method} if kind == "http" else {"subprotocols": []})


def ask(app: ASGIApp, path: str, method: str = "GET", body: bytes = b"", **headers: str) -> Answer:
    """The whole answer to one request."""
    return answer_of(app, scope(path, method, **headers), body)


def answer_of(
    app: ASGIApp, asked: dict[str, Any], body: bytes = b"", came: list[Message] | None = None
) -> Answer:
    """`came`: what the server passes on, instead of a whole body."""
    sent: list[Message] = []
    messages = iter(came or [{"type": "http.request", "body": body, "more_body": False}])

    async def receive() -> Message:
        """The next one; after the last, nothing more ever comes."""
        return next(messages, None) or await asyncio.Event().wait()  # type: ignore[return-value]

    async def send(message: Message) -> None:
        sent.append(message)

    asyncio.run(app(asked, receive, send))  # type: ignore[arg-type]
    start = sent[0]
    headers = {name.decode(): value.decode() for name, value in start.get("headers", [])}
    return Answer(start["status"], headers, b"".join(part.get("body", b"") for part in sent[1:]))
