"""The paths under /sim/, without a socket."""

from __future__ import annotations

import json
from typing import Any

import pytest

from hunter.simulator.exchange import Exchange
from hunter.simulator.frames import BookChange, book_push
from hunter.simulator.options import SimOptions
from hunter.simulator.rest import Rest
from hunter.simulator.state import TOP_LEVELS, TOPS_MAX

NAME = "BTC-USDT-SWAP"


class Asker:
    def __init__(self, clock: Any) -> None:
        self.exchange = Exchange(SimOptions(), clock)
        self._rest = Rest(self.exchange)
        self._clock = clock

    def __call__(self, target: str) -> tuple[int, Any]:
        status, body = self._rest.handle("GET", target, self._clock)
        return status, json.loads(body)


@pytest.fixture
def ask(clock: Any) -> Asker:
    return Asker(clock)


def push_book(ask: Asker, seq_id: int, size: str = "1") -> None:
    is_first = not ask.exchange.instruments[NAME].book.is_known
    levels = range(30) if is_first else range(1)
    bids = [[str(100 - i), size, "0", "1"] for i in levels]
    asks = [[str(101 + i), size, "0", "1"] for i in levels]
    change = BookChange(is_first, bids, asks, 1, seq_id, -1 if is_first else seq_id - 1)
    ask.exchange.dispatch([book_push(NAME, change)])


def test_book_is_what_it_was_at_a_sequence_number(ask: Asker) -> None:
    push_book(ask, 5, "1")
    push_book(ask, 6, "7")
    status, then = ask(f"/sim/book?instId={NAME}&seqId=5")
    assert (status, then["seqId"]) == (200, 5)
    assert (len(then["bids"]), len(then["asks"])) == (TOP_LEVELS, TOP_LEVELS)
    assert (then["bids"][0], then["asks"][0]) == (["100", "1", "0", "1"], ["101", "1", "0", "1"])
    assert ask(f"/sim/book?instId={NAME}&seqId=6")[1]["bids"][0] == ["100", "7", "0", "1"]
    status, answer = ask(f"/sim/book?instId={NAME}&seqId=7")
    assert (status, answer["msg"]) == (400, f"no book of {NAME} at seqId 7 is remembered")


def test_books_of_long_ago_are_forgotten(ask: Asker) -> None:
    for seq_id in range(10, 10 + TOPS_MAX + 1):
        push_book(ask, seq_id)
    assert ask(f"/sim/book?instId={NAME}&seqId=10")[0] == 400
    assert ask(f"/sim/book?instId={NAME}&seqId=11")[0] == 200


@pytest.mark.parametrize(
    "target",
    [
        "/sim/book",
        f"/sim/book?instId={NAME}&seqId=x",
        "/sim/ledger?instId=NO-PE",
        "/sim/fault?storm=x",
        "/sim/fault?storm=1&gap_s=x",
        "/sim/fault?storm=1&gap_s=0",
        "/sim/fault?storm=1&gap_s=nan",
        "/sim/fault?name=mute&code=7",
    ],
)
def test_bad_question_is_400_with_the_reason(ask: Asker, target: str) -> None:
    status, answer = ask(target)
    assert status == 400
    assert answer["msg"]


def test_storm_is_started_and_ended_over_http(ask: Asker, clock: Any) -> None:
    ask("/sim/fault?name=mute")
    assert ask("/sim/fault?storm=7&gap_s=0.5")[0] == 200
    assert ask("/sim/counts")[1]["storm_seed"] == 7
    assert ask("/sim/fault?storm=off")[1]["armed"] == []
    assert ask("/sim/counts")[1]["storm_seed"] is None


def test_clear_of_one_leaves_the_others_and_of_all_heals(ask: Asker) -> None:
    for name in ("mute", "garbage"):
        ask(f"/sim/fault?name={name}&lasts_s=5")
    armed = ask("/sim/fault?clear=mute")[1]["armed"]
    assert [fault["name"] for fault in armed] == ["garbage"]
    assert ask("/sim/fault?clear=all")[1]["armed"] == []


def test_requests_over_a_limit_are_counted_even_when_they_are_served(clock: Any) -> None:
    for limits, statuses in ((True, [200, 429]), (False, [200, 200])):
        exchange = Exchange(SimOptions(limits=limits), clock)
        rest = Rest(exchange)
        path = "/api/v5/public/time"
        found = [rest.handle("GET", path, clock)[0] for _ in range(11)]
        assert found == [statuses[0]] * 10 + [statuses[1]]
        assert exchange.counts()["rest_over_limit"] == {path: 1}
