"""Several sockets in one process: each line by itself, and what the loss of one leaves alone."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from fakes.actor_stage import SWAP
from fakes.faulty_exchange import Exchange
from fakes.stream_rig import Rig

from hunter.exchange.okx import plan
from hunter.ring.rows import Kind
from hunter.stream import actor
from hunter.stream.writing import Writing

OTHER = "ETH-USDT-SWAP"

Make = Callable[..., Rig]
Sim = Callable[..., Exchange]


@pytest.fixture
def two_lines(
    rig: Make, exchange: Sim, monkeypatch: pytest.MonkeyPatch
) -> tuple[Rig, Exchange, Writing]:
    """Two instruments, each on a socket of its own."""
    monkeypatch.setattr(plan, "DEEP_BOOKS_MAX", 1)
    market = exchange(instruments=(SWAP, OTHER), rate=200.0)
    there = rig(market.port, f"okx.instruments={json.dumps([SWAP, OTHER])}")
    there.until_ready()
    there.until_trades(10)
    return there, market, there.writing


def test_each_instrument_has_its_socket(two_lines: Any) -> None:
    there, _, writing = two_lines
    assert [list(line.carried) for line in writing.lines] == [[SWAP], [OTHER]]
    assert all(link.is_open for link in there.actor._role.links)
    assert len(there.actor.document().connections) == 2


def test_loss_of_one_line_leaves_the_others_books_alone(two_lines: Any) -> None:
    there, market, writing = two_lines
    rows = len(there.stage.rows(Kind.BOOK, OTHER))
    writing.lines[0].link.abort("the cable")
    there.until("the loss", lambda: there.log.having("connection lost: the cable"))
    assert there.books[-1][5] == 0
    assert all(row[5] for row in there.stage.rows(Kind.BOOK, OTHER)[rows:])
    assert {there.feed(name, OTHER).state for name in ("trades", "books")} == {"live"}
    there.until_ready()
    there.until_trades(10)
    there.until_complete()
    there.check(market)
    assert [link.connects for link in there.actor._role.links] == [2, 1]
    assert there.feed("trades", OTHER).gaps == 0


def test_announced_end_of_one_line_is_answered_by_that_line_alone(two_lines: Any) -> None:
    there, market, writing = two_lines
    connections = market.call(lambda it: list(it.connections))
    market.arm("notice", count="1", conn=connections[1])
    there.until("the hand-over", lambda: there.log.having("handed over to the next connection"))
    there.until_trades(10)
    assert sorted(line.link.connects for line in writing.lines) == [1, 2]
    there.check(market)
    for name in (SWAP, OTHER):
        feed = there.feed("trades", name)
        assert (feed.gaps, feed.duplicates, feed.backfilled) == (0, 0, 0)
    assert not there.log.having("connection lost")


def test_business_channels_have_a_line_of_their_own(rig: Make, exchange: Sim) -> None:
    market = exchange(rate=100.0)
    there = rig(market.port, 'okx.channels=["trades-all", "books"]')
    there.until_ready()
    there.until_trades(20)
    there.check(market)
    assert [set(line.carried[SWAP]) for line in there.writing.lines] == [{"books"}, {"trades-all"}]
    assert all(row[7] == 1 for row in there.trades), "each match by itself"


def test_second_source_of_matches_spares_the_request(rig: Make, exchange: Sim) -> None:
    market = exchange(rate=100.0)
    there = rig(market.port, 'okx.channels=["trades", "trades-all"]')
    there.until_ready()
    there.until_trades(10)
    asked: list[str] = []
    rest = there.actor._parts.rest
    rest.ask = lambda what, path, urgent=False: asked.append(path)  # type: ignore[method-assign]
    for _ in range(5):
        market.arm("drop_trades", count="1")
        there.until("the drop", lambda: not market.call(lambda it: it.faults.armed))
        there.until_trades(10)
    there.until_complete()
    there.check(market)
    assert there.feed().gaps >= 3
    assert asked == []


def test_lease_stays_while_the_other_process_is_not_ready(rig: Make, exchange: Sim) -> None:
    """Two that miss one socket each would else pass it to and fro."""
    market = exchange(rate=100.0)
    there = rig(market.port, "stream.standby=true")
    there.until_ready()
    there.link.abort("the cable")
    there.until("the loss", lambda: there.log.having("connection lost: the cable"))
    assert isinstance(there.actor._role, Writing)
    assert actor.PARTNER_LOOK_NS < 100_000_000
    there.until_ready()
    there.check(market)


def test_line_without_trades_is_found_dead_by_comparing_rest_with_rest(
    rig: Make, exchange: Sim
) -> None:
    """Nothing that it brought tells it from a market at rest, but the market does."""
    market = exchange(rate=200.0)
    there = rig(market.port, 'okx.channels=["trades", "candle1s"]', "stream.stale_after_ms=1500")
    there.until_ready()
    there.until_trades(5)
    market.arm("mute", conn=business_connection(market))
    there.until("the loss", lambda: there.log.having("no data while the market trades"))
    assert [line.link.connects for line in there.writing.lines] == [1, 1]
    there.until("another", lambda: there.writing.lines[1].link.connects == 2)
    market.clear()
    there.until_ready()
    assert there.writing.lines[0].link.connects == 1
    there.check(market)


def test_sentinel_tells_a_dead_line_from_one_whose_instrument_rests(
    rig: Make, exchange: Sim
) -> None:
    """Ours rests for hours; BTC-USDT-SWAP on the same socket does not."""
    market = exchange(instruments=(SWAP, OTHER), rate=200.0)
    there = rig(
        market.port, f'okx.instruments=["{OTHER}"]', 'okx.channels=["trades"]',
        "stream.stale_after_ms=500",
    )  # fmt: skip
    assert there.link.target.sentinel is not None
    there.until("data", lambda: there.feed("trades", OTHER).messages)
    market.arm("mute", instId=OTHER)
    silent_ns = there.clock.monotonic_ns() + 1_500_000_000
    there.until("some time", lambda: there.clock.monotonic_ns() > silent_ns)
    assert there.link.connects == 1, "the sentinel spoke"
    market.arm("mute")
    there.until("the loss", lambda: there.log.having("no data while the market trades"))


def business_connection(market: Exchange) -> str:
    described = market.call(lambda it: [item.describe() for item in it.connections.values()])
    return next(str(item["connId"]) for item in described if item["path"] == "business")


def test_dead_socket_is_found_by_its_sentinel_though_another_socket_brings_that_market(
    rig: Make, exchange: Sim, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What BTC-USDT-SWAP trades comes over the first socket, and says nothing about the second."""
    monkeypatch.setattr(plan, "DEEP_BOOKS_MAX", 1)
    market = exchange(instruments=(SWAP, OTHER), rate=200.0)
    names = f"okx.instruments={json.dumps([SWAP, OTHER])}"
    there = rig(market.port, names, "stream.stale_after_ms=700")
    there.until_ready()
    first, second = there.writing.lines
    assert (first.link.target.sentinel is None, second.link.target.sentinel is None) == (
        True,
        False,
    )
    described = market.call(lambda it: [item.describe() for item in it.connections.values()])
    market.arm(
        "mute",
        conn=next(
            str(item["connId"]) for item in described if ["trades", OTHER] in item["subscriptions"]
        ),
    )
    there.until("the loss", lambda: there.log.having("no data while the market trades"))
    there.until("another", lambda: second.link.connects == 2)
    assert first.link.connects == 1
