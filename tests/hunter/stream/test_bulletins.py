"""Channels about many instruments, over a real ring: who gets what of a push."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from fakes.actor_stage import SWAP, Stage

from hunter.exchange.okx.events import Data
from hunter.exchange.okx.requests import Subscription
from hunter.exchange.okx.states import SubscriptionState
from hunter.ring.rows import Kind
from hunter.ring.writer import RingWriter
from hunter.stream.bulletins import ANNOUNCED_MAX, Bulletins
from hunter.stream.feed import InstrumentFeed
from hunter.stream.listings import Listings

NOW = 1_790_000_000_000_000_000
OTHER = "ETH-USDT-SWAP"
CHANNELS = ("trades", "liquidation-orders", "instruments")
STATUS = Subscription("status", "")


def forced_order(inst_id: str, size: str = "13") -> dict[str, Any]:
    detail = {
        "bkLoss": "0", "bkPx": "50000", "ccy": "", "posSide": "long", "side": "sell",
        "sz": size, "ts": "1790000000000",
    }  # fmt: skip
    return {"details": [detail], "instId": inst_id, "instType": "SWAP", "uly": inst_id[:8]}


def announcement(state: str, title: str = "Upgrade") -> dict[str, str]:
    return {
        "begin": "1790000000000", "end": "1790000600000", "env": "1", "href": "", "maintType": "1",
        "preOpenBegin": "", "scheDesc": "", "serviceType": "0", "state": state,
        "system": "unified", "title": title, "ts": "1790000000000",
    }  # fmt: skip


class Bench:
    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.writer = RingWriter(stage.ring_path(), NOW)
        self.feeds = {
            name: InstrumentFeed(name, index, self.writer, CHANNELS, {})
            for index, name in enumerate((SWAP, OTHER))
        }
        parts: Any = SimpleNamespace(
            context=stage.context("stream-0"), instruments=(SWAP, OTHER), rest=None
        )
        self.bulletins = Bulletins(self.feeds, Listings(parts, self.feeds), None)

    def push(self, subscription: Subscription, *items: Any) -> None:
        data = Data(subscription, "", msgspec.Raw(json.dumps(items).encode()))
        served = () if subscription == STATUS else (SWAP, OTHER)
        self.bulletins.on_data(data, served, NOW, NOW)
        self.writer.publish()

    def rows(self, instrument: str) -> list[Any]:
        return self.stage.rows(Kind.LIQUIDATION, instrument)


@pytest.fixture
def bench(stage: Callable[..., Stage]) -> Iterator[Bench]:
    there = stage(
        f"okx.instruments={json.dumps([SWAP, OTHER])}",
        'okx.channels=["trades", "liquidation-orders", "instruments"]',
    )
    there.make_rings()
    made = Bench(there)
    yield made
    made.writer.close()


LIQUIDATIONS = Subscription("liquidation-orders", "SWAP")
INSTRUMENTS = Subscription("instruments", "SWAP")


def test_forced_order_goes_to_its_instrument_alone(bench: Bench) -> None:
    bench.push(LIQUIDATIONS, forced_order(SWAP), forced_order("XRP-USDT-SWAP"))
    assert len(bench.rows(SWAP)) == 1
    assert not bench.rows(OTHER)
    messages = [feed.counters["liquidation-orders"].messages for feed in bench.feeds.values()]
    assert messages == [1, 0]
    fresh = [feed.counters["liquidation-orders"].last_data_ns for feed in bench.feeds.values()]
    assert fresh == [NOW, NOW], "the channel spoke, for both"


def test_push_that_makes_no_sense_is_counted_and_changes_nothing(bench: Bench) -> None:
    bench.push(LIQUIDATIONS, {"details": "none"})
    assert not bench.rows(SWAP)
    assert bench.feeds[SWAP].counters["liquidation-orders"].malformed == 1
    assert bench.bulletins.news[0].startswith("liquidation-orders: ")


def test_change_of_an_instrument_parks_it(bench: Bench) -> None:
    change = {
        "instType": "SWAP", "instId": SWAP, "tickSz": "0.1", "lotSz": "1", "minSz": "1",
        "state": "suspend", "ctVal": "0.01", "ctMult": "1", "ctType": "linear", "ctValCcy": "BTC",
    }  # fmt: skip
    bench.push(INSTRUMENTS, change)
    assert "suspended" in bench.feeds[SWAP].verdict
    assert bench.feeds[OTHER].verdict == ""
    assert bench.feeds[SWAP].counters["instruments"].messages == 1


def test_announcement_is_told_while_it_is_not_over(bench: Bench) -> None:
    bench.push(STATUS, announcement("scheduled"))
    bench.push(STATUS, announcement("scheduled"))
    assert bench.bulletins.maintenance(NOW) == (
        'OKX maintenance "Upgrade" (WebSocket) is scheduled',
    )
    assert len(bench.bulletins.news) == 1, "said once"
    bench.push(STATUS, announcement("ongoing"))
    assert bench.bulletins.maintenance(NOW) == ('OKX maintenance "Upgrade" (WebSocket) is ongoing',)
    bench.push(STATUS, announcement("completed"))
    assert bench.bulletins.maintenance(NOW) == ()
    assert bench.bulletins.news[-1].endswith("is completed")


def test_announcement_of_the_past_is_no_news(bench: Bench) -> None:
    bench.push(STATUS, announcement("completed"))
    assert bench.bulletins.news == []


def test_status_channel_is_a_feed_of_the_whole_exchange(bench: Bench) -> None:
    bench.push(STATUS, announcement("completed"), announcement("canceled"))
    bench.push(STATUS, "nonsense")
    for state, word in [
        (SubscriptionState.ACKED, "live"),
        (SubscriptionState.PENDING, "connecting"),
        (SubscriptionState.PARKED, "parked"),
    ]:
        document = bench.bulletins.feed_document(state)
        assert (document.instrument, document.channel, document.state) == ("*", "status", word)
    assert (document.messages, document.malformed) == (2, 1)


def test_forced_order_of_an_instrument_of_another_type_is_nobodys(bench: Bench) -> None:
    """Such as a SWAP push that names an instrument we stream as something else."""
    data = Data(LIQUIDATIONS, "", msgspec.Raw(json.dumps([forced_order(OTHER)]).encode()))
    bench.bulletins.on_data(data, (SWAP,), NOW, NOW)
    bench.writer.publish()
    assert not bench.rows(OTHER)
    assert bench.bulletins.news == []


def test_announcements_are_bounded_and_end_by_themselves(bench: Bench) -> None:
    for number in range(300):
        bench.push(STATUS, announcement("scheduled", f"{number} " + 500 * "x"))
    shown = bench.bulletins.maintenance(NOW)
    assert len(shown) == ANNOUNCED_MAX
    assert max(map(len, shown)) < 160
    hours = 10 * 3_600 * 10**9
    assert bench.bulletins.maintenance(NOW + hours) == (), "completed was missed"


def test_announcement_that_is_put_off_replaces_the_one_before(bench: Bench) -> None:
    later = {**announcement("scheduled"), "begin": "1790000300000", "end": "1790000900000"}
    bench.push(STATUS, announcement("scheduled"))
    bench.push(STATUS, later)
    assert len(bench.bulletins.maintenance(NOW)) == 1
