"""Faults: armed, used up, cleared; and what each does to a frame."""

from __future__ import annotations

import json
from typing import Any

import pytest

from hunter.errors import ConfigError
from hunter.simulator.faults import FAULTS, Faults, parse_fault
from hunter.simulator.frames import (
    BookChange,
    PublishedTrade,
    Push,
    book_push,
    trade_push,
    wire_payload,
    wire_text,
)

NAME = "BTC-USDT-SWAP"
TRADE = trade_push(NAME, PublishedTrade(7, 1, "10", "1", "buy", 100, 6))
UPDATE = book_push(NAME, BookChange(False, [], [["5", "1", "0", "1"]], 100, 8, 6))
SNAPSHOT = book_push(NAME, BookChange(True, [], [["5", "1", "0", "1"]], 100, 6, -1))


def altered(faults: Faults, push: Push, conn_id: str = "aaaaaaaa") -> bytes:
    return faults.alter(conn_id, push, wire_text(push.text))


def row(wire: bytes) -> Any:
    return json.loads(wire_payload(wire))["data"][0]


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ({}, "no fault named ''; one of: refuse"),
        ({"name": "nonsense"}, "no fault named"),
        ({"name": "mute", "count": "x"}, "whole numbers"),
        ({"name": "mute", "count": "0"}, "at least 1"),
        ({"name": "close", "code": "99"}, "1000 to 4999"),
    ],
)
def test_bad_fault_is_refused(query: dict[str, str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        parse_fault(query)


def test_fault_is_used_up_after_its_count() -> None:
    faults = Faults()
    faults.arm(parse_fault({"name": "drop_trades", "count": "2"}))
    assert [altered(faults, TRADE) == b"" for _ in range(3)] == [True, True, False]
    assert faults.armed == []
    assert faults.fired == {"drop_trades": 2}


def test_fault_without_count_lasts_until_cleared() -> None:
    faults = Faults()
    for name in ("mute", "garbage"):
        faults.arm(parse_fault({"name": name}))
    assert all(altered(faults, UPDATE) == b"" for _ in range(5))
    faults.clear("mute")
    assert [fault.describe()["name"] for fault in faults.armed] == ["garbage"]
    faults.clear()
    assert altered(faults, UPDATE) == wire_text(UPDATE.text)


def test_fault_meant_for_another_connection_or_instrument_does_not_apply() -> None:
    faults = Faults()
    faults.arm(parse_fault({"name": "mute", "conn": "bbbbbbbb"}))
    faults.arm(parse_fault({"name": "drop_trades", "instId": "ETH-USDT"}))
    assert altered(faults, TRADE) == wire_text(TRADE.text)
    assert altered(faults, TRADE, "bbbbbbbb") == b""


def test_dropped_book_is_an_update_never_the_snapshot() -> None:
    faults = Faults()
    faults.arm(parse_fault({"name": "drop_book"}))
    assert altered(faults, SNAPSHOT) == wire_text(SNAPSHOT.text)
    assert altered(faults, TRADE) == wire_text(TRADE.text)
    assert altered(faults, UPDATE) == b""


def test_edits_change_what_they_say_and_nothing_else() -> None:
    faults = Faults()
    for name in ("wrong_checksum", "orphan_delete", "reordered"):
        faults.clear()
        faults.arm(parse_fault({"name": name}))
        original, new = json.loads(UPDATE.text)["data"][0], row(altered(faults, UPDATE))
        if name == "wrong_checksum":
            assert new == {**original, "checksum": 123456789}
        elif name == "orphan_delete":
            assert new["asks"] == [*original["asks"], ["987654321", "0", "0", "0"]]
            assert row(altered(faults, SNAPSHOT)) == json.loads(SNAPSHOT.text)["data"][0]
        else:
            assert {key: new[key] for key in original} == original
            assert list(new) != list(original)
            assert "newField" in new


def test_garbage_goes_out_before_the_frame() -> None:
    faults = Faults()
    faults.arm(parse_fault({"name": "garbage", "count": "1"}))
    wire, whole = altered(faults, TRADE), wire_text(TRADE.text)
    assert wire.endswith(whole)
    with pytest.raises(json.JSONDecodeError):
        json.loads(wire_payload(wire[: -len(whole)]))


def test_every_fault_says_when_and_what() -> None:
    moments = {"connect", "push", "subscribe", "receive", "rest", "now", "market"}
    assert {moment for moment, _ in FAULTS.values()} == moments
    assert all(meaning for _, meaning in FAULTS.values())
