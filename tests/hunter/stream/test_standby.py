"""Standby: what it keeps, when it is ready, and what it hands over."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from fakes.actor_stage import SWAP, Stage
from fakes.faulty_exchange import Exchange
from fakes.stream_rig import Rig

from hunter.clock import SystemClock
from hunter.ring.segment import WriterLease
from hunter.status.page import ActorState
from hunter.stream.standby import Standby

Sim = Callable[..., Exchange]
LIMIT_NS = 15_000_000_000


@pytest.fixture
def waiting(stage: Callable[..., Stage], exchange: Any) -> Iterator[Callable[..., Rig]]:
    """A stream actor that waits, because somebody else holds the lease."""
    made: list[tuple[Rig, WriterLease]] = []

    def make(port: int, *settings: str) -> Rig:
        there = stage(
            "stream.standby=true",
            f'okx.public_url="ws://127.0.0.1:{port}/ws/v5/public"',
            f'okx.rest_url="http://127.0.0.1:{port}"',
            *settings,
        )
        there.make_rings()
        lease = WriterLease(there.config.runtime_dir / "ring-0.lock")
        assert lease.acquire()
        made.append((Rig(there), lease))
        return made[-1][0]

    yield make
    for rig, lease in made:
        rig.actor.on_stop()
        lease.close()


def standby(rig: Rig) -> Standby:
    assert isinstance(rig.actor._role, Standby)
    return rig.actor._role


def test_standby_is_starting_until_it_has_everything(waiting: Any, exchange: Sim) -> None:
    rig = waiting(exchange().port)
    assert rig.actor.state() is ActorState.STARTING
    assert rig.actor.document().note == "standby: not ready"
    rig.until("ready", lambda: standby(rig).ready)
    assert rig.actor.state() is ActorState.READY
    assert not rig.trades
    assert not rig.books


def test_standby_that_lost_its_connection_is_degraded_and_comes_back(
    waiting: Any, exchange: Sim
) -> None:
    rig = waiting(exchange().port)
    rig.until("ready", lambda: standby(rig).ready)
    rig.link.abort("the cable")
    rig.until("the loss", lambda: not standby(rig).ready)
    rig.until("ready again", lambda: standby(rig).ready)
    assert rig.link.connects == 2


def test_standby_on_a_mute_socket_looks_for_another(waiting: Any, exchange: Sim) -> None:
    market = exchange()
    rig = waiting(market.port, "stream.stale_after_ms=300")
    rig.until("ready", lambda: standby(rig).ready)
    market.arm("mute")
    rig.until("the loss", lambda: rig.log.having("no data while the market trades"))
    market.clear()
    rig.clock.skip(30_000)
    rig.until("ready again", lambda: standby(rig).ready)


def test_standby_in_a_resting_market_stays(waiting: Any, exchange: Sim) -> None:
    rig = waiting(exchange(rate=0.0).port, "stream.stale_after_ms=200")
    rig.until("a probe", lambda: len(rig.log.having("the market rests")) >= 2)
    assert rig.link.connects == 1


def test_standby_survives_odd_frames(waiting: Any, exchange: Sim) -> None:
    market = exchange()
    rig = waiting(market.port)
    rig.until("ready", lambda: standby(rig).ready)
    market.arm("garbage", count="2")
    rig.until("the garbage", lambda: market.fired("garbage") == 2)
    end_ns = SystemClock().monotonic_ns() + LIMIT_NS
    while not rig.log.having("malformed frame dropped"):
        rig.until("a turn", lambda: True)
        rig.actor.do_work(rig.clock.monotonic_ns())
        assert SystemClock().monotonic_ns() < end_ns
    assert standby(rig).ready


def test_standby_keeps_a_limited_number_of_trades(waiting: Any, exchange: Sim) -> None:
    rig = waiting(exchange(rate=300.0).port)
    kept = standby(rig)._trades[SWAP]
    rig.until("trades", lambda: len(kept) > 50)
    assert kept.maxlen is not None
    ids = [trade.trade_id for trade, _ in kept]
    assert ids == sorted(set(ids))
