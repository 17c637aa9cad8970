"""A brain actor over a real ring and journal, without its process; a kill is an object that is
never asked to stop.
"""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path

import msgspec
from fakes.actor_stage import HandClock, Stage
from fakes.brain_rows import Row

from hunter.brain.actor import BrainActor
from hunter.brain.inputs import BboRow, BookRow, TradeRow
from hunter.config import Config
from hunter.ring.writer import RingWriter
from hunter.signals.journal_reader import last_signals
from hunter.signals.signal import Signal


def put(writer: RingWriter, row: Row, index: int = 0) -> None:
    """One row of the brain's tests into the ring."""
    received, stamp = row.received_ts_ns, row.exchange_ts_ns
    if isinstance(row, TradeRow):
        values = (row.trade_id, stamp, row.price, row.size, row.count, row.side)
        writer.put_trade(index, received, values, row.flags)
    elif isinstance(row, BboRow):
        quote = (row.bid_price, row.bid_size, row.ask_price, row.ask_size)
        writer.put_bbo(index, received, (row.seq_id, stamp, *quote))
    elif isinstance(row, BookRow):
        sides = (row.bids[: 2 * row.bid_count], row.asks[: 2 * row.ask_count])
        writer.put_book(index, received, row.seq_id, stamp, sides if row.valid else None)
    else:
        quote = (row.bid_price, row.bid_size, row.ask_price, row.ask_size)
        numbers = (row.last_price, row.last_size, *quote, *(math.nan,) * 5)
        writer.put_ticker(index, received, stamp, numbers)


class Head:
    """A stage with brains on it."""

    def __init__(self, *settings: str) -> None:
        self.stage = Stage("brain.interval_ms=100", *settings)
        self.stage.make_rings()
        self.clock = HandClock()
        self.writer = RingWriter(self.stage.ring_path(), self.clock.now_ns)
        self.actors: list[BrainActor] = []

    def start(self, config: Config | None = None) -> BrainActor:
        context = self.stage.context("brain-0", self.clock)
        if config is not None:
            context = dataclasses.replace(context, config=config)
        actor = BrainActor(context)
        self.actors.append(actor)
        actor.on_start(self.clock.now_ns)
        return actor

    def write(self, rows: list[Row]) -> None:
        for row in rows:
            put(self.writer, row)
        self.writer.publish()

    def read(self, actor: BrainActor) -> int:
        """Turns until nothing is left to do."""
        total = 0
        while work := actor.do_work(self.clock.now_ns):
            total += work
        return total

    def elsewhere(self, name: str) -> Config:
        """The same configuration with a data directory of its own."""
        section = msgspec.structs.replace(self.stage.config.hunter, data_dir=name)
        return msgspec.structs.replace(self.stage.config, hunter=section)

    def journal(self, config: Config | None = None) -> list[Signal]:
        return last_signals((config or self.stage.config).data_dir / "signals", 100_000)

    def journal_bytes(self, config: Config | None = None) -> bytes:
        directory = (config or self.stage.config).data_dir / "signals"
        return b"".join(path.read_bytes() for path in sorted(directory.glob("*.jsonl")))

    def save(self, actor: BrainActor) -> None:
        """A checkpoint, if it is the time for one; the clock stands still."""
        actor._save_due_ns = 0
        actor._save(self.clock.now_ns)

    def kill(self, actor: BrainActor) -> None:
        """Gone between two instructions; the kernel gives its descriptors and sockets back."""
        self.actors.remove(actor)
        actor._journal.close()
        actor._publisher.close()
        actor._wake.close()

    def checkpoints(self) -> list[Path]:
        return sorted((self.stage.config.data_dir / "checkpoints").glob("ring-0.[01]"))

    def close(self) -> None:
        for actor in self.actors:
            actor.on_stop()
        self.writer.close()
        self.stage.close()
