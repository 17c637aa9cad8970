"""StreamActor in two roles: who writes, who waits, and how the lease changes hands.

Two actors in the test's own thread, with the host's clock, against the simulator.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from fakes.actor_stage import SWAP, Stage, turn
from fakes.faulty_exchange import Exchange
from fakes.stream_rig import Rig

from hunter.clock import SystemClock
from hunter.errors import WriterFenced
from hunter.status.page import ActorState
from hunter.stream.standby import Standby
from hunter.stream.writing import Writing

Sim = Callable[..., Exchange]
LIMIT_NS = 15_000_000_000


class Pair:
    """The two stream processes of one shard."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.one = Rig(stage, "stream-0")
        self.two = Rig(stage, "stream-0b")
        self.running = [self.one, self.two]

    def until(self, what: str, condition: Callable[[], Any]) -> Any:
        """Turn both loops until `condition` is true."""
        end_ns = SystemClock().monotonic_ns() + LIMIT_NS
        while not (value := condition()):
            for rig in self.running:
                turn(rig.actor, self.stage.clock, 2)
                rig.report()
            assert SystemClock().monotonic_ns() < end_ns, f"not in time: {what}"
        return value

    def until_trades(self, count: int) -> None:
        wanted = len(self.one.trades) + count
        self.until(f"{count} trades", lambda: len(self.one.trades) >= wanted)

    def until_both_ready(self) -> None:
        self.until("both ready", lambda: all(is_ready(rig) for rig in self.running))

    def kill(self, rig: Rig) -> None:
        rig.kill()
        self.running.remove(rig)


def is_ready(rig: Rig) -> bool:
    return rig.actor.state() is ActorState.READY


def turn_for_ever(rig: Rig) -> None:
    for _ in range(500):
        turn(rig.actor, rig.clock, 2)


def writes(rig: Rig) -> bool:
    return isinstance(rig.actor._role, Writing)


@pytest.fixture
def pair(stage: Callable[..., Stage], exchange: Any) -> Iterator[Callable[..., Pair]]:
    made: list[Pair] = []

    def make(port: int, *settings: str) -> Pair:
        there = stage(
            "stream.standby=true",
            f'okx.public_url="ws://127.0.0.1:{port}/ws/v5/public"',
            f'okx.rest_url="http://127.0.0.1:{port}"',
            *settings,
            actors=("stream-0", "stream-0b"),
        )
        there.make_rings()
        made.append(Pair(there))
        return made[-1]

    yield make
    for each in made:
        for rig in each.running:
            rig.actor.on_stop()


def test_first_process_writes_and_the_second_waits(
    pair: Callable[..., Pair], exchange: Sim
) -> None:
    both = pair(exchange().port)
    both.until_both_ready()
    both.until_trades(5)
    assert writes(both.one)
    assert isinstance(both.two.actor._role, Standby)
    assert both.one.actor.document().active
    waiting = both.two.actor.document()
    assert not waiting.active
    assert waiting.note == "standby: ready to take over"
    assert {feed.state for feed in waiting.feeds} == {"live"}


def test_standby_of_a_killed_writer_loses_and_doubles_nothing(
    pair: Callable[..., Pair], exchange: Sim
) -> None:
    """And asks REST for nothing: it has kept what the dead process had not written yet."""
    market = exchange(rate=300.0)
    both = pair(market.port)
    both.until_both_ready()
    both.until_trades(50)
    both.kill(both.one)
    # the market goes on while nobody writes, and the standby hears it
    seen = len(both.one.trades)
    for _ in range(20):
        both.two.actor._role.step(both.stage.clock.monotonic_ns())
        both.two.actor.wait(5)
    assert len(both.one.trades) == seen
    both.until("the takeover", lambda: writes(both.two))
    both.until_trades(50)
    both.two.check(market)
    feed = both.two.feed()
    assert (feed.gaps, feed.backfilled, feed.lost) == (0, 0, 0)
    assert both.two.log.having("took over from the writer before")
    document = both.two.actor.document()
    assert document.takeovers == 1
    assert document.takeover_ms > 0
    assert both.two.books[-1][5] == 1


def test_writer_that_lost_its_connection_gives_the_lease_up(
    pair: Callable[..., Pair], exchange: Sim
) -> None:
    market = exchange(rate=200.0)
    both = pair(market.port)
    both.until_both_ready()
    both.until_trades(20)
    both.one.link.abort("the cable")
    both.until("the hand-over", lambda: writes(both.two))
    assert isinstance(both.one.actor._role, Standby)
    assert both.one.log.having("gave the writer's lease up")
    both.until_both_ready()
    both.until_trades(20)
    both.two.check(market)
    # and back again
    both.two.link.abort("the other cable")
    both.until("the way back", lambda: writes(both.one))
    both.until_trades(20)
    both.one.check(market)


def test_standby_without_a_whole_picture_does_not_take_the_lease(
    pair: Callable[..., Pair], exchange: Sim
) -> None:
    market = exchange(rate=100.0)
    both = pair(market.port)
    both.until_both_ready()
    market.arm("refuse")
    both.two.link.abort("the cable")
    both.until("the loss", lambda: not both.two.link.is_open)
    both.kill(both.one)
    for _ in range(20):
        turn(both.two.actor, both.stage.clock, 2)
    assert not writes(both.two)
    market.clear()
    both.stage.clock.skip(30_000)
    both.until("the takeover", lambda: writes(both.two))
    both.until_trades(10)
    both.two.until_complete()
    both.two.check(market)


def test_writer_that_wakes_up_too_late_never_writes(
    pair: Callable[..., Pair], exchange: Sim
) -> None:
    """Stopped, and its lease lost with the file it lay in: the ring's epoch fences it."""
    market = exchange(rate=200.0)
    both = pair(market.port)
    both.until_both_ready()
    both.until_trades(20)
    both.running.remove(both.one)  # it stands still
    both.one.actor._lease.release()
    both.until("the takeover", lambda: writes(both.two))
    both.until_trades(20)
    with pytest.raises(WriterFenced):
        turn_for_ever(both.one)
    both.one.kill()
    both.until_trades(20)
    both.two.check(market)


def test_restarted_process_waits_when_its_standby_writes(
    pair: Callable[..., Pair], exchange: Sim
) -> None:
    market = exchange(rate=100.0)
    both = pair(market.port)
    both.until_both_ready()
    both.kill(both.one)
    both.until("the takeover", lambda: writes(both.two))
    both.one = Rig(both.stage, "stream-0")
    both.running.append(both.one)
    both.until_both_ready()
    assert not writes(both.one)
    assert both.one.actor.document().active is False
    both.kill(both.two)
    both.until("the way back", lambda: writes(both.one))
    both.until_trades(20)
    both.one.check(market)


def test_counters_go_on_over_roles(pair: Callable[..., Pair], exchange: Sim) -> None:
    market = exchange(rate=200.0)
    both = pair(market.port)
    both.until_both_ready()
    both.until_trades(20)
    counted = both.one.feed().messages
    both.one.link.abort("the cable")
    both.until("the hand-over", lambda: writes(both.two))
    both.until_both_ready()
    both.two.link.abort("the cable")
    both.until("the way back", lambda: writes(both.one))
    both.until_trades(5)
    assert both.one.feed("trades", SWAP).messages > counted


def test_standby_whose_book_broke_gets_it_anew_and_takes_over(
    pair: Callable[..., Pair], exchange: Sim
) -> None:
    market = exchange(rate=100.0)
    both = pair(market.port)
    both.until_both_ready()
    market.arm("drop_book", count="2")  # one for each connection
    both.until("two drops", lambda: market.fired("drop_book") == 2)
    both.until_both_ready()
    both.kill(both.one)
    both.until("the takeover", lambda: writes(both.two))
    both.until_trades(10)
    both.two.check(market)


def test_process_that_is_alone_writes_trades_without_waiting_for_a_book(
    pair: Callable[..., Pair], exchange: Sim
) -> None:
    market = exchange(rate=100.0)
    both = pair(market.port)
    both.until_both_ready()
    market.arm("no_snapshot")
    market.arm("rest_unavailable")
    both.one.link.abort("the cable")
    both.until("the loss", lambda: not writes(both.one))
    both.kill(both.two)
    both.until("writing again", lambda: writes(both.one))
    market.clear()
    both.until_trades(10)


def test_counters_of_the_partner_are_continued(pair: Callable[..., Pair], exchange: Sim) -> None:
    market = exchange(rate=200.0)
    both = pair(market.port)
    both.until_both_ready()
    both.until_trades(50)
    counted = both.one.feed().messages
    both.kill(both.one)
    both.until("the takeover", lambda: writes(both.two))
    both.until_trades(5)
    assert both.two.feed().messages > counted


def test_counters_are_continued_by_a_process_that_took_over_without_a_whole_picture(
    pair: Callable[..., Pair], exchange: Sim
) -> None:
    """What was lost must never become silent, however the lease changed hands."""
    market = exchange(rate=200.0)
    both = pair(market.port)
    both.until_both_ready()
    both.until_trades(20)
    both.one.writing.feeds[SWAP].counters["trades"].lost = 7
    counted = both.one.feed().messages
    market.arm("no_snapshot")
    market.arm("rest_unavailable")
    both.two.link.abort("the cable")
    both.until("the loss", lambda: not both.two.link.is_open)
    both.stage.clock.skip(1_000)
    both.until("open again", lambda: both.two.link.is_open)
    both.kill(both.one)
    both.until("the takeover", lambda: writes(both.two))
    assert both.two.feed().lost == 7
    assert both.two.feed().messages >= counted
    market.clear()


def test_waiting_process_shows_the_counters_that_it_would_go_on_from(
    pair: Callable[..., Pair], exchange: Sim
) -> None:
    market = exchange(rate=200.0)
    both = pair(market.port)
    both.until_both_ready()
    both.until_trades(20)
    both.one.writing.feeds[SWAP].counters["trades"].gaps = 3
    both.one.link.abort("the cable")
    both.until("the hand-over", lambda: writes(both.two))
    feed = both.one.feed()
    assert (feed.gaps, feed.last_data_ns) == (3, 0)


def test_end_that_was_announced_while_waiting_is_answered_after_the_takeover(
    pair: Callable[..., Pair], exchange: Sim
) -> None:
    market = exchange(rate=100.0)
    both = pair(market.port)
    both.until_both_ready()
    market.arm("notice", count="1")
    both.until("both notices", lambda: all(rig.log.having("notice 64008") for rig in both.running))
    both.until("the hand-over of the one", lambda: both.one.log.having("handed over"))
    both.kill(both.one)
    both.until("the takeover", lambda: writes(both.two))
    both.until("the next connection", lambda: both.two.log.having("handed over to the next"))
    both.until_trades(20)
    both.two.check(market)  # and no duplicate was counted
