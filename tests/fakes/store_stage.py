"""A store actor over a real ring and real files, without its process; a kill is an object that is
never asked to stop.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fakes.actor_stage import MS, SWAP, SkippingClock, Stage, run_until
from fakes.stored import stored_files, stored_rows

from hunter.ring.rows import TradeFlag
from hunter.ring.writer import RingWriter
from hunter.signals.journal import Journal
from hunter.store.actor import StoreActor

DAY_NS = 86_400_000_000_000
NOON_NS = 20_000 * DAY_NS + DAY_NS // 2  # 2024-10-04


class StoreStage:
    """Trade n is match n, at NOON_NS + n seconds unless told otherwise."""

    def __init__(self, *settings: str) -> None:
        everything = ("store.enabled=true", "store.flush_s=1", *settings)
        self.stage = Stage(*everything, actors=("stream-0", "brain-0", "store"))
        self.stage.make_rings()
        self.clock: SkippingClock = self.stage.clock
        self.writer = RingWriter(self.stage.ring_path(), self.clock.wall_ns())
        self.actors: list[StoreActor] = []
        self.journal = Journal(self.stage.config.data_dir / "signals")

    @property
    def store_dir(self) -> Path:
        return self.stage.config.store_dir

    def new_ring(self) -> None:
        """As after a start with another configuration."""
        self.writer.close()
        self.stage.ring_path().unlink()
        self.clock.skip(1)
        self.stage.make_rings()
        self.writer = RingWriter(self.stage.ring_path(), self.clock.wall_ns())

    def start(self) -> StoreActor:
        """A store that reads."""
        actor = StoreActor(self.stage.context("store"))
        self.actors.append(actor)
        actor.on_start(self.clock.monotonic_ns())
        run_until(actor, self.clock, "open", lambda: actor._begun)
        return actor

    def trade(self, *ids: int, at_ns: int = 0, count: int = 1, flags: int = 0) -> None:
        for trade_id in ids:
            stamp = at_ns or NOON_NS + trade_id * 1_000 * MS
            values = (trade_id, stamp, 100.0 + trade_id, 2.0, count, 1 if trade_id % 2 else -1)
            self.writer.put_trade(0, stamp + 5, values, TradeFlag(flags))
            self.writer.publish()

    def book(self, seq_id: int) -> None:
        bids, asks = (99.0, 1.0, 98.0, 2.0, 97.0, 3.0), (101.0, 4.0)
        self.writer.put_book(0, NOON_NS + seq_id, seq_id, NOON_NS + seq_id, (bids, asks))
        self.writer.publish()

    def flush(self, actor: StoreActor) -> None:
        """Until nothing waits."""
        for _ in range(3):  # what is read only now is due only after another flush_s
            actor.do_work(self.clock.monotonic_ns())
            self.clock.skip(1_100)
        run_until(
            actor,
            self.clock,
            "all written",
            lambda: not any(lane.row_count for lane in actor._lanes()),
        )

    def kill(self, actor: StoreActor) -> None:
        """What the kernel does: the lock is free, nothing else is done."""
        actor._writing._given.clear()
        actor._writing.close(5.0)
        actor._files.close()

    def rows(self, table: str = "trades") -> list[dict[str, Any]]:
        return stored_rows(self.store_dir, table, SWAP)

    def ids(self) -> list[int]:
        return [row["trade_id"] for row in self.rows()]

    def files(self, table: str = "trades") -> list[Path]:
        return stored_files(self.store_dir, table, SWAP)

    def close(self) -> None:
        for actor in self.actors:
            self.kill(actor)
            for ring in actor._rings:
                ring.close()
        self.journal.close()
        self.writer.close()
        self.stage.close()
