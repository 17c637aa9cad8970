"""The stream process's duty cycle: socket -> session -> feeds -> ring -> wake the brain.

One loop, no threads but the worker's. Rows of everything one read brought are published together,
then one wake-up is sent. What REST is asked for: missing matches, and whether a silent market is
quiet or the feed dead.
"""

from __future__ import annotations

import contextlib
import random
import select
from typing import Final, NamedTuple

from hunter.bus.sockets import WakeSender
from hunter.config import host_runtime_dir
from hunter.errors import MalformedMessage, SegmentError
from hunter.exchange.okx.asks import NEVER_NS
from hunter.exchange.okx.events import (
    Data,
    DataSilent,
    Event,
    ExchangeError,
    Malformed,
    Notice,
    Refused,
    Unknown,
)
from hunter.exchange.okx.requests import Subscription
from hunter.exchange.okx.rest import (
    RestError,
    books_path,
    parse_books_answer,
    parse_trades_answer,
    trades_path,
)
from hunter.exchange.okx.rows import Trade
from hunter.exchange.okx.states import SubscriptionState
from hunter.ring.segment import WriterLease
from hunter.ring.writer import RingWriter
from hunter.runtime.actor import Context
from hunter.status import documents
from hunter.status.page import ActorState
from hunter.stream import rest_client
from hunter.stream.backfill import Backfill
from hunter.stream.budget import ConnectBudget, budget_path
from hunter.stream.connection import Connection
from hunter.stream.feed import InstrumentFeed
from hunter.stream.handover import Handover
from hunter.stream.link import Closed, Link, Opened
from hunter.stream.worker import Result, Worker

BRAIN: Final = "brain-0"
_MS: Final = 1_000_000
BOOK_AGAIN_NS: Final = 1_000_000_000
# The feed may be a moment behind REST.
DOUBT_NS: Final = 300_000_000
_LAG_WINDOW_NS: Final = 60_000_000_000


class _Fetch(NamedTuple):
    """What a REST request was for."""

    purpose: str  # backfill | probe | book
    instrument: str
    life: int = 0  # of the connection that a probe is about: an answer about a former one is void


class StreamActor:
    """Streams the instruments of one shard into its ring."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._log = context.log
        config = context.config
        self._channels = tuple(dict.fromkeys(config.okx.channels))
        self._instruments = config.shard_instruments(context.index)
        self._subscriptions = tuple(
            Subscription(channel, instrument)
            for instrument in self._instruments
            for channel in self._channels
        )
        self._lease = WriterLease(config.runtime_dir / f"ring-{context.index}.lock")
        self._worker = Worker()
        self._wake = WakeSender(config.runtime_dir, BRAIN)
        url = config.okx.public_url
        self._budget = ConnectBudget(budget_path(url, config.runtime_dir, host_runtime_dir()))
        # Processes that lost the same server must not come back in step: each has its own jitter.
        self._random = random.Random(f"{context.name}-{context.clock.wall_ns()}")
        self._link = self._new_link()
        self._handover: Handover | None = None
        self._writer: RingWriter | None = None
        self._feeds: dict[str, InstrumentFeed] = {}
        self._backfills: dict[str, Backfill] = {}
        self._poller = select.poll()
        self._poller.register(self._worker.fileno(), select.POLLIN)
        self._polled: dict[int, int] = {}
        self._probing = False
        self._probe_sent_ns = 0
        self._doubt_due_ns = NEVER_NS
        self._was_ready = False
        self._book_due_ns: dict[str, int] = {}
        self._unknown = 0
        self._halve_due_ns = 0
        self._note = ""

    def _new_link(self) -> Link:
        config = self._context.config
        return Link(
            config.okx.public_url,
            self._subscriptions,
            config.stream,
            self._worker,
            self._random,
            self._budget,
        )

    def on_start(self, now_ns: int) -> None:
        del now_ns
        if not self._lease.acquire():
            raise SegmentError(
                "another process holds the writer's lease of this ring; see: hunter status"
            )
        path = self._context.shared_dir / f"ring-{self._context.index}"
        wall_ns = self._context.clock.wall_ns()
        self._writer = writer = RingWriter(path, wall_ns)
        before = documents.decode(self._context.page.read_document(), documents.StreamDocument)
        known = {(feed.instrument, feed.channel): feed for feed in (before.feeds if before else ())}
        for index, instrument in enumerate(self._instruments):
            counted = {
                channel: known[instrument, channel]
                for channel in self._channels
                if (instrument, channel) in known
            }
            feed = InstrumentFeed(instrument, index, writer, self._channels, counted, wall_ns)
            self._feeds[instrument] = feed
            self._backfills[instrument] = Backfill(instrument, feed.chain)
        if before is not None and before.connections:
            self._link.connects = before.connections[0].connects
        writer.publish()
        self._log.info("writes ring-%d as epoch %d", self._context.index, writer.epoch)

    def do_work(self, now_ns: int) -> int:
        work = 0
        for result in self._worker.results():
            self._on_result(result, now_ns)
            work += 1
        events = self._link.step(now_ns)
        if events:
            received_ts_ns = self._context.clock.wall_ns()
            for event in events:
                if isinstance(event, Data):
                    self._feeds[event.inst_id].on_data(event, received_ts_ns, now_ns)
                    work += 1
                else:
                    self._on_event(event, received_ts_ns, now_ns)
        if self._handover is not None:
            work += self._step_handover(self._handover, now_ns)
        self._after_events(now_ns)
        assert self._writer is not None
        if self._writer.publish():
            self._wake.wake()
        return work

    def wait(self, timeout_ms: int) -> None:
        targets = dict(
            target for link in self._links() if (target := link.poll_target()) is not None
        )
        if targets != self._polled:
            for descriptor in self._polled:
                with contextlib.suppress(KeyError):  # poll forgets a closed socket by itself
                    self._poller.unregister(descriptor)
            for descriptor, poll_events in targets.items():
                self._poller.register(descriptor, poll_events)
            self._polled = targets
        now_ns = self._context.clock.monotonic_ns()
        due_ns = min(
            *(link.next_deadline_ns() for link in self._links()),
            *(backfill.next_deadline_ns(NEVER_NS) for backfill in self._backfills.values()),
        )
        self._poller.poll(max(0, min(timeout_ms, (due_ns - now_ns) // _MS + 1)))

    def on_stop(self) -> None:
        for link in self._links():
            link.abort("stopped")
        if self._writer is not None:
            self._writer.publish()
            self._writer.close()
        self._lease.close()
        self._wake.close()

    def state(self) -> ActorState:
        # What the exchange refuses is parked, and said; it does not make the rest less ready.
        states = {feed.state for feed in self._feed_documents()} - {"parked"}
        if self._link.is_open and states == {"live"}:
            self._was_ready = True
            return ActorState.READY
        # Starting is what has never been ready: after a loss, the same states are a degradation.
        first = self._link.connects <= 1 and not self._was_ready
        return ActorState.STARTING if first and "connecting" in states else ActorState.DEGRADED

    def document(self) -> documents.StreamDocument:
        return documents.StreamDocument(
            active=True,
            feeds=tuple(self._feed_documents()),
            connections=tuple(link.document() for link in self._links()),
            unknown_messages=self._unknown,
            exchange_errors=self._link.exchange_errors,
            note=self._note,
        )

    def _feed_documents(self) -> list[documents.FeedDocument]:
        states: dict[Subscription, SubscriptionState] = {
            subscription: self._link.subscription_state(subscription)
            for subscription in self._subscriptions
        }
        return [
            document for feed in self._feeds.values() for document in feed.feed_documents(states)
        ]

    def _links(self) -> list[Link]:
        return [self._link] if self._handover is None else [self._link, self._handover.link]

    def _on_event(self, event: Event | Opened | Closed, received_ts_ns: int, now_ns: int) -> None:
        match event:
            case Opened(url):
                self._log.info("connected to %s", url)
            case Closed(reason, retry_in_ms):
                self._note = reason
                self._probing = False
                self._log.warning(
                    "connection lost: %s; next attempt in %.0f ms", reason, retry_in_ms
                )
                for feed in self._feeds.values():
                    feed.on_closed(received_ts_ns)
                if self._handover is not None:
                    self._take_over(self._handover, "the former connection is gone")
            case Refused(subscription, code, msg):
                self._link.exchange_errors += 1
                feed = self._feeds[subscription.inst_id]
                feed.on_lost_channel(subscription.channel, received_ts_ns)
                self._log.error(
                    "%s %s refused: %s %s", subscription.channel, subscription.inst_id, code, msg
                )
            case ExchangeError(code, msg):
                self._link.exchange_errors += 1
                self._log.warning("the exchange says %s: %s", code, msg)
            case Notice(code, msg):
                self._log.warning("notice %s: %s", code, msg)
                self._begin_handover()
            case Malformed(reason):
                self._unknown += 1
                self._log.warning("malformed frame dropped: %s", reason)
            case Unknown(what):
                self._unknown += 1
                self._log.info("ignored: %s", what)
            case DataSilent():
                self._on_silence(event, received_ts_ns, now_ns)
            case _:
                pass  # acknowledgements, pongs and deaths speak through states and Closed

    def _begin_handover(self) -> None:
        """The exchange will close this connection: have the next one before it does."""
        if self._handover is not None:
            return
        book_channel = next(iter(self._feeds.values())).book_channel
        self._handover = Handover(self._new_link(), self._subscriptions, book_channel)
        for feed in self._feeds.values():
            feed.overlapping = True

    def _step_handover(self, handover: Handover, now_ns: int) -> int:
        """Both connections live: matches from either, all else still from the former one."""
        events = handover.link.step(now_ns)
        received_ts_ns = self._context.clock.wall_ns()
        for event in events:
            if isinstance(event, Data):
                self._on_successor_data(handover, event, received_ts_ns, now_ns)
            elif isinstance(event, Closed):
                self._log.warning("the next connection was lost: %s", event.reason)
                handover.reset_books()
        if handover.ready:
            self._take_over(handover, "complete")
        return len(events)

    def _on_successor_data(
        self, handover: Handover, data: Data, received_ts_ns: int, now_ns: int
    ) -> None:
        feed = self._feeds[data.inst_id]
        try:
            if data.channel == "trades":
                feed.on_successor_trades(data, received_ts_ns, now_ns)
            elif data.channel == feed.book_channel:
                handover.on_book(data)
        except MalformedMessage as error:
            feed.counters[data.channel].malformed += 1
            self._log.warning("%s %s: %s", data.inst_id, data.channel, error)

    def _take_over(self, handover: Handover, why: str) -> None:
        received_ts_ns = self._context.clock.wall_ns()
        former, self._link, self._handover = self._link, handover.link, None
        self._link.connects += former.connects
        self._link.last_close = former.last_close or "replaced before its announced end"
        former.abort("replaced")
        for name, feed in self._feeds.items():
            feed.on_takeover(handover.books.get(name), received_ts_ns)
        self._log.info("handed over to the next connection: %s", why)

    def _on_silence(self, event: DataSilent, received_ts_ns: int, now_ns: int) -> None:
        if not event.whole_connection:
            for subscription in event.subscriptions:
                feed = self._feeds[subscription.inst_id]
                feed.counters[subscription.channel].silent = True
                feed.on_lost_channel(subscription.channel, received_ts_ns)
                self._link.session.resubscribe(subscription, now_ns)
            self._link.flush()
            return
        if self._probing:
            # Asked at the silence before this one, and still no answer, nor a refusal.
            self._set_silent()
            self._link.abort("no data, and REST does not answer in time")
            return
        if self._doubt_due_ns != NEVER_NS:
            return
        # A pong proves the link, not the feed. REST knows whether anything was traded meanwhile.
        # The instrument that trades most tells soonest.
        instrument = max(
            (subscription.inst_id for subscription in event.subscriptions),
            key=lambda name: self._feeds[name].counters["trades"].messages,
        )
        self._probe_sent_ns = now_ns
        about = _Fetch("probe", instrument, self._link.connects)
        self._probing = self._fetch(about, trades_path(instrument, 1))
        self._log.info(
            "no data for %.1f s; asking REST whether the market rests", event.silence_ns / 1e9
        )

    def _after_events(self, now_ns: int) -> None:
        for instrument, feed in self._feeds.items():
            if feed.news:
                for text in feed.news:
                    self._log.warning("%s %s", instrument, text)
                feed.news.clear()
            if feed.resubscribe:
                for subscription in feed.resubscribe:
                    if self._link.is_open:
                        self._link.session.resubscribe(subscription, now_ns)
                feed.resubscribe.clear()
                self._link.flush()
            if feed.chain.holes:
                self._fill(instrument, feed, now_ns)
            if feed.wants_book and now_ns >= self._book_due_ns.get(instrument, 0):
                self._book_due_ns[instrument] = now_ns + BOOK_AGAIN_NS
                self._fetch(_Fetch("book", instrument), books_path(instrument))
        if now_ns >= self._doubt_due_ns:
            self._settle_doubt()
        if now_ns >= self._halve_due_ns:
            self._halve_due_ns = now_ns + _LAG_WINDOW_NS
            for feed in self._feeds.values():
                for counters in feed.counters.values():
                    counters.lag_us.halve()

    def _fill(self, instrument: str, feed: InstrumentFeed, now_ns: int) -> None:
        backfill = self._backfills[instrument]
        if backfill.hopeless(now_ns):
            feed.give_up(self._context.clock.wall_ns(), now_ns)
            return
        path = backfill.next_path(now_ns)
        if path is not None and not self._fetch(_Fetch("backfill", instrument), path):
            backfill.failed(now_ns)

    def _fetch(self, what: _Fetch, path: str) -> bool:
        base = self._context.config.okx.rest_url
        return self._worker.submit(what, lambda: rest_client.get(base, path))

    def _on_result(self, result: Result, now_ns: int) -> None:
        if isinstance(result.key, Connection):
            for link in self._links():
                link.resolved(result.key, result.value, result.error)
            return
        assert isinstance(result.key, _Fetch)
        if result.key.purpose == "probe" and result.key.life != self._link.connects:
            return
        if result.error is not None:
            self._on_no_answer(result.key, result.error, now_ns)
            return
        try:
            if result.key.purpose == "book":
                feed = self._feeds[result.key.instrument]
                feed.on_rest_book(parse_books_answer(*result.value), self._context.clock.wall_ns())
                return
            rows = parse_trades_answer(*result.value)
        except (RestError, MalformedMessage) as error:
            self._on_no_answer(result.key, error, now_ns)
            return
        if result.key.purpose == "probe":
            self._on_probe(rows, result.key.instrument, now_ns)
            return
        feed = self._feeds[result.key.instrument]
        feed.on_backfill(rows, self._context.clock.wall_ns(), now_ns)
        self._backfills[result.key.instrument].answered(rows, now_ns)
        if not feed.chain.holes:
            self._log.info("%s trades complete again", result.key.instrument)

    def _on_no_answer(self, what: _Fetch, error: Exception, now_ns: int) -> None:
        self._log.warning("REST %s of %s failed: %s", what.purpose, what.instrument, error)
        if what.purpose == "probe":
            self._probing = False
            self._set_silent()
            self._link.abort("no data, and REST does not answer")
        elif what.purpose == "backfill":
            self._backfills[what.instrument].failed(now_ns)

    def _on_probe(self, rows: list[Trade], instrument: str, now_ns: int) -> None:
        self._probing = False
        known = self._feeds[instrument].chain.last_trade_id
        newest = rows[-1].trade_id if rows else None
        if newest is not None and (known is None or newest > known):
            self._doubt_due_ns = now_ns + DOUBT_NS
        else:
            self._log.info("the market rests; the feed is in order")

    def _settle_doubt(self) -> None:
        """REST knew a newer trade: has the feed brought anything since it was asked?"""
        self._doubt_due_ns = NEVER_NS
        if self._link.session.last_data_ns <= self._probe_sent_ns:
            self._set_silent()
            self._link.abort("no data while the market trades")

    def _set_silent(self) -> None:
        for feed in self._feeds.values():
            for counters in feed.counters.values():
                counters.silent = True
