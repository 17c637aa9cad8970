"""Faults of the exchange itself: listings, bursts, what REST has lost."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

import pytest

from hunter.clock import Clock
from hunter.errors import ConfigError
from hunter.simulator.exchange import Exchange
from hunter.simulator.faults import make_fault
from hunter.simulator.frames import PublishedTrade, trade_push
from hunter.simulator.instruments import DELISTED, SUSPENDED
from hunter.simulator.options import SimOptions
from hunter.simulator.sources import open_markets

SWAP, SPOT = "BTC-USDT-SWAP", "BTC-USDT"


@pytest.fixture
def exchange(clock: Clock) -> Exchange:
    """Two markets, opened."""
    exchange = Exchange(SimOptions(instruments=(SWAP, SPOT), rate=100.0), clock)
    open_markets(exchange)
    return exchange


def do(exchange: Exchange, name: str, inst_id: str = "*", code: int | None = None) -> int:
    fault = make_fault(name, code)
    fault.inst_id = inst_id
    return exchange.arm(fault)


def test_suspended_market_rests_and_goes_on_without_the_time_between(
    exchange: Exchange, clock: Any
) -> None:
    market = exchange.market_faults.markets[SWAP]
    assert do(exchange, "suspend", SWAP) == 1
    assert exchange.market_faults.states == {SWAP: SUSPENDED}
    assert market.is_quiet
    clock.now_ns += 5_000_000_000
    assert market.advance(clock.now_ns) == []
    assert exchange.is_listed(SWAP)
    do(exchange, "resume", SWAP)
    assert market.advance(clock.now_ns) == []
    assert market.advance(clock.now_ns + 1_000_000_000)
    assert exchange.market_faults.states == {}


def test_delisted_instrument_is_no_more_served_until_it_is_healed(exchange: Exchange) -> None:
    assert do(exchange, "delist") == 2
    assert exchange.market_faults.states == {SWAP: DELISTED, SPOT: DELISTED}
    assert not exchange.serves(("trades", SWAP))
    exchange.heal()
    assert exchange.serves(("trades", SWAP))


def test_change_of_state_is_pushed_once_to_its_type(exchange: Exchange) -> None:
    for _ in range(2):
        do(exchange, "suspend", SWAP)
    produced = exchange.ledger.produced
    assert (produced["instruments", "SWAP"], produced["instruments", "SPOT"]) == (1, 0)


def test_burst_comes_in_parts_and_keeps_the_chain(exchange: Exchange, clock: Any) -> None:
    market = exchange.market_faults.markets[SWAP]
    do(exchange, "burst", SWAP, 2_500)
    rows = []
    for _ in range(3):
        assert market.next_due_ns() <= clock.now_ns
        rows += [push.body for push in market.advance(clock.now_ns) if push.channel == "trades"]
    assert len(rows) == 2_500
    assert market.next_due_ns() > clock.now_ns
    for before, after in pairwise(rows):
        assert isinstance(before, PublishedTrade)
        assert isinstance(after, PublishedTrade)
        assert after.trade_id == before.trade_id + 1
        assert after.seq_id > before.seq_id


def test_sequence_falls_back_again_and_again_but_not_to_nothing(exchange: Exchange) -> None:
    market = exchange.market_faults.markets[SWAP]
    for _ in range(100):
        do(exchange, "seq_reset", SWAP)
    assert market._seq_id > 1_000_000


def test_hidden_matches_stay_hidden(exchange: Exchange) -> None:
    for trade_id in (10, 20, 30):
        row = PublishedTrade(trade_id, 10, "5", "1", "buy", 1, trade_id)
        exchange.dispatch([trade_push(SWAP, row)])
    faults = exchange.market_faults
    do(exchange, "rest_missing", SWAP, 15)
    do(exchange, "rest_missing", SPOT, 15)
    exchange.heal()
    assert [i for i in range(1, 31) if faults.is_hidden(SWAP, i)] == list(range(16, 31))
    assert not faults.is_hidden(SPOT, 1)


def test_maintenance_is_announced_with_its_begin(exchange: Exchange, clock: Any) -> None:
    assert do(exchange, "maintenance", code=30) == 1
    (push,) = exchange.initial([("status", "")])
    (row,) = json.loads(push.text)["data"]
    assert row["state"] == "scheduled"
    assert int(row["begin"]) == clock.now_ns // 1_000_000 + 30_000


def test_fault_of_an_unknown_instrument_or_of_a_recording_is_refused(
    exchange: Exchange, clock: Clock, tmp_path: Any
) -> None:
    with pytest.raises(ConfigError, match="no instrument 'X-Y'"):
        do(exchange, "suspend", "X-Y")
    path = tmp_path / "recording.jsonl"
    path.write_bytes(b"")
    replay = Exchange(SimOptions(replay=(path,)), clock)
    replay.list_instrument(SWAP)
    with pytest.raises(ConfigError, match="needs a synthetic market"):
        do(replay, "burst")
    assert replay.counts()["faults_fired"] == {}
