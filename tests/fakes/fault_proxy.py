"""A TCP proxy on loopback that does to a connection what bad networks do.

`up` is what the client sends, `down` what the server sends. The weather of each direction can be
changed at any time, for all connections or for one. What a black hole has swallowed stays lost.
Which bits are flipped and how latency jitters follows from the seed, the connection's number and
the place in the stream, not from the moment.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import random
import socket
import struct
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Self

READ_BYTES = 65_536
QUEUED_BYTES_MAX = 4 << 20
BANDWIDTH_SLICE_S = 0.02
DIRECTIONS = ("up", "down")


@dataclass(frozen=True)
class Weather:
    """Of one direction. Zero means: as on a good network."""

    latency_ms: float = 0.0
    jitter_ms: float = 0.0  # up to so much more, never out of order
    slice_bytes: int = 0  # no more than so many in one write
    slice_pause_ms: float = 0.0  # between two such writes
    bytes_per_s: float = 0.0
    black_hole: bool = False  # what comes is swallowed, the ends of streams too
    flip_every_bytes: int = 0  # one bit of every so many-th byte


class _Flow:
    """One direction of one connection."""

    def __init__(
        self, source: socket.socket, sink: socket.socket, weather: Weather, seed: str
    ) -> None:
        self.weather = weather
        self.byte_count = 0  # sent on
        self._source, self._sink = source, sink
        self._random = random.Random(seed)
        self._jitter = random.Random(f"{seed} jitter")
        self._queue: deque[tuple[float, bytes]] = deque()
        self._queued_bytes = 0
        self._due_s = 0.0
        self._moved = asyncio.Event()
        self._position = 0  # in the stream, of the next byte to corrupt or spare

    async def read(self) -> None:
        """Source -> queue, each piece with the time it is due."""
        loop = asyncio.get_running_loop()
        while True:
            data = await loop.sock_recv(self._source, READ_BYTES)
            weather = self.weather
            if not weather.black_hole:
                delay_ms = weather.latency_ms + self._jitter.random() * weather.jitter_ms
                self._due_s = max(self._due_s, loop.time() + delay_ms / 1e3)
                self._queue.append((self._due_s, data))
                self._queued_bytes += len(data)
                self._moved.set()
            if not data:
                return
            while self._queued_bytes > QUEUED_BYTES_MAX:
                self._moved.clear()
                await self._moved.wait()

    async def write(self) -> None:
        """Queue -> sink; returns after the end of the stream has been passed on."""
        loop = asyncio.get_running_loop()
        while True:
            while not self._queue:
                self._moved.clear()
                await self._moved.wait()
            due_s, data = self._queue[0]
            if due_s > loop.time():
                await asyncio.sleep(due_s - loop.time())
            self._queue.popleft()
            self._queued_bytes -= len(data)
            self._moved.set()
            if self.weather.black_hole:
                continue
            if not data:
                with contextlib.suppress(OSError):  # the sink may have gone first
                    self._sink.shutdown(socket.SHUT_WR)
                return
            await self._pass_on(loop, self._corrupted(data))

    async def _pass_on(self, loop: asyncio.AbstractEventLoop, data: bytes) -> None:
        rest = memoryview(data)
        while rest and not self.weather.black_hole:
            weather = self.weather
            size = weather.slice_bytes or len(rest)
            pause_s = weather.slice_pause_ms / 1e3 if weather.slice_bytes else 0.0
            if weather.bytes_per_s:
                size = min(size, max(1, int(weather.bytes_per_s * BANDWIDTH_SLICE_S)))
                pause_s = max(pause_s, min(size, len(rest)) / weather.bytes_per_s)
            await loop.sock_sendall(self._sink, rest[:size])
            self.byte_count += min(size, len(rest))
            rest = rest[size:]
            if pause_s or weather.slice_bytes:
                await asyncio.sleep(pause_s)

    def _corrupted(self, data: bytes) -> bytes:
        every = self.weather.flip_every_bytes
        first = self._position
        self._position += len(data)
        if not every:
            return data
        changed = bytearray(data)
        for index in range(every - 1 - first % every, len(data), every):
            changed[index] ^= 1 << self._random.randrange(8)
        return bytes(changed)


class _Connection:
    """Client, server and the two flows between them."""

    def __init__(
        self, client: socket.socket, server: socket.socket, weather: dict[str, Weather], seed: str
    ) -> None:
        self._client, self._server = client, server
        self.flows = {
            "up": _Flow(client, server, weather["up"], f"{seed} up"),
            "down": _Flow(server, client, weather["down"], f"{seed} down"),
        }

    async def run(self, target: tuple[str, int]) -> None:
        """Until both directions have ended, or one of them broke: then both are reset."""
        broken = False
        try:
            try:
                await asyncio.get_running_loop().sock_connect(self._server, target)
                async with asyncio.TaskGroup() as group:
                    for flow in self.flows.values():
                        group.create_task(flow.read())
                        group.create_task(flow.write())
            except* OSError:
                broken = True
            if broken and any(flow.weather.black_hole for flow in self.flows.values()):
                # The other side must not learn of it: stay until somebody ends this.
                await asyncio.get_running_loop().create_future()
            if broken:
                self.linger_not()
        finally:
            self.close()

    def linger_not(self) -> None:
        """The next close of each socket is a reset."""
        for end in (self._client, self._server):
            with contextlib.suppress(OSError):
                end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    def end_stream(self, direction: str) -> None:
        sink = self._server if direction == "up" else self._client
        with contextlib.suppress(OSError):
            sink.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        self._client.close()
        self._server.close()


class FaultProxy:
    """Listens on a free port of loopback and connects each client with `target_port`.

    Connections are numbered from 0 in the order they came. A context manager; `close` ends it all.
    """

    def __init__(self, target_port: int, seed: int = 1) -> None:
        self.port = 0
        self.accepted = 0
        self.refusing = False  # clients are accepted and reset
        self._target = ("127.0.0.1", target_port)
        self._seed = seed
        self._weather = dict.fromkeys(DIRECTIONS, Weather())
        self._open: dict[int, tuple[_Connection, asyncio.Task[None]]] = {}
        self._is_up = threading.Event()
        self._loop: asyncio.AbstractEventLoop
        self._stop: asyncio.Event
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()))
        self._thread.start()
        assert self._is_up.wait(10)

    def set(
        self, direction: str = "both", connection: int | None = None, **changes: float | bool
    ) -> None:
        """Change the weather: of one connection, or of all there are and all to come."""
        directions = DIRECTIONS if direction == "both" else (direction,)

        def change() -> None:
            if connection is None:
                for name in directions:
                    self._weather[name] = dataclasses.replace(self._weather[name], **changes)
            for number, (each, _) in self._open.items():
                if connection in (None, number):
                    for name in directions:
                        flow = each.flows[name]
                        flow.weather = dataclasses.replace(flow.weather, **changes)

        self._call(change)

    def heal(self) -> None:
        """Good weather for everybody."""
        self.set(**{field.name: field.default for field in dataclasses.fields(Weather)})

    def reset(self, connection: int | None = None) -> int:
        """RST to both ends, now; how many connections that were."""

        def act() -> int:
            found = self._chosen(connection)
            for each, task in found:
                each.linger_not()
                task.cancel()
            return len(found)

        return int(self._call(act))

    def half_close(self, direction: str = "down", connection: int | None = None) -> int:
        """End the stream in one direction (FIN); the other stays."""

        def act() -> int:
            found = self._chosen(connection)
            for each, _ in found:
                each.end_stream(direction)
            return len(found)

        return int(self._call(act))

    @property
    def open_connections(self) -> list[int]:
        return list(self._call(lambda: sorted(self._open)))

    def byte_count(self, direction: str) -> int:
        """Bytes passed on in the connections that are open."""
        return int(
            self._call(
                lambda: sum(each.flows[direction].byte_count for each, _ in self._open.values())
            )
        )

    def close(self) -> None:
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)
        assert not self._thread.is_alive()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _chosen(self, connection: int | None) -> list[tuple[_Connection, asyncio.Task[None]]]:
        return [pair for number, pair in self._open.items() if connection in (None, number)]

    def _call(self, act: Callable[[], Any]) -> Any:
        """Run `act` in the proxy's thread."""

        async def inside() -> Any:
            return act()

        return asyncio.run_coroutine_threadsafe(inside(), self._loop).result(10)

    async def _serve(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        with socket.create_server(("127.0.0.1", 0)) as listener:
            listener.setblocking(False)
            self.port = listener.getsockname()[1]
            self._is_up.set()
            accepting = asyncio.create_task(self._accept(listener))
            await self._stop.wait()
            tasks = [accepting, *(task for _, task in self._open.values())]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _accept(self, listener: socket.socket) -> None:
        while True:
            client, _ = await self._loop.sock_accept(listener)
            number, self.accepted = self.accepted, self.accepted + 1
            server = socket.socket()
            server.setblocking(False)
            for end in (client, server):
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection = _Connection(client, server, self._weather, f"{self._seed} {number}")
            if self.refusing:
                connection.linger_not()
                connection.close()
                continue
            task = asyncio.create_task(connection.run(self._target))
            self._open[number] = (connection, task)
            task.add_done_callback(lambda _, n=number: self._open.pop(n, None))
