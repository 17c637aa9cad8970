"""Frames that are wrong, late, doubled, too big or out of place: the lines of the fault table about
them. One instance for all; each test ends with everything in order, see `check_all`.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from fakes.audit import Audit, audited, check_all

from hunter.exchange.okx.orderbook import Applied

pytestmark = pytest.mark.system

SWAP = "BTC-USDT-SWAP"
RESYNC_NS_MAX = 2_000_000_000
# So few malformed frames do not cost the connection (a session's malformed_per_minute_max).
FEW, MANY = 2, 14


@pytest.fixture(scope="module")
def instance() -> Iterator[Audit]:
    with audited("ring.capacity=131072", "stream.ping_after_ms=2000") as audit:
        yield audit


@pytest.fixture
def feed(instance: Audit) -> Iterator[Audit]:
    instance.until_running()
    yield instance
    check_all(instance)


def until_fired(feed: Audit, name: str, more: int, before: int) -> None:
    feed.until(f"{more} x {name}", lambda: feed.fired(name) >= before + more)


def fire(feed: Audit, name: str, count: int, **options: str | int) -> None:
    """Arm a fault and wait until it has happened."""
    before = feed.fired(name)
    feed.arm(name, count=count, **options)
    until_fired(feed, name, count, before)


def invalid_spans(feed: Audit, since: int) -> list[int]:
    """Nanoseconds that the book of SWAP was invalid, each time since its row `since`."""
    rows = [row for row in feed.books(SWAP) if row[0] > since]
    spans, hidden_ns = [], None
    for row in rows:
        if not row[5]:
            hidden_ns = hidden_ns or row[4]
        elif hidden_ns is not None:
            spans.append(int(row[4] - hidden_ns))
            hidden_ns = None
    assert hidden_ns is None, "the book is still invalid"
    return spans


@pytest.mark.parametrize("name", ["chatter", "reordered"])
def test_x10_unknown_events_channels_and_fields_are_ignored(feed: Audit, name: str) -> None:
    connects, malformed = feed.connects, feed.total("malformed")
    fire(feed, name, 20)
    feed.settle()
    assert feed.connects == connects
    assert feed.total("malformed") == malformed


@pytest.mark.parametrize("name", ["garbage", "binary", "empty", "bad_utf8"])
def test_x14_few_malformed_frames_are_counted_and_dropped(feed: Audit, name: str) -> None:
    feed.reconnect()
    connects, unknown = feed.connects, feed.document().unknown_messages
    fire(feed, name, FEW)
    feed.until("counted", lambda: feed.document().unknown_messages >= unknown + FEW)
    feed.settle()
    assert feed.connects == connects


def test_x14_many_malformed_frames_cost_the_connection(feed: Audit) -> None:
    connects = feed.connects
    fire(feed, "garbage", MANY)
    feed.until("another connection", lambda: feed.connects > connects)
    assert "malformed frames within a minute" in feed.last_close


def test_x15_json_bombs_are_dropped_and_cost_no_match(feed: Audit) -> None:
    feed.reconnect()
    connects = feed.connects
    fire(feed, "bomb", 8)
    feed.settle()
    assert feed.connects == connects


def test_x4_x16_giant_frame_costs_the_connection_and_the_next_giants_are_taken(
    feed: Audit,
) -> None:
    for _ in range(2):
        before = feed.connects
        feed.arm("giant", count=1)
        feed.until("another connection", lambda n=before: feed.connects > n)
        feed.until_running()
    assert "1009" in feed.last_close
    before = feed.connects
    fire(feed, "giant", 1)
    feed.settle()
    assert feed.connects == before, "the limit was not raised after the second one"


def test_x17_frame_that_trickles_in_is_not_waited_for(feed: Audit) -> None:
    before = feed.connects
    feed.arm("trickle", count=1)
    feed.until("another connection", lambda: feed.connects > before, 14)


def test_x18_burst_is_taken_whole(feed: Audit) -> None:
    connects, lost = feed.connects, feed.total("lost")
    feed.arm("burst", instId=SWAP, code=4000)
    feed.settle()
    assert feed.connects == connects
    assert feed.total("lost") == lost


def test_x19_missing_update_hides_the_book_at_once_and_it_is_back_in_time(feed: Audit) -> None:
    since, gaps = feed.books(SWAP)[-1][0], feed.feed("books", SWAP).gaps
    connects = feed.connects
    fire(feed, "drop_book", 1, instId=SWAP)
    feed.until("the gap", lambda: feed.feed("books", SWAP).gaps > gaps)
    feed.until_running()
    assert [span <= RESYNC_NS_MAX for span in invalid_spans(feed, since)] == [True]
    # The ids told it, not the quotes that contradicted the book later.
    assert f"{SWAP} books: {Applied.GAP.value}" in feed.instance.log("stream-0")
    assert feed.connects == connects


def test_x19_maintenance_reset_is_no_gap(feed: Audit) -> None:
    since = {name: feed.feed("books", name).gaps for name in (SWAP, "ETH-USDT-SWAP")}
    row, connects = feed.books(SWAP)[-1], feed.connects
    feed.arm("seq_reset")
    feed.until("a smaller seqId", lambda: feed.books(SWAP)[-1][2] < row[2])
    assert invalid_spans(feed, row[0]) == []
    assert {name: feed.feed("books", name).gaps for name in since} == since
    assert feed.connects == connects


def test_x19_heartbeat_is_no_gap(feed: Audit) -> None:
    since, gaps = feed.books(SWAP)[-1][0], feed.feed("books", SWAP).gaps
    fire(feed, "heartbeat", 3, instId=SWAP)
    feed.until("more books", lambda: feed.books(SWAP)[-1][0] > since + 5)
    assert invalid_spans(feed, since) == []
    assert feed.feed("books", SWAP).gaps == gaps


@pytest.mark.parametrize("name", ["no_snapshot", "data_before_ack"])
def test_x20_subscription_that_begins_unusually_has_its_books(feed: Audit, name: str) -> None:
    before = feed.fired(name)
    feed.arm(name, count=3 if name == "no_snapshot" else 1)
    since = feed.books(SWAP)[-1][0]
    feed.reconnect()
    assert feed.fired(name) > before
    assert all(span <= RESYNC_NS_MAX for span in invalid_spans(feed, since))


@pytest.mark.parametrize("name", ["duplicate", "conflict"])
def test_x22_trade_that_comes_twice_is_kept_once_and_counted(feed: Audit, name: str) -> None:
    before = feed.feed("trades", SWAP)
    fire(feed, name, 5, instId=SWAP)
    feed.until("counted", lambda: feed.feed("trades", SWAP).duplicates >= before.duplicates + 5)
    assert feed.feed("trades", SWAP).gaps == before.gaps


@pytest.mark.parametrize(("name", "options"), [("swap", {}), ("late", {"code": 1500})])
def test_x22_trade_out_of_order_is_put_in_its_place(
    feed: Audit, name: str, options: dict[str, int]
) -> None:
    lost = feed.total("lost")
    fire(feed, name, 3, instId=SWAP, **options)
    feed.settle()
    assert feed.total("lost") == lost


def test_x23_dropped_trades_are_fetched_by_rest(feed: Audit) -> None:
    before = feed.feed("trades", SWAP)
    fire(feed, "drop_trades", 5, instId=SWAP)
    feed.settle()
    feed.until("the gap", lambda: feed.feed("trades", SWAP).gaps > before.gaps)
    wanted = before.backfilled + 5
    feed.until("the backfill", lambda: feed.feed("trades", SWAP).backfilled >= wanted)
    assert feed.feed("trades", SWAP).lost == before.lost


@pytest.mark.parametrize("name", ["rest_unavailable", "rest_throttled", "rest_stale"])
def test_x23_rest_that_fails_or_is_behind_is_asked_again(feed: Audit, name: str) -> None:
    lost = feed.total("lost")
    feed.arm(name, count=2)
    fire(feed, "drop_trades", 2, instId=SWAP)
    feed.settle()
    assert feed.fired(name) >= 2
    assert feed.total("lost") == lost


def test_x24_book_is_made_anew_by_each_connection(feed: Audit) -> None:
    """Levels that the exchange removed while nobody listened must not stay."""
    feed.compare_books()
    feed.reconnect()
    before = feed.books_compared
    feed.compare_books()
    assert feed.books_compared == before + 3
    assert feed.book_mismatches == []


def test_x24_orphan_deletes_are_ignored(feed: Audit) -> None:
    since, connects = feed.books(SWAP)[-1][0], feed.connects
    fire(feed, "orphan_delete", 5, instId=SWAP)
    feed.settle()
    assert invalid_spans(feed, since) == []
    assert feed.connects == connects


def test_x24_crossed_book_is_hidden_at_once_and_fetched_anew(feed: Audit) -> None:
    since = feed.books(SWAP)[-1][0]
    fire(feed, "crossed", 1, instId=SWAP)

    def shown() -> list[int]:
        return [row[5] for row in feed.books(SWAP) if row[0] > since]

    feed.until("hidden, then shown", lambda: 0 in (each := shown()) and each[-1] == 1)
    feed.until_running()
    assert all(span <= RESYNC_NS_MAX for span in invalid_spans(feed, since))
    feed.compare_books()
    assert feed.book_mismatches == []
