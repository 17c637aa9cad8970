from __future__ import annotations

import pytest

from hunter.exchange.okx.asks import NEVER_NS, Asks, SessionLimits, TrackedSubscription
from hunter.exchange.okx.requests import Operation, Subscription
from hunter.exchange.okx.states import SubscriptionState

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
    first.group = 1
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
        item.group = at + 1
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


def paused_s(asks: Asks, item: TrackedSubscription, at_s: int) -> int:
    """How long a complaint at this time holds everything back."""
    asks.ask(item, Operation.SUBSCRIBE, at_s * S)
    asks.take_due(at_s * S)
    asks.pause(at_s * S)
    return asks.due_ns // S - at_s


def test_pauses_grow_and_each_quiet_minute_halves_the_next() -> None:
    asks, (item,) = schedule(1)
    assert [paused_s(asks, item, at_s) for at_s in (0, 1, 3, 7)] == [1, 2, 4, 8]
    asks.answered(item)
    # 15 s + 2 quiet minutes: 16 s become 4.
    assert paused_s(asks, item, 135) == 4
    assert paused_s(asks, item, 139) == 8
    assert paused_s(asks, item, 10_000) == 1


def test_complaints_within_a_pause_are_about_what_came_before_it() -> None:
    asks, (item,) = schedule(1)
    assert paused_s(asks, item, 0) == 1
    for _ in range(5):
        asks.pause(S // 2)
    assert asks.due_ns == S
    assert asks.budget(S // 2) == (480 - 1, 480, S // 2, 6)
    assert paused_s(asks, item, 1) == 2


def test_error_that_refuses_nothing_is_followed_by_growing_delays() -> None:
    asks, (item,) = schedule(1, asks_max=3)
    asks.ask(item, Operation.SUBSCRIBE, 0)
    now_ns, delays = 0, []
    for _ in range(8):
        assert len(asks.take_due(now_ns)[0]) == 1
        asks.postpone([item], "64007", now_ns, False)
        delays.append((asks.due_ns - now_ns) // S)
        now_ns = asks.due_ns
    assert delays == [1, 2, 4, 8, 16, 32, 60, 60]
    asks.answered(item)
    assert (item.retry_count, item.error_code) == (0, "")


def test_error_that_counts_ends_as_exhausted() -> None:
    asks, (item,) = schedule(1, asks_max=2)
    asks.ask(item, Operation.SUBSCRIBE, 0)
    asks.take_due(0)
    asks.postpone([item], "69999", 0, True)
    asks.take_due(S)
    asks.postpone([item], "69999", S, True)
    assert asks.take_due(3 * S) == ([], [item])


def test_split_halves_a_request_once() -> None:
    asks, items = schedule(5)
    for item in items:
        asks.ask(item, Operation.SUBSCRIBE, 0)
    asks.take_due(0)
    for _ in range(3):
        asks.split("1", items, S)
        requests, _ = asks.take_due(S)
    assert requests == []
    assert [item.group for item in items] == [1, 1, 1, 2, 2]


def test_one_bad_argument_of_many_is_found_with_few_requests() -> None:
    asks, items = schedule(240)
    for item in items:
        asks.ask(item, Operation.SUBSCRIBE, 0)
    queue, _ = asks.take_due(0)
    bad = items[137].subscription
    while queue:
        request = queue.pop()
        suspects = [item for item in items if item.subscription in request.subscriptions]
        if bad not in request.subscriptions or len(suspects) == 1:
            for item in suspects:
                asks.answered(item)
            continue
        asks.split(request.request_id, suspects, 0)
        queue += asks.take_due(0)[0]
    assert asks.due_ns == NEVER_NS
    assert asks.request_count <= 1 + 2 * 8


def test_split_of_a_forgotten_request_can_be_repeated() -> None:
    asks, (item,) = schedule(1, requests_per_hour=1_000)
    asks.ask(item, Operation.SUBSCRIBE, 0)
    asks.take_due(0)
    asks.split("1", [item], 0)
    for second in range(1, 300):
        asks.ask(item, Operation.SUBSCRIBE, second * S)
        asks.take_due(second * S)
    assert asks._split_ids == set()


def test_parked_subscription_is_tried_once_every_ten_minutes() -> None:
    asks, (item,) = schedule(1)
    item.state = SubscriptionState.PARKED
    asks.park(item, 5 * S)
    assert asks.take_due(604 * S) == ([], [])
    assert asks.outstanding() == []
    assert len(asks.take_due(605 * S)[0]) == 1
    assert asks.take_due(610 * S) == ([], [item])


def test_many_parked_subscriptions_leave_most_of_the_hours_requests() -> None:
    asks, items = schedule(200)
    for item in items:
        item.state = SubscriptionState.PARKED
    for item in items:
        asks.park(item, 0)
    asked = []
    for second in range(3 * 3_600):
        requests, exhausted = asks.take_due(second * S)
        asked += [second] * len(requests)
        for item in exhausted:
            asks.park(item, second * S)
    assert 200 <= len(asked) <= 3 * 120
    assert all(len(items) == 1 for items in [request.subscriptions for request in requests])


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


def left(asks: Asks, item: TrackedSubscription, at_ns: int) -> None:
    """It is unsubscribed, and the subscribe after it is to be sent."""
    asks.ask(item, Operation.UNSUBSCRIBE, at_ns)
    assert len(asks.take_due(at_ns)[0]) == 1
    asks.ask(item, Operation.SUBSCRIBE, at_ns)


def test_subscribe_after_an_unsubscribe_is_reserved() -> None:
    asks, (first, second, third) = schedule(3, requests_per_hour=4)
    asks.ask(first, Operation.UNSUBSCRIBE, 0)
    asks.take_due(0)
    asks.ask(second, Operation.UNSUBSCRIBE, 0)
    asks.take_due(0)
    asks.ask(third, Operation.SUBSCRIBE, 0)
    assert asks.take_due(S) == ([], [])
    assert third.due_ns == 3_600 * S
    for item in (first, second):
        asks.ask(item, Operation.SUBSCRIBE, 2 * S)
        assert [each.subscriptions for each in asks.take_due(2 * S)[0]] == [(item.subscription,)]


def test_subscribe_that_was_too_frequent_is_reserved_again() -> None:
    asks, (first, second) = schedule(2, requests_per_hour=3)
    first.state = SubscriptionState.RESYNC
    left(asks, first, 0)
    asks.take_due(0)
    asks.pause(0)
    asks.ask(second, Operation.SUBSCRIBE, 0)
    first.group = 1  # it is the second in line
    (request,), _ = asks.take_due(S)
    assert request.subscriptions == (first.subscription,)


def test_first_subscriptions_go_before_resynchronisations() -> None:
    asks, (first, second) = schedule(2, requests_per_hour=2)
    asks.ask(first, Operation.UNSUBSCRIBE, 0)
    asks.ask(second, Operation.SUBSCRIBE, 0)
    (request,), _ = asks.take_due(0)
    assert request.subscriptions == (second.subscription,)
    assert first.due_ns == 3_600 * S


def test_resynchronisation_that_no_hour_allows_is_put_off_for_ever() -> None:
    asks, (item,) = schedule(1, requests_per_hour=1)
    asks.ask(item, Operation.UNSUBSCRIBE, 0)
    for hour in range(3):
        assert asks.take_due(hour * 3_600 * S) == ([], [])
        assert asks.due_ns == (hour + 1) * 3_600 * S


def spend(asks: Asks, item: TrackedSubscription, count: int) -> None:
    for second in range(count):
        asks.ask(item, Operation.SUBSCRIBE, second * S)
        asks.take_due(second * S)
        asks.answered(item)


def test_scarce_requests_space_resynchronisations_and_nothing_else() -> None:
    asks, (first, second, other) = schedule(3)
    spend(asks, other, 380)
    left(asks, first, 400 * S)
    # 100 less one used, one reserved and two for the second; 22 will be missing for a quarter.
    asks.take_due(400 * S)
    asks.answered(first)
    asks.ask(second, Operation.UNSUBSCRIBE, 401 * S)
    assert asks.take_due(401 * S) == ([], [])
    assert second.due_ns == 400 * S + 2 * (3_600 + 21 - 401) * S // 98
    asks.ask(other, Operation.SUBSCRIBE, 402 * S)
    assert len(asks.take_due(402 * S)[0]) == 1
    assert len(asks.take_due(second.due_ns)[0]) == 1


def test_those_that_broke_least_often_are_made_anew_first() -> None:
    asks, (often, seldom, other) = schedule(3)
    spend(asks, other, 380)
    often.resync_count, seldom.resync_count = 5, 1
    asks.ask(often, Operation.UNSUBSCRIBE, 400 * S)
    asks.ask(seldom, Operation.UNSUBSCRIBE, 401 * S)
    (request,), _ = asks.take_due(401 * S)
    assert request.subscriptions == (seldom.subscription,)
