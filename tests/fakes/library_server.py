"""The websockets library's own server, in a thread."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator

from websockets.sync.server import Server, ServerConnection, serve


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
