"""When the silence of one subscription is to be told of. Pure; called by `session`."""

from __future__ import annotations

from typing import Final

from hunter.exchange.okx.asks import NEVER_NS, TrackedSubscription
from hunter.exchange.okx.states import SubscriptionState

# A silence that asking anew does not end is told of less and less often.
REPORT_NS_MAX: Final = 600_000_000_000
_REPORTS_COUNTED_MAX: Final = 10


def overdue_ns(item: TrackedSubscription) -> int:
    """When it will have been silent for longer than its channel promises, or than it was when that
    was told of last; NEVER_NS for a channel that promises nothing, and while nothing can come.
    """
    silence_ns_max = item.traits.silence_ns_max
    if silence_ns_max is None or item.state not in (
        SubscriptionState.ACKED,
        SubscriptionState.LIVE,
    ):
        return NEVER_NS
    wait_ns = silence_ns_max << min(item.report_count, _REPORTS_COUNTED_MAX)
    wait_ns = max(min(wait_ns, REPORT_NS_MAX), silence_ns_max)
    return max(item.heard_ns, item.reported_ns) + wait_ns
