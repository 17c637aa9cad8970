"""The stream process's duty cycle, and which of two roles it plays.

Who holds the writer's lease (a flock, which the kernel frees at the holder's death) plays the
writing role; with `stream.standby` a second process with the same subscriptions plays the waiting
one. The waiting process takes the lease when it is free and its own connection is complete; the
writing one gives it up by itself when it has lost its connection. So at most one process ever
writes, and the ring's epoch fences one that was stopped and wakes up too late.
"""

from __future__ import annotations

import contextlib
import random
import select
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec

from hunter.bus.sleep import SleepWord
from hunter.bus.sockets import WakeSender
from hunter.errors import SegmentError
from hunter.exchange.okx.plan import make_plan
from hunter.ring.segment import WriterLease
from hunter.ring.writer import RingWriter
from hunter.runtime.actor import Context
from hunter.status import block, documents
from hunter.status.page import ActorState, Page, is_alive
from hunter.stream import positions
from hunter.stream.connection import Connection
from hunter.stream.linkmaker import LinkMaker
from hunter.stream.parts import Parts
from hunter.stream.rest_queue import RestQueue
from hunter.stream.standby import LEASE_LOOK_MS, LEASE_PATIENCE_NS, Standby
from hunter.stream.worker import Result, Worker
from hunter.stream.writing import Writing

BRAIN: Final = "brain-0"
PARTNER_LOOK_NS: Final = 5_000_000
_MS: Final = 1_000_000


class StreamActor:
    """Streams the instruments of one shard into its ring, or stands by to do so."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._log = context.log
        config = context.config
        channels = tuple(dict.fromkeys(config.okx.channels))
        instruments = config.shard_instruments(context.index)
        self._status = block.attach(context.shared_dir)  # the brain's page: whether it sleeps
        self._lease = WriterLease(config.runtime_dir / f"ring-{context.index}.lock")
        self._worker = Worker()
        self._lookups = Worker(thread_count=1)
        generator = random.Random(f"{context.name}-{context.clock.wall_ns()}")
        self._maker = LinkMaker(config, self._lookups, generator)
        okx = config.okx
        self._parts = Parts(
            context=context,
            rest=RestQueue(
                okx.rest_url,
                self._worker,
                self._maker.limiter(okx.rest_url),
                proxy=okx.proxy,
                simulated=okx.is_simulated,
            ),
            wake=WakeSender(config.runtime_dir, BRAIN, self._brains_sleep()),
            instruments=instruments,
            channels=channels,
            plan=make_plan(instruments, channels),
            new_link=self._maker.new,
        )
        self._role: Writing | Standby = Standby(
            self._parts, [self._maker.new(socket) for socket in self._parts.plan.sockets]
        )
        # Counters outlive roles and processes.
        self._counted: tuple[documents.FeedDocument, ...] = ()
        self._free_since_ns: int | None = None
        self._partner_look_ns = 0
        self._takeovers = 0
        self._takeover_ms = 0.0
        self._poller = select.poll()
        for worker in (self._worker, self._lookups):
            self._poller.register(worker.fileno(), select.POLLIN)
        self._polled: dict[int, int] = {}

    def on_start(self, now_ns: int) -> None:
        before = documents.decode(self._context.page.read_document(), documents.StreamDocument)
        if before is not None:
            self._takeovers, self._takeover_ms = before.takeovers, before.takeover_ms
            self._counted = before.feeds
            for link, known in zip(self._role.links, before.connections, strict=False):
                link.connects = known.connects
        if self._lease.acquire():
            self._write(now_ns)
        elif not self._context.config.stream.standby:
            raise SegmentError(
                "another process holds the writer's lease of this ring; see: hunter status"
            )
        else:
            self._log.info("stands by")

    def do_work(self, now_ns: int) -> int:
        results = self._worker.results() + self._lookups.results()
        for result in results:
            self._on_result(result, now_ns)
        work = self._role.step(now_ns) + len(results)
        self._parts.rest.step(now_ns)
        if isinstance(self._role, Standby):
            if self._may_write(self._role, now_ns):
                self._write(now_ns)
        elif self._role.is_cut_off and self._is_partner_ready(now_ns):
            self._stand_by(self._role)
        return work

    def wait(self, timeout_ms: int) -> None:
        targets = dict(
            target for link in self._role.links if (target := link.poll_target()) is not None
        )
        if targets != self._polled:
            for descriptor in self._polled:
                with contextlib.suppress(KeyError):  # poll forgets a closed socket by itself
                    self._poller.unregister(descriptor)
            for descriptor, poll_events in targets.items():
                self._poller.register(descriptor, poll_events)
            self._polled = targets
        if isinstance(self._role, Standby) and self._role.receives:
            timeout_ms = min(timeout_ms, LEASE_LOOK_MS)
        due_ns = min(self._role.next_deadline_ns(), self._parts.rest.next_deadline_ns())
        due_ms = (due_ns - self._context.clock.monotonic_ns()) // _MS + 1
        self._poller.poll(max(0, min(timeout_ms, due_ms)))

    def on_stop(self) -> None:
        for link in self._role.links:
            link.abort("stopped")
        if isinstance(self._role, Writing):
            self._save_positions(self._role)
            self._role.close()
        self._lease.close()
        self._maker.close()
        self._parts.wake.close()
        self._status.close()

    def state(self) -> ActorState:
        return self._role.state()

    def document(self) -> documents.StreamDocument:
        now_ns = self._context.clock.monotonic_ns()
        document = self._role.document()
        if isinstance(self._role, Standby):
            document = msgspec.structs.replace(document, feeds=self._continued(document.feeds))
        return msgspec.structs.replace(
            document,
            limits=self._maker.limits(now_ns),
            takeovers=self._takeovers,
            takeover_ms=self._takeover_ms,
        )

    def _continued(
        self, feeds: tuple[documents.FeedDocument, ...]
    ) -> tuple[documents.FeedDocument, ...]:
        """A waiting process's feeds with the counters it would go on from."""
        known = {(feed.instrument, feed.channel): feed for feed in self._counted}
        return tuple(
            msgspec.structs.replace(
                known.get((feed.instrument, feed.channel), feed), state=feed.state, last_data_ns=0
            )
            for feed in feeds
        )

    def _may_write(self, standby: Standby, now_ns: int) -> bool:
        """Whether the lease is ours now. A complete picture takes it when it is free; without one
        it must have been free for a while: then nobody has a better one.
        """
        if not standby.receives or not self._lease.acquire():
            self._free_since_ns = None
            return False
        if standby.ready:
            return True
        self._free_since_ns = now_ns if self._free_since_ns is None else self._free_since_ns
        if now_ns - self._free_since_ns >= LEASE_PATIENCE_NS:
            return True
        self._lease.release()
        return False

    def _is_partner_ready(self, now_ns: int) -> bool:
        """Whether the other process of the pair could write in our place. Without this look, two
        processes that miss one connection each would pass the lease to and fro.
        """
        if not self._context.config.stream.standby or now_ns < self._partner_look_ns:
            return False
        self._partner_look_ns = now_ns + PARTNER_LOOK_NS
        with self._partners_page() as page:
            beat = None if page is None else page.beat()
            return beat is not None and beat.state is ActorState.READY and is_alive(beat)

    def _partners_feeds(self) -> tuple[documents.FeedDocument, ...]:
        """What the other process of the pair had counted, or knows of; its page outlives it."""
        with self._partners_page() as page:
            raw = None if page is None else page.read_document()
            found = documents.decode(raw, documents.StreamDocument)
            return found.feeds if found is not None else ()

    @contextlib.contextmanager
    def _partners_page(self) -> Iterator[Page | None]:
        """The status page of the other process of the pair; None when there is none."""
        name = self._context.name
        partner = name.removesuffix("b") if name.endswith("b") else name + "b"
        status = block.attach(self._context.shared_dir)
        try:
            yield status.pages.get(partner)
        finally:
            status.close()

    def _brains_sleep(self) -> SleepWord | None:
        page = self._status.pages.get(BRAIN)
        return None if page is None else SleepWord(page.words, page.sleep_word)

    def _write(self, now_ns: int) -> None:
        """The lease is ours: go on where the ring ends."""
        standby = self._role
        assert isinstance(standby, Standby)
        wall_ns = self._context.clock.wall_ns()
        path = self._context.shared_dir / f"ring-{self._context.index}"
        writer = RingWriter(path, wall_ns)
        taken_over = writer.epoch > 1 and standby.ready
        outage_ns = wall_ns - writer.last_received_ts_ns()
        # Counters only grow: of the two processes' the larger ones are the newest.
        self._counted = max(self._counted, self._partners_feeds(), key=_message_count)
        self._role = writing = Writing(self._parts, standby.links, writer, self._counted)
        former = positions.load(self._positions_path, writer.layout.source, wall_ns)
        for name, feed in writing.feeds.items():
            feed.former = former.get(name) if feed.chain.last_trade_id is None else None
        standby.hand_over(writing.feeds, wall_ns, now_ns)
        writing.begin_announced_handovers()
        writing.publish()
        self._log.info("writes ring-%d as epoch %d", self._context.index, writer.epoch)
        if taken_over:
            self._takeovers += 1
            self._takeover_ms = round(outage_ns / 1e6, 2)
            self._log.warning(
                "took over from the writer before; newest row was %.1f ms old", self._takeover_ms
            )

    @property
    def _positions_path(self) -> Path:
        return self._context.config.data_dir / "positions" / f"ring-{self._context.index}.json"

    def _save_positions(self, writing: Writing) -> None:
        """An orderly stop removes the ring: leave word where it ended."""
        writer = writing.writer
        last = {
            name: trade
            for index, name in enumerate(self._parts.instruments)
            if (trade := writer.last_trade(index)) is not None
        }
        wall_ns = self._context.clock.wall_ns()
        try:
            positions.save(
                self._positions_path, positions.Positions(writer.layout.source, wall_ns, last)
            )
        except OSError as error:
            self._log.warning("the next start begins without a past: %s", error)

    def _stand_by(self, writing: Writing) -> None:
        """Our connection is lost: let a standby with a better one write."""
        self._counted = writing.feed_documents()
        for line in writing.lines:
            if line.handover is not None:
                line.handover.link.abort("the other process writes")
        writing.close()
        self._lease.release()
        self._role = Standby(self._parts, [line.link for line in writing.lines])
        self._log.warning("gave the writer's lease up: the connection is lost")

    def _on_result(self, result: Result, now_ns: int) -> None:
        if isinstance(result.key, Connection):
            self._maker.resolver.answered(result.key, result.value, result.error)
        else:
            self._role.on_result(result, now_ns)


def _message_count(feeds: tuple[documents.FeedDocument, ...]) -> int:
    return sum(feed.messages for feed in feeds)
