"""The guard around the whole application, and the headers of every answer.

Plain ASGI: what frameworks call HTTP middleware never sees a WebSocket. Called by uvicorn alone.
"""

from __future__ import annotations

from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from hunter.web.guard import LOGIN_PATH, Asked, Guard, Refusal

HEADERS: Final = {
    b"content-security-policy": (
        b"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:;"
        b" connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    ),
    b"x-content-type-options": b"nosniff",
    b"referrer-policy": b"no-referrer",
    b"cross-origin-resource-policy": b"same-origin",
    b"cache-control": b"no-store",
}


SEE_OTHER: Final = 303
"""Sent to the login, which is no refusal to speak of."""


class Gate:
    """Counts what comes and what is refused."""

    def __init__(self, app: ASGIApp, guard: Guard) -> None:
        self._app = app
        self._guard = guard
        self.requests = 0
        self.refused = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.requests += 1
        refusal = self._guard.refusal(asked_of(scope))
        if refusal is None:
            await self._app(scope, receive, _with_headers(send))
            return
        self.refused += refusal.status != SEE_OTHER
        await _refuse(scope, _with_headers(send), refusal)


def asked_of(scope: Scope) -> Asked:
    """What the guard looks at, out of an ASGI scope."""
    headers: dict[str, list[str]] = {}
    for name, value in scope["headers"]:
        headers.setdefault(name.decode("latin-1").lower(), []).append(value.decode("latin-1"))
    local = scope.get("server") or ("", 0)
    is_websocket = scope["type"] == "websocket"
    return Asked(scope["path"], scope.get("method", "GET"), headers, local[0], is_websocket)


def _with_headers(send: Send) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] in ("http.response.start", "websocket.http.response.start"):
            given = list(message.get("headers", []))
            names = {name.lower() for name, _ in given}
            more = [(name, value) for name, value in HEADERS.items() if name not in names]
            message = {**message, "headers": given + more}
        await send(message)

    return sending


async def _refuse(scope: Scope, send: Send, refusal: Refusal) -> None:
    body = refusal.text.encode()
    is_websocket = scope["type"] == "websocket"
    headers = [
        (b"content-type", b"text/plain; charset=utf-8"),
        (b"connection", b"close"),  # whatever else it sends need not be read
    ]
    if not is_websocket:  # there uvicorn counts itself, and early releases of it add a second one
        headers.append((b"content-length", str(len(body)).encode()))
    headers += {
        SEE_OTHER: [(b"location", LOGIN_PATH.encode())],
        401: [(b"www-authenticate", b"Bearer")],
        405: [(b"allow", b"GET, HEAD")],
    }.get(refusal.status, [])
    kind = "websocket.http" if is_websocket else "http"
    await send({"type": f"{kind}.response.start", "status": refusal.status, "headers": headers})
    await send({"type": f"{kind}.response.body", "body": body})
