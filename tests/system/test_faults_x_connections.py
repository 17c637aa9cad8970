"""Connections that end, refuse, hang, or go silent: the lines of the fault table about them.

One instance for all; each test ends with everything in order, see `check_all`.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from fakes.audit import Audit, audited, check_all

from hunter.status.documents import LimitDocument

pytestmark = pytest.mark.system


@pytest.fixture(scope="module")
def instance() -> Iterator[Audit]:
    with audited() as audit:
        yield audit


@pytest.fixture
def feed(instance: Audit) -> Iterator[Audit]:
    instance.until_running()
    yield instance
    check_all(instance)


def until_reconnected(feed: Audit, before: int, timeout_s: float = 10.0) -> None:
    feed.until("another connection", lambda: feed.connects > before, timeout_s)
    feed.until_running(timeout_s)


@pytest.mark.parametrize("code", [1000, 1001, 1012, 1013])
def test_x1_polite_close_is_followed_by_another_connection(feed: Audit, code: int) -> None:
    before = feed.connects
    assert feed.arm("close", code=code) >= 1
    until_reconnected(feed, before)
    assert str(code) in feed.last_close


@pytest.mark.parametrize("name", ["abort", "fin"])
def test_x2_end_without_a_close_is_followed_by_another_connection_at_once(
    feed: Audit, name: str
) -> None:
    before = feed.connects
    feed.arm(name)
    feed.until("another connection", lambda: feed.connects > before, 1.0)


@pytest.mark.parametrize("code", [1008, 1011, 4004])
def test_x3_error_close_is_followed_by_another_connection(feed: Audit, code: int) -> None:
    before = feed.connects
    feed.arm("close", code=code)
    until_reconnected(feed, before)
    assert str(code) in feed.last_close


def test_x3_close_for_a_lost_ping_is_said(feed: Audit) -> None:
    before = feed.connects
    feed.arm("close", code=4004)
    until_reconnected(feed, before)
    assert "our ping did not reach the exchange" in feed.instance.log("stream-0")


def test_x5_link_that_carries_nothing_any_more_is_cut_and_replaced(feed: Audit) -> None:
    before = feed.connects
    feed.arm("freeze")
    until_reconnected(feed, before)
    assert "no data while the market trades" in feed.last_close


def test_x6_pongs_without_data_are_no_sign_of_life(feed: Audit) -> None:
    before = feed.connects
    feed.arm("mute")
    feed.until("another connection", lambda: feed.connects > before)
    assert "no data while the market trades" in feed.last_close


def test_x9_announced_close_costs_no_match_no_duplicate_and_no_request(feed: Audit) -> None:
    counted = ("gaps", "duplicates", "backfilled", "lost")
    before = {name: feed.total(name) for name in counted}
    connects = feed.connects
    assert feed.arm("notice") >= 1
    feed.until("another connection", lambda: feed.connects > connects)
    feed.until("the former one gone", lambda: len(feed.counts()["connections"]) == 1)
    feed.until_running()
    feed.settle()
    assert {name: feed.total(name) for name in counted} == before


def test_x11_handshake_that_is_never_answered_is_given_up(feed: Audit) -> None:
    feed.arm("hang", count=1)
    before = feed.connects
    began = time.monotonic()
    feed.arm("abort")
    until_reconnected(feed, before + 1)
    assert feed.fired("hang") == 1
    assert 4 < time.monotonic() - began < 9


def test_x26_server_that_accepts_and_drops_is_asked_less_and_less_often(feed: Audit) -> None:
    feed.arm("accept_then_close", count=4, code=1011)
    before = feed.connects
    feed.arm("abort")
    until_reconnected(feed, before + 4, 15)
    assert feed.fired("accept_then_close") == 4


def test_x8_server_that_resets_each_attempt_is_asked_less_and_less_often(feed: Audit) -> None:
    feed.arm("refuse", count=4)
    before = feed.connects
    feed.arm("abort")
    until_reconnected(feed, before + 4, 15)
    assert feed.fired("refuse") == 4


@pytest.mark.parametrize("code", [403, 429])
def test_x8_refused_handshakes_slow_the_attempts_down_and_are_no_end(
    feed: Audit, code: int
) -> None:
    """Last of all that connect: the limiter remembers a refusal for about a minute."""
    before, limit = feed.connects, connect_limit(feed)
    feed.arm("http", code=code, count=1)
    feed.arm("abort")
    until_reconnected(feed, before + 1)
    after = connect_limit(feed)
    assert after.limited == limit.limited + 1
    assert after.rate_per_s < limit.rate_per_s


def connect_limit(feed: Audit) -> LimitDocument:
    return next(limit for limit in feed.document().limits if limit.name == "connects")
