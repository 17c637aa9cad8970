"""The exchange: truth first, clients last; each frame framed once."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from hunter.clock import Clock
from hunter.simulator.exchange import Exchange
from hunter.simulator.faults import Fault, parse_fault
from hunter.simulator.frames import BookChange, PublishedTrade, Push, book_push, trade_push
from hunter.simulator.options import Bounds, SimOptions

NAME = "BTC-USDT-SWAP"


def trade(trade_id: int) -> Push:
    return trade_push(NAME, PublishedTrade(trade_id, 1, "10", "1", "buy", 100, trade_id))


class Listener:
    """A subscriber that remembers."""

    def __init__(self, exchange: Exchange, ledger_file: Path | None = None) -> None:
        self.conn_id = exchange.new_conn_id()
        self.is_behind = False
        self.heard: list[bytes] = []
        self.wires: list[int] = []
        self.flush_count = 0
        self.requests = 0
        self.performed: list[str] = []
        self.file_at_push = b""
        self._ledger_file = ledger_file
        exchange.attach(self)

    def push(self, push: Push, wire: bytes) -> None:
        self.heard.append(push.text)
        self.wires.append(id(wire))
        if self._ledger_file is not None:
            self.file_at_push = self._ledger_file.read_bytes()

    def flush(self, now_ns: int) -> None:
        self.flush_count += 1

    def describe(self) -> dict[str, Any]:
        return {"connId": self.conn_id, "requests_per_hour_max": self.requests}

    def perform(self, fault: Fault) -> None:
        self.performed.append(fault.name)

    def heal(self) -> None:
        self.performed.append("heal")


def test_push_goes_to_its_subscribers_once_framed_and_flushed_once_a_batch(clock: Clock) -> None:
    exchange = Exchange(SimOptions(), clock)
    one, two, other = (Listener(exchange) for _ in range(3))
    for listener in (one, two):
        exchange.subscribe(listener, ("trades", NAME))
    exchange.subscribe(other, ("tickers", NAME))
    exchange.dispatch([trade(1), trade(2)])
    assert one.heard == two.heard == [trade(1).text, trade(2).text]
    assert one.wires == two.wires
    assert (one.flush_count, two.flush_count, other.flush_count) == (1, 1, 0)
    exchange.unsubscribe(one, ("trades", NAME))
    exchange.dispatch([trade(3)])
    assert (len(one.heard), len(two.heard)) == (2, 3)


def test_row_is_in_the_ledgers_file_before_a_client_hears_of_it(
    clock: Clock, tmp_path: Path
) -> None:
    path = tmp_path / "ledger.txt"
    exchange = Exchange(SimOptions(ledger=path), clock)
    listener = Listener(exchange, path)
    exchange.subscribe(listener, ("trades", NAME))
    exchange.dispatch([trade(77)])
    assert listener.file_at_push.startswith(b"BTC-USDT-SWAP 77 ")
    exchange.ledger.close()


def test_initial_pushes_are_what_is_known(clock: Clock) -> None:
    exchange = Exchange(SimOptions(), clock)
    keys = [("trades", NAME), ("books", NAME), ("tickers", NAME)]
    assert exchange.initial(keys) == []
    exchange.dispatch([trade(1), book_push(NAME, BookChange(True, [], [], 1, 2, -1))])
    assert [push.channel for push in exchange.initial(keys)] == ["trades", "books"]


def test_three_connects_a_second_are_allowed_unless_limits_are_off(clock: Any) -> None:
    exchange = Exchange(SimOptions(), clock)
    now_ns = clock.now_ns
    assert [exchange.may_connect(now_ns) for _ in range(5)] == [True, True, True, False, False]
    assert exchange.may_connect(now_ns + 1_000_000_000)
    free = Exchange(SimOptions(limits=False), clock)
    assert all(free.may_connect(now_ns) for _ in range(100))


def test_connection_that_left_hears_nothing_and_is_remembered(clock: Clock) -> None:
    exchange = Exchange(SimOptions(), clock)
    listener = Listener(exchange)
    exchange.subscribe(listener, ("trades", NAME))
    exchange.detach(listener)
    exchange.detach(listener)
    exchange.dispatch([trade(1)])
    assert listener.heard == []
    (past,) = exchange.counts()["past_connections"]
    assert past["connId"] == listener.conn_id
    assert exchange.counts()["connections"] == []


def test_room_is_there_when_somebody_reads_and_nobody_is_behind(clock: Clock) -> None:
    async def scenario() -> None:
        exchange = Exchange(SimOptions(), clock)
        waiting = asyncio.create_task(exchange.room())
        await asyncio.sleep(0)
        assert not waiting.done()
        listener = Listener(exchange)
        listener.is_behind = True
        exchange.subscribe(listener, ("trades", NAME))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert not waiting.done()
        listener.is_behind = False
        exchange.reader_moved()
        await asyncio.wait_for(waiting, 5)

    asyncio.run(scenario())


def test_keep_alive_comes_after_its_time_and_not_during_a_replay(clock: Any) -> None:
    exchange = Exchange(SimOptions(bounds=Bounds(book_keepalive_s=60)), clock)
    listener = Listener(exchange)
    exchange.subscribe(listener, ("books", NAME))
    exchange.dispatch([book_push(NAME, BookChange(True, [], [], 1, 2, -1))])
    clock.now_ns += 59_000_000_000
    exchange.keep_alive()
    assert len(listener.heard) == 1
    clock.now_ns += 1_000_000_000
    exchange.is_playing = True
    exchange.keep_alive()
    assert len(listener.heard) == 1
    exchange.is_playing = False
    exchange.keep_alive()
    exchange.keep_alive()
    assert len(listener.heard) == 2
    row = json.loads(listener.heard[-1])["data"][0]
    assert row["seqId"] == row["prevSeqId"] == 2


def test_faults_of_the_moment_are_performed_and_others_armed(clock: Clock) -> None:
    exchange = Exchange(SimOptions(), clock)
    one, two = Listener(exchange), Listener(exchange)
    assert exchange.arm(parse_fault({"name": "close", "conn": one.conn_id})) == 1
    assert exchange.arm(parse_fault({"name": "notice"})) == 2
    assert (one.performed, two.performed) == (["close", "notice"], ["notice"])
    assert exchange.arm(parse_fault({"name": "mute"})) == 0
    assert len(exchange.faults.armed) == 1
    exchange.heal()
    assert exchange.faults.armed == []
    assert (one.performed[-1], two.performed[-1]) == ("heal", "heal")
    assert exchange.counts()["faults_fired"] == {"close": 1, "notice": 1}


def test_recording_says_which_instruments_there_are(clock: Clock, tmp_path: Path) -> None:
    path = tmp_path / "recording.jsonl"
    path.write_bytes(b"")
    exchange = Exchange(SimOptions(replay=(path,)), clock)
    assert exchange.instruments == {}
    exchange.list_instrument("ETH-USDT")
    assert exchange.is_listed("ETH-USDT")


@pytest.mark.parametrize("count", [50])
def test_connection_ids_are_eight_hex_digits_and_differ(clock: Clock, count: int) -> None:
    exchange = Exchange(SimOptions(), clock)
    ids = {Listener(exchange).conn_id for _ in range(count)}
    assert len(ids) == count
    assert all(len(conn_id) == 8 and int(conn_id, 16) >= 0 for conn_id in ids)


def test_counts_say_what_was_produced(clock: Clock) -> None:
    exchange = Exchange(SimOptions(), clock)
    exchange.dispatch([trade(1), trade(2)])
    counts = exchange.counts()
    assert counts["produced"] == {"trades": {NAME: 2}}
    assert counts["matches"] == {NAME: 2}


@pytest.mark.parametrize(
    ("key", "is_served"),
    [
        (("trades", NAME), True),
        (("candle1m", NAME), True),
        (("funding-rate", NAME), True),
        (("funding-rate", "BTC-USDT"), False),
        (("open-interest", "BTC-USDT"), False),
        (("mark-price", "BTC-USDT"), True),
        (("mark-price", "LTC-USDT"), False),
        (("index-tickers", "BTC-USDT"), True),
        (("index-tickers", NAME), False),
        (("liquidation-orders", "SWAP"), True),
        (("liquidation-orders", "SPOT"), False),
        (("instruments", "SPOT"), True),
        (("instruments", "SOUP"), False),
        (("status", ""), True),
        (("unheard-of", NAME), False),
    ],
)
def test_channel_exists_for_some_types_only(clock: Clock, key: Any, is_served: bool) -> None:
    exchange = Exchange(SimOptions(instruments=(NAME, "BTC-USDT")), clock)
    assert exchange.serves(key) is is_served


def test_last_word_on_an_index_is_said_to_newcomers_and_none_by_type(clock: Clock) -> None:
    exchange = Exchange(SimOptions(), clock)
    keys = [("index-tickers", "BTC-USDT"), ("instruments", "SWAP"), ("status", "")]
    exchange.dispatch([Push(channel, subject, b"{}", None) for channel, subject in keys])
    assert [push.channel for push in exchange.initial(keys)] == ["index-tickers", "status"]
    assert list(exchange.instruments) == [NAME]


def test_fault_finds_its_connection_by_number_and_by_age(clock: Clock) -> None:
    exchange = Exchange(SimOptions(), clock)
    assert exchange.arm(parse_fault({"name": "close", "conn": "first"})) == 0
    exchange.arm(parse_fault({"name": "mute", "conn": "#2"}))
    listeners = [Listener(exchange) for _ in range(3)]
    for listener in listeners:
        exchange.number(listener.conn_id)
    assert exchange.faults.armed[0].conn_id == listeners[1].conn_id
    for conn, listener in (("first", listeners[0]), ("last", listeners[2]), ("#2", listeners[1])):
        assert exchange.arm(parse_fault({"name": "notice", "conn": conn})) == 1
        assert listener.performed == ["notice"]
    for _ in range(300):
        exchange.number("x")
    assert exchange.arm(parse_fault({"name": "notice", "conn": "#1"})) == 0
    assert exchange.counts()["handshakes"] == {"total": 303, "most_in_1_s": 303}


def test_most_requests_in_an_hour_outlives_its_connection(clock: Clock) -> None:
    exchange = Exchange(SimOptions(), clock)
    for most in (7, 3):
        listener = Listener(exchange)
        listener.requests = most
        assert exchange.counts()["requests_most_in_1_h"] == 7
        exchange.detach(listener)
    assert exchange.counts()["requests_most_in_1_h"] == 7
