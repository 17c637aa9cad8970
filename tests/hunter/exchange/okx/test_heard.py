from __future__ import annotations

from hunter.exchange.okx.asks import TrackedSubscription
from hunter.exchange.okx.heard import Heard, new_heard
from hunter.exchange.okx.requests import Subscription
from hunter.native import kernel


def test_the_compiled_one_is_used_where_there_is_one() -> None:
    expected = Heard if kernel is None else kernel.Heard
    assert type(new_heard()) is expected


def test_what_is_counted_in_it_is_what_the_subscription_shows() -> None:
    tracked = TrackedSubscription(Subscription("trades", "BTC-USDT"))
    tracked.heard.heard_ns = 5
    tracked.heard.data_count += 2
    assert (tracked.heard_ns, tracked.data_count) == (5, 2)
    tracked.heard_ns = 7
    tracked.data_count += 1
    assert (tracked.heard.heard_ns, tracked.heard.data_count) == (7, 3)
