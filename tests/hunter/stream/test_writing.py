"""The writing role against the simulator: every fault, and what the ring holds afterwards.

The actor runs in the test's own thread with the host's clock, which tests may put forward.
"""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from fakes.actor_stage import SWAP, turn
from fakes.faulty_exchange import Exchange
from fakes.stream_rig import Rig
from fakes.websocket_peer import Peer, agreement, frame

from hunter.bus.sleep import SleepWord
from hunter.bus.sockets import WakeReceiver
from hunter.errors import SegmentError
from hunter.ring.rows import Kind, TradeFlag
from hunter.simulator.options import Bounds
from hunter.status.page import ActorState
from hunter.stream.actor import StreamActor

UNLISTED = "ETH-USDT-SWAP"

Make = Callable[..., Rig]
Sim = Callable[..., Exchange]


def test_stream_fills_every_lane_and_says_ready(rig: Make, exchange: Sim) -> None:
    market = exchange()
    there = rig(market.port)
    assert there.actor.state() is ActorState.STARTING
    assert there.feed().state == "connecting"
    there.until_ready()
    there.until_trades(20)
    there.check(market)
    there.until("the facts", lambda: there.stage.rows(Kind.INSTRUMENT))
    for kind in (Kind.TRADE, Kind.BBO, Kind.TICKER, Kind.BOOK):
        assert there.stage.rows(kind), kind
    document = there.actor.document()
    assert {feed.state for feed in document.feeds} == {"live"}
    assert document.active
    assert (there.connection.state, there.connection.connects) == ("open", 1)
    assert there.feed().lag_ms_p99 < 1_000


def test_instrument_that_has_never_traded_makes_nobody_wait(rig: Make, exchange: Sim) -> None:
    """It has no last trade and no ticker to begin with: that is all there is."""
    there = rig(exchange(rate=0.0).port)
    there.until("a book", lambda: there.feed("books").state == "live")
    assert there.feed("trades").state == "connecting"
    assert there.actor.state() is ActorState.STARTING
    there.clock.skip(3_000)
    there.until_ready()
    assert {feed.state for feed in there.actor.document().feeds} == {"live"}


def test_stream_wakes_the_brain(rig: Make, exchange: Sim) -> None:
    there = rig(exchange().port)
    brain = WakeReceiver(there.stage.config.runtime_dir, "brain-0")
    SleepWord(there.stage.status.pages["brain-0"].sleep_words, 0).fall_asleep()
    try:
        there.until("a wake-up", lambda: brain.wait(0))
    finally:
        brain.close()


def test_stream_backfills_what_the_feed_dropped(rig: Make, exchange: Sim) -> None:
    market = exchange()
    there = rig(market.port)
    there.until_ready()
    there.until_trades(5)
    market.arm("drop_trades", count="7")
    there.until("a gap", lambda: there.feed().gaps)
    there.until_complete()
    there.until_trades(5)
    there.check(market)
    marked = [row for row in there.trades if row[9] & TradeFlag.BACKFILL]
    assert sum(row[7] for row in marked) == there.feed().backfilled >= 7
    assert there.log.having("trades complete again")


def test_stream_asks_rest_again_when_it_is_throttled_or_stale(rig: Make, exchange: Sim) -> None:
    market = exchange(rate=50.0)
    there = rig(market.port)
    there.until_ready()
    there.until_trades(5)
    market.arm("rest_unavailable", count="1")
    market.arm("rest_throttled", count="1")
    market.arm("rest_stale", count="1")
    market.arm("drop_trades", count="3")
    for name in ("rest_unavailable", "rest_throttled", "rest_stale"):
        there.until(name, lambda name=name: market.fired(name))
        there.until("its answer", lambda: not there.writing.backfills[SWAP]._asking)
        there.clock.skip(700)
    there.until_complete()
    there.check(market)
    assert there.log.having("REST backfill of BTC-USDT-SWAP failed: OKX answered 503")


def test_stream_counts_lost_what_nobody_has(rig: Make, exchange: Sim) -> None:
    market = exchange(bounds=Bounds(ledger_matches_max=3))
    there = rig(market.port)
    there.until_ready()
    there.until_trades(5)
    market.arm("drop_trades", count="60")
    missing = there.until("a hole", lambda: there.writing.feeds[SWAP].chain.holes)
    for _ in range(20):
        there.until("an answer", lambda: not there.writing.backfills[SWAP]._asking)
        there.clock.skip(700)
        turn(there.actor, there.clock)
    there.until("the loss", lambda: there.feed().lost)
    assert there.feed().lost <= sum(hole.match_count for hole in missing)
    after = next(row for row in there.trades if row[9] & TradeFlag.AFTER_LOSS)
    before = there.trades[there.trades.index(after) - 1]
    assert after[2] - after[7] - before[2] == there.feed().lost
    assert there.log.having("are lost")
    there.until_ready()


def test_stream_with_a_busy_worker_asks_rest_later(rig: Make, exchange: Sim) -> None:
    market = exchange()
    there = rig(market.port)
    there.until_ready()
    there.until_trades(5)
    submit = there.actor._worker.submit
    refused: list[object] = []

    def full(key: object, call: object) -> bool:
        refused.append(key)
        return False

    there.actor._worker.submit = full  # type: ignore[method-assign]
    market.arm("drop_trades", count="3")
    there.until("a refusal", lambda: refused)
    there.actor._worker.submit = submit  # type: ignore[method-assign]
    there.clock.skip(700)
    there.until_complete()
    there.check(market)


def test_stream_hides_a_broken_book_at_once_and_gets_it_anew(rig: Make, exchange: Sim) -> None:
    market = exchange()
    there = rig(market.port)
    there.until("a book", lambda: there.books and there.books[-1][5])
    market.arm("drop_book", count="1")
    there.until("the gap", lambda: there.feed("books").gaps)
    assert there.books[-1][5] == 0, "published in the very turn"
    there.until("a fresh one", lambda: there.books[-1][5])
    assert there.connection.connects == 1
    there.until_ready()
    seq_id, bids, asks = market.call(
        lambda it: (it.instruments[SWAP].book.seq_id, *it.instruments[SWAP].book.sides(20))
    )
    row = there.until(
        "that state", lambda: next((row for row in there.books if row[2] == seq_id), None)
    )
    truth = [float(number) for level in bids for number in level[:2]]
    truth += [float(number) for level in asks for number in level[:2]]
    assert list(row[9:-1]) == truth


def test_stream_whose_book_breaks_again_is_healed_by_rest_before_it_subscribes_anew(
    rig: Make, exchange: Sim
) -> None:
    """The second resubscription within minutes waits; the book need not."""
    market = exchange()
    there = rig(market.port)
    there.until_ready()
    market.arm("drop_book", count="1")
    there.until("the gap", lambda: there.feed("books").gaps == 1)
    there.until_ready()
    requests = there.link.session.statistics().request_count
    market.arm("drop_book", count="1")
    there.until("the second gap", lambda: there.feed("books").gaps == 2)
    assert there.books[-1][5] == 0
    there.until("a valid book", lambda: there.books[-1][5])
    there.until_ready()
    there.clock.skip(5_000)
    there.until_trades(10)
    assert there.link.session.statistics().request_count == requests
    assert there.feed("books").gaps == 2
    assert 0 < there.feed("books").resync_ms < 2_000


def test_stream_without_a_snapshot_takes_the_book_of_rest(rig: Make, exchange: Sim) -> None:
    market = exchange()
    market.arm("no_snapshot", count="1")
    there = rig(market.port)
    there.until("a valid book", lambda: there.books and there.books[-1][5])
    assert market.fired("no_snapshot") == 1
    assert there.connection.connects == 1
    rows = len(there.books)
    there.until("more of it", lambda: len(there.books) > rows + 3)
    assert all(row[5] for row in there.books)
    assert there.feed("books").gaps == 0


def test_stream_whose_rest_book_fails_asks_again(rig: Make, exchange: Sim) -> None:
    market = exchange()
    market.arm("no_snapshot", count="1")
    market.arm("rest_unavailable", count="1")
    there = rig(market.port)
    there.until("a refusal", lambda: there.log.having("REST book of BTC-USDT-SWAP failed"))
    assert not there.books
    there.clock.skip(1_000)
    there.until("a valid book", lambda: there.books and there.books[-1][5])


@pytest.mark.parametrize("fault", ["garbage", "reordered", "orphan_delete", "data_before_ack"])
def test_stream_survives_odd_frames(rig: Make, exchange: Sim, fault: str) -> None:
    market = exchange()
    market.arm(fault, count="3")
    there = rig(market.port)
    there.until("the fault", lambda: market.fired(fault))
    there.until_ready()
    there.until_trades(5)
    there.check(market)
    assert there.connection.connects == 1
    malformed = 3 if fault == "garbage" else 0
    assert there.actor.document().unknown_messages == malformed
    assert len(there.log.having("malformed frame dropped")) == malformed


def test_stream_parks_the_one_instrument_that_is_refused(rig: Make, exchange: Sim) -> None:
    market = exchange()
    there = rig(market.port, f'okx.instruments=["{UNLISTED}", "{SWAP}"]')
    there.until("parked", lambda: there.feed("trades", UNLISTED).state == "parked")
    there.until("live", lambda: all(there.feed(c).state == "live" for c in ("trades", "books")))
    there.until_trades(5)
    there.check(market)
    there.until("all answers", lambda: there.actor.document().exchange_errors >= 4)
    there.until("ready", lambda: there.actor.state() is ActorState.READY)
    assert there.log.having(f"trades {UNLISTED} refused: 60018")


def test_stream_has_the_next_connection_before_the_announced_end(rig: Make, exchange: Sim) -> None:
    """No gap, no duplicate, no backfill, and the book is valid throughout."""
    market = exchange(rate=100.0)
    there = rig(market.port)
    there.until_ready()
    there.until_trades(20)
    first_book = len(there.books)
    market.arm("notice", count="1")
    there.until("the hand-over", lambda: there.log.having("handed over"))
    there.until_trades(20)
    assert there.connection.connects == 2
    assert not there.log.having("connection lost"), "the former one was left in time"
    assert all(row[5] for row in there.books[first_book:])
    feed = there.feed()
    assert (feed.gaps, feed.duplicates, feed.backfilled, feed.lost) == (0, 0, 0, 0)
    there.check(market)


def test_stream_takes_the_next_connection_when_the_announced_end_comes_early(
    rig: Make, exchange: Sim
) -> None:
    market = exchange(rate=100.0)
    there = rig(market.port)
    there.until_ready()
    there.until_trades(5)
    market.arm("accept_then_close", code="1013")
    market.arm("notice", count="1")
    there.until("the notice", lambda: there.log.having("notice 64008"))
    there.until("a failed attempt", lambda: there.log.having("the next connection was lost"))
    market.arm("close", code="1001", count="1")
    there.until("the loss", lambda: there.log.having("connection lost: closed 1001"))
    assert there.log.having("handed over to the next connection: the former connection is gone")
    market.clear()
    there.clock.skip(30_000)
    there.until_ready()
    there.until_complete()
    there.until_trades(5)
    there.check(market)


def test_stream_closed_without_a_notice_comes_back_complete(rig: Make, exchange: Sim) -> None:
    market = exchange()
    there = rig(market.port)
    there.until_ready()
    there.until_trades(5)
    market.arm("close", code="1001")
    there.until("the loss", lambda: there.log.having("connection lost: closed 1001"))
    assert there.actor.state() is ActorState.DEGRADED
    assert there.feed().state == "connecting"
    assert there.books[-1][5] == 0, "nobody keeps the book up to date now"
    there.until_ready()
    there.until_trades(5)
    there.until_complete()
    there.check(market)
    assert there.connection.connects == 2
    assert there.connection.last_close == "closed 1001"
    assert there.actor.document().note == "closed 1001"


def test_stream_fills_the_hole_of_a_reset_connection(rig: Make, exchange: Sim) -> None:
    market = exchange(rate=200.0)
    there = rig(market.port)
    there.until_ready()
    there.until_trades(5)
    market.arm("refuse", count="1")
    market.arm("abort")
    there.until("the refusal", lambda: market.fired("refuse"))
    there.until("the second loss", lambda: len(there.log.having("connection lost")) == 2)
    produced = len(market.truth())
    there.until("a pause of the feed", lambda: len(market.truth()) > produced + 10)
    there.clock.skip(1_000)
    there.until_ready()
    there.until_trades(20)
    there.until_complete()
    there.check(market)
    assert there.feed().gaps == 1
    assert there.feed().backfilled > 10


def test_stream_refused_again_and_again_waits_longer(rig: Make, exchange: Sim) -> None:
    market = exchange()
    market.arm("accept_then_close", code="1013")
    there = rig(market.port)
    for attempt in range(1, 6):
        there.until("an attempt", lambda n=attempt: len(there.log.having("closed 1013")) == n)
        before = there.connection.connects
        turn(there.actor, there.clock, wait_ms=0)
        if attempt > 1:  # the first retry may be due at once
            assert there.connection.connects == before, "not before its time"
        there.clock.skip(30_000)
    assert there.actor.state() is ActorState.DEGRADED
    market.clear()
    there.until_ready()


def test_stream_successor_goes_on_counting_and_closes_the_hole(rig: Make, exchange: Sim) -> None:
    market = exchange(rate=200.0)
    there = rig(market.port)
    there.until_ready()
    there.until_trades(20)
    before = there.feed()
    there.kill()
    produced = len(market.truth())
    while len(market.truth()) < produced + 10:
        pass  # the market goes on while nobody streams
    there.actor = there._start()
    assert there.books[-1][5] == 0
    assert there.feed().messages == before.messages
    there.until_ready()
    there.until_trades(20)
    there.until_complete()
    there.check(market)
    assert there.feed().messages > before.messages
    assert there.feed().backfilled > 0
    assert there.connection.connects == 2


def test_stream_killed_before_it_published_leaves_nothing_half(rig: Make, exchange: Sim) -> None:
    market = exchange(rate=200.0)
    there = rig(market.port)
    there.until_ready()
    for _ in range(5):
        there.until_trades(5)
        writer = there.writing.writer
        assert writer is not None
        writer.publish = lambda: False  # type: ignore[method-assign]
        for _ in range(5):
            turn(there.actor, there.clock)
        there.restart()
        there.until_ready()
    there.until_trades(5)
    there.until_complete()
    there.check(market)


def test_stream_without_the_lease_refuses_to_start(rig: Make, exchange: Sim) -> None:
    there = rig(exchange().port)
    second = StreamActor(there.stage.context("stream-0"))
    with pytest.raises(SegmentError, match="another process holds the writer's lease"):
        second.on_start(0)
    second.on_stop()
    there.until_ready()


def test_stream_stopped_publishes_and_gives_the_lease_back(rig: Make, exchange: Sim) -> None:
    market = exchange()
    there = rig(market.port)
    there.until_ready()
    there.actor.on_stop()
    there.actor = there._start()
    there.until_ready()


def test_stream_counts_what_it_does_not_know(rig: Make, peer: Peer) -> None:
    there = rig(peer.port, 'okx.channels=["trades"]', 'okx.rest_url="http://127.0.0.1:1"')
    there.until("the call", lambda: peer.is_called)
    peer.accept()
    peer.send(agreement(there.until("the request", peer.request)))
    there.until("the subscription", peer.request)
    assert there.actor.state() is ActorState.STARTING
    said = [
        {"event": "error", "code": "60014", "msg": "Requests too frequent.", "connId": "a"},
        {"event": "channel-conn-count", "channel": "trades", "connCount": "1", "connId": "a"},
        {"arg": {"channel": "trades", "instId": "XRP-USDT"}, "data": []},
    ]
    for item in said:
        peer.send(frame(json.dumps(item).encode()))
    there.until("all of it", lambda: there.actor.document().unknown_messages == 2)
    assert there.actor.document().exchange_errors == 1
    assert there.log.having("the exchange says 60014: Requests too frequent.")
    assert there.connection.state == "open"
