"""The store process's duty cycle: new rows of every ring, and new signals -> Parquet files.

Rows wait here until their file is due: [store] flush_s after the first of them came, or earlier
when there are many. The files are written by a thread; the loop only reads and beats. What waits is
limited: at HELD_BYTES_MAX nothing more is read, and the ring is the queue, as it is for a process
that is killed. Nothing that was read is ever given up, except with the process; and what it had
not written the next one reads again, as long as the ring has it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from hunter.errors import HunterError
from hunter.extras import expect_extra
from hunter.runtime.actor import Context
from hunter.status import documents
from hunter.status.page import ActorState
from hunter.store.files import StoreFiles
from hunter.store.parts import StoredLane, StoreLimits
from hunter.store.reading import StoredRing
from hunter.store.resume import SignalsStart, start_signals
from hunter.store.signals import StoredSignals
from hunter.store.waiting import Waiting
from hunter.store.writing import WritingThread

HELD_BYTES_MAX: Final = 160 << 20
"""Of rows in memory; then nothing more is read."""
HELD_BYTES_WANTED: Final = 96 << 20
"""Above it the fullest lanes are written before they are due."""
LANE_BYTES_WANTED: Final = 8 << 20
BACKLOG_BYTES: Final = 256 << 10
"""As much in one turn: the next one comes at once."""
GIVE_EVERY_NS: Final = 100_000_000
RETRY_MIN_NS: Final = 1_000_000_000
RETRY_MAX_NS: Final = 30_000_000_000
STILL_AFTER_NS: Final = 10_000_000_000
LAPPED_TOLD_EVERY_NS: Final = 10_000_000_000
STOP_SHARE: Final = 0.8
"""Of supervisor.stop_timeout_s, for the last files."""


class StoreActor:
    """Stores what the rings and the journal of the instance have."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._log = context.log
        config = context.config
        self._config = config
        self._flush_ns = config.store.flush_s * 1_000_000_000
        self._files = StoreFiles(config.store_dir, config.watchdog.disk_free_mb << 20)
        limits = StoreLimits(config.store.retention_days, config.store.budget_mb << 20)
        self._writing = WritingThread(self._files, limits, context.clock, self._open)
        self._rings: list[StoredRing] = []
        self._signals_start: SignalsStart | None = None
        self._signals: StoredSignals | None = None
        self._begun = False
        self._given: dict[StoredLane, tuple[Waiting, int]] = {}
        self._give_due_ns = 0
        self._retry_ns = 0
        self._retry_due_ns = 0
        self._trouble = ""
        self._trouble_told = ""
        self._held_back = False
        self._counts = {name: Counter[str]() for name in config.store.tables}
        self._lapped_told: Counter[str] = Counter()
        self._lapped_due_ns = 0
        self._overlapping_told = 0
        self._written_wall_ns = 0

    def on_start(self, now_ns: int) -> None:
        del now_ns
        expect_extra("store", "[store]")
        import pyarrow.parquet  # noqa: F401 - now: the loop must not stand still for it later

        config, directory = self._config, self._context.shared_dir
        before = documents.decode(self._context.page.read_document(), documents.StoreDocument)
        for table in before.tables if before is not None else ():
            if table.table in self._counts:
                self._counts[table.table].update(
                    rows=table.rows, lapped=table.lapped, dropped=table.dropped
                )
        if set(config.store.tables) - {"signals"}:
            self._rings = [
                StoredRing(directory / f"ring-{shard}", config)
                for shard in range(config.stream.shards)
            ]
        self._writing.start()

    def _open(self) -> str:
        """By the writing thread, before all else."""
        if why := self._files.open():
            return why
        for ring in self._rings:
            ring.find_starts(self._files)
        if "signals" in self._counts:
            self._signals_start = start_signals(self._files, self._journal_dir)
        return ""

    @property
    def _journal_dir(self) -> Path:
        return self._config.data_dir / "signals"

    def do_work(self, now_ns: int) -> int:
        if not self._begun:
            if not self._writing.is_open:
                self._tell_trouble(self._writing.trouble)
                return self._check_thread()
            self._begin()
        self._take(now_ns)
        backlog = self._read(now_ns)
        if now_ns >= self._give_due_ns:
            self._give_due_ns = now_ns + GIVE_EVERY_NS
            self._give(now_ns)
            self._tell_lapped(now_ns)
            self._tell_trouble(self._why_not(now_ns))
            self._check_thread()
        return backlog

    def wait(self, timeout_ms: int) -> None:
        self._writing.wait(timeout_ms)

    def on_stop(self) -> None:
        clock = self._context.clock
        end_ns = clock.monotonic_ns() + int(
            self._config.supervisor.stop_timeout_s * STOP_SHARE * 1e9
        )
        self._wait_until_begun(end_ns)
        if self._begun:
            self._drain(end_ns)
        left_s = max(0.1, (end_ns - clock.monotonic_ns()) / 1e9)
        is_over = self._writing.close(left_s)
        self._take(clock.monotonic_ns())
        waiting = sum(lane.row_count for lane in self._lanes())
        if waiting:
            self._log.warning(
                "%d rows were not written: %s; a restart reads them again from the ring,"
                " which hunter stop removes",
                waiting,
                self._trouble or "there was no time for it, raise supervisor.stop_timeout_s",
            )
        if is_over:
            self._files.close()
        for ring in self._rings:
            ring.close()

    def _wait_until_begun(self, end_ns: int) -> None:
        """A stop soon after a start finds the directory not looked through yet."""
        clock, writing = self._context.clock, self._writing
        while not self._begun and writing.is_alive and not writing.trouble:
            if writing.is_open:
                self._begin()
            elif clock.monotonic_ns() >= end_ns:
                return
            else:
                writing.wait(20)

    def _drain(self, end_ns: int) -> None:
        """Whoever fills the rings has stopped: what they have now is the last there will be."""
        clock = self._context.clock
        self._trouble = ""  # it may be over; the first file tells
        for ring in self._rings:
            ring.look_at_all()
        if self._signals is not None:
            self._signals.hurry()
        while not self._trouble and (now_ns := clock.monotonic_ns()) < end_ns:
            backlog = self._read(now_ns)
            self._give_all()
            if not backlog:
                if not self._given:
                    return
                self._writing.wait(20)
            self._take(now_ns)

    def state(self) -> ActorState:
        if self._trouble or self._writing.trouble:
            return ActorState.DEGRADED
        return ActorState.READY if self._begun else ActorState.STARTING

    def document(self) -> documents.StoreDocument:
        waiting: Counter[str] = Counter()
        for lane in self._lanes():
            waiting[lane.lane.table] += lane.row_count
        tally = self._writing.tally
        return documents.StoreDocument(
            tables=tuple(
                documents.StoreTableDocument(
                    name, counts["rows"], waiting[name], counts["lapped"], counts["dropped"]
                )
                for name, counts in self._counts.items()
            ),
            files=tally.file_count,
            bytes=tally.size_bytes,
            removed_files=tally.removed_count,
            written_ns=self._written_wall_ns,
            trouble=self._trouble or self._writing.trouble,
        )

    def _begin(self) -> None:
        for ring in self._rings:
            ring.begin()
        if self._signals_start is not None:
            self._signals = StoredSignals(self._journal_dir, self._signals_start)
        lanes = list(self._lanes())
        for place, lane in enumerate(lanes):
            lane.patience = (place + 1) / len(lanes)
        self._begun = True
        tally = self._writing.tally
        self._log.info(
            "%s: %d files, %.1f MB; %s",
            self._config.store_dir,
            tally.file_count,
            tally.size_bytes / 1e6,
            ", ".join(self._counts),
        )

    def _lanes(self) -> Iterator[Waiting]:
        for ring in self._rings:
            for one in ring.instruments:
                yield from one.waiting
        if self._signals is not None:
            yield from self._signals.waiting

    def _read(self, now_ns: int) -> int:
        """Take in what there is, unless too much waits; 1 when more is to be expected at once."""
        held_bytes = sum(lane.size_bytes for lane in self._lanes())
        if held_bytes >= HELD_BYTES_MAX:
            self._held_back = bool(self._trouble)
            return 0
        size_bytes = sum(ring.poll(now_ns) for ring in self._rings)
        for ring in self._rings:
            for one in ring.instruments:
                for table, count in one.lapped().items():
                    what = "dropped" if self._held_back else "lapped"
                    counts = self._counts.get(table)
                    if counts is not None:
                        counts[what] += count
                    self._lapped_told[table] += count
        self._held_back = False
        signals = self._signals.poll(now_ns) if self._signals is not None else 0
        return int(size_bytes >= BACKLOG_BYTES or signals > 0)

    def _give(self, now_ns: int) -> None:
        """Hand over what is due; the fullest lanes before that, if there is much."""
        if now_ns < self._retry_due_ns:
            return
        lanes = [lane for lane in self._lanes() if lane.row_count and lane.lane not in self._given]
        due = [lane for lane in lanes if self._is_due(lane, now_ns)]
        if sum(lane.size_bytes for lane in lanes) > HELD_BYTES_WANTED:
            due = sorted(lanes, key=lambda lane: -lane.size_bytes)
        self._hand_over(due, now_ns)

    def _is_due(self, lane: Waiting, now_ns: int) -> bool:
        if lane.batch is not None or lane.size_bytes >= LANE_BYTES_WANTED:
            return True
        return now_ns - lane.since_ns >= self._flush_ns * lane.patience

    def _give_all(self) -> None:
        lanes = [lane for lane in self._lanes() if lane.row_count and lane.lane not in self._given]
        self._hand_over(lanes, self._context.clock.monotonic_ns())

    def _hand_over(self, lanes: Iterable[Waiting], now_ns: int) -> None:
        for lane in lanes:
            if not self._writing.has_room:
                return
            batch = lane.make_batch()
            if batch is not None:
                self._given[lane.lane] = (lane, now_ns)
                self._writing.give(batch)

    def _take(self, now_ns: int) -> None:
        """What the disk has done."""
        for batch, why in self._writing.take():
            lane, _ = self._given.pop(batch.part.folder.lane)
            if why:
                if now_ns >= self._retry_due_ns:
                    self._retry_ns = min(RETRY_MAX_NS, max(RETRY_MIN_NS, 2 * self._retry_ns))
                    self._retry_due_ns = now_ns + self._retry_ns
                self._trouble = f"{self._config.store_dir}: {why}"
            else:
                lane.written(now_ns)
                self._counts[lane.lane.table]["rows"] += batch.row_count
                self._written_wall_ns = self._context.clock.wall_ns()
                self._trouble, self._retry_ns = "", 0

    def _why_not(self, now_ns: int) -> str:
        """What is the matter now, in words."""
        if self._trouble:
            return self._trouble
        if self._given:
            waits_ns = now_ns - min(since_ns for _, since_ns in self._given.values())
            if waits_ns > STILL_AFTER_NS:
                self._trouble = f"{self._config.store_dir}: the disk does not answer"
                return self._trouble
        if self._signals is not None and self._signals.trouble:
            return self._signals.trouble
        while self._writing.strangers:
            path = self._writing.strangers.popleft()
            self._log.warning("%s has a part's name, but no store wrote it; it stays", path)
        return self._writing.trouble

    def _tell_trouble(self, why: str) -> None:
        """Once when it begins and once when it is over: it may last for hours."""
        if why == self._trouble_told:
            return
        self._trouble_told = why
        if why:
            self._log.warning("cannot store: %s; tried again until it can be", why)
        else:
            self._log.info("stores again")

    def _tell_lapped(self, now_ns: int) -> None:
        overlapping = sum(one.overlapping for ring in self._rings for one in ring.instruments)
        if overlapping != self._overlapping_told:
            self._log.warning(
                "%d trade rows left out: they cover matches that a former ring's rows have",
                overlapping - self._overlapping_told,
            )
            self._overlapping_told = overlapping
        if not self._lapped_told or now_ns < self._lapped_due_ns:
            return
        self._lapped_due_ns = now_ns + LAPPED_TOLD_EVERY_NS
        told = ", ".join(f"{count} of {table}" for table, count in self._lapped_told.items())
        self._log.warning("rows went by unread: %s; raise ring.capacity", told)
        self._lapped_told.clear()

    def _check_thread(self) -> int:
        if not self._writing.is_alive:
            raise HunterError("the writing thread ended; its error is above: hunter logs store")
        return 0
