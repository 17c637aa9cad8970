"""A simulator in a thread of its own, and what tests say to it as clients."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import json
import threading
from collections.abc import Callable
from typing import Any

from websockets.sync.client import ClientConnection, connect

from hunter.simulator.exchange import Exchange
from hunter.simulator.options import SimOptions
from hunter.simulator.serve import serve

SWAP = "BTC-USDT-SWAP"


class Running:
    """One simulator on a free port. `exchange` may be read only through `call`."""

    def __init__(self, options: SimOptions) -> None:
        self.port = 0
        self.failure: BaseException | None = None
        self._options = options
        self._is_up = threading.Event()
        self._loop: asyncio.AbstractEventLoop
        self._stop: asyncio.Event
        self._exchange: Exchange
        self._thread = threading.Thread(target=self._run)
        self._clients = contextlib.ExitStack()
        self._thread.start()
        assert self._is_up.wait(10)
        if self.failure is not None:
            self._thread.join()
            raise self.failure

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except BaseException as error:  # handed to the test's thread
            self.failure = error
        self._is_up.set()

    async def _serve(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()

        def ready(port: int) -> None:
            self.port = port
            self._is_up.set()

        def started(exchange: Exchange) -> None:
            self._exchange = exchange

        await serve(self._options, ready, self._stop, started=started)

    def call(self, act: Callable[[Exchange], Any]) -> Any:
        """Run `act` in the simulator's thread."""

        async def inside() -> Any:
            return act(self._exchange)

        return asyncio.run_coroutine_threadsafe(inside(), self._loop).result(10)

    def connect(self, path: str = "public", **options: Any) -> ClientConnection:
        return self.connect_to(f"/ws/v5/{path}", **options)

    def connect_to(self, path: str, **options: Any) -> ClientConnection:
        options.setdefault("compression", None)
        url = f"ws://127.0.0.1:{self.port}{path}"
        return self._clients.enter_context(
            connect(url, ping_interval=None, close_timeout=1, **options)
        )

    def request(self, target: str, method: str = "GET", body: bytes | None = None) -> Any:
        """(status, decoded body) of one REST request."""
        client = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            client.request(method, target, body)
            response = client.getresponse()
            return response.status, json.loads(response.read())
        finally:
            client.close()

    def get(self, target: str) -> Any:
        status, body = self.request(target)
        assert status == 200, (status, body)
        return body

    def stop(self) -> None:
        self._clients.close()
        self.stop_serving()

    def wait_for_failure(self) -> BaseException | None:
        self._thread.join(10)
        return self.failure

    def stop_serving(self) -> None:
        """Ask it to stop, clients or not."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)
        assert not self._thread.is_alive()


def ask(
    client: ClientConnection, *channels: str, inst_id: str = SWAP, op: str = "subscribe"
) -> None:
    args = [{"channel": channel, "instId": inst_id} for channel in channels]
    client.send(json.dumps({"op": op, "args": args}))


def receive(client: ClientConnection, count: int) -> list[Any]:
    return [json.loads(client.recv(timeout=10)) for _ in range(count)]


def receive_until(client: ClientConnection, is_last: Callable[[Any], bool]) -> list[Any]:
    frames = []
    while not frames or not is_last(frames[-1]):
        frames.append(json.loads(client.recv(timeout=10)))
    return frames
