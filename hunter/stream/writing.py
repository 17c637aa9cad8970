"""The writing role of a stream process: socket -> session -> feeds -> ring -> wake the brain.

Held by the process that has the writer's lease. Rows of everything one read brought are published
together, then one wake-up is sent. REST is asked for missing matches, for books whose snapshot was
lost, and whether a silent market rests.
"""

from __future__ import annotations

from typing import Final

from hunter.errors import MalformedMessage
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
)
from hunter.exchange.okx.states import SubscriptionState
from hunter.ring.writer import RingWriter
from hunter.status import documents
from hunter.status.page import ActorState
from hunter.stream.backfill import Backfill
from hunter.stream.feed import InstrumentFeed
from hunter.stream.handover import Handover
from hunter.stream.link import Closed, Link, Opened
from hunter.stream.parts import Fetch, Parts, log_event
from hunter.stream.probe import SilenceProbe
from hunter.stream.worker import Result

BOOK_AGAIN_NS: Final = 1_000_000_000
_LAG_WINDOW_NS: Final = 60_000_000_000


class Writing:
    """Of one stream process. `counted`: the feeds' counters so far, of the process before this one
    or of an earlier turn of this one.
    """

    def __init__(
        self,
        parts: Parts,
        link: Link,
        writer: RingWriter,
        counted: tuple[documents.FeedDocument, ...],
    ) -> None:
        self._parts = parts
        self._log = parts.context.log
        self._clock = parts.context.clock
        self._link = link
        self._handover: Handover | None = None
        self.writer = writer
        self.feeds: dict[str, InstrumentFeed] = {}
        self.backfills: dict[str, Backfill] = {}
        for index, instrument in enumerate(parts.instruments):
            known = {item.channel: item for item in counted if item.instrument == instrument}
            feed = InstrumentFeed(instrument, index, writer, parts.channels, known)
            self.feeds[instrument] = feed
            self.backfills[instrument] = Backfill(instrument, feed.chain)
        self._probe = SilenceProbe(parts, self._newest, self._on_dead)
        self._book_due_ns: dict[str, int] = {}
        self._was_ready = False
        self._unknown = 0
        self._halve_due_ns = 0
        self._note = ""
        # The connection is gone, and no successor was there: somebody else may do better.
        self.is_cut_off = False

    @property
    def link(self) -> Link:
        return self._link

    @property
    def links(self) -> list[Link]:
        return [self._link] if self._handover is None else [self._link, self._handover.link]

    def step(self, now_ns: int) -> int:
        """Bytes in, rows out; how much that was."""
        work = 0
        events = self._link.step(now_ns)
        if events:
            received_ts_ns = self._clock.wall_ns()
            for event in events:
                if isinstance(event, Data):
                    self.feeds[event.inst_id].on_data(event, received_ts_ns, now_ns)
                    work += 1
                else:
                    self._on_event(event, received_ts_ns, now_ns)
        if self._handover is not None:
            work += self._step_handover(self._handover, now_ns)
        self._after_events(now_ns)
        self.publish()
        return work

    def publish(self) -> None:
        """Show the rows and wake the brain."""
        if self.writer.publish():
            self._parts.wake.wake()

    def next_deadline_ns(self) -> int:
        return min(
            self._probe.next_deadline_ns,
            *(link.next_deadline_ns() for link in self.links),
            *(backfill.next_deadline_ns(NEVER_NS) for backfill in self.backfills.values()),
        )

    def close(self) -> None:
        self.writer.publish()
        self.writer.close()

    def state(self) -> ActorState:
        # What the exchange refuses is parked, and said; it does not make the rest less ready.
        states = {feed.state for feed in self.feed_documents()} - {"parked"}
        if self._link.is_open and states == {"live"}:
            self._was_ready = True
            return ActorState.READY
        # Starting is what has never been ready: after a loss, the same states are a degradation.
        first = self._link.connects <= 1 and not self._was_ready
        return ActorState.STARTING if first and "connecting" in states else ActorState.DEGRADED

    def document(self) -> documents.StreamDocument:
        return documents.StreamDocument(
            active=True,
            feeds=self.feed_documents(),
            connections=tuple(link.document() for link in self.links),
            unknown_messages=self._unknown,
            exchange_errors=self._link.exchange_errors,
            note=self._note,
        )

    def feed_documents(self) -> tuple[documents.FeedDocument, ...]:
        states: dict[Subscription, SubscriptionState] = {
            subscription: self._link.subscription_state(subscription)
            for subscription in self._parts.subscriptions
        }
        return tuple(
            document for feed in self.feeds.values() for document in feed.feed_documents(states)
        )

    def on_result(self, result: Result, now_ns: int) -> None:
        """An answer of REST."""
        what = result.key
        assert isinstance(what, Fetch)
        if what.purpose == "probe":
            self._probe.on_result(result, self._link, now_ns)
            return
        feed, wall_ns = self.feeds[what.instrument], self._clock.wall_ns()
        if what.purpose == "book":
            self._book_due_ns[what.instrument] = now_ns + BOOK_AGAIN_NS
        try:
            if result.error is not None:
                raise result.error
            if what.purpose == "book":
                feed.on_rest_book(parse_books_answer(*result.value), wall_ns)
                return
            rows = parse_trades_answer(*result.value)
        except (OSError, RestError, MalformedMessage) as error:
            self._log.warning("REST %s of %s failed: %s", what.purpose, what.instrument, error)
            if what.purpose == "backfill":
                self.backfills[what.instrument].failed(now_ns)
            return
        feed.on_backfill(rows, wall_ns, now_ns)
        self.backfills[what.instrument].answered(rows, now_ns)
        if not feed.chain.holes:
            self._log.info("%s trades complete again", what.instrument)

    def _on_event(self, event: Event | Opened | Closed, received_ts_ns: int, now_ns: int) -> None:
        log_event(self._log, event)
        match event:
            case Opened():
                self.is_cut_off = False
            case Closed(reason):
                self._on_closed(reason, received_ts_ns)
            case Refused(subscription):
                self._link.exchange_errors += 1
                feed = self.feeds[subscription.inst_id]
                feed.on_lost_channel(subscription.channel, received_ts_ns)
            case ExchangeError():
                self._link.exchange_errors += 1
            case Notice():
                self._begin_handover()
            case Malformed() | Unknown():
                self._unknown += 1
            case DataSilent():
                self._on_silence(event, received_ts_ns, now_ns)
            case _:
                pass  # acknowledgements, pongs and deaths speak through states and Closed

    def _on_closed(self, reason: str, received_ts_ns: int) -> None:
        self._note = reason
        self._probe.forget()
        for feed in self.feeds.values():
            feed.on_closed(received_ts_ns)
        if self._handover is None:
            self.is_cut_off = True
        else:
            self._take_over(self._handover, "the former connection is gone")

    def _begin_handover(self) -> None:
        """The exchange will close this connection: have the next one before it does."""
        if self._handover is not None:
            return
        self._handover = Handover(
            self._parts.new_link(), self._parts.subscriptions, self._parts.book_channel
        )
        for feed in self.feeds.values():
            feed.overlapping = True

    def _step_handover(self, handover: Handover, now_ns: int) -> int:
        """Both connections live: matches from either, all else still from the former one."""
        events = handover.link.step(now_ns)
        received_ts_ns = self._clock.wall_ns()
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
        feed = self.feeds[data.inst_id]
        try:
            if data.channel == "trades":
                feed.on_successor_trades(data, received_ts_ns, now_ns)
            elif data.channel == self._parts.book_channel:
                handover.on_book(data, now_ns)
        except MalformedMessage as error:
            feed.counters[data.channel].malformed += 1
            self._log.warning("%s %s: %s", data.inst_id, data.channel, error)

    def _take_over(self, handover: Handover, why: str) -> None:
        received_ts_ns = self._clock.wall_ns()
        former, self._link, self._handover = self._link, handover.link, None
        self._probe.forget()
        self._link.connects += former.connects
        self._link.last_close = former.last_close or "replaced before its announced end"
        former.abort("replaced")
        for name, feed in self.feeds.items():
            feed.on_takeover(handover.books.get(name), received_ts_ns)
        self._log.info("handed over to the next connection: %s", why)

    def _on_silence(self, event: DataSilent, received_ts_ns: int, now_ns: int) -> None:
        if not event.whole_connection:
            for subscription in event.subscriptions:
                feed = self.feeds[subscription.inst_id]
                feed.counters[subscription.channel].silent = True
                feed.on_lost_channel(subscription.channel, received_ts_ns)
            self._link.resubscribe(event.subscriptions, now_ns)
            return
        # The instrument that trades most tells soonest.
        instrument = max(
            (subscription.inst_id for subscription in event.subscriptions),
            key=lambda name: self.feeds[name].counters["trades"].messages,
        )
        self._probe.ask(self._link, instrument, event.silence_ns, now_ns)

    def _on_dead(self, reason: str) -> None:
        """The feed is dead although the link may live."""
        for feed in self.feeds.values():
            for counters in feed.counters.values():
                counters.silent = True
        self._link.abort(reason)

    def _newest(self, instrument: str) -> int | None:
        return self.feeds[instrument].chain.last_trade_id

    def _after_events(self, now_ns: int) -> None:
        for instrument, feed in self.feeds.items():
            if feed.news:
                for text in feed.news:
                    self._log.warning("%s %s", instrument, text)
                feed.news.clear()
            if feed.resubscribe:
                self._link.resubscribe(feed.resubscribe, now_ns)
                feed.resubscribe.clear()
            if feed.chain.holes:
                self._fill(instrument, feed, now_ns)
            if feed.wants_book and now_ns >= self._book_due_ns.get(instrument, 0):
                # one at a time: not before its answer, which may take as long as it likes
                asked = self._parts.fetch(Fetch("book", instrument), books_path(instrument))
                self._book_due_ns[instrument] = NEVER_NS if asked else now_ns + BOOK_AGAIN_NS
        self._probe.settle(self._link, now_ns)
        if now_ns >= self._halve_due_ns:
            self._halve_due_ns = now_ns + _LAG_WINDOW_NS
            for feed in self.feeds.values():
                for counters in feed.counters.values():
                    counters.lag_us.halve()

    def _fill(self, instrument: str, feed: InstrumentFeed, now_ns: int) -> None:
        backfill = self.backfills[instrument]
        if backfill.hopeless(now_ns):
            feed.give_up(self._clock.wall_ns(), now_ns)
            return
        path = backfill.next_path(now_ns)
        if path is not None and not self._parts.fetch(Fetch("backfill", instrument), path):
            backfill.failed(now_ns)
