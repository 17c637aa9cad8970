from __future__ import annotations

import pytest

from hunter.exchange.okx.asks import NEVER_NS, Asks, SessionLimits, TrackedSubscription
from hunter.exchange.okx.requests import Operation, Subscription

S = 1_000_000_000


def schedule(count: int, **limits: int) -> tuple[Asks, list[TrackedSubscription]]:
    tracked = [
        TrackedSubscription(Subscription("trades", f"C{index}-USDT")) for index in range(count)
    ]
    return Asks(tracked, SessionLimits(**limits)), tracked


def test_nothing_asked_is_never_due() -> None:
    asks, _ = schedule(2)
    assert asks.due_ns == NEVER_NS
    assert asks.take_due(10**18) == ([], [])
    assert asks.outstanding() == []


def test_due_ask_is_handed_out_once_and_waits_for_its_answer() -> None:
    asks, (item,) = schedule(1)
    asks.ask(item, Operation.SUBSCRIBE, 3 * S)
    assert asks.take_due(2 * S) == ([], [])
    requests, exhausted = asks.take_due(3 * S)
    assert [request.subscriptions for request in requests] == [(item.subscription,)]
    assert exhausted == []
    assert asks.outstanding() == [item]
    assert asks.due_ns == 8 * S
    assert asks.request(requests[0].request_id) is requests[0]
    asks.answered(item)
    assert (asks.due_ns, asks.outstanding()) == (NEVER_NS, [])


def test_unsubscribes_go_first_and_the_suspected_last() -> None:
    asks, (first, second, third) = schedule(3)
    asks.ask(first, Operation.SUBSCRIBE, 0)
    asks.ask(second, Operation.SUBSCRIBE, 0)
    asks.ask(third, Operation.UNSUBSCRIBE, 0)
    first.alone = True
    requests, _ = asks.take_due(0)
    assert [request.operation for request in requests] == ["unsubscribe", "subscribe", "subscribe"]
    assert [request.subscriptions[0] for request in requests[1:]] == [
        second.subscription,
        first.subscription,
    ]


def test_probed_ask_goes_back_into_batches_once_answered() -> None:
    asks, items = schedule(2)
    for item in items:
        asks.ask(item, Operation.SUBSCRIBE, 0)
    assert len(asks.take_due(0)[0]) == 1
    asks.probe(items, 0)
    assert len(asks.take_due(0)[0]) == 2
    for item in items:
        asks.answered(item)
        asks.ask(item, Operation.UNSUBSCRIBE, S)
    assert len(asks.take_due(S)[0]) == 1


def test_ask_without_answer_ends_as_exhausted() -> None:
    asks, (item,) = schedule(1, asks_max=2, ack_timeout_ns=S)
    asks.ask(item, Operation.SUBSCRIBE, 0)
    assert len(asks.take_due(0)[0]) == 1
    assert len(asks.take_due(S)[0]) == 1
    assert asks.take_due(2 * S) == ([], [item])
    assert (asks.request_count, asks.repeat_count) == (2, 1)


def test_spent_budget_puts_requests_off_until_the_hour_is_over() -> None:
    asks, items = schedule(3, requests_per_hour=2)
    for at, item in enumerate(items):
        item.alone = True
        asks.ask(item, Operation.SUBSCRIBE, at * S)
    assert len(asks.take_due(0)[0]) == 1
    assert len(asks.take_due(2 * S)[0]) == 1
    asks.answered(items[0])
    asks.answered(items[1])
    assert asks.due_ns == 3_600 * S
    assert asks.take_due(3_599 * S) == ([], [])
    assert asks.take_due(3_600 * S)[0][0].subscriptions == (items[2].subscription,)
    assert asks.request_count == 3


def test_pause_holds_back_everything_and_does_not_count_as_an_ask() -> None:
    asks, (first, second) = schedule(2, asks_max=1)
    asks.ask(first, Operation.SUBSCRIBE, 0)
    asks.take_due(0)
    asks.pause(0)
    asks.ask(second, Operation.SUBSCRIBE, 0)
    assert asks.due_ns == S
    assert asks.take_due(S - 1) == ([], [])
    (request,), exhausted = asks.take_due(S)
    assert request.subscriptions == (first.subscription, second.subscription)
    assert exhausted == []


def test_answer_ends_the_growth_of_pauses() -> None:
    asks, (item,) = schedule(1)
    for at_s, pause_s in ((0, 1), (1, 2), (3, 4)):
        asks.ask(item, Operation.SUBSCRIBE, at_s * S)
        asks.take_due(at_s * S)
        asks.pause(at_s * S)
        assert asks.due_ns == (at_s + pause_s) * S
    asks.answered(item)
    asks.ask(item, Operation.SUBSCRIBE, 100 * S)
    asks.take_due(100 * S)
    asks.pause(100 * S)
    assert asks.due_ns == 101 * S


def test_requests_are_remembered_up_to_a_limit() -> None:
    asks, (item,) = schedule(1, requests_per_hour=1_000)
    for second in range(300):
        asks.ask(item, Operation.SUBSCRIBE, second * S)
        asks.take_due(second * S)
    assert asks.request("1") is None
    assert asks.request("44") is None
    assert asks.request("45") is not None
    assert asks.request("300") is not None


@pytest.mark.parametrize(("wait_s", "expected_s"), [(0, 1), (600, 1), (601, 0)])
def test_resync_delay_is_forgotten_after_ten_minutes(wait_s: int, expected_s: int) -> None:
    asks, (item,) = schedule(1)
    assert asks.resync_delay_ns(item, 5 * S) == 0
    assert asks.resync_delay_ns(item, (5 + wait_s) * S) == expected_s * S
