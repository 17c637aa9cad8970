"""A web server on this host that takes alerts: webhook and Telegram's Bot API, with moods."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple


class Post(NamedTuple):
    """One request that came; `body` is its JSON."""

    path: str
    headers: dict[str, str]
    body: Any


class AlertServer:
    """`posts` are all that came, also those that were not taken. `mood`: "ok", "hang", "close", or
    the number of a status; "redirect" sends elsewhere on this server.
    """

    def __init__(self, mood: str = "ok") -> None:
        self.mood = mood
        self.posts: list[Post] = []
        self.answer: dict[str, Any] = {"ok": True}
        self.headers: dict[str, str] = {}
        self.let_go = threading.Event()
        """Set it, and those that hang are closed."""
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                raw = self.rfile.read(int(self.headers["Content-Length"]))
                outer.posts.append(Post(self.path, dict(self.headers), json.loads(raw)))
                outer._answer(self)

            def log_message(self, format: str, *arguments: Any) -> None:
                del format, arguments

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()

    def _answer(self, handler: BaseHTTPRequestHandler) -> None:
        mood = self.mood
        if mood == "hang":
            self.let_go.wait(30)
        if mood in ("hang", "close"):
            handler.close_connection = True
            return
        status = {"ok": 200, "redirect": 302}.get(mood) or int(mood)
        body = json.dumps(self.answer).encode()
        handler.send_response(status)
        if mood == "redirect":
            handler.send_header("Location", f"{self.url}/elsewhere")
        for name, value in self.headers.items():
            handler.send_header(name, value)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    def bodies(self, path: str = "") -> list[Any]:
        return [post.body for post in self.posts if post.path.startswith(path)]

    def close(self) -> None:
        self.let_go.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(10)
