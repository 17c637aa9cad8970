"""The writing role of a stream process: rows into the ring, holes refilled, silence looked into.

It owns the lines (one socket each, and its successor), the feeds, and the requests they need; which
process plays this role is the actor's affair.
"""

from __future__ import annotations

from collections.abc import Container, Sequence
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
    PongReceived,
    Refused,
    Unknown,
)
from hunter.exchange.okx.requests import Subscription
from hunter.exchange.okx.rest import RestError, parse_trades_answer
from hunter.exchange.okx.states import SubscriptionState
from hunter.ring.writer import RingWriter
from hunter.status import documents
from hunter.status.page import ActorState
from hunter.stream import bulletins
from hunter.stream.backfill import Backfill
from hunter.stream.bulletins import Bulletins
from hunter.stream.fastpath import FastPaths
from hunter.stream.feed import InstrumentFeed
from hunter.stream.handover import Handover
from hunter.stream.line import Line
from hunter.stream.link import Closed, Link, Opened
from hunter.stream.listings import Listings
from hunter.stream.parts import Fetch, Parts, log_event
from hunter.stream.seeds import BookSeeds
from hunter.stream.worker import Result

NOTE_BYTES_MAX: Final = 160
_LAG_WINDOW_NS: Final = 60_000_000_000
# Beyond so many feeds, what is shown of them is as old as this for each: 0.3 % of a core at most.
FEW_FEEDS: Final = 64
DOCUMENT_KEPT_NS: Final = 1_000_000


class Writing:
    """Of one stream process. `links`: one for each socket of the plan. `counted`: the feeds'
    counters so far, of the process before this one or of an earlier turn of this one.
    """

    def __init__(
        self,
        parts: Parts,
        links: Sequence[Link],
        writer: RingWriter,
        counted: tuple[documents.FeedDocument, ...],
    ) -> None:
        self._parts = parts
        self._log = parts.context.log
        self._clock = parts.context.clock
        self.writer = writer
        self._served = parts.plan.served
        self.lines = [
            Line(parts, number, link, self._newest, self._on_dead)
            for number, link in enumerate(links)
        ]
        self._line_of = {
            subscription: line for line in self.lines for subscription in line.socket.subscriptions
        }
        self._wanted = self._wanted_subscriptions()
        known = {(item.instrument, item.channel): item for item in counted}
        self.feeds = {
            name: self._new_feed(index, name, known) for index, name in enumerate(parts.instruments)
        }
        self._fast = FastPaths(self._clock, parts.context.latencies, writer, self.lines, self.feeds)
        self.backfills = {name: Backfill(name, feed.chain) for name, feed in self.feeds.items()}
        self._listings = Listings(parts, self.feeds)
        self._bulletins = Bulletins(
            self.feeds, self._listings, known.get((bulletins.WHOLE_EXCHANGE, bulletins.STATUS))
        )
        # Feeds that want something; the others are not looked at.
        self._calling: set[str] = set(self.feeds)
        self._seeds = BookSeeds(parts, "book")
        self._was_ready = False
        self._unknown = 0
        self._exchange_errors = 0
        self._halve_due_ns = 0
        self._note = ""
        # Since the last publication: how many pushes of each line went the long way.
        self._pushes: dict[Line, int] = {}
        # Of many feeds they cost milliseconds: they are kept while nothing happens, and if they are
        # many for a while although data come.
        self._documents: tuple[documents.FeedDocument, ...] | None = None
        self._documents_due_ns = self._now_ns = 0

    @property
    def links(self) -> list[Link]:
        return [link for line in self.lines for link in line.links]

    @property
    def is_cut_off(self) -> bool:
        """Whether a connection is gone without a successor: somebody else may do better."""
        return any(line.is_cut_off for line in self.lines)

    def begin_announced_handovers(self) -> None:
        """Answer the notices that came while this process was waiting."""
        for line in self.lines:
            if line.is_ending:
                self._begin_handover(line)

    def step(self, now_ns: int, ready: Container[int] | None = None) -> int:
        """Bytes in, rows out; how much that was. `ready`: descriptors that have something to be
        read, or room to write; None: nobody has looked.
        """
        if now_ns >= self._documents_due_ns:
            self._documents = None
        self._now_ns = now_ns
        work = 0
        for line in self.lines:
            link = line.link
            if ready is None or link.descriptor in ready or now_ns >= link.due_ns:
                work += self._step_line(line, now_ns)
            if line.handover is not None:
                work += self._step_handover(line, line.handover, now_ns)
            if now_ns >= line.probe.next_deadline_ns:
                line.probe.settle(line.link, now_ns)
        self._after_events(now_ns)
        self.publish()
        return work

    def publish(self) -> None:
        """Show the rows and wake the brain."""
        published = self.writer.publish()
        published = self._fast.has_published() or published  # with what the long way has put
        if self._pushes:
            for line, push_count in self._pushes.items():
                if published and line.reception is not None:
                    line.reception.published(push_count)
            self._pushes.clear()
        if published:
            self._parts.wake.wake()

    def next_deadline_ns(self) -> int:
        due_ns = self._listings.next_deadline_ns
        for line in self.lines:
            due_ns = min(due_ns, line.link.due_ns, line.probe.next_deadline_ns)
            if line.handover is not None:
                due_ns = min(due_ns, line.handover.link.next_deadline_ns())
        for name in self._calling:
            due_ns = min(due_ns, self.backfills[name].next_deadline_ns(NEVER_NS))
        return due_ns

    def waited(self, began_ns: int, ended_ns: int, asked_ns: int, ready: Container[int]) -> None:
        """The process has waited for its sockets; those in `ready` ended it."""
        for line in self.lines:
            if line.reception is not None:
                readable = line.link.descriptor in ready
                line.reception.waited(began_ns, ended_ns, asked_ns, readable=readable)

    def close(self) -> None:
        for line in self.lines:
            line.receive_with(None)
        self.writer.publish()
        self.writer.close()

    def state(self) -> ActorState:
        # What the exchange refuses is parked, and said; it does not make the rest less ready.
        states = {feed.state for feed in self.feed_documents()} - {"parked"}
        if all(line.link.is_open for line in self.lines) and states == {"live"}:
            self._was_ready = True
            return ActorState.READY
        # Starting is what has never been ready: after a loss, the same states are a degradation.
        first = all(line.link.connects <= 1 for line in self.lines) and not self._was_ready
        return ActorState.STARTING if first else ActorState.DEGRADED

    def document(self) -> documents.StreamDocument:
        return documents.StreamDocument(
            active=True,
            feeds=self.feed_documents(),
            connections=tuple(link.document() for link in self.links),
            maintenance=self._bulletins.maintenance(self._clock.wall_ns()),
            unknown_messages=self._unknown,
            exchange_errors=self._exchange_errors,
            note=self._note,
        )

    def feed_documents(self) -> tuple[documents.FeedDocument, ...]:
        if self._documents is None:
            self._documents = made = tuple(self._make_documents())
            if len(made) > FEW_FEEDS:
                self._documents_due_ns = self._now_ns + len(made) * DOCUMENT_KEPT_NS
        return self._documents

    def on_result(self, result: Result, now_ns: int) -> None:
        """An answer of REST."""
        self._documents = None
        what = result.key
        assert isinstance(what, Fetch)
        self._fast.disarm(what.about)
        wall_ns = self._clock.wall_ns()
        if what.purpose == "instruments":
            self._listings.on_result(result, wall_ns, now_ns)
        elif what.purpose == "probe":
            self._on_probed(result, what, now_ns)
        elif what.purpose == "book":
            self._on_book(result, what.about, wall_ns, now_ns)
        elif what.purpose == "seed":
            handover = self.lines[what.line].handover
            if handover is not None and handover.life == what.life:
                handover.on_seed(what.about, result, now_ns)
        else:
            self._on_backfill(result, what.about, wall_ns, now_ns)

    def _wanted_subscriptions(self) -> dict[str, dict[str, Subscription]]:
        """By instrument and channel, the subscription that serves it, in the configured order."""
        wanted: dict[str, dict[str, Subscription]] = {name: {} for name in self._parts.instruments}
        order = {channel: place for place, channel in enumerate(self._parts.channels)}
        for subscription in sorted(self._served, key=lambda item: order[item.channel]):
            for name in self._served[subscription]:
                wanted[name][subscription.channel] = subscription
        return wanted

    def _new_feed(
        self, index: int, name: str, known: dict[tuple[str, str], documents.FeedDocument]
    ) -> InstrumentFeed:
        channels = tuple(self._wanted[name])
        before = {channel: known[name, channel] for channel in channels if (name, channel) in known}
        return InstrumentFeed(name, index, self.writer, channels, before)

    def _make_documents(self) -> list[documents.FeedDocument]:
        states: dict[Subscription, SubscriptionState] = {}
        for line in self.lines:
            states |= line.states()
        found = [
            document
            for name, feed in self.feeds.items()
            for document in feed.feed_documents(
                {channel: states[item] for channel, item in self._wanted[name].items()}
            )
        ]
        found += [
            self._bulletins.feed_document(state)
            for item, state in states.items()
            if item.channel == bulletins.STATUS
        ]
        return found

    def _step_line(self, line: Line, now_ns: int) -> int:
        """Its events, and the frames that were taken without any; all in the order they came."""
        link = line.link
        work = 0
        line.begin_turn()
        while True:
            events = link.step(now_ns)
            work += len(events) + link.taken_count
            if events:
                self._on_events(line, events, now_ns)
            if not link.has_more or link is not line.link:
                return work

    def _on_events(self, line: Line, events: list[Event | Opened | Closed], now_ns: int) -> None:
        read_ts_ns = line.read_ts_ns or self._clock.wall_ns()
        push_count = 0
        for event in events:
            if isinstance(event, Data):
                push_count += 1
                self._on_data(line, event, read_ts_ns, now_ns)
            else:  # the last read may be long ago
                self._on_event(line, event, self._clock.wall_ns(), now_ns)
        if push_count:
            self._pushes[line] = self._pushes.get(line, 0) + push_count

    def _on_data(self, line: Line, data: Data, received_ts_ns: int, now_ns: int) -> None:
        if data.action == "update" and line.link.is_leaving(data.subscription):
            return
        subscription = data.subscription
        names, channel = self._served[subscription], subscription.channel
        if channel in bulletins.CHANNELS:
            self._bulletins.on_data(data, names, received_ts_ns, now_ns)
            return
        for name in names:
            feed = self.feeds[name]
            exchange_ts_ns = feed.on_data(data, received_ts_ns, now_ns)
            if exchange_ts_ns and line.reception is not None:
                line.reception.arrived(exchange_ts_ns)
            if feed.wants_attention:
                self._calling.add(name)
            self._fast.went_long(name, channel)

    def _on_event(
        self, line: Line, event: Event | Opened | Closed, received_ts_ns: int, now_ns: int
    ) -> None:
        log_event(self._log, event)
        if type(event) is not PongReceived:
            self._documents = None
            self._fast.disarm_line(line)
        match event:
            case Opened():
                line.is_cut_off = False
            case Closed(reason):
                self._on_closed(line, reason, received_ts_ns, now_ns)
            case Refused(subscription, code, msg):
                self._exchange_errors += 1
                self._on_refused(subscription, _note(code, msg), received_ts_ns, now_ns)
            case ExchangeError():
                self._exchange_errors += 1
            case Notice():
                self._begin_handover(line)
            case Malformed() | Unknown():
                self._unknown += 1
            case DataSilent():
                self._on_silence(line, event, received_ts_ns, now_ns)
            case _:
                pass  # acknowledgements, pongs and deaths speak through states and Closed

    def _begin_handover(self, line: Line) -> None:
        self._fast.disarm_line(line)
        if line.begin_handover():
            for name in line.carried:
                self.feeds[name].overlapping = True

    def _on_refused(
        self, subscription: Subscription, why: str, received_ts_ns: int, now_ns: int
    ) -> None:
        for name in self._served[subscription]:
            feed = self.feeds[name]
            feed.counters[subscription.channel].note = why
            feed.on_lost_channel(subscription.channel, received_ts_ns, now_ns)

    def _on_closed(self, line: Line, reason: str, received_ts_ns: int, now_ns: int) -> None:
        self._note = reason
        line.probe.forget()
        for name, channels in line.carried.items():
            self.feeds[name].on_closed(channels, received_ts_ns, now_ns)
        if line.handover is None:
            line.is_cut_off = True
        else:
            self._take_over(line, "the former connection is gone", now_ns)

    def _step_handover(self, line: Line, handover: Handover, now_ns: int) -> int:
        """Both connections live: matches from either, all else still from the former one."""
        events = handover.link.step(now_ns)
        received_ts_ns = self._clock.wall_ns()
        for event in events:
            if isinstance(event, Data):
                self._on_successor_data(handover, event, received_ts_ns, now_ns)
                continue
            log_event(self._log, event)
            if isinstance(event, Closed):
                self._log.warning("the next connection was lost: %s", event.reason)
                handover.reset_books()
            elif isinstance(event, Refused):
                channel, note = event.subscription.channel, _note(event.code, event.msg)
                for name in self._served[event.subscription]:
                    self.feeds[name].counters[channel].note = note
        if handover.ready:
            self._take_over(line, "complete", now_ns)
        return len(events)

    def _on_successor_data(
        self, handover: Handover, data: Data, received_ts_ns: int, now_ns: int
    ) -> None:
        try:
            if data.channel == self._parts.trade_channel:
                self.feeds[data.inst_id].on_successor_trades(data, received_ts_ns, now_ns)
                self._calling.add(data.inst_id)
            elif data.channel == self._parts.book_channel:
                handover.on_book(data, now_ns)
        except MalformedMessage as error:
            self.feeds[data.inst_id].counters[data.channel].malformed += 1
            self._log.warning("%s %s: %s", data.inst_id, data.channel, error)

    def _take_over(self, line: Line, why: str, now_ns: int) -> None:
        received_ts_ns = self._clock.wall_ns()
        self._fast.disarm_line(line)
        handover = line.take_over()
        for name, channels in line.carried.items():
            feed = self.feeds[name]
            feed.overlapping = False
            if self._parts.book_channel in channels:
                feed.on_takeover(handover.books.get(name), received_ts_ns, now_ns)
        self._log.info("handed over to the next connection: %s", why)
        if line.is_ending:
            self._begin_handover(line)

    def _on_silence(self, line: Line, event: DataSilent, received_ts_ns: int, now_ns: int) -> None:
        if event.whole_connection:
            # The instrument that trades most tells soonest; the parked ones are not among them.
            names = dict.fromkeys(
                name for item in event.subscriptions for name in self._served[item]
            )
            liveliest = sorted(names, key=self._trade_messages, reverse=True)
            line.ask_rest(event, liveliest, now_ns)
            return
        for subscription in event.subscriptions:
            for name in self._served[subscription]:
                feed = self.feeds[name]
                feed.counters[subscription.channel].silent = True
                feed.on_lost_channel(subscription.channel, received_ts_ns, now_ns)
        line.link.resubscribe(event.subscriptions, now_ns)

    def _trade_messages(self, instrument: str) -> int:
        feed = self.feeds[instrument]
        return feed.counters[feed.trade_channel].messages

    def _on_dead(self, line: Line, reason: str) -> None:
        """Its feed is dead although the link may live."""
        for name, channels in line.carried.items():
            for channel in channels:
                self.feeds[name].counters[channel].silent = True
        line.link.abort(reason)

    def _newest(self, instrument: str) -> int | None:
        return self.feeds[instrument].chain.newest_known_id

    def _after_events(self, now_ns: int) -> None:
        """What feeds want of the outside."""
        for name in list(self._calling):
            self._attend(name, self.feeds[name], now_ns)
        self._listings.step(now_ns)
        if self._bulletins.news:
            for text in self._bulletins.news:
                self._log.warning("%s", text)
            self._bulletins.news.clear()
        for name in self._listings.returned:
            for subscription in self._wanted[name].values():
                link = self._line_of[subscription].link
                if link.subscription_state(subscription) is SubscriptionState.PARKED:
                    link.resubscribe((subscription,), now_ns)
        self._listings.returned.clear()
        if now_ns >= self._halve_due_ns:
            self._halve_due_ns = now_ns + _LAG_WINDOW_NS
            for feed in self.feeds.values():
                for counters in feed.counters.values():
                    counters.lag_us.halve()

    def _attend(self, name: str, feed: InstrumentFeed, now_ns: int) -> None:
        if feed.news:
            for text in feed.news:
                self._log.warning("%s %s", name, text)
            feed.news.clear()
        channel = feed.take_resubscribe()
        if channel is not None:
            subscription = self._wanted[name][channel]
            self._line_of[subscription].link.resubscribe((subscription,), now_ns)
        if feed.chain.holes:
            self._fill(name, feed, now_ns)
        if feed.wants_book:
            self._seeds.want(name, now_ns)
        if not feed.wants_attention:
            self._calling.discard(name)

    def _fill(self, instrument: str, feed: InstrumentFeed, now_ns: int) -> None:
        backfill = self.backfills[instrument]
        if backfill.hopeless(now_ns):
            feed.give_up(self._clock.wall_ns(), now_ns)
            return
        path = backfill.next_path(now_ns)
        if path is not None:
            self._parts.rest.ask(Fetch("backfill", instrument), path)

    def _on_probed(self, result: Result, what: Fetch, now_ns: int) -> None:
        line = self.lines[what.line]
        line.probe.on_result(result, line.link, now_ns)

    def _on_book(self, result: Result, instrument: str, wall_ns: int, now_ns: int) -> None:
        """A book of REST. One that is to be subscribed anew a little later, because it broke again,
        is whole before that.
        """
        snapshot, feed = self._seeds.open(result, now_ns), self.feeds[instrument]
        subscription = self._wanted[instrument][self._parts.book_channel]
        link = self._line_of[subscription].link
        if snapshot is None or link.is_leaving(subscription):
            return
        feed.on_rest_book(snapshot, wall_ns, now_ns)
        if not feed.wants_book:
            link.cancel_resubscribe(subscription)

    def _on_backfill(self, result: Result, instrument: str, wall_ns: int, now_ns: int) -> None:
        feed, backfill = self.feeds[instrument], self.backfills[instrument]
        try:
            rows = self._parts.rest.open(result, parse_trades_answer, now_ns)
        except (OSError, RestError, MalformedMessage) as error:
            self._log.warning("REST backfill of %s failed: %s", instrument, error)
            backfill.failed(now_ns)
            return
        feed.on_backfill(rows, wall_ns, now_ns)
        backfill.answered(now_ns)
        if not feed.chain.holes:
            self._log.info("%s trades complete again", instrument)


def _note(code: str, msg: str) -> str:
    """Why a subscription is parked: short enough for the status page, whatever it says."""
    return f"{code} {msg}".strip().encode()[:NOTE_BYTES_MAX].decode(errors="ignore")
