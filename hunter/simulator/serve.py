"""The simulator as one call: listen, run the source, stop cleanly.

`serve` is for an event loop that is there already; `run` is the blocking form behind `hunter sim`.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Callable, Coroutine
from typing import Any, Final

from hunter.clock import Clock, SystemClock
from hunter.errors import ConfigError
from hunter.simulator.connection import ClientConnection
from hunter.simulator.exchange import Exchange
from hunter.simulator.options import Bounds, SimOptions
from hunter.simulator.recording import Recording
from hunter.simulator.rest import Rest
from hunter.simulator.sources import open_markets, run_markets, run_replay

__all__ = ["Bounds", "SimOptions", "run", "serve"]

_HOUSEKEEPING_S: Final = 0.25
_SHUTDOWN_S: Final = 1.0


async def serve(
    options: SimOptions,
    ready: Callable[[int], None],
    stop: asyncio.Event,
    clock: Clock | None = None,
    started: Callable[[Exchange], None] | None = None,
) -> None:
    """Serve until `stop` is set. `ready` gets the port once clients can connect.

    `started` gets the exchange itself, for callers in the same process that want its ledger.
    """
    exchange = Exchange(options, clock or SystemClock())
    source = _source(exchange)
    rest = Rest(exchange)
    connections: set[ClientConnection] = set()

    def accept() -> ClientConnection:
        return ClientConnection(exchange, rest, connections)

    try:
        server = await asyncio.get_running_loop().create_server(accept, options.host, options.port)
    except OSError as error:
        source.close()
        exchange.ledger.close()
        message = f"cannot listen on {options.host}:{options.port}: {error}; choose another port"
        raise ConfigError(message) from error
    housekeeping = _housekeep(exchange, connections)
    tasks = [asyncio.ensure_future(source), asyncio.ensure_future(housekeeping)]
    waiter = asyncio.ensure_future(stop.wait())
    try:
        if started is not None:
            started(exchange)
        ready(server.sockets[0].getsockname()[1])
        pending: set[asyncio.Future[Any]] = {waiter, *tasks}
        while not waiter.done():
            done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()  # a source that failed takes the server down with its own error
    finally:
        for task in (waiter, *tasks):
            task.cancel()
        await asyncio.gather(waiter, *tasks, return_exceptions=True)
        server.close()
        await _close_all(connections)
        await server.wait_closed()
        exchange.ledger.close()


def run(options: SimOptions) -> None:
    """Serve until SIGINT or SIGTERM; prints one line with the addresses when listening."""
    asyncio.run(_run(options))


async def _run(options: SimOptions) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)

    def ready(port: int) -> None:
        print(listening_line(options.host, port), flush=True)

    try:
        await serve(options, ready, stop)
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)


def listening_line(host: str, port: int) -> str:
    web, rest = f"ws://{host}:{port}/ws/v5", f"http://{host}:{port}"
    return f"listening: {web}/public {web}/business {rest}"


def _source(exchange: Exchange) -> Coroutine[Any, Any, None]:
    if not exchange.options.replay:
        return run_markets(exchange, open_markets(exchange))
    recording = Recording(exchange.options.replay)
    names = recording.instruments()
    if not names:
        raise ConfigError("the recording holds no data frame; check its form")
    for name in names:
        exchange.list_instrument(name)
    return run_replay(exchange, recording)


async def _housekeep(exchange: Exchange, connections: set[ClientConnection]) -> None:
    while True:
        await asyncio.sleep(_HOUSEKEEPING_S)
        exchange.keep_alive()
        now_ns = exchange.clock.monotonic_ns()
        for connection in list(connections):
            connection.housekeep(now_ns)


async def _close_all(connections: set[ClientConnection]) -> None:
    """Say goodbye to everybody, wait a moment, then reset who is left."""
    for connection in list(connections):
        connection.start_shutdown()
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_SHUTDOWN_S):
            while connections:
                await asyncio.sleep(0.005)
    for connection in list(connections):
        connection.abort()
    while connections:
        await asyncio.sleep(0)
