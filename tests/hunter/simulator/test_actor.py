"""The exchange as an actor: a real server that lives in the turns of the runner's loop."""

from __future__ import annotations

import asyncio
import json
import threading
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fakes.actor_stage import SWAP, HandClock, Stage, turn
from fakes.running_simulator import ask
from websockets.sync.client import connect

from hunter.errors import ConfigError, HunterError
from hunter.simulator import actor as actor_module
from hunter.simulator.actor import ExchangeActor, ExchangeDocument
from hunter.simulator.options import ReplayPlan, save_plan
from hunter.status.page import ActorState
from hunter.system import free_port


class Place:
    """An exchange actor on its stage."""

    def __init__(self, port: int) -> None:
        self.port = port
        url = f"ws://127.0.0.1:{port}/ws/v5/public"
        self.stage = Stage(f'okx.public_url="{url}"', actors=("exchange",))
        self.clock = HandClock()
        self.actor = ExchangeActor(self.stage.context("exchange", self.clock))

    def get(self, path: str) -> Any:
        """Ask it while its loop turns."""
        found: list[Any] = []

        def ask() -> None:
            with urllib.request.urlopen(
                f"http://127.0.0.1:{self.port}{path}", timeout=10
            ) as answer:
                found.append(json.load(answer))

        client = threading.Thread(target=ask)
        client.start()
        while client.is_alive():
            turn(self.actor, self.clock)
        return found[0]

    def close(self) -> None:
        self.actor.on_stop()
        self.stage.close()


@pytest.fixture
def place() -> Iterator[Callable[[int], Place]]:
    made: list[Place] = []

    def make(port: int) -> Place:
        made.append(Place(port))
        return made[-1]

    yield make
    for item in made:
        item.close()


def test_exchange_serves_while_the_loop_turns(place: Callable[[int], Place]) -> None:
    there = place(free_port())
    there.actor.on_start(0)
    assert there.actor.state() is ActorState.READY
    assert there.actor.document().port == there.port
    assert there.stage.log.having(f"serves a synthetic market on port {there.port}")
    assert there.get("/api/v5/public/time")["code"] == "0"
    while not there.get(f"/api/v5/market/trades?instId={SWAP}")["data"]:
        pass  # the market moves with the turns
    assert (there.stage.config.data_dir / "exchange.ledger").stat().st_size > 0


def test_exchange_restarted_goes_on_with_its_ledger(place: Callable[[int], Place]) -> None:
    there = place(free_port())
    there.actor.on_start(0)
    path = f"/api/v5/market/trades?instId={SWAP}"
    while not (before := there.get(path)["data"]):
        pass
    there.actor.on_stop()
    there.actor = ExchangeActor(there.stage.context("exchange", there.clock))
    there.actor.on_start(0)
    known = {item["tradeId"] for item in there.get(path + "&limit=500")["data"]}
    assert {item["tradeId"] for item in before} <= known


def test_exchange_on_a_port_in_use_says_so(place: Callable[[int], Place]) -> None:
    there = place(free_port())
    there.actor.on_start(0)
    second = place(there.port)
    with pytest.raises(ConfigError, match=f"cannot listen on 127.0.0.1:{there.port}"):
        second.actor.on_start(0)


def test_exchange_that_does_not_listen_in_time_ends(
    place: Callable[[int], Place], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def deaf(options: object, ready: object, stop: asyncio.Event, **_: object) -> None:
        await stop.wait()

    monkeypatch.setattr(actor_module, "serve", deaf)
    monkeypatch.setattr(actor_module, "START_TIMEOUT_S", 0.01)
    with pytest.raises(HunterError, match="did not listen within"):
        place(free_port()).actor.on_start(0)


@pytest.mark.parametrize("failure", [None, HunterError("cannot write ledger; free space")])
def test_exchange_whose_server_ends_by_itself_ends_too(
    place: Callable[[int], Place], monkeypatch: pytest.MonkeyPatch, failure: HunterError | None
) -> None:
    async def short(
        options: object, ready: Callable[[int], None], stop: object, **_: object
    ) -> None:
        ready(1)
        await asyncio.sleep(0)
        if failure is not None:
            raise failure

    monkeypatch.setattr(actor_module, "serve", short)
    there = place(free_port())
    there.actor.on_start(0)
    there.actor.wait(20)
    with pytest.raises(HunterError, match="free space" if failure else "ended by itself"):
        there.actor.do_work(0)


def test_exchange_stopped_before_its_start_is_fine(place: Callable[[int], Place]) -> None:
    there = place(free_port())
    assert there.actor.document().frames == 0


def test_exchange_with_a_plan_plays_its_recording_and_tells_the_end(
    place: Callable[[int], Place], tmp_path: Path
) -> None:
    recording = tmp_path / "a.jsonl"
    lines = [
        b'%d {"arg":{"channel":"tickers","instId":"ETH-USDT"},"data":[{"last":"%d"}]}\n' % (n, n)
        for n in range(5)
    ]
    recording.write_bytes(b"".join(lines))
    there = place(free_port())
    save_plan(there.stage.config.runtime_dir, ReplayPlan((str(recording),)))
    there.actor.on_stop()
    there.actor = ExchangeActor(there.stage.context("exchange", there.clock))
    there.actor.on_start(0)
    assert there.stage.log.having("serves a recording on port")
    assert not there.actor.document().is_over
    heard: list[bytes] = []

    def listen() -> None:
        url = f"ws://127.0.0.1:{there.port}/ws/v5/public"
        with connect(url, ping_interval=None) as client:
            ask(client, "tickers", inst_id="ETH-USDT")
            heard.extend(client.recv(timeout=10, decode=False) for _ in range(6))

    reader = threading.Thread(target=listen)
    reader.start()
    while reader.is_alive():
        turn(there.actor, there.clock)
    assert heard[1:] == [line.rstrip().partition(b" ")[2] for line in lines]
    assert there.actor.document() == ExchangeDocument(there.port, 5, is_over=True)
    assert not (there.stage.config.data_dir / "exchange.ledger").exists()
