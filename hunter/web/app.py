"""What the page's process answers. Who may ask has been decided already, by `hunter.web.gate`.

The files of the page are read once, at the start: no request names a path on the disk.
"""

from __future__ import annotations

import asyncio
import hashlib
import mimetypes
from collections.abc import Callable
from pathlib import Path
from typing import Final, NamedTuple
from urllib.parse import parse_qs

import msgspec
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route, WebSocketRoute

from hunter.status.metrics import CONTENT_TYPE, exposition
from hunter.status.shapes import StatusReport
from hunter.web.guard import LOGIN_PATH, Guard
from hunter.web.viewers import Viewers

STATIC_DIR: Final = Path(__file__).with_name("static")
LOGIN_BYTES_MAX: Final = 4_096
LOGIN_WITHIN_S: Final = 10.0
_LOGIN_DAYS: Final = 30
_LAST: Final = {"connection": "close"}
_FORM: Final = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<link rel="icon" href="data:,">
<title>hunter: log in</title>
<h1>hunter</h1>
{told}
<form method="post" action="/login">
<p><label>Token <input name="token" type="password" autocomplete="current-password" required
autofocus></label> <button>Log in</button></p>
</form>
<p>It is in the file <code>web-token</code> of the instance's runtime directory, or in the one that
<code>[web] token_file</code> names, on the host that hunter runs on.</p>
</html>
"""
_WRONG: Final = '<p role="alert"><strong>That is not the token.</strong></p>'


class StaticFile(NamedTuple):
    body: bytes
    media_type: str
    etag: str


def static_files(folder: Path) -> dict[str, StaticFile]:
    """By name relative to the folder, with slashes."""
    found = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            body = path.read_bytes()
            kind = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
            is_text = kind.startswith("text/") or kind.endswith(("javascript", "json"))
            media_type = f"{kind}; charset=utf-8" if is_text else kind
            etag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
            found[path.relative_to(folder).as_posix()] = StaticFile(body, media_type, etag)
    return found


class Answers:
    """The routes. `report` gives the status as it is now."""

    def __init__(
        self, report: Callable[[], StatusReport], viewers: Viewers, guard: Guard, folder: Path
    ) -> None:
        self._report = report
        self._guard = guard
        self._files = static_files(folder)
        self._exposed: tuple[StatusReport | None, bytes] = (None, b"")
        self.app = Starlette(
            routes=[
                Route("/", self._index),
                Route("/static/{name:path}", self._static),
                Route("/api/status", self._status),
                Route("/metrics", self._metrics),
                Route("/healthz", self._healthz),
                Route("/readyz", self._readyz),
                Route(LOGIN_PATH, self._login, methods=["GET", "POST"]),
                WebSocketRoute("/ws", viewers.serve),
            ]
        )
        self.app.router.redirect_slashes = False

    async def _index(self, request: Request) -> Response:
        return self._file(request, "index.html")

    async def _static(self, request: Request) -> Response:
        return self._file(request, request.path_params["name"])

    def _file(self, request: Request, name: str) -> Response:
        found = self._files.get(name)
        if found is None:
            return PlainTextResponse("no such file\n", 404)
        headers = {"etag": found.etag, "cache-control": "no-cache"}
        if found.etag in request.headers.get("if-none-match", ""):
            return Response(status_code=304, headers=headers)
        return Response(found.body, media_type=found.media_type, headers=headers)

    async def _status(self, request: Request) -> Response:
        del request
        return _json(self._report())

    async def _metrics(self, request: Request) -> Response:
        del request
        report = self._report()
        if report is not self._exposed[0]:  # of 300 instruments this text takes 200 ms
            self._exposed = (report, exposition(report))
        return Response(self._exposed[1], media_type=CONTENT_TYPE)

    async def _healthz(self, request: Request) -> Response:
        del request
        return PlainTextResponse("ok\n")

    async def _readyz(self, request: Request) -> Response:
        del request
        report = self._report()
        said = {"state": report.state, "reasons": report.reasons}
        return _json(said, 200 if report.state == "running" else 503)

    async def _login(self, request: Request) -> Response:
        if request.method != "POST":
            return _form()
        body = b""
        try:
            async with asyncio.timeout(LOGIN_WITHIN_S):
                async for part in request.stream():
                    body += part
                    if len(body) > LOGIN_BYTES_MAX:
                        return PlainTextResponse("too long for a token\n", 413, _LAST)
        except (ClientDisconnect, TimeoutError):
            return PlainTextResponse("half a form\n", 400, _LAST)
        token = parse_qs(body.decode("latin-1")).get("token", [""])[0].strip()
        if not self._guard.is_token(token):
            return _form(_WRONG, 401)
        response = RedirectResponse("/", 303)
        response.set_cookie(
            self._guard.cookie_name,
            self._guard.cookie_value,
            max_age=_LOGIN_DAYS * 86_400,
            # Behind a proxy that speaks TLS the browser says so; we do not see it otherwise.
            secure=request.headers.get("origin", "").startswith("https://"),
            httponly=True,
            samesite="strict",
        )
        return response


def _form(told: str = "", status: int = 200) -> Response:
    # Under "no-referrer" a browser says that the form's origin is "null", and is refused.
    headers = {"referrer-policy": "same-origin"}
    return Response(_FORM.format(told=told), status, headers, "text/html")


def _json(item: object, status: int = 200) -> Response:
    return Response(msgspec.json.encode(item), status, media_type="application/json")
