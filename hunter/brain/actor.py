"""The brain process's duty cycle: new rows of every instrument -> brain -> rule -> journal and bus.

Reads nothing but rings. Order per signal: journal first, then bus; the checkpoint comes after the
journal. So a brain killed anywhere restores, reads the same rows again and makes the same signals,
and those that the journal has already are not written twice.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Final

from hunter.brain.checkpoint import Checkpoint, CheckpointStore, InstrumentCheckpoint
from hunter.brain.inputs import BboRow, TradeRow, book_row, ticker_row
from hunter.brain.load import load_brain
from hunter.brain.protocol import Brain, StateError
from hunter.brain.settings import BrainSettings
from hunter.bus.sockets import SignalPublisher, WakeReceiver
from hunter.config import Config
from hunter.errors import SegmentError
from hunter.ring import segment
from hunter.ring.layout import RingLayout
from hunter.ring.merge import Cursors, MergedReader
from hunter.ring.reader import Row
from hunter.ring.rows import Kind
from hunter.runtime.actor import Context
from hunter.signals.decision import Decision
from hunter.signals.journal import Journal
from hunter.signals.rules import RuleStateError, SignalRule
from hunter.signals.signal import encode_signal
from hunter.status import documents
from hunter.status.histogram import Histogram
from hunter.status.page import ActorState

ROWS_PER_TURN_MAX: Final = 512
CHECKPOINT_EVERY_NS: Final = 1_000_000_000
CHECKPOINT_EVERY_ROWS: Final = 20_000
LATENCY_WINDOW_NS: Final = 60_000_000_000


class Tracked:
    """One instrument: where it is read, who thinks about it, and what was told last."""

    def __init__(self, name: str, reader: MergedReader, brain: Brain, rule: SignalRule) -> None:
        self.name = name
        self.reader = reader
        self.brain = brain
        self.rule = rule
        self.arrival = 0
        self.errors_told = 0


class RingTracked:
    """All instruments of one ring, with the ring's checkpoint files."""

    def __init__(self, path: Path, config: Config) -> None:
        self.segment = segment.attach(path)
        self.layout = layout = RingLayout.read_header(self.segment.view)
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

    def save(self) -> bool:
        return self.store.save(
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
                    )
                    for tracked in self.tracked
                ),
            )
        )


class BrainActor:
    """Thinks about every instrument of every ring of the instance."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._log = context.log
        config = context.config
        self._rings: list[RingTracked] = []
        self._pending: dict[str, Tracked] = {}
        self._wake = WakeReceiver(config.runtime_dir, context.name)
        self._publisher = SignalPublisher(config.runtime_dir)
        self._journal = Journal(config.data_dir / "signals")
        self._latency_us = Histogram()
        self._signals_before = 0
        self._rows_since_save = 0
        self._save_due_ns = 0
        self._halve_due_ns = 0
        self._note = ""

    def on_start(self, now_ns: int) -> None:
        config, directory = self._context.config, self._context.shared_dir
        for shard in range(config.stream.shards):
            ring = RingTracked(directory / f"ring-{shard}", config)
            self._note = ring.restore()
            self._log.info("ring-%d: %s", shard, self._note)
            self._rings.append(ring)
            # reads the journal once, now: the loop must not stand still for it later
            self._journal.last_decided(ring.layout.ring_id, "")
        before = documents.decode(self._context.page.read_document(), documents.BrainDocument)
        self._signals_before = before.signals if before is not None else 0
        self._save_due_ns = now_ns + CHECKPOINT_EVERY_NS
        self._halve_due_ns = now_ns + LATENCY_WINDOW_NS

    def do_work(self, now_ns: int) -> int:
        work = 0
        for ring in self._rings:
            for tracked in ring.changed():
                self._pending[tracked.name] = tracked
        for tracked in list(self._pending.values()):
            work += self._read(tracked)
        if now_ns >= self._save_due_ns or self._rows_since_save >= CHECKPOINT_EVERY_ROWS:
            self._save(now_ns)
        if now_ns >= self._halve_due_ns:
            self._halve_due_ns = now_ns + LATENCY_WINDOW_NS
            self._latency_us.halve()
        return work

    def wait(self, timeout_ms: int) -> None:
        self._wake.wait(timeout_ms)

    def on_stop(self) -> None:
        for ring in self._rings:
            self._save_ring(ring)
        self._journal.close()
        self._publisher.close()
        self._wake.close()

    def state(self) -> ActorState:
        return ActorState.READY

    def document(self) -> documents.BrainDocument:
        every = [tracked for ring in self._rings for tracked in ring.tracked]
        inputs = {
            kind: sum(tracked.brain.inputs[kind] for tracked in every)
            for kind in ("trades", "tickers", "books", "bbo")
        }
        percentile = self._latency_us.percentile
        return documents.BrainDocument(
            inputs=documents.BrainInputs(**inputs),
            decisions=sum(tracked.brain.decisions for tracked in every),
            signals=self._signals_before + self._journal.written,
            lapped=sum(tracked.reader.lapped for tracked in every),
            warm=bool(every) and all(tracked.brain.warm for tracked in every),
            latency_us=documents.Percentiles(percentile(0.5), percentile(0.99), percentile(0.999)),
            journal_errors=self._journal.write_errors,
            failures=sum(tracked.brain.errors for tracked in every),
            note=self._note,
        )

    def _read(self, tracked: Tracked) -> int:
        """Some of an instrument's new rows; the rest stays pending for the next turn."""
        lapped = tracked.reader.lapped
        try:
            rows = tracked.reader.poll(ROWS_PER_TURN_MAX)
        except SegmentError as error:
            raise SegmentError(f"{tracked.name}: {error}") from error
        if tracked.reader.lapped != lapped:
            missed = tracked.reader.lapped - lapped
            self._log.warning(
                "%s: %d rows went by unread; raise ring.capacity", tracked.name, missed
            )
        if not rows:
            self._pending.pop(tracked.name, None)
            return 0
        for kind, row in rows:
            decision = _think(tracked.brain, kind, row)
            if decision is not None:
                self._tell(tracked, decision)
        tracked.arrival = int(rows[-1][1][1])
        self._rows_since_save += len(rows)
        return len(rows)

    def _tell(self, tracked: Tracked, decision: Decision) -> None:
        latency_us = (self._context.clock.wall_ns() - decision.decided_ts_ns) / 1_000
        self._latency_us.record(int(latency_us))
        if tracked.brain.errors != tracked.errors_told:
            if not tracked.errors_told:
                self._log.error("%s: the brain failed: %s", tracked.name, decision.reason)
            tracked.errors_told = tracked.brain.errors
        signal = tracked.rule.apply(decision, round(latency_us, 1))
        if signal is not None and self._journal.append(signal):
            self._publisher.publish(signal.instrument, encode_signal(signal))

    def _save(self, now_ns: int) -> None:
        self._save_due_ns = now_ns + CHECKPOINT_EVERY_NS
        if not self._rows_since_save:
            return
        self._rows_since_save = 0
        for ring in self._rings:
            self._save_ring(ring)

    def _save_ring(self, ring: RingTracked) -> None:
        try:
            if not ring.save():
                self._log.warning("checkpoint not written: is the disk full?")
        except StateError as error:
            # A user's brain that cannot say its state runs on; only its next restart is cold.
            self._log.warning("checkpoint not written: %s", error)


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
    return True


def _think(brain: Brain, kind: Kind, row: Row) -> Decision | None:
    if kind is Kind.TRADE:
        return brain.on_trade(TradeRow._make(row))
    if kind is Kind.BBO:
        return brain.on_bbo(BboRow._make(row))
    if kind is Kind.TICKER:
        return brain.on_ticker(ticker_row(row))
    return brain.on_book(book_row(row))


def _config_hash(config: Config) -> bytes:
    """Of everything that shapes a brain's state."""
    text = f"{config.brain.kind} {config.brain.interval_ms} {config.brain.horizon_ms}"
    return hashlib.blake2s(text.encode(), digest_size=8).digest()
