"""When one subscription's silence is told of."""

from __future__ import annotations

from hunter.exchange.okx.asks import NEVER_NS, TrackedSubscription
from hunter.exchange.okx.requests import Subscription
from hunter.exchange.okx.silence import REPORT_NS_MAX, overdue_ns
from hunter.exchange.okx.states import SubscriptionState


def test_only_a_channel_that_promises_something_can_be_overdue() -> None:
    trades = TrackedSubscription(Subscription("trades", "BTC-USDT"))
    books = TrackedSubscription(Subscription("books", "BTC-USDT"))
    trades.state = books.state = SubscriptionState.LIVE
    assert overdue_ns(trades) == NEVER_NS
    assert overdue_ns(books) < NEVER_NS
    books.state = SubscriptionState.RESYNC
    assert overdue_ns(books) == NEVER_NS


def test_silence_that_lasts_is_told_less_and_less_often() -> None:
    books = TrackedSubscription(Subscription("books", "BTC-USDT"))
    books.state = SubscriptionState.LIVE
    books.heard.heard_ns = 1_000
    promised_ns = books.traits.silence_ns_max
    assert promised_ns is not None
    assert overdue_ns(books) == 1_000 + promised_ns
    books.report_count, books.reported_ns = 1, 5_000
    assert overdue_ns(books) == 5_000 + min(2 * promised_ns, REPORT_NS_MAX)
    books.report_count = 100
    assert overdue_ns(books) == 5_000 + REPORT_NS_MAX
