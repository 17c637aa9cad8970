"""What the brain process follows: every instrument of a ring, with its checkpoint files.

Owned by the brain actor. A checkpoint is of all instruments of a ring at once. Rows that a reader
could not give (it was lapped, also before a restore, or they were damaged) are a gap, which the
brain is told of before it sees the next row; a checkpoint made until then says so, because after a
restart the brain has to be told all the same.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import NamedTuple

from hunter.brain.checkpoint import Checkpoint, CheckpointStore, InstrumentCheckpoint
from hunter.brain.load import load_brain
from hunter.brain.protocol import Brain, StateError
from hunter.brain.settings import BrainSettings
from hunter.config import Config
from hunter.ring.adopt import open_ring
from hunter.ring.merge import Cursors, MergedReader
from hunter.ring.reader import Row
from hunter.ring.rows import Kind
from hunter.signals.rules import RuleStateError, SignalRule


class Missed(NamedTuple):
    """Rows that a reader could not give."""

    lapped: int
    damaged: int


class Tracked:
    """One instrument: where it is read, who thinks about it, and what was told last."""

    def __init__(self, name: str, reader: MergedReader, brain: Brain, rule: SignalRule) -> None:
        self.name = name
        self.reader = reader
        self.brain = brain
        self.rule = rule
        self.arrival = 0
        self.errors_told = 0
        self.gap = False
        """Rows went by unread since the last one that the brain has seen."""
        self._missed = Missed(0, 0)

    def poll(self, row_count_max: int) -> tuple[list[tuple[Kind, Row]], Missed]:
        """The next rows, and how many are missing before or among them. The caller gives them all
        to the brain.
        """
        rows = self.reader.poll(row_count_max)
        before, now = self._missed, Missed(self.reader.lapped, self.reader.damaged)
        self._missed = now
        self.gap = self.gap or now != before
        if rows:
            if self.gap:
                self.gap = False
                self.brain.on_gap()
            self.arrival = int(rows[-1][1][1])
        return rows, Missed(now.lapped - before.lapped, now.damaged - before.damaged)


class RingTracked:
    """All instruments of one ring, with the ring's checkpoint files."""

    def __init__(self, path: Path, config: Config) -> None:
        self.segment, self.layout = open_ring(path)
        layout = self.layout
        self.store = CheckpointStore(config.data_dir / "checkpoints" / path.name)
        self.config_hash = _config_hash(config)
        self.arrivals: list[int] = []
        settings = BrainSettings(
            interval_ms=config.brain.interval_ms, horizon_ms=config.brain.horizon_ms
        )
        search_dir = Path(config.base_dir)
        self.tracked = []
        for index, name in enumerate(layout.instruments):
            reader = MergedReader(self.segment, layout, index)
            brain = load_brain(config.brain.kind, name, settings, search_dir)
            self.tracked.append(Tracked(name, reader, brain, SignalRule(layout.ring_id)))

    def restore(self) -> str:
        """Go on from the last checkpoint of this ring; returns what was done, in words.

        Whatever cannot be restored starts cold, at the oldest row that is still there.
        """
        checkpoint = self.store.load(self.config_hash, self.layout.ring_id)
        known = {item.instrument: item for item in (checkpoint.instruments if checkpoint else ())}
        cold = []
        for tracked in self.tracked:
            if not _restore(tracked, known.get(tracked.name)):
                cold.append(tracked.name)
                tracked.reader.seek_oldest()
        return f"cold: {', '.join(cold)}" if cold else "restored from its checkpoint"

    def changed(self) -> list[Tracked]:
        """Instruments with rows that were not there at the last look: one compare for all."""
        first = self.layout.arrival_word(0)
        heads = self.segment.words[first : first + len(self.tracked)].tolist()
        if heads == self.arrivals:
            return []
        before = self.arrivals or [-1] * len(heads)
        found = [
            tracked
            for tracked, old, new in zip(self.tracked, before, heads, strict=True)
            if old != new
        ]
        self.arrivals = heads
        return found

    def save(self) -> None:
        """Write a checkpoint; `store` says whether it could be. Raises StateError."""
        self.store.save(
            Checkpoint(
                self.config_hash,
                self.layout.ring_id,
                tuple(
                    InstrumentCheckpoint(
                        tracked.name,
                        tracked.arrival,
                        tracked.reader.cursors,
                        tracked.brain.snapshot(),
                        tracked.rule.snapshot(),
                        tracked.gap,
                    )
                    for tracked in self.tracked
                ),
            )
        )


def _restore(tracked: Tracked, found: InstrumentCheckpoint | None) -> bool:
    """Whether the instrument goes on from its checkpoint."""
    if found is None:
        return False
    try:
        tracked.brain.restore(found.brain)
        tracked.rule.restore(found.rule)
    except (StateError, RuleStateError):
        return False
    tracked.reader.seek(Cursors(*found.positions))
    tracked.arrival = found.arrival
    tracked.gap = found.gap
    return True


def _config_hash(config: Config) -> bytes:
    """Of everything that shapes a brain's state."""
    text = f"{config.brain.kind} {config.brain.interval_ms} {config.brain.horizon_ms}"
    return hashlib.blake2s(text.encode(), digest_size=8).digest()
