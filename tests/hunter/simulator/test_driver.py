"""Scripts and storms, fired when due and written down."""

from __future__ import annotations

from typing import Any

import pytest

from hunter.simulator.driver import Driver
from hunter.simulator.exchange import Exchange
from hunter.simulator.faults import make_fault
from hunter.simulator.options import SimOptions
from hunter.simulator.script import Step
from hunter.simulator.sources import open_markets

S = 1_000_000_000


@pytest.fixture
def exchange(clock: Any) -> Exchange:
    exchange = Exchange(SimOptions(rate=0.0), clock)
    open_markets(exchange)
    return exchange


def test_script_fires_each_step_when_it_is_due(exchange: Exchange, clock: Any) -> None:
    steps = [Step(S // 10, make_fault("mute")), Step(3 * S, make_fault("garbage"))]
    driver = Driver(exchange, steps)
    assert driver.step() == S // 10
    clock.now_ns += S // 10
    assert driver.step() == 250_000_000
    assert [fault.name for fault in exchange.faults.armed] == ["mute"]
    clock.now_ns += 5 * S
    driver.step()
    log = exchange.counts()["script"]
    assert [(line["name"], line["at_s"]) for line in log] == [("mute", 0.1), ("garbage", 5.1)]


def test_step_fired_is_a_copy_that_can_be_used_up(exchange: Exchange, clock: Any) -> None:
    fault = make_fault("mute")
    fault.left = 1
    driver = Driver(exchange, [Step(0, fault)])
    driver.step()
    exchange.faults.take("mute", "x")
    assert (fault.left, exchange.faults.armed) == (1, [])


def test_storm_fires_is_logged_and_ends_with_a_heal(exchange: Exchange, clock: Any) -> None:
    driver = Driver(exchange)
    assert exchange.counts()["storm"] == []
    driver.start_storm(5, 0.1)
    assert exchange.counts()["storm_seed"] == 5
    for _ in range(300):
        clock.now_ns += max(1, driver.step())
        exchange.faults.expire(clock.now_ns)
    first = exchange.counts()["storm"]
    assert len(first) > 50
    assert exchange.faults.armed
    driver.stop_storm()
    assert exchange.faults.armed == []
    assert exchange.market_faults.states == {}
    assert exchange.counts()["storm"] == first
    clock.now_ns += 60 * S
    driver.step()
    assert exchange.counts()["storm"] == first
    assert exchange.counts()["storm_seed"] is None


def test_storm_started_again_repeats_itself(exchange: Exchange, clock: Any) -> None:
    driver, runs = Driver(exchange), []
    for _ in range(2):
        driver.start_storm(9, 0.5)
        clock.now_ns += 60 * S
        driver.step()
        runs.append([line["name"] for line in exchange.counts()["storm"]])
        driver.stop_storm()
    assert runs[0] == runs[1] != []


def test_fault_that_does_not_fit_the_exchange_is_logged_as_refused(
    clock: Any, tmp_path: Any
) -> None:
    path = tmp_path / "recording.jsonl"
    path.write_bytes(b"")
    exchange = Exchange(SimOptions(replay=(path,)), clock)
    driver = Driver(exchange, [Step(0, make_fault("seq_reset"))])
    driver.step()
    (line,) = exchange.counts()["script"]
    assert "no instrument" in line["refused"]
