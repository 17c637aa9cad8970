"""uvicorn inside this process's own loop: our socket, nobody's signal handlers, a quiet log.

Whoever connects and says nothing, or half a request, is let go: uvicorn waits for ever for a first
request, and descriptors are finite. So is whoever takes nothing and has much waiting: uvicorn
answers each ping of a WebSocket, whether or not the answers before it have been taken.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from collections.abc import Generator
from typing import Any, Final

import uvicorn
from starlette.types import ASGIApp

from hunter.errors import HunterError

CONNECTIONS_MAX: Final = 256
REQUEST_WITHIN_S: Final = 10
UNSENT_BYTES_MAX: Final = 8 << 20
_SHUTDOWN_S: Final = 1
_WS_BYTES_MAX: Final = 1_024
_TOLD: Final = "Exception in ASGI application"


class _QuietServer(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """The runner has them."""
        yield


class PageServer:
    """Serves `app` on `listening` as long as the loop runs."""

    def __init__(self, app: ASGIApp, listening: socket.socket, log: logging.Logger) -> None:
        _quieten(log)
        config = uvicorn.Config(
            app,
            lifespan="off",
            log_config=None,
            access_log=False,
            ws="websockets-sansio",
            http="h11",
            ws_max_size=_WS_BYTES_MAX,
            ws_per_message_deflate=False,
            server_header=False,
            proxy_headers=False,
            timeout_graceful_shutdown=_SHUTDOWN_S,
        )
        self._server = _QuietServer(config)
        self._listening = listening
        self._task: asyncio.Task[None] | None = None
        self._waiting: dict[Any, int] = {}

    async def start(self) -> None:
        """Begin; it serves from the next turn of the loop on."""
        self._task = asyncio.create_task(self._server.serve([self._listening]))

    def check(self) -> None:
        """Raise what has ended it, if it has ended."""
        if self._task is not None and self._task.done():
            self._task.result()
            raise HunterError("the page's server ended by itself")

    def let_go(self) -> None:
        """Once a second: end connections on which no request comes, or where too much waits."""
        connections = list(self._server.server_state.connections)
        for connection in connections:
            if connection.transport.get_write_buffer_size() > UNSENT_BYTES_MAX:
                connection.transport.abort()
        waiting = {each: self._waiting.get(each, 0) + 1 for each in connections if _waits(each)}
        patience_s = REQUEST_WITHIN_S if len(connections) < CONNECTIONS_MAX else 1
        for connection, seconds in waiting.items():
            if seconds > patience_s:
                connection.transport.abort()
        self._waiting = waiting

    async def stop(self) -> None:
        """Let answers under way be finished, for a second."""
        self._server.should_exit = True
        if self._task is not None:
            await self._task
        self._listening.close()


def _waits(connection: Any) -> bool:
    """Whether it has said nothing that is being answered; WebSockets look after themselves."""
    if not hasattr(connection, "cycle"):
        return False
    return connection.cycle is None or connection.cycle.response_complete


def _quieten(log: logging.Logger) -> None:
    """Into our log goes what is our fault, not what clients do: their number is not ours."""
    logger = logging.getLogger("uvicorn.error")
    logger.handlers = log.handlers
    logger.propagate = False
    logger.setLevel(logging.ERROR)
    logger.addFilter(_is_ours)


def _is_ours(record: logging.LogRecord) -> bool:
    return record.getMessage().startswith(_TOLD)
