"""Counters of a channel: what is taken over, and when a subscription brings all it ever will."""

from __future__ import annotations

import pytest

from hunter.exchange.okx.states import SubscriptionState
from hunter.status.documents import FeedDocument
from hunter.stream.counters import Counters, is_settled

S = SubscriptionState


def test_counters_go_on_where_the_process_before_was_killed() -> None:
    before = FeedDocument(
        "BTC-USDT", "books", "live", messages=7, gaps=1, backfilled=2, duplicates=3, lost=4,
        malformed=5, mismatches=6, resync_ms=80.5,
    )  # fmt: skip
    document = Counters(before).document("BTC-USDT", "books", "live")
    assert document == before


def test_note_is_told_of_a_parked_channel_only() -> None:
    counters = Counters(None)
    counters.note = "60018 no such channel"
    assert counters.document("BTC-USDT", "books", "parked").note == "60018 no such channel"
    assert counters.document("BTC-USDT", "books", "live").note == ""


@pytest.mark.parametrize("channel", ["trades", "tickers", "books", "books5", "bbo-tbt", "candle1m"])
def test_channel_that_pushes_its_state_at_once_is_awaited(channel: str) -> None:
    assert not is_settled(channel, S.ACKED)
    assert is_settled(channel, S.LIVE)


@pytest.mark.parametrize(
    "channel", ["trades-all", "liquidation-orders", "funding-rate", "instruments", "status"]
)
def test_channel_that_promises_no_push_is_settled_by_its_ack(channel: str) -> None:
    assert is_settled(channel, S.ACKED)


@pytest.mark.parametrize("state", [S.PENDING, S.RESYNC])
def test_what_is_being_asked_for_is_not_settled(state: SubscriptionState) -> None:
    assert not is_settled("funding-rate", state)
    assert is_settled("funding-rate", S.PARKED)


def test_lag_is_that_of_news_and_not_of_what_repeats_itself() -> None:
    counters = Counters(None)
    second = 1_000_000_000
    counters.on_push(100 * second, 5_000 * second, repeats=True)  # the cached state, however old
    counters.on_push(200 * second, 201 * second, repeats=True)
    counters.on_push(200 * second, 260 * second, repeats=True)  # a keep-alive of the same snapshot
    counters.on_push(0, 300 * second, repeats=True)  # a channel without a stamp
    document = counters.document("BTC-USDT", "bbo-tbt", "live")
    assert 900 < document.lag_ms_p99 < 1_200


def test_trades_of_one_stamp_are_news_each() -> None:
    counters = Counters(None)
    second = 1_000_000_000
    for received_s in (1, 1, 9):
        counters.on_push(second, received_s * second, repeats=False)
    assert counters.document("BTC-USDT", "trades", "live").lag_ms_p99 > 7_000
