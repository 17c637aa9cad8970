"""Faults: armed, used up, over, cleared; and a table that says what each is."""

from __future__ import annotations

import re

import pytest

from hunter.errors import ConfigError
from hunter.simulator.faults import FAULTS, Fault, Faults, fault_lines, make_fault, parse_fault


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ({}, "no fault named ''; one of: refuse"),
        ({"name": "nonsense"}, "no fault named"),
        ({"name": "mute", "count": "x"}, "are numbers"),
        ({"name": "mute", "lasts_s": "soon"}, "are numbers"),
        ({"name": "mute", "count": "0"}, "at least 1"),
        ({"name": "mute", "lasts_s": "-1"}, "lasts_s is within"),
        ({"name": "mute", "lasts_s": "nan"}, "lasts_s is within"),
        ({"name": "mute", "code": "5"}, "takes no code"),
        ({"name": "close", "code": "99"}, "does not fit close; it is close code: 1000-1003"),
        ({"name": "close", "code": "1006"}, "does not fit close"),
        ({"name": "http", "code": "200"}, "HTTP status: 403 429 500-503, 429 unless given"),
        ({"name": "giant", "code": "0"}, "KiB"),
    ],
)
def test_bad_fault_is_refused(query: dict[str, str], message: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(message)):
        parse_fault(query)


def test_code_has_the_faults_own_default_and_range() -> None:
    assert make_fault("close").code == 1001
    assert make_fault("close", 4004).code == 4004
    assert make_fault("giant").code == 6144
    assert make_fault("error", 64007).code == 64007
    assert make_fault("mute").code == 0


def test_every_word_of_a_query_is_taken() -> None:
    query = {"name": "late", "count": "3", "conn": "first", "instId": "A-B", "code": "7"}
    fault = parse_fault({**query, "lasts_s": "1.5"})
    assert fault == Fault("late", "first", "A-B", 7, 3, 1_500_000_000)
    assert fault.describe() == {
        "name": "late",
        "conn": "first",
        "instId": "A-B",
        "code": 7,
        "left": 3,
    }


def test_fault_is_used_up_after_its_count() -> None:
    faults = Faults()
    faults.arm(parse_fault({"name": "drop_trades", "count": "2"}))
    assert [faults.take("drop_trades", "a") is not None for _ in range(3)] == [True, True, False]
    assert faults.armed == []
    assert faults.fired == {"drop_trades": 2}


def test_fault_without_count_lasts_until_cleared() -> None:
    faults = Faults()
    for name in ("mute", "garbage"):
        faults.arm(make_fault(name))
    assert all(faults.take("mute", "a") for _ in range(5))
    faults.clear("mute")
    assert [fault.name for fault in faults.armed] == ["garbage"]
    faults.clear()
    assert faults.armed == []


def test_fault_with_a_time_is_over_when_it_is() -> None:
    faults = Faults()
    faults.arm(parse_fault({"name": "mute", "lasts_s": "2"}), now_ns=1_000)
    faults.arm(make_fault("garbage"), now_ns=1_000)
    faults.expire(2_000_000_999)
    assert len(faults.armed) == 2
    faults.expire(2_000_001_000)
    assert [fault.name for fault in faults.armed] == ["garbage"]


def test_fault_meant_for_another_connection_or_instrument_does_not_apply() -> None:
    faults = Faults()
    faults.arm(parse_fault({"name": "mute", "conn": "bbbbbbbb"}))
    faults.arm(parse_fault({"name": "drop_trades", "instId": "ETH-USDT"}))
    assert faults.find("mute", "aaaaaaaa") is None
    assert faults.find("mute", "bbbbbbbb") is not None
    assert faults.find("drop_trades", "aaaaaaaa", "BTC-USDT") is None
    assert faults.find("drop_trades", "aaaaaaaa", "ETH-USDT") is not None
    assert faults.fired == {}


def test_every_fault_says_when_and_what_and_for_which_line() -> None:
    moments = {"connect", "push", "subscribe", "receive", "rest", "now", "market"}
    assert {kind.moment for kind in FAULTS.values()} == moments
    assert {kind.frames for kind in FAULTS.values()} == {"any", "trades", "books", "updates"}
    for name, line in zip(FAULTS, fault_lines(), strict=True):
        kind = FAULTS[name]
        assert line.split()[:2] == [name, kind.moment]
        assert kind.meaning in line
        assert kind.code is None or kind.code.allows(kind.code.default)
        assert all(re.fullmatch(r"X\d+", word) for word in kind.lines.split())


def test_every_line_that_a_server_can_cause_has_a_fault() -> None:
    covered = {line for kind in FAULTS.values() for line in kind.lines.split()}
    # Names are the host's (X12), certificates an option of the server (X13).
    assert covered == {f"X{number}" for number in range(1, 29)} - {"X12", "X13"}
