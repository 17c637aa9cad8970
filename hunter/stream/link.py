"""One WebSocket to OKX over all its lives: connect, session, loss, back-off, connect again.

Joins the connection (I/O) and the session (protocol) and decides when to try again. The rest of the
actor sees events, and two of its own: Opened and Closed. Every life begins with a new connection
and a new session.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from typing import Final, NamedTuple

from hunter.config import StreamSection
from hunter.exchange.okx.asks import NEVER_NS, SessionLimits
from hunter.exchange.okx.events import Data, Dead, Event
from hunter.exchange.okx.requests import Subscription
from hunter.exchange.okx.session import OkxSession
from hunter.exchange.okx.states import SessionState, SubscriptionState
from hunter.status import documents
from hunter.stream.budget import ConnectBudget
from hunter.stream.connection import Connection, Phase
from hunter.stream.reconnect import ReconnectBackoff
from hunter.stream.worker import Worker

_MS: Final = 1_000_000


class Opened(NamedTuple):
    """The handshake is done; subscriptions are being asked for."""

    url: str


class Closed(NamedTuple):
    """The connection is gone; whatever was built from it alone is void."""

    reason: str
    retry_in_ms: float


class Link:
    """`step` it in every turn of the loop; `poll_target` and `next_deadline_ns` say how long to
    sleep.
    """

    def __init__(
        self,
        url: str,
        subscriptions: tuple[Subscription, ...],
        settings: StreamSection,
        worker: Worker,
        generator: random.Random,
        budget: ConnectBudget,
    ) -> None:
        self.url = url
        # Sees the payloads of each read as they came, before the session does; for the recorder.
        self.tap: Callable[[list[bytes]], None] | None = None
        self._budget = budget
        self._subscriptions = subscriptions
        self._worker = worker
        self._limits = SessionLimits(
            ping_after_ns=settings.ping_after_ms * _MS,
            ping_timeout_ns=settings.ping_after_ms * _MS,
            stale_after_ns=settings.stale_after_ms * _MS,
        )
        self._backoff = ReconnectBackoff(settings, generator)
        self._connection: Connection | None = None
        self.session = OkxSession(subscriptions, self._limits)
        self._retry_at_ns = 0
        self.connects = 0
        self.last_close = ""
        self.exchange_errors = 0

    @property
    def is_open(self) -> bool:
        return self._connection is not None and self._connection.phase is Phase.OPEN

    def step(self, now_ns: int) -> list[Event | Opened | Closed]:
        """Move bytes and time on; the events, in order."""
        connection = self._connection
        if connection is None:
            if now_ns < self._retry_at_ns:
                return []
            wait_ns = self._budget.reserve(now_ns)
            if wait_ns:
                self._retry_at_ns = now_ns + wait_ns
                return []
            self.connects += 1
            connection = self._connection = Connection(self.url, self._worker, now_ns)
            self.session = OkxSession(self._subscriptions, self._limits)
        was_open = connection.phase is Phase.OPEN
        frames = connection.step(now_ns)
        if frames and self.tap is not None:
            self.tap(frames)
        events: list[Event | Opened | Closed] = []
        if not was_open and (connection.phase is Phase.OPEN or frames):
            self.session.opened(now_ns)
            events.append(Opened(self.url))
        session = self.session
        for frame in frames:
            events += session.receive(frame, now_ns)
        if session.state is not SessionState.CONNECTING:
            if now_ns >= session.next_deadline_ns():
                events += session.advance(now_ns)
            self._send(connection)
        for event in events:
            if isinstance(event, Data):
                self._backoff.data_received(now_ns)
                break
        for event in events:
            if isinstance(event, Dead):
                connection.abort(event.reason)
        if connection.phase is Phase.CLOSED:
            events.append(self._closed(connection, now_ns))
        return events

    def resubscribe(self, subscriptions: Iterable[Subscription], now_ns: int) -> None:
        """Subscribe anew, at once. Of a connection that is gone nothing is left to mend: the next
        one asks for everything.
        """
        if self.is_open:
            for subscription in subscriptions:
                self.session.resubscribe(subscription, now_ns)
            self.flush()

    def flush(self) -> None:
        """Send what handling the events has queued, such as a resubscription."""
        if self._connection is not None and self._connection.phase is Phase.OPEN:
            self._send(self._connection)

    def abort(self, reason: str) -> None:
        """Give this connection up; the next `step` reports it."""
        if self._connection is not None:
            self._connection.abort(reason)

    def resolved(
        self, connection: Connection, addresses: list[object] | None, error: OSError | None
    ) -> None:
        """A name look-up is done; one for a connection that is gone means nothing."""
        if connection is self._connection:
            connection.resolved(addresses, error)

    def poll_target(self) -> tuple[int, int] | None:
        """(descriptor, poll events), or None while there is no socket."""
        connection = self._connection
        if connection is None or connection.fileno() < 0:
            return None
        return connection.fileno(), connection.poll_events()

    def next_deadline_ns(self) -> int:
        if self._connection is None:
            return self._retry_at_ns
        return self.session.next_deadline_ns() if self.is_open else NEVER_NS

    def subscription_state(self, subscription: Subscription) -> SubscriptionState:
        """PENDING while the connection is down, whatever it was before."""
        if not self.is_open:
            return SubscriptionState.PENDING
        return self.session.subscription_state(subscription)

    def document(self) -> documents.ConnectionDocument:
        connection = self._connection
        state = "backoff" if connection is None else connection.phase.value
        return documents.ConnectionDocument(self.url, state, self.connects, self.last_close)

    def _send(self, connection: Connection) -> None:
        for frame in self.session.data_to_send():
            if connection.phase is Phase.OPEN:
                connection.send_text(frame)

    def _closed(self, connection: Connection, now_ns: int) -> Closed:
        self.last_close = connection.reason
        delay_ms = self._backoff.next_delay_ms(now_ns)
        self._retry_at_ns = now_ns + int(delay_ms * _MS)
        self._connection = None
        return Closed(connection.reason, delay_ms)
