"""Which subscriptions are to be asked for, when, and in which requests. Pure; part of `session`.

Every subscription that is waiting for an answer has one operation outstanding and one time when it
is due: first to be sent, then to be sent again. Requests are counted against the hour's budget, and
a "too frequent" answer pauses all of them. A parked subscription is asked for now and then, so that
an instrument that is listed again comes back by itself.

A resynchronisation takes two requests, and between them nothing is subscribed. So an unsubscribe is
sent only if the subscribe after it is allowed as well, and that one is reserved until it is sent.
When less than a quarter of the hour's requests is left, resynchronisations are spaced so that what
is left lasts until there is a quarter again. First subscriptions go before all of them.

Subscriptions of one `group` share a request. All begin in group 0; an error that does not say which
argument it is about splits its request into groups, until the guilty one is alone.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable
from typing import Final, NamedTuple

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
from hunter.exchange.okx.heard import new_heard
from hunter.exchange.okx.requests import Operation, Subscription, SubscriptionRequest, requests
from hunter.exchange.okx.states import SubscriptionState

NEVER_NS: Final = 2**63 - 1

_SECOND_NS: Final = 1_000_000_000
_HOUR_NS: Final = 3_600 * _SECOND_NS
# Answers come within seconds; what is older is of no use for telling which request failed.
_REQUESTS_KEPT: Final = 256
_PAUSE_NS_MIN: Final = _SECOND_NS
_PAUSE_NS_MAX: Final = 60 * _SECOND_NS
# Each minute without a complaint halves the next pause.
_PAUSE_HALVED_NS: Final = 60 * _SECOND_NS
_SHIFT_MAX: Final = 10
# After errors that are the exchange's own: 1, 2, 4 ... 60 s.
_RETRY_NS_MAX: Final = 60 * _SECOND_NS
# All parked ones together ask twice a minute at most: a quarter of the hour's requests.
_PARKED_SPACING_NS: Final = 30 * _SECOND_NS
# A book that breaks again and again must not eat the hour's requests: 0, 1, 2, 4 ... 60 s.
_RESYNC_DELAY_NS_MAX: Final = 60 * _SECOND_NS
_RESYNC_FORGOTTEN_NS: Final = 600 * _SECOND_NS
_RESYNC_REQUESTS: Final = 2
# With less than this part of the hour's requests left, resynchronisations are spaced.
_SCARCE_PART: Final = 4


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
    parked_retry_ns: int = 600 * _SECOND_NS


class RequestBudget(NamedTuple):
    """What a connection may still ask. `pause_ns`: nothing is sent for so long, because the
    exchange found us too frequent, which it did `limited_count` times."""

    requests_left: int
    requests_per_hour: int
    pause_ns: int
    limited_count: int


class TrackedSubscription:
    """One subscription of a session and all that is known about it. Changed by `session`."""

    __slots__ = (
        "ask_count",
        "awaits_subscribe",
        "due_ns",
        "error_code",
        "group",
        "heard",
        "operation",
        "report_count",
        "reported_ns",
        "resync_count",
        "resync_ns",
        "retry_count",
        "state",
        "subscription",
        "traits",
        "was_live",
    )

    def __init__(self, subscription: Subscription) -> None:
        self.subscription = subscription
        self.traits = channel_traits(subscription.channel)
        self.state = SubscriptionState.PENDING
        self.operation: Operation | None = None
        self.due_ns = NEVER_NS
        self.ask_count = 0
        self.group = 0
        # Errors that refused nothing, since it was last answered, and the latest one's code.
        self.retry_count = 0
        self.error_code = ""
        self.heard = new_heard()
        # Last time its silence was reported, and how often since the last data.
        self.reported_ns = 0
        self.report_count = 0
        self.resync_count = 0
        self.resync_ns = 0
        # An unsubscribe was sent and the subscribe after it was not yet.
        self.awaits_subscribe = False
        # What it was before it was to be subscribed anew.
        self.was_live = False

    @property
    def heard_ns(self) -> int:
        """When the last data or acknowledgement came."""
        return self.heard.heard_ns

    @heard_ns.setter
    def heard_ns(self, now_ns: int) -> None:
        self.heard.heard_ns = now_ns

    @property
    def data_count(self) -> int:
        """Pushes received."""
        return self.heard.data_count

    @data_count.setter
    def data_count(self, count: int) -> None:
        self.heard.data_count = count


class Asks:
    """The schedule of requests of one session."""

    def __init__(self, tracked: Iterable[TrackedSubscription], limits: SessionLimits) -> None:
        self._tracked = list(tracked)
        self._limits = limits
        self._sent_ns: deque[int] = deque()
        self._requests: dict[str, SubscriptionRequest] = {}
        self._split_ids: set[str] = set()
        self._last_id = 0
        self._last_group = 0
        self._request_count = 0
        self._pause_until_ns = 0
        self._pause_ns = _PAUSE_NS_MIN
        self._limited_count = 0
        self._due_ns = NEVER_NS
        self._resync_sent_ns = -_HOUR_NS
        self.repeat_count = 0

    @property
    def request_count(self) -> int:
        """Requests handed out for sending."""
        return self._request_count

    @property
    def pause_until_ns(self) -> int:
        """The end of the pause that the exchange asked for; past when there is none."""
        return self._pause_until_ns

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
        tracked.group = 0
        tracked.retry_count = 0
        tracked.error_code = ""
        tracked.awaits_subscribe = False
        self._settle()

    def park(self, tracked: TrackedSubscription, now_ns: int) -> None:
        """It was refused or never answered: try once more after a long while, in a request of its
        own, so that the answer is about it alone."""
        self.answered(tracked)
        parked_count = sum(item.state is SubscriptionState.PARKED for item in self._tracked)
        wait_ns = max(self._limits.parked_retry_ns, parked_count * _PARKED_SPACING_NS)
        tracked.group = self._new_group()
        self.ask(tracked, Operation.SUBSCRIBE, now_ns + wait_ns)

    def request(self, request_id: str) -> SubscriptionRequest | None:
        """The request an answer is about, if it is one of the latest."""
        return self._requests.get(request_id)

    def outstanding(self) -> list[TrackedSubscription]:
        """Those that were sent and wait for an answer."""
        return [item for item in self._tracked if item.operation is not None and item.ask_count]

    def split(self, request_id: str, suspects: list[TrackedSubscription], now_ns: int) -> None:
        """Something in this request is refused and the answer does not say what: ask both halves
        for themselves. Further errors about the same request say nothing new."""
        if request_id in self._split_ids:
            return
        self._split_ids.add(request_id)
        middle = (len(suspects) + 1) // 2
        for half in (suspects[:middle], suspects[middle:]):
            group = self._new_group()
            for item in half:
                item.group = group
                # It was answered, if not clearly: halving ends by itself.
                item.ask_count = 0
                item.due_ns = now_ns
        self._settle()

    def probe(self, suspects: Iterable[TrackedSubscription], now_ns: int) -> None:
        """The answer does not even say which request it is about: ask each alone."""
        sizes = Counter(item.group for item in self._tracked)
        for item in suspects:
            # Those alone already wait for their answer, or every further error would ask again.
            if item.group == 0 or sizes[item.group] > 1:
                item.group = self._new_group()
                item.due_ns = now_ns
        self._settle()

    def pause(self, now_ns: int) -> None:
        """The exchange finds us too frequent: wait, longer each time, then ask again."""
        if now_ns >= self._pause_until_ns:
            # Within a pause it is an answer to what was sent before.
            halvings = min((now_ns - self._pause_until_ns) // _PAUSE_HALVED_NS, _SHIFT_MAX)
            pause_ns = max(self._pause_ns >> halvings, _PAUSE_NS_MIN)
            self._pause_until_ns = now_ns + pause_ns
            self._pause_ns = min(2 * pause_ns, _PAUSE_NS_MAX)
        self._limited_count += 1
        for item in self.outstanding():
            # It was not heard, so it does not count.
            item.ask_count -= 1
            item.due_ns = self._pause_until_ns
            if item.state is SubscriptionState.RESYNC:
                item.awaits_subscribe = True
        self._settle()

    def postpone(
        self, suspects: Iterable[TrackedSubscription], code: str, now_ns: int, counts: bool
    ) -> None:
        """An error that refuses nothing: ask again, later each time. `counts`: not for ever."""
        for item in suspects:
            delay_ns = min(_SECOND_NS << min(item.retry_count, _SHIFT_MAX), _RETRY_NS_MAX)
            item.retry_count += 1
            item.error_code = code
            item.ask_count -= not counts
            item.due_ns = now_ns + delay_ns
        self._settle()

    def budget(self, now_ns: int) -> RequestBudget:
        """What may still be asked at this time."""
        return RequestBudget(
            self._left(now_ns),
            self._limits.requests_per_hour,
            max(self._pause_until_ns - now_ns, 0),
            self._limited_count,
        )

    def resync_delay_ns(self, tracked: TrackedSubscription, now_ns: int) -> int:
        """How long to wait before asking anew for one that was asked anew before; counts it."""
        if now_ns - tracked.resync_ns > _RESYNC_FORGOTTEN_NS:
            tracked.resync_count = 0
        delay_ns = 0
        if tracked.resync_count:
            shift = min(tracked.resync_count - 1, _SHIFT_MAX)
            delay_ns = min(_SECOND_NS << shift, _RESYNC_DELAY_NS_MAX)
        tracked.resync_count += 1
        tracked.resync_ns = now_ns
        return delay_ns

    def forget_resync(self, tracked: TrackedSubscription) -> None:
        """It was taken back before anything was sent, so it does not count."""
        tracked.resync_count = max(tracked.resync_count - 1, 0)
        self.answered(tracked)

    def take_due(self, now_ns: int) -> tuple[list[SubscriptionRequest], list[TrackedSubscription]]:
        """Requests to send now, and the subscriptions that were asked for often enough."""
        if now_ns < self.due_ns:
            return [], []
        due = [item for item in self._tracked if item.due_ns <= now_ns]
        exhausted = [item for item in due if self._is_exhausted(item)]
        sendable = [item for item in due if not self._is_exhausted(item)]
        leaving = [item for item in sendable if _is_leaving(item)]
        sent = self._send([item for item in sendable if not _is_leaving(item)], now_ns)
        sent = self._send(self._admitted(leaving, now_ns), now_ns) + sent
        self._settle()
        return sent, exhausted

    def _send(self, items: list[TrackedSubscription], now_ns: int) -> list[SubscriptionRequest]:
        """The requests for `items` that the budget allows; the others are put off."""
        sent: list[SubscriptionRequest] = []
        by_subscription = {item.subscription: item for item in items}
        for request in self._compose(items):
            asked = [by_subscription[subscription] for subscription in request.subscriptions]
            owing = request.operation == Operation.UNSUBSCRIBE
            reserved = sum(item.awaits_subscribe for item in self._tracked)
            reserved += sum(owing - item.awaits_subscribe for item in asked)
            free_ns = self._free_ns(1 + reserved, now_ns)
            for item in asked:
                if free_ns > now_ns:
                    item.due_ns = free_ns
                    continue
                self.repeat_count += item.ask_count > 0
                item.ask_count += 1
                item.due_ns = now_ns + self._limits.ack_timeout_ns
                item.awaits_subscribe = owing
            if free_ns <= now_ns:
                sent.append(request)
                self._record(request, now_ns)
        return sent

    def _admitted(
        self, leaving: list[TrackedSubscription], now_ns: int
    ) -> list[TrackedSubscription]:
        """Those that may be unsubscribed now; the others wait, and longest who came most often."""
        admitted: list[TrackedSubscription] = []
        room = self._left(now_ns) - sum(item.awaits_subscribe for item in self._tracked)
        for item in sorted(leaving, key=lambda item: (item.resync_count, item.due_ns)):
            free_ns = self._resync_free_ns(room, now_ns)
            if free_ns > now_ns:
                item.due_ns = free_ns
                continue
            admitted.append(item)
            room -= _RESYNC_REQUESTS
            self._resync_sent_ns = now_ns
        return admitted

    def _resync_free_ns(self, room: int, now_ns: int) -> int:
        """When one more may begin; `room`: requests that are neither used nor reserved."""
        per_hour = self._limits.requests_per_hour
        if room < _RESYNC_REQUESTS:
            return self._left_ns(_RESYNC_REQUESTS - room, now_ns)
        missing = per_hour // _SCARCE_PART - room
        if missing <= 0:
            return now_ns
        scarce_ns = self._left_ns(missing, now_ns) - now_ns
        return max(self._resync_sent_ns + _RESYNC_REQUESTS * scarce_ns // room, now_ns)

    def _is_exhausted(self, item: TrackedSubscription) -> bool:
        if item.state is SubscriptionState.PARKED:
            return item.ask_count >= 1
        return item.ask_count >= self._limits.asks_max

    def _compose(self, items: list[TrackedSubscription]) -> list[SubscriptionRequest]:
        """Unsubscribes first; groups of suspects last."""
        composed: list[SubscriptionRequest] = []
        for operation in (Operation.UNSUBSCRIBE, Operation.SUBSCRIBE):
            groups: dict[int, list[Subscription]] = {}
            for item in items:
                if item.operation is operation:
                    groups.setdefault(item.group, []).append(item.subscription)
            for _, group in sorted(groups.items()):
                composed += requests(
                    operation, group, self._next_id, self._limits.request_bytes_max
                )
        return composed

    def _new_group(self) -> int:
        self._last_group += 1
        return self._last_group

    def _next_id(self) -> str:
        self._last_id += 1
        return str(self._last_id)

    def _left(self, now_ns: int) -> int:
        """Requests that the hour still allows."""
        while self._sent_ns and self._sent_ns[0] <= now_ns - _HOUR_NS:
            self._sent_ns.popleft()
        return self._limits.requests_per_hour - len(self._sent_ns)

    def _left_ns(self, count: int, now_ns: int) -> int:
        """When `count` more requests will be allowed than are now."""
        if count <= len(self._sent_ns):
            return self._sent_ns[count - 1] + _HOUR_NS
        return now_ns + _HOUR_NS

    def _free_ns(self, count: int, now_ns: int) -> int:
        """When `count` requests are allowed."""
        missing = count - self._left(now_ns)
        return now_ns if missing <= 0 else self._left_ns(missing, now_ns)

    def _record(self, request: SubscriptionRequest, now_ns: int) -> None:
        self._request_count += 1
        self._sent_ns.append(now_ns)
        self._requests[request.request_id] = request
        if len(self._requests) > _REQUESTS_KEPT:
            oldest = next(iter(self._requests))
            del self._requests[oldest]
            self._split_ids.discard(oldest)

    def _settle(self) -> None:
        self._due_ns = min((item.due_ns for item in self._tracked), default=NEVER_NS)


def _is_leaving(item: TrackedSubscription) -> bool:
    """Still subscribed, and to be unsubscribed."""
    return item.operation is Operation.UNSUBSCRIBE and not item.awaits_subscribe
