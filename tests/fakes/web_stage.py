"""An instance whose market, signals and deaths a test puts there, for the page to look at."""

from __future__ import annotations

import os
from typing import Any

import msgspec
from fakes.actor_stage import SWAP, Stage
from fakes.signals import signal

from hunter.ring.writer import RingWriter
from hunter.signals.journal import Journal
from hunter.signals.signal import Signal
from hunter.status.block import SUPERVISOR
from hunter.status.deaths import DeathLog, DeathRecord
from hunter.status.documents import ChildDocument, FeedDocument, StreamDocument, SupervisorDocument
from hunter.status.page import ActorState, process_start_ticks

OTHER = "ETH-USDT"
ROLES = {"stream-0": "stream", "brain-0": "brain", "web": "web"}
NS = 1_000_000_000


class WebStage(Stage):
    """Everybody is this process, and well. Two instruments: a swap and a spot."""

    def __init__(self, *settings: str) -> None:
        both = f'okx.instruments=["{SWAP}", "{OTHER}"]'
        super().__init__(both, "web.enabled=true", *settings, actors=tuple(ROLES))
        self.make_rings()
        self.writer = RingWriter(self.ring_path(), self.clock.wall_ns())
        self.trade_count = {SWAP: 0, OTHER: 0}
        self.children: dict[str, ChildDocument] = {}
        self.live(SUPERVISOR)
        for name, role in ROLES.items():
            self.live(name)
            self.child(name, role)
        feeds = [FeedDocument(each, "trades", "live", last_data_ns=1) for each in (SWAP, OTHER)]
        self.show("stream-0", StreamDocument(feeds=tuple(feeds)))
        self.config.log_dir.mkdir(parents=True)
        self.deaths = DeathLog(self.config.log_dir)

    def live(self, name: str) -> None:
        page, now = self.status.pages[name], self.clock
        page.store("pid", os.getpid())
        page.store("process_start", process_start_ticks(os.getpid()))
        page.store("state", ActorState.READY)
        page.store("beat_monotonic_ns", now.monotonic_ns())
        page.store("started_wall_ns", now.wall_ns())

    def child(self, name: str, role: str, state: str = "ready", **other: Any) -> None:
        usual = {"pid": os.getpid(), "started_wall_ns": self.clock.wall_ns()}
        self.children[name] = ChildDocument(name, role, state, **(usual | other))
        everybody = tuple(self.children.values())
        self.show(SUPERVISOR, SupervisorDocument("running", "1.2", everybody))

    def trades(self, *signed_sizes: float, instrument: str = SWAP, price: float = 100.0) -> None:
        """One trade each, a second apart by the exchange; the price rises by one each time."""
        index = [SWAP, OTHER].index(instrument)
        for size in signed_sizes:
            self.trade_count[instrument] = number = self.trade_count[instrument] + 1
            side = 1 if size > 0 else -1
            row = (number, number * NS, price + number, abs(size), 1, side)
            self.writer.put_trade(index, number * NS + 5_000_000, row, 0)
        self.writer.publish()

    def die(self, actor: str, at_s: int, *, asked: bool = False, **other: Any) -> None:
        """Pid 7, after 12.3 s, the first of its name; `other` fields as they are given."""
        cause = "asked" if asked else "signal 9"
        record = DeathRecord(
            actor, actor, 7, 0, "signal 9", cause, asked, at_s * NS, at_s * NS, 12.3
        )
        self.deaths.append(msgspec.structs.replace(record, **other))

    def journal(self) -> Journal:
        return Journal(self.config.data_dir / "signals")

    def close(self) -> None:
        self.writer.close()
        super().close()


def made_signal(at_s: int, trade_sequence: int = 0, instrument: str = SWAP) -> Signal:
    return signal(at_s * 1_000, instrument, trade_sequence=trade_sequence)
