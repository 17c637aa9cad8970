"""One stream actor on its stage, killed and restarted at will, and its ring checked."""

from __future__ import annotations

import os
from collections.abc import Callable
from itertools import pairwise
from typing import Any

from fakes.actor_stage import SWAP, Stage, run_until
from fakes.faulty_exchange import Exchange

from hunter.ring.rows import Kind
from hunter.status import documents
from hunter.status.documents import FeedDocument
from hunter.status.page import ActorState, process_start_ticks
from hunter.stream.actor import StreamActor
from hunter.stream.link import Link
from hunter.stream.writing import Writing

SIDES = {"buy": 1, "sell": -1}


class Rig:
    """One stream actor on its stage."""

    def __init__(self, stage: Stage, name: str = "stream-0") -> None:
        self.stage = stage
        self.name = name
        self.clock = stage.clock
        self.log = stage.log
        self.actor = self._start()

    def _start(self) -> StreamActor:
        actor = StreamActor(self.stage.context(self.name))
        actor.on_start(self.clock.monotonic_ns())
        return actor

    def kill(self) -> None:
        """What the kernel does at a SIGKILL: descriptors and mappings go, nothing else happens."""
        self.stage.show(self.name, self.actor.document())
        role = self.actor._role
        for link in role.links:
            link.abort("killed")
        self.actor._lease.close()
        self.actor._parts.wake.close()
        if isinstance(role, Writing):
            role.writer.close()

    def report(self) -> None:
        """What the runner puts on the actor's page."""
        page = self.stage.status.pages[self.name]
        page.store("process_start", process_start_ticks(os.getpid()))
        page.store("pid", os.getpid())
        page.store("state", self.actor.state())

    @property
    def link(self) -> Link:
        """The first connection, which is the only one unless a test asks for more."""
        return self.actor._role.links[0]

    @property
    def writing(self) -> Writing:
        assert isinstance(self.actor._role, Writing)
        return self.actor._role

    def restart(self) -> None:
        self.kill()
        self.actor = self._start()

    def until(self, what: str, condition: Callable[[], Any]) -> Any:
        return run_until(self.actor, self.clock, what, condition)

    def until_ready(self) -> None:
        self.until("ready", lambda: self.actor.state() is ActorState.READY)

    def until_trades(self, count: int) -> None:
        """So many more rows."""
        wanted = len(self.trades) + count
        self.until(f"{count} trades", lambda: len(self.trades) >= wanted)

    def feed(self, channel: str = "trades", instrument: str = SWAP) -> FeedDocument:
        feeds = self.actor.document().feeds
        return next(f for f in feeds if (f.channel, f.instrument) == (channel, instrument))

    @property
    def connection(self) -> documents.ConnectionDocument:
        return self.actor.document().connections[0]

    @property
    def trades(self) -> list[Any]:
        return self.stage.rows(Kind.TRADE)

    @property
    def books(self) -> list[Any]:
        return self.stage.rows(Kind.BOOK)

    def until_complete(self) -> None:
        self.until("no hole", lambda: not self.writing.feeds[SWAP].chain.holes)

    def check(self, exchange: Exchange) -> None:
        """Every match of the exchange once, in order, with its price and side; and no loss."""
        truth = {}
        for trade_id, (count, price, side) in exchange.truth().items():
            truth |= dict.fromkeys(range(trade_id - count + 1, trade_id + 1), (price, SIDES[side]))
        rows = self.trades
        for before, after in pairwise(rows):
            assert after[2] - after[7] == before[2], "rows join without hole or overlap"
            assert after[0] == before[0] + 1
        for row in rows:
            for trade_id in range(row[2] - row[7] + 1, row[2] + 1):
                assert truth[trade_id] == (row[5], row[8])
        feed = self.feed(self.writing.feeds[SWAP].trade_channel)
        assert (feed.lost, feed.duplicates) == (0, 0)
