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
