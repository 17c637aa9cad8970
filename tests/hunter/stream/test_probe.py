"""StreamActor when nothing comes: a resting market, a mute socket, a book that broke its promise.

The actor runs in the test's own thread with the host's clock, which tests may put forward.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fakes.actor_stage import SWAP
from fakes.faulty_exchange import Exchange
from fakes.stream_rig import Rig
from fakes.websocket_peer import Peer

from hunter.exchange.okx.events import DataSilent
from hunter.exchange.okx.requests import Subscription

UNLISTED = "ETH-USDT-SWAP"

Make = Callable[..., Rig]
Sim = Callable[..., Exchange]


def test_stream_notices_a_mute_socket_while_the_market_trades(rig: Make, exchange: Sim) -> None:
    market = exchange()
    there = rig(market.port, "stream.stale_after_ms=300")
    there.until_ready()
    there.until_trades(5)
    market.arm("mute")
    there.until("the loss", lambda: there.log.having("no data while the market trades"))
    assert there.feed().state == "connecting"
    assert all(counters.silent for counters in there.writing.feeds[SWAP].counters.values())
    market.clear()
    there.until_ready()
    there.until_trades(5)
    there.until_complete()
    there.check(market)


def test_stream_leaves_a_resting_market_alone(rig: Make, exchange: Sim) -> None:
    there = rig(exchange(rate=0.0).port, "stream.stale_after_ms=200")
    there.until("two probes", lambda: len(there.log.having("the market rests;")) == 2)
    assert there.connection.connects == 1
    assert there.connection.state == "open"
    assert there.feed("books").state == "live"


def test_stream_leaves_a_resting_market_alone_when_its_first_instrument_is_parked(
    rig: Make, exchange: Sim
) -> None:
    there = rig(
        exchange(rate=0.0).port,
        f'okx.instruments=["{UNLISTED}", "{SWAP}"]',
        "stream.stale_after_ms=200",
    )
    there.until("a probe", lambda: there.log.having("the market rests;"))
    assert there.connection.connects == 1


def test_stream_asks_after_the_instrument_that_trades_most(rig: Make, exchange: Sim) -> None:
    """The first of the list may rest for hours while the others trade."""
    market = exchange(rate=0.0, instruments=(SWAP, UNLISTED))
    there = rig(
        market.port, f'okx.instruments=["{SWAP}", "{UNLISTED}"]', "stream.stale_after_ms=200"
    )
    there.until("a probe", lambda: there.log.having("the market rests;"))
    there.writing.feeds[UNLISTED].counters["trades"].messages = 5
    worker = there.actor._worker
    asked: list[Any] = []
    submit = worker.submit
    worker.submit = lambda key, call: asked.append(key) or submit(key, call)  # type: ignore[method-assign,func-returns-value]
    there.until("both, in turn", lambda: {key.about for key in asked} == {SWAP, UNLISTED})


def test_stream_whose_data_came_before_the_probes_answer_stays(rig: Make, exchange: Sim) -> None:
    market = exchange(rate=500.0)
    there = rig(market.port)
    there.until_ready()
    there.until_trades(5)
    silence = DataSilent((Subscription("trades", SWAP),), 1, True)
    for _ in range(10):
        there.until("free", lambda: not there.writing.lines[0].probe._asking)
        line = there.writing.lines[0]
        there.writing._on_silence(line, silence, there.clock.wall_ns(), there.clock.monotonic_ns())
        there.until_trades(1)
    there.until("free", lambda: not there.writing.lines[0].probe._asking)
    there.until_ready()
    assert there.connection.connects == 1


def test_stream_that_cannot_ask_takes_silence_for_death(rig: Make, exchange: Sim) -> None:
    market = exchange(rate=0.0)
    market.arm("rest_unavailable")
    there = rig(market.port, "stream.stale_after_ms=200")
    there.until("the loss", lambda: there.log.having("no data, and REST does not answer"))
    assert there.log.having("REST probe of BTC-USDT-SWAP failed")


def test_stream_whose_probe_is_not_answered_takes_silence_for_death(
    rig: Make, exchange: Sim, peer: Peer
) -> None:
    nobody = f'okx.rest_url="http://127.0.0.1:{peer.port}"'
    there = rig(exchange(rate=0.0).port, nobody, "stream.stale_after_ms=100")
    there.until("the loss", lambda: there.log.having("REST does not answer in time"))
    there.until("the next connection", lambda: there.connection.state == "open")


def test_stream_hides_and_asks_anew_a_book_that_broke_its_promise(rig: Make, exchange: Sim) -> None:
    there = rig(exchange(rate=0.0).port)
    there.until("a book", lambda: there.books and there.books[-1][5])
    there.until("quotes", lambda: there.feed("bbo-tbt").messages)
    there.clock.skip(91_000)
    there.until("a row that hides it", lambda: len(there.books) == 2)
    assert there.books[-1][5] == 0
    there.until("a fresh one", lambda: there.books[-1][5])
    assert there.connection.connects == 1
