"""Which subscriptions are to be asked for, when, and in which requests. Pure; part of `session`.

Every subscription that is waiting for an answer has one operation outstanding and one time when it
is due: first to be sent, then to be sent again. Requests are counted against the hour's budget, and
a "too frequent" answer pauses all of them.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import Final

import msgspec

from hunter.exchange.okx.endpoints import (
    ACK_TIMEOUT_NS,
    ASKS_MAX,
    PING_AFTER_NS,
    PING_TIMEOUT_NS,
    REQUEST_BYTES_MAX,
    REQUESTS_PER_HOUR,
    channel_traits,
)
from hunter.exchange.okx.requests import Operation, Subscription, SubscriptionRequest, requests
from hunter.exchange.okx.states import SubscriptionState

NEVER_NS: Final = 2**63 - 1

_SECOND_NS: Final = 1_000_000_000
_HOUR_NS: Final = 3_600 * _SECOND_NS
# Answers come within seconds; what is older is of no use for telling which request failed.
_REQUESTS_KEPT: Final = 256
_PAUSE_NS_MIN: Final = _SECOND_NS
_PAUSE_NS_MAX: Final = 60 * _SECOND_NS
# A book that breaks again and again must not eat the hour's requests: 0, 1, 2, 4 ... 60 s.
_RESYNC_DELAY_NS_MAX: Final = 60 * _SECOND_NS
_RESYNC_FORGOTTEN_NS: Final = 600 * _SECOND_NS


class SessionLimits(msgspec.Struct, frozen=True):
    """What a session waits for and how often it asks. `stale_after_ns` belongs to the market
    subscribed to: a connection with one quiet instrument needs a long one."""

    ping_after_ns: int = PING_AFTER_NS
    ping_timeout_ns: int = PING_TIMEOUT_NS
    stale_after_ns: int = 30 * _SECOND_NS
    ack_timeout_ns: int = ACK_TIMEOUT_NS
    asks_max: int = ASKS_MAX
    requests_per_hour: int = REQUESTS_PER_HOUR
    request_bytes_max: int = REQUEST_BYTES_MAX
    malformed_per_minute_max: int = 10


class TrackedSubscription:
    """One subscription of a session and all that is known about it. Changed by `session`."""

    __slots__ = (
        "alone",
        "ask_count",
        "data_count",
        "due_ns",
        "heard_ns",
        "operation",
        "reported_ns",
        "resync_count",
        "resync_ns",
        "state",
        "subscription",
        "traits",
    )

    def __init__(self, subscription: Subscription) -> None:
        self.subscription = subscription
        self.traits = channel_traits(subscription.channel)
        self.state = SubscriptionState.PENDING
        self.operation: Operation | None = None
        self.due_ns = NEVER_NS
        self.ask_count = 0
        # Asked in a request of its own, to learn which argument is refused.
        self.alone = False
        self.data_count = 0
        # Last data or ack; last time its silence was reported.
        self.heard_ns = 0
        self.reported_ns = 0
        self.resync_count = 0
        self.resync_ns = 0


class Asks:
    """The schedule of requests of one session."""

    def __init__(self, tracked: Iterable[TrackedSubscription], limits: SessionLimits) -> None:
        self._tracked = list(tracked)
        self._limits = limits
        self._sent_ns: deque[int] = deque()
        self._requests: dict[str, SubscriptionRequest] = {}
        self._last_id = 0
        self._request_count = 0
        self._pause_until_ns = 0
        self._pause_ns = _PAUSE_NS_MIN
        self._due_ns = NEVER_NS
        self.repeat_count = 0

    @property
    def request_count(self) -> int:
        """Requests handed out for sending."""
        return self._request_count

    @property
    def due_ns(self) -> int:
        """When something is to be sent or has waited too long."""
        return max(self._due_ns, self._pause_until_ns)

    def ask(self, tracked: TrackedSubscription, operation: Operation, due_ns: int) -> None:
        """Send `operation` for it at `due_ns`, and again until `answered`."""
        tracked.operation = operation
        tracked.due_ns = due_ns
        tracked.ask_count = 0
        self._due_ns = min(self._due_ns, due_ns)

    def answered(self, tracked: TrackedSubscription) -> None:
        """Nothing is to be asked for it any more."""
        tracked.operation = None
        tracked.due_ns = NEVER_NS
        tracked.alone = False
        self._pause_ns = _PAUSE_NS_MIN
        self._settle()

    def request(self, request_id: str) -> SubscriptionRequest | None:
        """The request an answer is about, if it is one of the latest."""
        return self._requests.get(request_id)

    def outstanding(self) -> list[TrackedSubscription]:
        """Those that were sent and wait for an answer."""
        return [item for item in self._tracked if item.operation is not None and item.ask_count]

    def probe(self, suspects: Iterable[TrackedSubscription], now_ns: int) -> None:
        """Ask each again alone: one of them is refused and the answer did not say which."""
        for item in suspects:
            # Those alone already wait for their answer, or every further error would ask again.
            if not item.alone:
                item.alone = True
                item.due_ns = now_ns
        self._settle()

    def pause(self, now_ns: int) -> None:
        """The exchange finds us too frequent: wait, longer each time, then ask again."""
        self._pause_until_ns = max(self._pause_until_ns, now_ns + self._pause_ns)
        self._pause_ns = min(2 * self._pause_ns, _PAUSE_NS_MAX)
        for item in self.outstanding():
            # It was not heard, so it does not count.
            item.ask_count -= 1
            item.due_ns = self._pause_until_ns
        self._settle()

    def resync_delay_ns(self, tracked: TrackedSubscription, now_ns: int) -> int:
        """How long to wait before asking anew for one that was asked anew before; counts it."""
        if now_ns - tracked.resync_ns > _RESYNC_FORGOTTEN_NS:
            tracked.resync_count = 0
        delay_ns = 0
        if tracked.resync_count:
            delay_ns = min(_SECOND_NS << min(tracked.resync_count - 1, 10), _RESYNC_DELAY_NS_MAX)
        tracked.resync_count += 1
        tracked.resync_ns = now_ns
        return delay_ns

    def take_due(self, now_ns: int) -> tuple[list[SubscriptionRequest], list[TrackedSubscription]]:
        """Requests to send now, and the subscriptions that were asked for often enough."""
        if now_ns < self.due_ns:
            return [], []
        due = [item for item in self._tracked if item.due_ns <= now_ns]
        exhausted = [item for item in due if item.ask_count >= self._limits.asks_max]
        sendable = [item for item in due if item.ask_count < self._limits.asks_max]
        sent: list[SubscriptionRequest] = []
        by_subscription = {item.subscription: item for item in sendable}
        for request in self._compose(sendable):
            free_ns = self._budget_free_ns(now_ns)
            for subscription in request.subscriptions:
                item = by_subscription[subscription]
                if free_ns > now_ns:
                    item.due_ns = free_ns
                    continue
                self.repeat_count += item.ask_count > 0
                item.ask_count += 1
                item.due_ns = now_ns + self._limits.ack_timeout_ns
            if free_ns <= now_ns:
                sent.append(request)
                self._record(request, now_ns)
        self._settle()
        return sent, exhausted

    def _compose(self, items: list[TrackedSubscription]) -> list[SubscriptionRequest]:
        """Unsubscribes first; those to be asked alone last."""
        composed: list[SubscriptionRequest] = []
        for operation in (Operation.UNSUBSCRIBE, Operation.SUBSCRIBE):
            wanted = [item for item in items if item.operation is operation]
            groups = [[item.subscription for item in wanted if not item.alone]]
            groups += [[item.subscription] for item in wanted if item.alone]
            for group in groups:
                composed += requests(
                    operation, group, self._next_id, self._limits.request_bytes_max
                )
        return composed

    def _next_id(self) -> str:
        self._last_id += 1
        return str(self._last_id)

    def _budget_free_ns(self, now_ns: int) -> int:
        """When one more request is allowed."""
        while self._sent_ns and self._sent_ns[0] <= now_ns - _HOUR_NS:
            self._sent_ns.popleft()
        if len(self._sent_ns) < self._limits.requests_per_hour:
            return now_ns
        return self._sent_ns[0] + _HOUR_NS

    def _record(self, request: SubscriptionRequest, now_ns: int) -> None:
        self._request_count += 1
        self._sent_ns.append(now_ns)
        self._requests[request.request_id] = request
        if len(self._requests) > _REQUESTS_KEPT:
            del self._requests[next(iter(self._requests))]

    def _settle(self) -> None:
        self._due_ns = min((item.due_ns for item in self._tracked), default=NEVER_NS)
