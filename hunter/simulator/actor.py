"""The exchange actor of `hunter start --demo` and `hunter replay`: the simulator under supervision,
with a beat like everybody.

Its event loop runs inside `wait`, so that the runner's loop, and with it the beat, is the same
thread's work.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec

from hunter.config import Config
from hunter.errors import HunterError
from hunter.runtime.actor import Context
from hunter.simulator.exchange import Exchange
from hunter.simulator.options import SimOptions, load_plan
from hunter.simulator.serve import serve
from hunter.status.page import ActorState

START_TIMEOUT_S: Final = 10.0
TURN_S: Final = 0.02


class ExchangeDocument(msgspec.Struct, frozen=True):
    """Where the simulator listens, how much of the market it has sent, and whether a recording is
    over.
    """

    port: int
    frames: int = 0
    is_over: bool = False


class ExchangeActor:
    """Serves the instruments of the configuration on the port its addresses name."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._options = _options(context.config)
        self._exchange: Exchange | None = None
        self._loop = asyncio.new_event_loop()
        self._stop = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._port = 0

    def on_start(self, now_ns: int) -> None:
        del now_ns
        listening: asyncio.Future[int] = self._loop.create_future()
        self._task = self._loop.create_task(
            serve(self._options, listening.set_result, self._stop, started=self._take)
        )
        awaited: list[asyncio.Future[Any]] = [self._task, listening]
        self._loop.run_until_complete(
            asyncio.wait(awaited, return_when=asyncio.FIRST_COMPLETED, timeout=START_TIMEOUT_S)
        )
        if listening.done():
            self._port = listening.result()
        if not self._port:
            if self._task.done():
                self._task.result()
            raise HunterError(f"the simulator did not listen within {START_TIMEOUT_S:.0f} s")
        what = "a recording" if self._options.replay else "a synthetic market"
        self._context.log.info("serves %s on port %d", what, self._port)

    def do_work(self, now_ns: int) -> int:
        del now_ns
        assert self._task is not None
        if self._task.done():
            self._task.result()
            raise HunterError("the simulator ended by itself")
        return 0

    def wait(self, timeout_ms: int) -> None:
        self._loop.run_until_complete(asyncio.sleep(min(timeout_ms / 1000, TURN_S)))

    def on_stop(self) -> None:
        self._stop.set()
        if self._task is not None and not self._task.done():
            self._loop.run_until_complete(self._task)
        self._loop.close()

    def state(self) -> ActorState:
        return ActorState.READY

    def document(self) -> ExchangeDocument:
        exchange = self._exchange
        if exchange is None:
            return ExchangeDocument(self._port)
        is_over = exchange.source.get("state") == "over"
        return ExchangeDocument(self._port, exchange.ledger.produced.total(), is_over)

    def _take(self, exchange: Exchange) -> None:
        self._exchange = exchange


def _options(config: Config) -> SimOptions:
    port = urlsplit(config.okx.public_url).port or 0
    plan = load_plan(config.runtime_dir)
    if plan is not None:
        return SimOptions(port=port, replay=tuple(map(Path, plan.recordings)), speed=plan.speed)
    return SimOptions(
        port=port,
        instruments=config.okx.instruments,
        ledger=config.data_dir / "exchange.ledger",
    )
