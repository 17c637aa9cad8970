"""The simulator as one call: listen, run the source, stop cleanly.

`serve` is for an event loop that is there already; `run` is the blocking form behind `hunter sim`.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import ssl
from collections.abc import Callable, Coroutine
from typing import Any, Final

from hunter.clock import Clock, SystemClock
from hunter.errors import ConfigError
from hunter.simulator.connection import ClientConnection
from hunter.simulator.driver import Driver
from hunter.simulator.exchange import Exchange
from hunter.simulator.options import Bounds, SimOptions
from hunter.simulator.recording import Recording
from hunter.simulator.rest import Rest
from hunter.simulator.script import load_script
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
    steps = load_script(options.faults) if options.faults else []
    tls = _tls_context(options)
    exchange = Exchange(options, clock or SystemClock())
    source = _source(exchange)
    driver = Driver(exchange, steps)
    if options.storm is not None:
        driver.start_storm(options.storm, options.storm_gap_s)
    rest = Rest(exchange, driver)
    connections: set[ClientConnection] = set()

    def accept() -> ClientConnection:
        return ClientConnection(exchange, rest, connections)

    try:
        loop = asyncio.get_running_loop()
        server = await loop.create_server(accept, options.host, options.port, ssl=tls)
    except OSError as error:
        source.close()
        exchange.ledger.close()
        message = f"cannot listen on {options.host}:{options.port}: {error}; choose another port"
        raise ConfigError(message) from error
    housekeeping = _housekeep(exchange, connections)
    tasks = [asyncio.ensure_future(task) for task in (source, housekeeping, _drive(driver))]
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
        print(listening_line(options.host, port, options.tls_cert is not None), flush=True)

    try:
        await serve(options, ready, stop)
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)


def listening_line(host: str, port: int, is_tls: bool = False) -> str:
    s = "s" if is_tls else ""
    web, rest = f"ws{s}://{host}:{port}/ws/v5", f"http{s}://{host}:{port}"
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


def _tls_context(options: SimOptions) -> ssl.SSLContext | None:
    if options.tls_cert is None or options.tls_key is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(options.tls_cert, options.tls_key)
    except OSError as error:  # ssl.SSLError is one
        message = f"cannot use {options.tls_cert} with {options.tls_key}: {error}"
        raise ConfigError(f"{message}; give a PEM certificate and its key") from error
    return context


async def _drive(driver: Driver) -> None:
    while True:
        await asyncio.sleep(max(0.001, min(driver.step() / 1e9, _HOUSEKEEPING_S)))


async def _housekeep(exchange: Exchange, connections: set[ClientConnection]) -> None:
    while True:
        await asyncio.sleep(_HOUSEKEEPING_S)
        exchange.keep_alive()
        now_ns = exchange.clock.monotonic_ns()
        exchange.faults.expire(now_ns)
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
