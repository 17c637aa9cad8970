"""Peers, clients, stages and exchanges that end with their test."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fakes.actor_stage import Stage
from fakes.faulty_exchange import Exchange
from fakes.link_line import Line
from fakes.stream_rig import Rig
from fakes.websocket_peer import Client, Peer, agreement

from hunter.simulator.options import SimOptions
from hunter.stream.phases import Phase


@pytest.fixture
def peer() -> Iterator[Peer]:
    made = Peer()
    yield made
    made.close()


@pytest.fixture
def connect() -> Iterator[Callable[..., Client]]:
    """Make clients; they are aborted after the test."""
    made: list[Client] = []

    def connect(url: str, *options: Any, **more: Any) -> Client:
        made.append(Client(url, *options, **more))
        return made[-1]

    yield connect
    for client in made:
        client.connection.abort("the test is over")


@pytest.fixture
def shaken(peer: Peer, connect: Callable[..., Client]) -> Client:
    """A client whose handshake with `peer` is done."""
    client = connect(peer.url)
    client.until("the call", lambda: peer.is_called)
    peer.accept()
    request = client.until("the request", peer.request)
    peer.send(agreement(request))
    client.until_phase(Phase.OPEN)
    return client


@pytest.fixture
def line(peer: Peer, tmp_path: Path) -> Iterator[Line]:
    made = Line(peer, tmp_path)
    yield made
    made.link.abort("the test is over")
    made.limiter.close()


@pytest.fixture
def stage() -> Iterator[Callable[..., Stage]]:
    """Make stages; they are removed after the test."""
    with contextlib.ExitStack() as stack:

        def make(*settings: str, **options: Any) -> Stage:
            made = Stage(*settings, **options)
            stack.callback(made.close)
            return made

        yield make


@pytest.fixture
def exchange() -> Iterator[Callable[..., Exchange]]:
    """Start simulators; all are stopped after the test."""
    running: list[Exchange] = []

    def start(**options: Any) -> Exchange:
        options.setdefault("limits", False)
        options.setdefault("rate", 100.0)
        running.append(Exchange(SimOptions(**options)))
        return running[-1]

    yield start
    for item in running:
        item.stop()


@pytest.fixture
def rig(stage: Callable[..., Stage], exchange: Any) -> Iterator[Callable[..., Rig]]:
    """Ends before the exchange does, which else would wait for its clients to leave."""
    made: list[Rig] = []

    def make(port: int, *settings: str) -> Rig:
        there = stage(
            f'okx.public_url="ws://127.0.0.1:{port}/ws/v5/public"',
            f'okx.rest_url="http://127.0.0.1:{port}"',
            *settings,
        )
        there.make_rings()
        made.append(Rig(there))
        return made[-1]

    yield make
    for item in made:
        item.actor.on_stop()
