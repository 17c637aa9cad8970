"""What each fault of moment `push` makes of a frame."""

from __future__ import annotations

import json
from typing import Any

import pytest

from hunter.simulator.faults import FAULTS, Faults, make_fault, parse_fault
from hunter.simulator.frames import (
    BookChange,
    PublishedTrade,
    Push,
    book_push,
    is_text,
    match_push,
    trade_push,
    wire_payload,
    wire_text,
)
from hunter.simulator.state import SimulatedBook
from hunter.simulator.tampering import Tampering

NAME = "BTC-USDT-SWAP"
SNAPSHOT = book_push(
    NAME, BookChange(True, [["4", "2", "0", "1"]], [["5", "1", "0", "1"]], 1, 6, -1)
)
UPDATE = book_push(NAME, BookChange(False, [], [["5", "1.5", "0", "1"]], 100, 8, 6))
BARE = book_push(NAME, BookChange(False, [], [["7", "1", "0", "1"]], 100, 8, 6))
CANDLE = Push("candle1m", NAME, b'{"arg":{},"data":[["1","2"]]}', None)


def trade(trade_id: int) -> Push:
    return trade_push(NAME, PublishedTrade(trade_id, 1, "10.5", "1", "buy", 100, trade_id))


class Bench:
    """Faults armed by name, and what then leaves."""

    def __init__(self, *names: str, **query: str) -> None:
        self.faults = Faults()
        self.tampering = Tampering(self.faults)
        self.book = SimulatedBook()
        assert isinstance(SNAPSHOT.body, BookChange)
        self.book.apply(SNAPSHOT.body)
        for name in names:
            self.faults.arm(parse_fault({"name": name, **query}))

    def items(self, push: Push, conn_id: str = "aaaaaaaa") -> list[Any]:
        return self.tampering.alter(conn_id, push, wire_text(push.text), self.book)

    def wires(self, push: Push, conn_id: str = "aaaaaaaa") -> list[bytes]:
        return [item.wire for item in self.items(push, conn_id)]

    def only(self, push: Push) -> Any:
        (wire,) = self.wires(push)
        return json.loads(wire_payload(wire))


def row_of(push: Push) -> Any:
    return json.loads(push.text)["data"][0]


def test_without_faults_a_frame_leaves_as_it_is() -> None:
    bench = Bench()
    assert bench.tampering.is_idle
    assert bench.wires(trade(7)) == [wire_text(trade(7).text)]


def test_mute_keeps_everything_back_and_drops_keep_their_own() -> None:
    for push in (trade(7), UPDATE, SNAPSHOT, CANDLE):
        assert Bench("mute").wires(push) == []
    drop = Bench("drop_trades")
    assert drop.wires(trade(7)) == drop.wires(match_push(NAME, trade(7).body)) == []  # type: ignore[arg-type]
    assert drop.wires(UPDATE) == [wire_text(UPDATE.text)]
    gap = Bench("drop_book")
    assert gap.wires(UPDATE) == []
    assert gap.wires(SNAPSHOT) == [wire_text(SNAPSHOT.text)]
    assert gap.wires(trade(7)) == [wire_text(trade(7).text)]


def test_fault_of_another_connection_leaves_this_one_alone() -> None:
    bench = Bench("mute", conn="bbbbbbbb")
    assert bench.wires(trade(7)) != []
    assert bench.wires(trade(7), "bbbbbbbb") == []


def test_edits_change_what_they_say_and_nothing_else() -> None:
    original = row_of(UPDATE)
    far = ["987654321", "0", "0", "0"]
    assert Bench("wrong_checksum").only(UPDATE)["data"] == [{**original, "checksum": 123456789}]
    assert Bench("orphan_delete").only(UPDATE)["data"] == [
        {**original, "asks": [*original["asks"], far]}
    ]
    crossed = Bench("crossed").only(UPDATE)["data"][0]
    assert crossed == {**original, "bids": [["987654321", "1", "0", "1"]]}
    for name in ("orphan_delete", "crossed", "heartbeat"):
        assert Bench(name).only(SNAPSHOT) == json.loads(SNAPSHOT.text)
    reordered = Bench("reordered").only(UPDATE)
    assert list(reordered) == ["data", "arg", "action"]
    new = reordered["data"][0]
    assert {key: new[key] for key in original} == original
    assert list(new) != list(original)
    assert "newField" in new


def test_reordered_leaves_a_row_without_keys_alone_and_is_not_used_up() -> None:
    bench = Bench("reordered", count="1")
    assert bench.wires(CANDLE) == [wire_text(CANDLE.text)]
    assert len(bench.faults.armed) == 1


def test_wrong_book_changes_a_best_price_and_waits_for_one() -> None:
    bench = Bench("wrong_book", count="1")
    assert bench.only(BARE) == json.loads(BARE.text)
    changed = bench.only(UPDATE)["data"][0]
    assert changed == {**row_of(UPDATE), "asks": [["5", "3.1", "0", "1"]]}
    assert bench.only(UPDATE) == json.loads(UPDATE.text)


def test_heartbeat_follows_the_update_and_changes_nothing() -> None:
    _, beat = Bench("heartbeat").wires(UPDATE)
    row = json.loads(wire_payload(beat))["data"][0]
    assert (row["bids"], row["asks"], row["seqId"], row["prevSeqId"]) == ([], [], 8, 8)


def test_book_is_said_anew_after_the_update_it_is_as_new_as() -> None:
    bench = Bench("resnapshot")
    assert bench.wires(UPDATE) == [wire_text(UPDATE.text)]
    assert isinstance(UPDATE.body, BookChange)
    bench.book.apply(UPDATE.body)
    _, again = bench.wires(UPDATE)
    frame = json.loads(wire_payload(again))
    row = frame["data"][0]
    assert (frame["action"], row["seqId"], row["prevSeqId"]) == ("snapshot", 8, -1)
    assert (row["bids"], row["asks"]) == ([["4", "2", "0", "1"]], [["5", "1.5", "0", "1"]])


def test_conflict_never_comes_before_the_truth() -> None:
    bench = Bench("late", "conflict")
    assert [item.late_ms for item in bench.items(trade(7))] == [1000]


@pytest.mark.parametrize("name", ["garbage", "binary", "empty", "bad_utf8", "giant", "chatter"])
def test_odd_frame_goes_out_before_the_frame(name: str) -> None:
    odd, whole = Bench(name, count="1").wires(UPDATE)
    assert whole == wire_text(UPDATE.text)
    if name == "binary":
        assert not is_text(odd)
        return
    payload = wire_payload(odd)
    if name == "empty":
        assert payload == b""
    elif name == "bad_utf8":
        with pytest.raises(UnicodeDecodeError):
            payload.decode()
    elif name == "garbage":
        with pytest.raises(json.JSONDecodeError):
            json.loads(payload)
    else:
        json.loads(payload)
        assert name == "chatter" or len(payload) > 6144 << 10


def test_chatter_takes_turns() -> None:
    bench = Bench("chatter")
    texts = {bench.wires(UPDATE)[0] for _ in range(10)}
    assert len(texts) == 5


def test_bombs_take_turns_and_none_is_a_trade() -> None:
    bench = Bench("bomb")
    assert bench.wires(UPDATE) == [wire_text(UPDATE.text)]
    payloads = [wire_payload(bench.wires(trade(7))[0]) for _ in range(9)]
    assert payloads[8] == payloads[0]
    nested, number, nan, overflow, doubled, wrong, negative, nothing = payloads[:8]
    assert b"[" * 100_000 in nested
    assert b'"px":' + b"1" * 1_000_000 + b"," in number
    assert b'"px":NaN,' in nan
    assert b'"px":1e400,' in overflow
    assert doubled.count(b'"px"') == 2
    assert json.loads(doubled) == json.loads(trade(7).text)
    assert isinstance(json.loads(wrong)["data"][0]["px"], dict)
    assert json.loads(negative)["data"][0]["px"] == "-1"
    assert json.loads(nothing)["data"][0]["sz"] == "0"


def test_duplicate_and_conflict_repeat_a_trade() -> None:
    one, two = Bench("duplicate").wires(trade(7))
    assert one == two == wire_text(trade(7).text)
    one, two = Bench("conflict").wires(trade(7))
    assert one == wire_text(trade(7).text)
    assert json.loads(wire_payload(two))["data"] == [{**row_of(trade(7)), "px": "10.6"}]
    assert len(Bench("duplicate", "conflict").wires(UPDATE)) == 1


def test_swapped_trade_goes_out_after_the_next_one_of_its_connection() -> None:
    bench = Bench("swap", count="2")
    assert bench.wires(trade(1)) == []
    assert bench.wires(trade(1), "bbbbbbbb") == []
    assert not bench.tampering.is_idle
    assert bench.wires(trade(2)) == [wire_text(trade(2).text), wire_text(trade(1).text)]
    bench.tampering.forget("bbbbbbbb")
    assert bench.tampering.is_idle
    assert bench.wires(trade(3)) == [wire_text(trade(3).text)]


def test_swap_that_lasts_swaps_pairs() -> None:
    bench = Bench("swap")
    found = [wire for number in (1, 2, 3, 4) for wire in bench.wires(trade(number))]
    assert found == [wire_text(trade(number).text) for number in (2, 1, 4, 3)]


def test_late_and_trickle_say_when() -> None:
    (item,) = Bench("late", code="250").items(trade(1))
    assert (item.late_ms, item.ms_per_byte) == (250, 0)
    (item,) = Bench("trickle").items(UPDATE)
    assert (item.late_ms, item.ms_per_byte) == (0, 100)


@pytest.mark.parametrize("name", [name for name, kind in FAULTS.items() if kind.moment == "push"])
def test_every_fault_of_a_push_is_used(name: str) -> None:
    bench = Bench()
    bench.faults.arm(make_fault(name))
    for push in (SNAPSHOT, UPDATE, trade(1)):
        if isinstance(push.body, BookChange):
            bench.book.apply(push.body)
        bench.wires(push)
    # `delay` concerns whole writes; the outlet asks for it.
    assert bench.faults.fired.get(name, 0) > 0 or name == "delay"
