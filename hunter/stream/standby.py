"""The waiting role of a stream process: same subscriptions, own connection, hands off the ring.

It keeps what it would need to go on at once: the newest trades, each instrument's book, best
bid/offer and ticker. When the writer's lease is free and this connection is complete, the actor
makes it the writer; `hand_over` then gives everything to the feeds, whose trade chains take what
the ring does not have yet.
"""

from __future__ import annotations

from collections import deque
from typing import Final, NamedTuple

from hunter.errors import MalformedMessage
from hunter.exchange.okx.events import Data, DataSilent, Event
from hunter.exchange.okx.parse import parse_trades
from hunter.exchange.okx.requests import Subscription
from hunter.exchange.okx.rows import Trade
from hunter.exchange.okx.states import SubscriptionState
from hunter.status import documents
from hunter.status.page import ActorState
from hunter.stream.feed import InstrumentFeed
from hunter.stream.handover import Handover
from hunter.stream.link import Closed, Link, Opened
from hunter.stream.parts import Fetch, Parts, log_event
from hunter.stream.probe import SilenceProbe
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

    def __init__(self, parts: Parts, link: Link) -> None:
        self._parts = parts
        self._log = parts.context.log
        # It stands to the active process as the next connection stands to the present one.
        self._line = Handover(link, parts.subscriptions, parts.book_channel)
        self._trades: dict[str, deque[Received]] = {
            name: deque(maxlen=TRADES_KEPT) for name in parts.instruments
        }
        self._latest: dict[Subscription, tuple[Data, int]] = {}
        self._probe = SilenceProbe(parts, self._newest, link.abort)
        self._malformed = 0

    @property
    def link(self) -> Link:
        return self._line.link

    @property
    def links(self) -> list[Link]:
        return [self._line.link]

    @property
    def ready(self) -> bool:
        """Whether it could write the next row of every feed."""
        return self._line.ready

    @property
    def receives(self) -> bool:
        """Whether it is connected at all: better than nobody, if nobody writes."""
        return self._line.link.is_open

    def step(self, now_ns: int) -> int:
        """Move the connection on and keep what it brings."""
        events = self._line.link.step(now_ns)
        received_ts_ns = self._parts.context.clock.wall_ns() if events else 0
        for event in events:
            if isinstance(event, Data):
                self._keep(event, received_ts_ns, now_ns)
            else:
                self._on_event(event, now_ns)
        self._probe.settle(self._line.link, now_ns)
        return len(events)

    def on_result(self, result: Result, now_ns: int) -> None:
        """An answer of REST: only probes are asked for here."""
        if isinstance(result.key, Fetch) and result.key.purpose == "probe":
            self._probe.on_result(result, self._line.link, now_ns)

    def next_deadline_ns(self) -> int:
        return min(self._line.link.next_deadline_ns(), self._probe.next_deadline_ns)

    def hand_over(self, feeds: dict[str, InstrumentFeed], received_ts_ns: int, now_ns: int) -> None:
        """Everything that is not in the ring yet, into the ring."""
        for name, feed in feeds.items():
            for trade, trade_received_ts_ns in self._trades[name]:
                feed.on_kept_trade(trade, trade_received_ts_ns, now_ns)
            feed.on_takeover(self._line.books.get(name), received_ts_ns)
        for subscription, (data, data_received_ts_ns) in self._latest.items():
            feeds[subscription.inst_id].on_data(data, data_received_ts_ns, now_ns)

    def state(self) -> ActorState:
        if self.ready:
            return ActorState.READY
        return ActorState.STARTING if self._line.link.connects <= 1 else ActorState.DEGRADED

    def document(self) -> documents.StreamDocument:
        link = self._line.link
        return documents.StreamDocument(
            active=False,
            feeds=tuple(self._feed(subscription) for subscription in self._parts.subscriptions),
            connections=(link.document(),),
            unknown_messages=self._malformed,
            exchange_errors=link.exchange_errors,
            note="standby: ready to take over" if self.ready else "standby: not ready",
        )

    def _feed(self, subscription: Subscription) -> documents.FeedDocument:
        state = self._line.link.subscription_state(subscription)
        words = {SubscriptionState.LIVE: "live", SubscriptionState.PARKED: "parked"}
        word = words.get(state, "connecting")
        if subscription.channel == self._parts.book_channel and word == "live":
            word = "live" if self._line.books[subscription.inst_id].valid else "resync"
        return documents.FeedDocument(subscription.inst_id, subscription.channel, word)

    def _keep(self, data: Data, received_ts_ns: int, now_ns: int) -> None:
        try:
            if data.channel == "trades":
                kept = self._trades[data.inst_id]
                kept.extend(Received(t, received_ts_ns) for t in parse_trades(data.payload))
                while kept[0].received_ts_ns < received_ts_ns - KEPT_NS_MAX:
                    kept.popleft()
            elif data.channel == self._parts.book_channel:
                self._line.on_book(data, now_ns)
            else:
                self._latest[data.subscription] = (data, received_ts_ns)
        except MalformedMessage as error:
            self._malformed += 1
            self._log.warning("%s %s: %s", data.inst_id, data.channel, error)

    def _on_event(self, event: Event | Opened | Closed, now_ns: int) -> None:
        log_event(self._log, event)
        if isinstance(event, Closed):
            self._line.reset_books()
            self._latest.clear()
            self._probe.forget()
        elif isinstance(event, DataSilent):
            if event.whole_connection:
                instrument = event.subscriptions[0].inst_id
                self._probe.ask(self._line.link, instrument, event.silence_ns, now_ns)
            else:
                self._line.link.resubscribe(event.subscriptions, now_ns)

    def _newest(self, instrument: str) -> int | None:
        kept = self._trades[instrument]
        return kept[-1].trade.trade_id if kept else None
