"""One connection to OKX as a state machine without I/O.

The caller owns the socket and the clock: it passes frames and the time in, sends what
`data_to_send` returns, and calls `advance` not later than `next_deadline_ns`. One object a
connection: after `Dead`, or when the socket closes, make a new one.

Invariants: a subscription is in exactly one state of `states`; only data count as data; no answer
of the exchange raises; the hour's requests are never exceeded. Called by the stream actor.
"""

from __future__ import annotations

from collections import deque
from typing import Final

import msgspec

from hunter.exchange.okx import texts
from hunter.exchange.okx.asks import (
    NEVER_NS,
    Asks,
    RequestBudget,
    SessionLimits,
    TrackedSubscription,
)
from hunter.exchange.okx.endpoints import (
    CODE_INTERNAL_ERROR,
    CODE_SERVICE_UPGRADE,
    CODE_TOO_FREQUENT,
    CODES_REFUSED,
    PONG_FRAME,
)
from hunter.exchange.okx.events import (
    Acked,
    Data,
    DataSilent,
    Dead,
    Event,
    ExchangeError,
    Malformed,
    Notice,
    PongReceived,
    Refused,
    SessionStatistics,
    Unknown,
)
from hunter.exchange.okx.heard import Heard
from hunter.exchange.okx.messages import NO_DATA, Arg, Envelope
from hunter.exchange.okx.parse import DECODE_ERRORS
from hunter.exchange.okx.requests import PING, Operation, Subscription, SubscriptionRequest
from hunter.exchange.okx.silence import overdue_ns
from hunter.exchange.okx.states import (
    SESSION,
    SUBSCRIPTION,
    SessionState,
    SessionTrigger,
    SubscriptionState,
    SubscriptionTrigger,
)

Frame = bytes | bytearray | memoryview

_MINUTE_NS: Final = 60_000_000_000
# New events and channels are told of once each; beyond so many they are only counted.
_UNKNOWN_KINDS_MAX: Final = 32

_decode = msgspec.json.Decoder(Envelope).decode
_LIVE = SubscriptionState.LIVE
_SUBSCRIBED = (SubscriptionState.ACKED, SubscriptionState.LIVE, SubscriptionState.RESYNC)


class OkxSession:
    """Subscribes to `subscriptions` once opened and keeps them subscribed."""

    def __init__(
        self, subscriptions: tuple[Subscription, ...], limits: SessionLimits | None = None
    ) -> None:
        self._limits = limits or SessionLimits()
        self._state = SessionState.CONNECTING
        # A plain tuple finds the Subscription it equals, and is cheaper to make on every frame.
        self._tracked: dict[tuple[str, str], TrackedSubscription] = {
            item: TrackedSubscription(item) for item in subscriptions
        }
        self._asks = Asks(self._tracked.values(), self._limits)
        self._outbox: list[bytes] = []
        self._connection_id = ""
        self._last_frame_ns = 0
        self._last_data_ns = 0
        self._ping_sent_ns: int | None = None
        self._silence_reported_ns = 0
        # Lower bound of the next time a single subscription can be overdue; data only move it back.
        self._overdue_check_ns = NEVER_NS
        self._expects_data = False
        self._is_subscribed = False
        self._malformed_ns: deque[int] = deque(maxlen=self._limits.malformed_per_minute_max + 1)
        self._frame_count = 0
        self._frame_bytes = 0
        self._data_count = 0
        self._ping_count = 0
        self._pong_count = 0
        self._ack_count = 0
        self._refused_count = 0
        self._error_count = 0
        self._notice_count = 0
        self._malformed_count = 0
        self._unknown_count = 0
        self._silence_count = 0
        self._unknown_kinds: set[str] = set()
        # How often anything has changed that says what data of a subscription mean.
        self.change_count = 0

    @property
    def state(self) -> SessionState:
        return self._state

    @property
    def connection_id(self) -> str:
        """The exchange's name for this connection, for logs; "" until an answer told it."""
        return self._connection_id

    @property
    def last_data_ns(self) -> int:
        """When data came last; when the session was opened if none came."""
        return self._last_data_ns

    def subscription_state(self, subscription: Subscription) -> SubscriptionState:
        return self._tracked[subscription].state

    def heard_ns(self, subscription: Subscription) -> int:
        """When its data or its acknowledgement came last; 0 before both."""
        return self._tracked[subscription].heard_ns

    def subscription_states(self) -> dict[Subscription, SubscriptionState]:
        return {item.subscription: item.state for item in self._tracked.values()}

    def opened(self, now_ns: int) -> None:
        """The WebSocket handshake is done."""
        self._move(SessionTrigger.OPENED)
        self._last_frame_ns = self._last_data_ns = now_ns
        for item in self._tracked.values():
            self._asks.ask(item, Operation.SUBSCRIBE, now_ns)
        self._send_due(now_ns)
        self._review(now_ns)

    def receive(self, frame: Frame, now_ns: int) -> list[Event]:
        """One complete text frame."""
        assert self._state is not SessionState.CONNECTING, "opened() comes first"
        if self._state is SessionState.FAILED:
            return []
        self._last_frame_ns = now_ns
        self._frame_count += 1
        self._frame_bytes += len(frame)
        try:
            envelope = _decode(frame)
        except DECODE_ERRORS as error:
            return self._receive_text(frame, error, now_ns)
        arg = envelope.arg
        if arg is None or envelope.data is NO_DATA or envelope.event is not None:
            return self._receive_event(envelope, now_ns)
        item = self._find(arg)
        if item is None:
            named = f"{arg.channel[:40]} {(arg.inst_id or arg.inst_type)[:40]}"
            return self._receive_unknown(arg.channel[:40], f"data of {named}, not asked for")
        self._data_count += 1
        self._last_data_ns = now_ns
        item.heard.heard_ns = now_ns
        item.heard.data_count += 1
        if item.report_count:
            item.report_count = 0
            self._review(now_ns)
        if item.state is not _LIVE:
            self._first_data(item, envelope.action, now_ns)
        return [Data(item.subscription, envelope.action, envelope.data)]

    def received_plain(self, frame_count: int, frame_bytes: int, now_ns: int) -> None:
        """So many data frames were taken by somebody else, each of an `ordinary` subscription."""
        self._last_frame_ns = self._last_data_ns = now_ns
        self._frame_count += frame_count
        self._frame_bytes += frame_bytes
        self._data_count += frame_count

    def ordinary(self, subscription: Subscription) -> Heard | None:
        """Its record if that is all that data of it change here: it is live, and no silence of it
        was reported. What it says holds until `change_count` changes.
        """
        item = self._tracked[subscription]
        is_open = self._state in (SessionState.OPEN, SessionState.CLOSING)
        return item.heard if is_open and item.state is _LIVE and not item.report_count else None

    def data_to_send(self) -> list[bytes]:
        """Text frames to send now, each once."""
        frames = self._outbox
        if frames:
            self._outbox = []
        return frames

    def next_deadline_ns(self) -> int:
        """When `advance` has something to do at the latest; NEVER_NS before and after."""
        if self._state not in (SessionState.OPEN, SessionState.CLOSING):
            return NEVER_NS
        return min(
            self._ping_due_ns(),
            self._silence_due_ns(),
            self._overdue_check_ns,
            self._asks.due_ns,
        )

    def advance(self, now_ns: int) -> list[Event]:
        """Time has passed. Harmless when nothing is due."""
        if now_ns < self.next_deadline_ns():
            return []
        if self._ping_due_ns() <= now_ns:
            if self._ping_sent_ns is not None:
                return [self._die("no pong in time")]
            self._outbox.append(PING)
            self._ping_sent_ns = now_ns
            self._ping_count += 1
        events: list[Event] = []
        if self._silence_due_ns() <= now_ns:
            self._silence_reported_ns = now_ns
            self._silence_count += 1
            expected = tuple(
                item.subscription
                for item in self._tracked.values()
                if item.state is not SubscriptionState.PARKED
            )
            events.append(DataSilent(expected, now_ns - self._last_data_ns, True))
        if self._overdue_check_ns <= now_ns:
            events += self._overdue(now_ns)
        events += self._send_due(now_ns)
        return events

    def resubscribe(self, subscription: Subscription, now_ns: int) -> bool:
        """Unsubscribe and subscribe anew, for a fresh snapshot; or try a parked one again.

        False when that is already under way. Repeated within minutes it waits, longer each time.
        """
        item = self._tracked[subscription]
        before = item.state
        if before in (SubscriptionState.PENDING, SubscriptionState.RESYNC):
            return False
        item.was_live = before is _LIVE
        self._step(item, SubscriptionTrigger.RESUBSCRIBE, now_ns)
        item.group = 0
        due_ns = now_ns + self._asks.resync_delay_ns(item, now_ns)
        # Unsubscribe is answered before subscribe is sent: a subscription that is still there would
        # only be acked, without a new snapshot.
        parked = before is SubscriptionState.PARKED
        self._asks.ask(item, Operation.SUBSCRIBE if parked else Operation.UNSUBSCRIBE, due_ns)
        self._send_due(now_ns)
        return True

    def is_leaving(self, subscription: Subscription) -> bool:
        """Whether it is being subscribed anew and that cannot be taken back: what still comes is of
        the subscription that ends.
        """
        item = self._tracked[subscription]
        if item.state is not SubscriptionState.RESYNC:
            return False
        return item.operation is not Operation.UNSUBSCRIBE or item.awaits_subscribe

    def cancel_resubscribe(self, subscription: Subscription) -> bool:
        """Take `resubscribe` back: the subscription stays as it is. False when it is too late, for
        an unsubscribe was sent, or when there is nothing to take back.
        """
        item = self._tracked[subscription]
        if item.operation is not Operation.UNSUBSCRIBE or item.awaits_subscribe:
            return False
        self._asks.forget_resync(item)
        self._step(item, SubscriptionTrigger.CANCELLED, self._last_frame_ns)
        if item.was_live:
            self._step(item, SubscriptionTrigger.DATA, self._last_frame_ns)
        return True

    def request_budget(self, now_ns: int) -> RequestBudget:
        """What this connection may still ask of the exchange."""
        return self._asks.budget(now_ns)

    def statistics(self) -> SessionStatistics:
        """A record of the counts now."""
        return SessionStatistics(
            frame_count=self._frame_count,
            frame_bytes=self._frame_bytes,
            data_count=self._data_count,
            ping_count=self._ping_count,
            pong_count=self._pong_count,
            ack_count=self._ack_count,
            refused_count=self._refused_count,
            error_count=self._error_count,
            notice_count=self._notice_count,
            malformed_count=self._malformed_count,
            unknown_count=self._unknown_count,
            silence_count=self._silence_count,
            request_count=self._asks.request_count,
            repeat_count=self._asks.repeat_count,
        )

    def _receive_text(self, frame: Frame, error: Exception, now_ns: int) -> list[Event]:
        """`pong`, or something that is no JSON of ours."""
        if frame == PONG_FRAME:
            self._pong_count += 1
            sent_ns, self._ping_sent_ns = self._ping_sent_ns, None
            return [PongReceived(now_ns - sent_ns if sent_ns is not None else 0)]
        self._malformed_count += 1
        self._malformed_ns.append(now_ns)
        events: list[Event] = [Malformed(str(error)[: texts.LENGTH_MAX])]
        times = self._malformed_ns
        if len(times) == times.maxlen and times[0] > now_ns - _MINUTE_NS:
            events.append(self._die(f"{len(times)} malformed frames within a minute"))
        return events

    def _receive_event(self, envelope: Envelope, now_ns: int) -> list[Event]:
        """An answer or an announcement. What follows from it is sent at once."""
        if envelope.conn_id is not None:
            self._connection_id = str(envelope.conn_id)[: texts.LENGTH_MAX]
        code = texts.short(envelope.code)
        msg = texts.short(envelope.msg)
        if envelope.event == "error":
            events = self._receive_error(code, msg, texts.short(envelope.id), now_ns)
            return events + self._send_due(now_ns)
        if envelope.event == "notice":
            self._notice_count += 1
            if code == CODE_SERVICE_UPGRADE:
                self._move(SessionTrigger.NOTICE)
            return [Notice(code, msg)]
        item = self._find(envelope.arg) if envelope.arg is not None else None
        if item is not None and envelope.event == "subscribe":
            return self._receive_ack(item, now_ns)
        if item is not None and envelope.event == "unsubscribe":
            if item.operation is Operation.UNSUBSCRIBE:
                self._asks.ask(item, Operation.SUBSCRIBE, now_ns)
            return self._send_due(now_ns)
        what = f"event {texts.short(envelope.event)}"
        return self._receive_unknown(what, what)

    def _receive_unknown(self, kind: str, what: str) -> list[Event]:
        """Counted always; an event the first time."""
        self._unknown_count += 1
        kinds = self._unknown_kinds
        if kind in kinds or len(kinds) >= _UNKNOWN_KINDS_MAX:
            return []
        kinds.add(kind)
        return [Unknown(what)]

    def _receive_ack(self, item: TrackedSubscription, now_ns: int) -> list[Event]:
        self._ack_count += 1
        if item.operation is Operation.UNSUBSCRIBE:
            # A late answer to the request before: it says nothing about the new one.
            return []
        item.heard_ns = now_ns
        self._step(item, SubscriptionTrigger.ACK, now_ns)
        self._asks.answered(item)
        return [Acked(item.subscription)]

    def _receive_error(self, code: str, msg: str, request_id: str, now_ns: int) -> list[Event]:
        """Errors name no argument: find it by the request's id or by the text, or ask in parts."""
        self._error_count += 1
        if code == CODE_TOO_FREQUENT:
            self._asks.pause(now_ns)
            return [ExchangeError(code, msg)]
        request = self._asks.request(request_id)
        if code not in CODES_REFUSED:
            if request is not None:
                # A code we do not know may be a refusal, so it is not asked for without end.
                counts = code != CODE_INTERNAL_ERROR
                self._asks.postpone(self._unanswered(request), code, now_ns, counts)
            return [ExchangeError(code, msg)]
        suspects = self._suspects(msg, request)
        if len(suspects) == 1:
            return self._refuse(suspects[0], code, msg, now_ns)
        if request is not None:
            self._asks.split(request_id, suspects, now_ns)
        else:
            self._asks.probe(suspects, now_ns)
        return [ExchangeError(code, msg)]

    def _suspects(self, msg: str, request: SubscriptionRequest | None) -> list[TrackedSubscription]:
        """Which subscriptions an error may be about; one if it can be told."""
        if request is not None and len(request.subscriptions) == 1:
            return [self._tracked[request.subscriptions[0]]]
        named = texts.named(msg)
        if named is not None:
            item = self._tracked.get(named)
            return [item] if item is not None else []
        return self._asks.outstanding() if request is None else self._unanswered(request)

    def _unanswered(self, request: SubscriptionRequest) -> list[TrackedSubscription]:
        return [
            item for item in self._asks.outstanding() if item.subscription in request.subscriptions
        ]

    def _refuse(self, item: TrackedSubscription, code: str, msg: str, now_ns: int) -> list[Event]:
        if item.operation is Operation.UNSUBSCRIBE:
            # It was not subscribed: that is what the unsubscribe was for.
            self._asks.ask(item, Operation.SUBSCRIBE, now_ns)
            return [ExchangeError(code, msg)]
        return self._park(
            item, SubscriptionTrigger.REFUSED, Refused(item.subscription, code, msg), now_ns
        )

    def _park(
        self, item: TrackedSubscription, trigger: SubscriptionTrigger, event: Refused, now_ns: int
    ) -> list[Event]:
        """Told unless it was parked before and this was one more try."""
        before = item.state
        self._step(item, trigger, now_ns)
        if item.state is not SubscriptionState.PARKED:
            self._asks.answered(item)
        else:
            self._asks.park(item, now_ns)
            if before is SubscriptionState.PARKED:
                return []
        self._refused_count += 1
        return [event]

    def _first_data(self, item: TrackedSubscription, action: str, now_ns: int) -> None:
        """Data of a subscription that is not live (yet)."""
        leaving = item.operation is Operation.UNSUBSCRIBE
        snapshot = action == "snapshot" and not leaving
        trigger = SubscriptionTrigger.SNAPSHOT if snapshot else SubscriptionTrigger.DATA
        self._step(item, trigger, now_ns)
        if item.state is _LIVE and item.operation is not None:
            self._asks.answered(item)

    def _send_due(self, now_ns: int) -> list[Event]:
        """Queue the requests that are due; park what was asked for often enough."""
        requests, exhausted = self._asks.take_due(now_ns)
        self._outbox += [request.frame for request in requests]
        events: list[Event] = []
        for item in exhausted:
            if item.operation is Operation.UNSUBSCRIBE:
                self._asks.ask(item, Operation.SUBSCRIBE, now_ns)
                continue
            answer = f"error {item.error_code}" if item.error_code else "no answer"
            msg = f"{answer} to {self._limits.asks_max} requests"
            event = Refused(item.subscription, item.error_code, msg)
            events += self._park(item, SubscriptionTrigger.UNANSWERED, event, now_ns)
        return events

    def _overdue(self, now_ns: int) -> list[Event]:
        """Single subscriptions beyond the silence that their channel promises to keep below."""
        events: list[Event] = []
        for item in self._tracked.values():
            if overdue_ns(item) <= now_ns:
                silence_ns = now_ns - item.heard_ns
                item.reported_ns = now_ns
                item.report_count += 1
                self.change_count += 1
                self._silence_count += 1
                events.append(DataSilent((item.subscription,), silence_ns, False))
        self._review(now_ns)
        return events

    def _find(self, arg: Arg) -> TrackedSubscription | None:
        return self._tracked.get((arg.channel, arg.inst_id or arg.inst_type))

    def _step(self, item: TrackedSubscription, trigger: SubscriptionTrigger, now_ns: int) -> None:
        before = item.state
        item.state = SUBSCRIPTION[before, trigger]
        if item.state is not before:
            self.change_count += 1
            self._review(now_ns)

    def _move(self, trigger: SessionTrigger) -> None:
        state = SESSION[self._state, trigger]
        assert state is not None, (self._state, trigger)
        self._state = state
        self.change_count += 1

    def _die(self, reason: str) -> Dead:
        self._move(SessionTrigger.DIED)
        self._outbox = []
        return Dead(reason)

    def _review(self, now_ns: int) -> None:
        """What follows from the states: whether data are expected, and from whom."""
        items = self._tracked.values()
        expected = any(item.state is not SubscriptionState.PARKED for item in items)
        if expected and not self._expects_data:
            # Until now nothing was to come, so the silence begins here.
            self._silence_reported_ns = now_ns
        self._expects_data = expected
        self._is_subscribed = any(item.state in _SUBSCRIBED for item in items)
        self._overdue_check_ns = min(map(overdue_ns, items), default=NEVER_NS)

    def _ping_due_ns(self) -> int:
        """When to send a ping or, if one is out, to give up waiting for its pong."""
        if self._ping_sent_ns is not None:
            return self._ping_sent_ns + self._limits.ping_timeout_ns
        return self._last_frame_ns + self._limits.ping_after_ns

    def _silence_due_ns(self) -> int:
        if not self._expects_data:
            return NEVER_NS
        since_ns = max(self._last_data_ns, self._silence_reported_ns)
        if not self._is_subscribed:
            # While the exchange lets us ask for nothing, nothing can come.
            since_ns = max(since_ns, self._asks.pause_until_ns)
        return since_ns + self._limits.stale_after_ns
