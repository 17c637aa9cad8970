"""The brain process's duty cycle: new rows of every group -> brain -> rule -> journal and bus.

Reads nothing but rings. Order per signal: journal first, then bus; the checkpoint comes after the
journal, and does not come at all while the disk lets signals wait. So a brain killed anywhere
restores, reads the same rows again and makes the same signals, and those that the journal has
already are not written twice. Rows that went by unread, in a run or before a restore, are a gap
that the brain is told of before it sees the next row.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from hunter.brain.group import Member, Missed, TrackedCounts, TrackedGroup
from hunter.brain.learning.reasons import drift_lines
from hunter.brain.plugins.troubles import Troubles
from hunter.brain.protocol import StateError
from hunter.brain.tracked import RingTracked
from hunter.bus.sleep import SleepWord
from hunter.bus.sockets import SignalPublisher, WakeReceiver
from hunter.errors import SegmentError
from hunter.ring.layout import INSTRUMENTS_MAX
from hunter.ring.merge import MERGED_KIND_COUNT, MERGED_KINDS
from hunter.ring.reader import Row
from hunter.ring.rows import place_of
from hunter.runtime.actor import Context
from hunter.signals.decision import Decision
from hunter.signals.disksync import DiskSync
from hunter.signals.journal import Journal
from hunter.signals.signal import Signal, encode_signal
from hunter.status import documents
from hunter.status.histogram import Histogram
from hunter.status.latency import Stage
from hunter.status.page import ActorState

ROWS_PER_TURN_MAX: Final = 512
CHECKPOINT_EVERY_NS: Final = 1_000_000_000
CHECKPOINT_EVERY_ROWS: Final = 20_000
CHECKPOINT_BYTES_PER_S: Final = 2_000_000
"""Large ones come less often: 300 instruments are 13 MB, whose writing each second would hold up
one signal in fifty for 20 ms."""
RECEIVED_PLACES: Final = tuple(place_of(kind, "received_ts_ns") for kind in MERGED_KINDS)
CHECKPOINT_PARTS_PER_TURN: Final = 2
"""A part is a group's, 0.06 ms an instrument: a checkpoint of 300 at once would hold up what comes
meanwhile.
"""
RETRY_EVERY_NS: Final = 250_000_000
LATENCY_WINDOW_NS: Final = 60_000_000_000


class BrainActor:
    """Thinks about every instrument of every ring of the instance."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._log = context.log
        config = context.config
        self._rings: list[RingTracked] = []
        self._pending: dict[TrackedGroup, None] = {}
        sleep = SleepWord(context.page.sleep_words, 0)
        self._wake = WakeReceiver(config.runtime_dir, context.name, sleep)
        self._publisher = SignalPublisher(config.runtime_dir)
        self._disk_sync = DiskSync()
        self._journal = Journal(config.data_dir / "signals", disk_sync=self._disk_sync)
        self._plugin_troubles = Troubles(context.log)
        self._troubles_told: dict[tuple[str, str], str] = {}
        self._checkpoint_trouble = ""
        self._latency_us = Histogram()
        self._signals_before = 0
        self._rows_since_save = 0
        self._rows_being_saved = 0
        self._saving: list[RingTracked] = []
        self._save_troubles: list[str] = []
        self._began_wall_ns = 0
        self._save_due_ns = 0
        self._save_again_ns = 0
        self._retry_due_ns = 0
        self._halve_due_ns = 0
        self._note = ""

    def on_start(self, now_ns: int) -> None:
        config, directory = self._context.config, self._context.shared_dir
        for shard in range(config.stream.shards):
            ring = RingTracked(directory / f"ring-{shard}", config)
            self._note = ring.restore()
            self._log.info("ring-%d: %s", shard, self._note)
            self._rings.append(ring)
        self._journal.read_known()  # now: the loop must not stand still for it later
        if self._journal.damaged or self._journal.cut_bytes:
            self._log.warning(
                "journal: %d bytes of a torn end were cut off; %d damaged lines are passed over",
                self._journal.cut_bytes,
                self._journal.damaged,
            )
        before = documents.decode(self._context.page.read_document(), documents.BrainDocument)
        self._signals_before = before.signals if before is not None else 0
        self._began_wall_ns = self._context.clock.wall_ns()
        self._save_due_ns = now_ns + CHECKPOINT_EVERY_NS
        self._halve_due_ns = now_ns + LATENCY_WINDOW_NS

    def do_work(self, now_ns: int) -> int:
        work = 0
        for ring in self._rings:
            for group in ring.changed():
                self._pending[group] = None
        for group in list(self._pending):
            work += self._read(group)
        if now_ns >= self._retry_due_ns:
            self._retry_due_ns = now_ns + RETRY_EVERY_NS
            self._retry()
        # not on each turn while it cannot be written
        many = (
            self._rows_since_save >= CHECKPOINT_EVERY_ROWS
            and now_ns >= self._save_again_ns
            and not self._checkpoint_trouble
        )
        if self._saving:
            self._save_some()
        elif many or now_ns >= self._save_due_ns:
            self._save(now_ns)
        if now_ns >= self._halve_due_ns:
            self._halve_due_ns = now_ns + LATENCY_WINDOW_NS
            self._latency_us.halve()
        return work

    def wait(self, timeout_ms: int) -> None:
        if not self._saving:  # else there is still something to do
            self._wake.wait(timeout_ms, self._has_news)

    def _has_news(self) -> bool:
        return any(ring.has_news for ring in self._rings)

    def on_stop(self) -> None:
        self._retry()
        if self._journal.waiting:
            # No checkpoint: a brain that is started again on this ring makes them again.
            self._log.error("journal: %d signals could not be written", self._journal.waiting)
        else:
            self._save_rings()
        self._journal.close()
        if not self._disk_sync.close():
            why = self._disk_sync.error or "the disk stands still"
            self._log.warning("journal not written through to the disk at the end: %s", why)
        self._publisher.close()
        self._wake.close()

    def state(self) -> ActorState:
        return ActorState.READY

    def document(self) -> documents.BrainDocument:
        every = [group for ring in self._rings for group in ring.groups]
        counts = TrackedCounts(*map(sum, zip(*(group.counts() for group in every), strict=True)))
        members = [member for group in every for member in group.members]
        troubles: tuple[str, ...] = ()
        if self._context.config.brain.has_plugins:
            troubles = self._plugin_troubles.look((one.name, one.brain) for one in members)
        latency = self._latency_us.percentiles(0.5, 0.99, 0.999)
        return documents.BrainDocument(
            inputs=documents.BrainInputs(counts.trades, counts.tickers, counts.books, counts.bbo),
            decisions=counts.decisions,
            signals=self._signals_before + self._journal.written,
            lapped=counts.lapped,
            damaged=counts.damaged,
            warm=bool(members) and all(member.brain.warm for member in members),
            latency_us=documents.Percentiles(*latency),
            journal_errors=self._journal.refused,
            journal_waiting=self._journal.waiting,
            journal_lost=self._journal.lost,
            journal_trouble=self._journal.trouble,
            checkpoint_trouble=self._checkpoint_trouble,
            failures=counts.failures,
            overruns=self._plugin_troubles.overruns,
            plugin_troubles=troubles,
            note=self._note,
            write_through_trouble=self._disk_sync.error,
            drifts=drift_lines((member.name, member.brain.drift) for member in members),
        )

    def _read(self, group: TrackedGroup) -> int:
        """Some of a group's new rows; the rest stays pending for the next turn."""
        try:
            rows, missed = group.poll(ROWS_PER_TURN_MAX)
        except SegmentError as error:
            raise SegmentError(f"{group.name}: {error}") from error
        if missed:
            self._tell_missed(missed)
        if not rows:
            self._pending.pop(group, None)
            return 0
        self._record_age(*rows[0], len(rows))
        handlers = group.handlers
        for place, row in rows:
            decision = handlers[place](row)
            if decision is not None:
                self._tell(group.member_of(place), decision)
        if group.arrival == group.reader.arrival_head:
            self._pending.pop(group, None)
        self._rows_since_save += len(rows)
        return len(rows)

    def _tell_missed(self, missed: Sequence[Missed]) -> None:
        for name, lapped, damaged in missed:
            if lapped:
                self._log.warning("%s: %d rows went by unread; raise ring.capacity", name, lapped)
            if damaged:
                self._log.error("%s: left out %d damaged rows of the ring", name, damaged)

    def _record_age(self, place: int, row: Row, row_count: int) -> None:
        """Of all rows of a batch the first one's: the others are not older."""
        received_ts_ns = int(row[RECEIVED_PLACES[place % MERGED_KIND_COUNT]])
        if received_ts_ns >= self._began_wall_ns:  # else it is read again after a restart
            age_ns = self._context.clock.wall_ns() - received_ts_ns
            self._context.latencies.record(Stage.RECEIVE_TO_BRAIN, age_ns, row_count)

    def _tell(self, member: Member, decision: Decision) -> None:
        latency_ns = self._context.clock.wall_ns() - decision.decided_ts_ns
        latency_us = latency_ns / 1_000
        self._latency_us.record(int(latency_us))
        if decision.decided_ts_ns >= self._began_wall_ns:
            self._context.latencies.record(Stage.RECEIVE_TO_SIGNAL, latency_ns)
        if member.brain.errors != member.errors_told:
            if not member.errors_told:
                why = member.brain.failure or decision.reason
                self._log.error("%s: the brain failed: %s", member.name, why)
            member.errors_told = member.brain.errors
        signal = member.rule.apply(decision, round(latency_us, 1))
        if signal is not None:
            if self._journal.append(signal):
                self._publish(signal)
            elif self._journal.waiting:
                self._tell_trouble("journal", self._journal.trouble)

    def _publish(self, signal: Signal) -> None:
        self._publisher.publish(signal.instrument, encode_signal(signal))

    def _retry(self) -> None:
        """Give the disk another chance with what it has refused."""
        if self._journal.trouble:
            for signal in self._journal.retry():
                self._publish(signal)
        self._tell_trouble("journal", self._journal.trouble)
        self._tell_trouble("journal", self._disk_sync.error, "written through to the disk")

    def _save(self, now_ns: int) -> None:
        """Begin a checkpoint of each ring, if there is anything new to say."""
        size_bytes = sum(ring.store.size_bytes for ring in self._rings)
        self._save_again_ns = now_ns + size_bytes * 1_000_000_000 // CHECKPOINT_BYTES_PER_S
        self._save_due_ns = max(now_ns + CHECKPOINT_EVERY_NS, self._save_again_ns)
        if not self._rows_since_save or self._journal.waiting:
            return
        self._begin_save()
        self._save_some()

    def _begin_save(self) -> None:
        self._rows_being_saved = self._rows_since_save
        self._saving, self._save_troubles = list(self._rings), []
        for ring in self._rings:
            ring.begin_save()

    def _save_some(self, part_count_max: int = CHECKPOINT_PARTS_PER_TURN) -> None:
        """Go on with the checkpoints that are being made; write those that are complete."""
        while self._saving:
            ring = self._saving[0]
            try:
                ring.save_some(part_count_max)
                if ring.is_saving:
                    return
                if self._journal.waiting:
                    self._saving.clear()  # they would speak of signals that only wait
                    return
                ring.write()
                trouble = ring.store.trouble
            except StateError as error:
                # A user's brain that cannot say its state runs on; only its next restart is cold.
                trouble = str(error)
            if trouble:
                self._save_troubles.append(trouble)
            self._saving.pop(0)
        self._end_save()

    def _end_save(self) -> None:
        if not self._save_troubles:
            self._rows_since_save -= self._rows_being_saved
        self._checkpoint_trouble = "; ".join(dict.fromkeys(self._save_troubles))
        self._tell_trouble("checkpoint", self._checkpoint_trouble)

    def _save_rings(self) -> None:
        """All at once, as they stand now."""
        self._begin_save()
        while self._saving:
            self._save_some(INSTRUMENTS_MAX)

    def _tell_trouble(self, what: str, why: str, how: str = "written") -> None:
        """Once when it begins and once when it is over: it may last for hours."""
        if why == self._troubles_told.get((what, how), ""):
            return
        self._troubles_told[what, how] = why
        if why:
            self._log.warning("%s not %s: %s; tried again until it can be", what, how, why)
        else:
            self._log.info("%s is %s again", what, how)
