"""The storm: the same from the same seed, and nothing in it lasts for ever."""

from __future__ import annotations

import pytest

from hunter.simulator.faults import FAULTS, FOREVER, Fault
from hunter.simulator.storm import DRAWS, SECOND_NS, Storm, shown

NAMES = ("BTC-USDT-SWAP", "ETH-USDT-SWAP")


def blow(seed: int, minutes: float, step_ns: int = SECOND_NS, start_ns: int = 0) -> list[Fault]:
    storm = Storm(seed, 0.5, NAMES, start_ns)
    found: list[Fault] = []
    for now_ns in range(start_ns, start_ns + int(minutes * 60 * SECOND_NS), step_ns):
        found += storm.due(now_ns)
    return found


def test_seed_says_it_all() -> None:
    assert blow(7, 5) == blow(7, 5, start_ns=99)
    assert blow(7, 5) == blow(7, 5, step_ns=SECOND_NS // 10)[: len(blow(7, 5))]
    assert blow(7, 5) != blow(8, 5)


def test_gap_is_as_asked_in_the_mean() -> None:
    drawn = [fault for fault in blow(1, 30) if fault.name != "resume"]
    assert len(drawn) == pytest.approx(30 * 60 / 0.5, rel=0.1)


def test_every_drawn_fault_comes_and_each_has_an_end() -> None:
    found = blow(3, 60)
    assert {fault.name for fault in found} == {draw.name for draw in DRAWS} | {"resume"}
    for fault in found:
        kind = FAULTS[fault.name]
        assert kind.code is None or kind.code.allows(fault.code)
        if kind.moment not in ("now", "market"):
            assert 0 < fault.lasts_ns <= 10 * SECOND_NS
            assert fault.left != FOREVER or fault.name == "mute"
        assert fault.conn_id in ("*", "first", "last")
        assert fault.inst_id in ("*", *NAMES)


def test_every_suspended_instrument_is_resumed_soon() -> None:
    storm = Storm(5, 0.5, NAMES, 0)
    open_since: dict[str, list[int]] = {name: [] for name in NAMES}
    for now_ns in range(0, 3600 * SECOND_NS, SECOND_NS // 10):
        for fault in storm.due(now_ns):
            if fault.name == "suspend":
                open_since[fault.inst_id].append(now_ns)
            elif fault.name == "resume":
                assert now_ns - open_since[fault.inst_id].pop(0) <= 3.2 * SECOND_NS
        assert storm.next_due_ns() > now_ns


def test_what_nobody_can_repair_is_not_drawn() -> None:
    drawn = {draw.name for draw in DRAWS}
    assert not drawn & {"rest_missing", "wrong_book", "delist"}
    assert len(drawn) == len(DRAWS)


def test_line_of_the_log_says_when_and_what() -> None:
    fault = Fault("close", "first", "*", 1012)
    assert shown(fault, 1_234_567_890) == {
        "at_s": 1.235,
        "name": "close",
        "conn": "first",
        "instId": "*",
        "code": 1012,
        "left": FOREVER,
    }
