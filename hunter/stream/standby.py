"""The waiting role of a stream process: same subscriptions, own connections, hands off the ring.

It keeps what it would need to go on at once: the newest trades, each instrument's book, and the
newest push of every other channel. When the writer's lease is free and these connections are
complete, the actor makes it the writer; `hand_over` then gives everything to the feeds, whose trade
chains take what the ring does not have yet.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Container, Sequence
from typing import Final, NamedTuple

from hunter.errors import MalformedMessage
from hunter.exchange.okx.events import Data, DataSilent, Event
from hunter.exchange.okx.parse import parse_trades
from hunter.exchange.okx.requests import Subscription
from hunter.exchange.okx.rows import Trade
from hunter.exchange.okx.states import SubscriptionState
from hunter.status import documents
from hunter.status.page import ActorState
from hunter.stream import bulletins
from hunter.stream.counters import is_settled
from hunter.stream.feed import InstrumentFeed
from hunter.stream.line import Line
from hunter.stream.link import Closed, Link, Opened
from hunter.stream.parts import Fetch, Parts, log_event
from hunter.stream.worker import Result

# Much longer than any takeover: a hung writer is replaced within seconds.
KEPT_NS_MAX: Final = 15_000_000_000
TRADES_KEPT: Final = 20_000
LEASE_LOOK_MS: Final = 5
# So long may the lease lie free before a process takes it whose picture is not complete: trades
# must not wait for a book.
LEASE_PATIENCE_NS: Final = 2_000_000_000


class Received(NamedTuple):
    """A trade and when this process received it."""

    trade: Trade
    received_ts_ns: int


class Standby:
    """Of one stream process. `step` it; when it is `ready`, it may take the lease."""

    def __init__(self, parts: Parts, links: Sequence[Link]) -> None:
        self._parts = parts
        self._log = parts.context.log
        self._lines = [
            Line(parts, number, link, self._newest, _abort) for number, link in enumerate(links)
        ]
        # Each stands to the active process's line as a successor stands to the present connection.
        self._books = [line.successor_of(line.link) for line in self._lines]
        self._trades: dict[str, deque[Received]] = {
            name: deque(maxlen=TRADES_KEPT) for name in parts.instruments
        }
        self._latest: dict[Subscription, tuple[Data, int]] = {}
        self._malformed = 0

    @property
    def links(self) -> list[Link]:
        return [line.link for line in self._lines]

    @property
    def ready(self) -> bool:
        """Whether it could write the next row of every feed."""
        return all(books.ready for books in self._books)

    @property
    def receives(self) -> bool:
        """Whether it is connected at all: better than nobody, if nobody writes."""
        return any(line.link.is_open for line in self._lines)

    def step(self, now_ns: int, ready: Container[int] | None = None) -> int:
        """Move the connections on and keep what they bring. `ready`: as in `Writing.step`."""
        work = 0
        for number, line in enumerate(self._lines):
            link = line.link
            if ready is None or link.descriptor in ready or now_ns >= link.due_ns:
                work += self._step_link(number, link, now_ns)
            if now_ns >= line.probe.next_deadline_ns:
                line.probe.settle(link, now_ns)
        return work

    def waited(self, began_ns: int, ended_ns: int, asked_ns: int, ready: Container[int]) -> None:
        """Nobody asks how long what is kept here has waited."""

    def _step_link(self, number: int, link: Link, now_ns: int) -> int:
        events = link.step(now_ns)
        received_ts_ns = self._parts.context.clock.wall_ns() if events else 0
        for event in events:
            if isinstance(event, Data):
                self._keep(number, event, received_ts_ns, now_ns)
            else:
                self._on_event(number, event, now_ns)
        return len(events)

    def on_result(self, result: Result, now_ns: int) -> None:
        """An answer of REST: probes and books are asked for here."""
        what = result.key
        if not isinstance(what, Fetch):
            return
        if what.purpose == "probe":
            line = self._lines[what.line]
            line.probe.on_result(result, line.link, now_ns)
        elif what.purpose == "seed" and self._books[what.line].life == what.life:
            self._books[what.line].on_seed(what.about, result, now_ns)

    def next_deadline_ns(self) -> int:
        return min(min(line.link.due_ns, line.probe.next_deadline_ns) for line in self._lines)

    def hand_over(self, feeds: dict[str, InstrumentFeed], received_ts_ns: int, now_ns: int) -> None:
        """Everything that is not in the ring yet, into the ring."""
        books = {name: book for line in self._books for name, book in line.books.items()}
        for name, feed in feeds.items():
            for trade, trade_received_ts_ns in self._trades[name]:
                feed.on_kept_trade(trade, trade_received_ts_ns, now_ns)
            feed.on_takeover(books.get(name), received_ts_ns, now_ns)
        for subscription, (data, data_received_ts_ns) in self._latest.items():
            for name in self._parts.plan.served[subscription]:
                feeds[name].on_data(data, data_received_ts_ns, now_ns)

    def state(self) -> ActorState:
        if self.ready:
            return ActorState.READY
        first = all(line.link.connects <= 1 for line in self._lines)
        return ActorState.STARTING if first else ActorState.DEGRADED

    def document(self) -> documents.StreamDocument:
        return documents.StreamDocument(
            active=False,
            feeds=tuple(
                document
                for number, line in enumerate(self._lines)
                for item, state in line.states().items()
                for document in self._feeds(number, item, state)
            ),
            connections=tuple(link.document() for link in self.links),
            unknown_messages=self._malformed,
            exchange_errors=sum(link.exchange_errors for link in self.links),
            note="standby: ready to take over" if self.ready else "standby: not ready",
        )

    def _feeds(
        self, number: int, subscription: Subscription, state: SubscriptionState
    ) -> list[documents.FeedDocument]:
        channel = subscription.channel
        word = "live" if is_settled(channel, state) else "connecting"
        if state is SubscriptionState.PARKED:
            word = "parked"
        elif channel == self._parts.book_channel and word == "live":
            word = "live" if self._books[number].books[subscription.inst_id].valid else "resync"
        served = self._parts.plan.served[subscription] or (bulletins.WHOLE_EXCHANGE,)
        return [documents.FeedDocument(name, channel, word) for name in served]

    def _keep(self, number: int, data: Data, received_ts_ns: int, now_ns: int) -> None:
        try:
            if data.channel == self._parts.trade_channel:
                kept = self._trades[data.inst_id]
                kept.extend(Received(t, received_ts_ns) for t in parse_trades(data.payload))
                while kept and kept[0].received_ts_ns < received_ts_ns - KEPT_NS_MAX:
                    kept.popleft()
            elif data.channel == self._parts.book_channel:
                self._books[number].on_book(data, now_ns)
            elif data.channel not in bulletins.CHANNELS:
                self._latest[data.subscription] = (data, received_ts_ns)
        except MalformedMessage as error:
            self._malformed += 1
            self._log.warning("%s %s: %s", data.inst_id, data.channel, error)

    def _on_event(self, number: int, event: Event | Opened | Closed, now_ns: int) -> None:
        log_event(self._log, event)
        line = self._lines[number]
        if isinstance(event, Closed):
            self._books[number].reset_books()
            for subscription in line.socket.subscriptions:
                self._latest.pop(subscription, None)
            line.probe.forget()
        elif isinstance(event, DataSilent):
            if not event.whole_connection:
                line.link.resubscribe(event.subscriptions, now_ns)
                return
            served = self._parts.plan.served
            names = dict.fromkeys(name for item in event.subscriptions for name in served[item])
            line.ask_rest(event, sorted(names, key=self._kept_count, reverse=True), now_ns)

    def _newest(self, instrument: str) -> int | None:
        kept = self._trades[instrument]
        return kept[-1].trade.trade_id if kept else None

    def _kept_count(self, instrument: str) -> int:
        return len(self._trades[instrument])


def _abort(line: Line, reason: str) -> None:
    line.link.abort(reason)
