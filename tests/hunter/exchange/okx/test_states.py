from __future__ import annotations

import itertools

from hunter.exchange.okx.states import (
    SESSION,
    SUBSCRIPTION,
    SessionState,
    SessionTrigger,
    SubscriptionState,
    SubscriptionTrigger,
)


def test_every_pair_of_session_state_and_trigger_is_decided() -> None:
    assert SESSION.keys() == set(itertools.product(SessionState, SessionTrigger))


def test_every_pair_of_subscription_state_and_trigger_is_decided() -> None:
    assert SUBSCRIPTION.keys() == set(itertools.product(SubscriptionState, SubscriptionTrigger))


def test_failed_session_stays_failed() -> None:
    assert {SESSION[SessionState.FAILED, trigger] for trigger in SessionTrigger} == {None}


def test_only_data_make_a_subscription_live() -> None:
    evidence = {SubscriptionTrigger.DATA, SubscriptionTrigger.SNAPSHOT}
    for (before, trigger), after in SUBSCRIPTION.items():
        if after is SubscriptionState.LIVE and before is not SubscriptionState.LIVE:
            assert trigger in evidence, (before, trigger)


def test_every_state_can_be_left_towards_live() -> None:
    for state in SubscriptionState:
        reached = {state}
        for _ in SubscriptionState:
            reached |= {
                SUBSCRIPTION[at, trigger] for at in reached for trigger in SubscriptionTrigger
            }
        assert SubscriptionState.LIVE in reached


def test_refusal_parks_from_every_state() -> None:
    after = {SUBSCRIPTION[state, SubscriptionTrigger.REFUSED] for state in SubscriptionState}
    assert after == {SubscriptionState.PARKED}
