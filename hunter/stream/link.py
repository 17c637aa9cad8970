"""One WebSocket to OKX over all its lives: connect, session, loss, back-off, connect again.

Joins the connection (I/O) and the session (protocol) and decides when to try again. The rest of the
actor sees events, and two of its own: Opened and Closed. Every life begins with a new look-up of
the name, a new connection and a new session.

The sentinel is a lively subscription that nobody asked for: its data prove that the socket brings
data at all, which the pongs do not. Nobody but the session sees them; the sentinel is named only
when all is silent, for whoever asks REST what should have come.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable, Iterable
from typing import Final, NamedTuple, Protocol

from hunter.config import StreamSection, shown_url
from hunter.exchange.okx.asks import SessionLimits
from hunter.exchange.okx.endpoints import CLOSE_REASONS
from hunter.exchange.okx.events import Acked, Data, DataSilent, Dead, Event, Malformed, Refused
from hunter.exchange.okx.requests import Subscription
from hunter.exchange.okx.session import OkxSession
from hunter.exchange.okx.states import SubscriptionState
from hunter.status import documents
from hunter.stream.connection import FRAME_BYTES_MAX, BinaryFrame, Connection, Taker
from hunter.stream.limits import CONNECTS, RateLimiter
from hunter.stream.phases import Failure, Phase
from hunter.stream.proxy import ProxyError, find_proxy
from hunter.stream.reconnect import ReconnectBackoff
from hunter.stream.resolver import PATIENCE_NS, LookUpFailed, Resolver
from hunter.stream.worker import Worker

_MS: Final = 1_000_000
# The present state of a channel, if it has one, is pushed within milliseconds of the ack.
FIRST_PUSH_NS: Final = 3_000_000_000
# A certificate that is refused now will be so in a second; a person has to look at it.
CERTIFICATE_RETRY_MS: Final = 60_000
# From the second oversized message within an hour on, messages may be so long.
FRAME_BYTES_HARD_MAX: Final = 16 << 20
OVERSIZED_WITHIN_NS: Final = 3_600_000_000_000


class Target(NamedTuple):
    """What a link connects to. `proxy` as in `okx.proxy`: "" leaves it to the environment."""

    url: str
    subscriptions: tuple[Subscription, ...]
    sentinel: Subscription | None = None
    proxy: str = ""


class Opened(NamedTuple):
    """The handshake is done; subscriptions are being asked for."""

    url: str


class Closed(NamedTuple):
    """The connection is gone; whatever was built from it alone is void. `alarm`: what a person has
    to know of and to look at, said once and not at every attempt.
    """

    reason: str
    retry_in_ms: float
    failure: Failure = Failure.LOST
    alarm: str = ""


class FrameTaker(Taker, Protocol):
    """Takes data frames of a connection itself; the session is told how many."""

    def taken(self) -> tuple[int, int]:
        """Frames, and bytes of their payloads, since the last look."""


class Link:
    """`step` it when its descriptor is ready, at `due_ns`, and again while it `has_more`;
    `poll_target` and `next_deadline_ns` say how long to sleep. Links of one process should share a
    `resolver`: it keeps the last good addresses.

    `due_ns` may be early, and is never late: `next_deadline_ns` is exact, and costs more.
    """

    def __init__(
        self,
        target: Target,
        settings: StreamSection,
        worker: Worker,
        generator: random.Random,
        limiter: RateLimiter,
        resolver: Resolver | None = None,
    ) -> None:
        self.target = target
        self.url = shown_url(target.url)
        # Sees the text frames of each read as they came, before the session does; for the recorder.
        self.tap: Callable[[list[bytes]], None] | None = None
        self.due_ns = 0
        # Whether `poll_target` may have changed since it was looked at last, and what it was then.
        self.is_touched = True
        self.descriptor = -1
        self._polled_for = 0
        # Data frames of the last step that became no events.
        self.taken_count = 0
        self._taker: FrameTaker | None = None
        self._limiter = limiter
        self._resolver = resolver or Resolver(worker)
        self._sentinel = target.sentinel if target.sentinel not in target.subscriptions else None
        self._limits = SessionLimits(
            ping_after_ns=settings.ping_after_ms * _MS,
            ping_timeout_ns=settings.ping_after_ms * _MS,
            stale_after_ns=settings.stale_after_ms * _MS,
        )
        self._backoff = ReconnectBackoff(settings, generator)
        self._connection: Connection | None = None
        self.session = self._new_session()
        self._retry_at_ns = 0
        self._asked_ns = 0
        self._stepped_ns = 0
        self._oversized_ns: deque[int] = deque(maxlen=2)
        self._frame_bytes_max = FRAME_BYTES_MAX
        self._told: Failure | None = None
        self.connects = 0
        self.last_close = ""
        self._errors_before = 0
        # By reason; of this link's whole life.
        self.failures: dict[Failure, int] = {}

    @property
    def is_open(self) -> bool:
        return self._connection is not None and self._connection.phase is Phase.OPEN

    @property
    def exchange_errors(self) -> int:
        """Errors that the exchange answered, in this link's whole life."""
        return self._errors_before + self.session.statistics().error_count

    @property
    def ping_failures(self) -> int:
        """How often the exchange said that our pings do not reach it (close 4004)."""
        return self.failures.get(Failure.PING_UNHEARD, 0)

    @property
    def oversized(self) -> int:
        """How often a message was longer than we accept."""
        return self.failures.get(Failure.OVERSIZED, 0)

    @property
    def has_more(self) -> bool:
        """Whether the last step left frames that had come: step again, after its events."""
        return self._connection is not None and self._connection.has_more

    def use(self, taker: FrameTaker | None) -> None:
        """Frames go to `taker` first, on this connection and on the next ones."""
        self._taker = taker if self.tap is None else None
        if self._connection is not None:
            self._connection.taker = self._taker

    def step(self, now_ns: int) -> list[Event | Opened | Closed]:
        """Move bytes and time on; the events, in order."""
        self._stepped_ns = now_ns
        self.taken_count = 0
        connection = self._connection
        if connection is None:
            if now_ns < self._retry_at_ns:
                return []
            connection = self._begin(now_ns)
        if connection.phase in (Phase.RESOLVING, Phase.WAITING):
            self._approach(connection, now_ns)
        was_open = connection.phase is Phase.OPEN
        frames = connection.step(now_ns)
        if self._taker is not None and was_open:
            # Also of a connection that ended behind them.
            self._count_taken(self._taker, now_ns)
        events: list[Event | Opened | Closed] = []
        if frames or connection.phase is Phase.OPEN:
            if not was_open:
                self.session.opened(now_ns)
                self.due_ns = 0
                events.append(Opened(self.url))
            self._receive(frames, events, now_ns)
            self._send(connection)
        for event in events:
            if isinstance(event, Dead):
                connection.abort(event.reason)
        if connection.phase is Phase.CLOSED:
            events.append(self._closed(connection, now_ns))
        if not was_open or connection.phase is not Phase.OPEN:
            self.due_ns = self.next_deadline_ns()
            self.is_touched = True
        else:
            self.due_ns = min(self.due_ns, connection.deadline_ns)
            self.is_touched |= connection.poll_events() != self._polled_for
        return events

    def resubscribe(self, subscriptions: Iterable[Subscription], now_ns: int) -> None:
        """Subscribe anew, at once. Of a connection that is gone nothing is left to mend: the next
        one asks for everything.
        """
        if self.is_open:
            for subscription in subscriptions:
                self.session.resubscribe(subscription, now_ns)
            self.due_ns = 0
            self.flush()

    def flush(self) -> None:
        """Send what handling the events has queued, such as a resubscription."""
        if self._connection is not None and self._connection.phase is Phase.OPEN:
            self._send(self._connection)

    def abort(self, reason: str) -> None:
        """Give this connection up; the next `step` reports it."""
        if self._connection is not None:
            self._connection.abort(reason)
            self.due_ns = 0
            self.is_touched = True

    def poll_target(self) -> tuple[int, int] | None:
        """(descriptor, poll events), or None while there is no socket."""
        self.is_touched = False
        connection = self._connection
        self.descriptor = -1 if connection is None else connection.fileno()
        if connection is None or self.descriptor < 0:
            return None
        self._polled_for = connection.poll_events()
        return self.descriptor, self._polled_for

    def next_deadline_ns(self) -> int:
        connection = self._connection
        if connection is None or connection.phase is Phase.WAITING:
            return self._retry_at_ns
        if connection.phase is Phase.RESOLVING:
            return self._asked_ns + PATIENCE_NS
        if connection.phase is Phase.OPEN:
            return min(self.session.next_deadline_ns(), connection.deadline_ns)
        return connection.deadline_ns

    def subscription_state(self, subscription: Subscription) -> SubscriptionState:
        """PENDING while the connection is down, whatever it was before. What was acknowledged and
        has pushed nothing for a while has nothing to push, such as the trades of an instrument that
        never traded: it is LIVE.
        """
        if not self.is_open:
            return SubscriptionState.PENDING
        state = self.session.subscription_state(subscription)
        if state is SubscriptionState.ACKED:
            waited_ns = self._stepped_ns - self.session.heard_ns(subscription)
            if waited_ns >= FIRST_PUSH_NS:
                return SubscriptionState.LIVE
        return state

    def is_leaving(self, subscription: Subscription) -> bool:
        """Whether what still comes of it is of a subscription that ends."""
        return self.is_open and self.session.is_leaving(subscription)

    def cancel_resubscribe(self, subscription: Subscription) -> None:
        """It is in order again before the exchange was asked for anything."""
        if self.is_open:
            self.session.cancel_resubscribe(subscription)
            self.due_ns = 0

    def document(self) -> documents.ConnectionDocument:
        connection = self._connection
        state = "backoff" if connection is None else connection.phase.value
        return documents.ConnectionDocument(self.url, state, self.connects, self.last_close)

    def _new_session(self) -> OkxSession:
        sentinel = () if self._sentinel is None else (self._sentinel,)
        return OkxSession(self.target.subscriptions + sentinel, self._limits)

    def _begin(self, now_ns: int) -> Connection:
        """A new life; its first step is to find out where the server is."""
        self.connects += 1
        self._errors_before = self.exchange_errors
        self.session = self._new_session()
        self._retry_at_ns = now_ns
        self._asked_ns = now_ns
        try:
            proxy = find_proxy(self.target.url, self.target.proxy)
        except ProxyError as error:
            connection = Connection(self.target.url)
            connection.abort(str(error), Failure.PROXY)
        else:
            connection = Connection(self.target.url, proxy, self._frame_bytes_max)
            self._resolver.ask(connection, connection.host, connection.port, now_ns)
        connection.taker = self._taker
        self._connection = connection
        return connection

    def _approach(self, connection: Connection, now_ns: int) -> None:
        """Until there is a socket: wait for the addresses, then for leave to connect."""
        if connection.phase is Phase.RESOLVING:
            try:
                found = self._resolver.addresses(
                    connection.host, connection.port, self._asked_ns, now_ns
                )
            except LookUpFailed as error:
                connection.abort(str(error), Failure.UNRESOLVED)
                return
            if found is None:
                return
            connection.resolved(found)
        if connection.phase is Phase.WAITING and now_ns >= self._retry_at_ns:
            # Not before: what is reserved now must reach the exchange now.
            wait_ns = self._limiter.reserve(CONNECTS, now_ns)
            self._retry_at_ns = now_ns + wait_ns
            if not wait_ns:
                connection.connect_next(now_ns)

    def _count_taken(self, taker: FrameTaker, now_ns: int) -> None:
        self.taken_count, byte_count = taker.taken()
        if self.taken_count:
            self.session.received_plain(self.taken_count, byte_count, now_ns)
            self._backoff.data_received(now_ns)

    def _receive(
        self, frames: list[bytes], events: list[Event | Opened | Closed], now_ns: int
    ) -> None:
        if frames and self.tap is not None:
            self.tap([frame for frame in frames if type(frame) is not BinaryFrame])
        session = self.session
        change_count = session.change_count
        received: list[Event] = []
        for frame in frames:
            if type(frame) is BinaryFrame:
                received += self._receive_binary(frame, now_ns)
            else:
                received += session.receive(frame, now_ns)
        if now_ns >= self.due_ns:
            received += session.advance(now_ns)
            self.due_ns = session.next_deadline_ns()
        data_count = 0
        for event in received:
            data_count += type(event) is Data
        if data_count:
            self._backoff.data_received(now_ns)
        plain = data_count == len(frames) == len(received)
        if not plain or session.change_count != change_count:
            # Else there were only data of what was live, which put the deadlines off.
            self.due_ns = session.next_deadline_ns()
        if self._sentinel is not None:
            received = self._without_sentinel(self._sentinel, received, now_ns)
        events += received

    def _receive_binary(self, frame: BinaryFrame, now_ns: int) -> list[Event]:
        """Counts as an empty frame does, whatever it holds."""
        return [
            Malformed(f"binary frame of {len(frame)} bytes") if type(event) is Malformed else event
            for event in self.session.receive(b"", now_ns)
        ]

    def _without_sentinel(
        self, sentinel: Subscription, events: list[Event], now_ns: int
    ) -> list[Event]:
        kept: list[Event] = []
        for event in events:
            if isinstance(event, Data | Acked | Refused):
                if event.subscription == sentinel:
                    continue
            elif isinstance(event, DataSilent) and sentinel in event.subscriptions:
                if event.whole_connection:
                    others = tuple(item for item in event.subscriptions if item != sentinel)
                    kept.append(DataSilent(others, event.silence_ns, True, sentinel))
                else:
                    self.session.resubscribe(sentinel, now_ns)
                continue
            kept.append(event)
        return kept

    def _send(self, connection: Connection) -> None:
        for frame in self.session.data_to_send():
            if connection.phase is Phase.OPEN:
                connection.send_text(frame)
                self.is_touched = True

    def _closed(self, connection: Connection, now_ns: int) -> Closed:
        failure = connection.failure
        self.last_close = connection.reason
        self.failures[failure] = self.failures.get(failure, 0) + 1
        delay_ms = self._backoff.next_delay_ms(now_ns)
        alarm = ""
        if failure is Failure.RATE_LIMITED:
            self._limiter.limited(CONNECTS, now_ns)
        elif failure is Failure.CERTIFICATE:
            delay_ms = max(delay_ms, CERTIFICATE_RETRY_MS)
            if self._told is not failure:
                alarm = f"{connection.reason}; nothing is received until that is mended"
        elif failure is Failure.PING_UNHEARD:
            alarm = CLOSE_REASONS[4004]
        elif failure is Failure.OVERSIZED:
            alarm = self._on_oversized(now_ns)
        self._told = failure
        self._retry_at_ns = now_ns + int(delay_ms * _MS)
        self._connection = None
        return Closed(connection.reason, delay_ms, failure, alarm)

    def _on_oversized(self, now_ns: int) -> str:
        times = self._oversized_ns
        times.append(now_ns)
        before = self._frame_bytes_max
        if len(times) == times.maxlen and now_ns - times[0] <= OVERSIZED_WITHIN_NS:
            self._frame_bytes_max = FRAME_BYTES_HARD_MAX
        return (
            f"a message was longer than {before >> 20} MiB;"
            f" up to {self._frame_bytes_max >> 20} MiB are accepted from now on"
        )
