"""What the exchange lists, over a real ring: facts, verdicts, and when it is asked again."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from fakes.actor_stage import SWAP, Stage

from hunter.exchange.okx.rest import parse_instruments_answer
from hunter.exchange.okx.rows import InstrumentDetails
from hunter.ring.rows import Kind
from hunter.ring.writer import RingWriter
from hunter.stream.feed import InstrumentFeed
from hunter.stream.listings import AGAIN_NS, RETRY_NS, SOON_NS, Listings
from hunter.stream.parts import Fetch
from hunter.stream.worker import Result

NOW = 1_790_000_000_000_000_000
SWAPS = "/api/v5/public/instruments?instType=SWAP"
MISSPELT = "BTC-USDC-SWAP"


def row(inst_id: str, state: str = "live", **other: str) -> dict[str, str]:
    return {
        "instType": "SWAP",
        "instId": inst_id,
        "tickSz": "0.1",
        "lotSz": "0.01",
        "minSz": "0.01",
        "state": state,
        "ctVal": "0.01",
        "ctMult": "1",
        "ctType": "linear",
        "ctValCcy": "BTC",
        "listTime": "1573557408000",
        "expTime": "",
        **other,
    }


class Asked:
    """In the place of the REST queue: keeps what is asked, opens what it is given."""

    def __init__(self) -> None:
        self.paths: list[str] = []

    def ask(self, what: Fetch, path: str, urgent: bool = False) -> None:
        assert (what, urgent) == (Fetch("instruments", path), False)
        self.paths.append(path)

    def open(self, result: Result, parse: Callable[[int, bytes], Any], now_ns: int) -> Any:
        assert now_ns
        if result.error is not None:
            raise result.error
        return parse(200, result.value)


class Bench:
    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.rest = Asked()
        self.writer = RingWriter(stage.ring_path(), NOW)
        instruments = stage.config.okx.instruments
        self.feeds = {
            name: InstrumentFeed(name, index, self.writer, ("trades",), {})
            for index, name in enumerate(instruments)
        }
        parts: Any = SimpleNamespace(
            context=stage.context("stream-0"), instruments=instruments, rest=self.rest
        )
        self.listings = Listings(parts, self.feeds)
        assert self.listings.next_deadline_ns > stage.clock.monotonic_ns(), "connections first"
        self.listings.step(NOW)

    def answer(self, *rows: dict[str, str], at: int = NOW) -> None:
        body = json.dumps({"code": "0", "msg": "", "data": rows}).encode()
        self.listings.on_result(Result(Fetch("instruments", SWAPS), body, None), at, at)
        self.writer.publish()

    def facts(self, instrument: str = SWAP) -> list[Any]:
        return self.stage.rows(Kind.INSTRUMENT, instrument)


@pytest.fixture
def bench(stage: Callable[..., Stage]) -> Iterator[Callable[..., Bench]]:
    made: list[Bench] = []

    def make(*instruments: str) -> Bench:
        there = stage(f"okx.instruments={json.dumps(instruments or [SWAP])}")
        there.make_rings()
        made.append(Bench(there))
        return made[-1]

    yield make
    for item in made:
        item.writer.close()


def test_each_list_is_asked_for_once_at_the_start(bench: Callable[..., Bench]) -> None:
    there = bench(SWAP, "ETH-USDT-SWAP", "BTC-USDT")
    assert there.rest.paths == [SWAPS, SWAPS.replace("SWAP", "SPOT")]
    there.listings.step(NOW + 1)
    assert len(there.rest.paths) == 2


def test_facts_go_into_the_ring_and_again_only_when_they_change(
    bench: Callable[..., Bench],
) -> None:
    there = bench()
    there.answer(row(SWAP), row("ETH-USDT-SWAP"))
    there.answer(row(SWAP))
    assert len(there.facts()) == 1
    there.answer(row(SWAP, tickSz="0.5"))
    assert len(there.facts()) == 2
    details = there.feeds[SWAP].public.details
    assert isinstance(details, InstrumentDetails)
    assert (details.tick_size, details.size_base(3, 60_000)) == (0.5, 0.03)


def test_instrument_that_is_not_listed_is_parked_with_a_hint(bench: Callable[..., Bench]) -> None:
    there = bench(SWAP, MISSPELT)
    there.answer(row(SWAP), row("BTC-USD-SWAP"))
    assert there.feeds[SWAP].verdict == ""
    assert there.feeds[MISSPELT].verdict.startswith(f"OKX does not list {MISSPELT}; did you mean ")
    assert len(there.stage.log.having("is parked: OKX does not list")) == 1
    there.answer(row(SWAP), row("BTC-USD-SWAP"))
    assert len(there.stage.log.having("is parked: OKX does not list")) == 1, "said once"


def test_suspended_instrument_is_parked_until_it_trades_again(bench: Callable[..., Bench]) -> None:
    there = bench()
    there.answer(row(SWAP, "suspend"))
    assert "suspended" in there.feeds[SWAP].verdict
    assert there.listings.next_deadline_ns == NOW + SOON_NS
    there.answer(row(SWAP))
    assert there.feeds[SWAP].verdict == ""
    assert there.listings.returned == {SWAP}
    assert there.listings.next_deadline_ns == NOW + AGAIN_NS


def test_change_is_believed_at_once(bench: Callable[..., Bench]) -> None:
    there = bench()
    there.answer(row(SWAP))
    suspended = row(SWAP, "suspend")
    body = json.dumps({"code": "0", "data": [suspended]}).encode()
    there.listings.on_changes(parse_instruments_answer(200, body), NOW)
    assert "suspended" in there.feeds[SWAP].verdict


def test_list_that_cannot_be_had_parks_nobody_and_is_asked_again(
    bench: Callable[..., Bench],
) -> None:
    there = bench()
    failed = Result(Fetch("instruments", SWAPS), None, OSError("refused"))
    there.listings.on_result(failed, NOW, NOW)
    assert there.feeds[SWAP].verdict == ""
    assert there.stage.log.having("list of instruments failed: refused")
    there.listings.step(NOW + RETRY_NS - 1)
    assert len(there.rest.paths) == 1
    there.listings.step(NOW + RETRY_NS)
    assert len(there.rest.paths) == 2
