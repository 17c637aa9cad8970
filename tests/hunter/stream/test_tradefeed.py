"""Matches of one instrument over a real ring: two sources, and the time each was received."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from fakes.actor_stage import SWAP, Stage

from hunter.ring.rows import Kind, TradeFlag
from hunter.ring.writer import RingWriter
from hunter.stream.counters import Counters
from hunter.stream.tradefeed import TradeFeed

NOW = 1_790_000_000_000_000_000


class Bench:
    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.writer = RingWriter(stage.ring_path(), NOW)
        self.counters = Counters(None)
        self.counters.first_push = False
        self.news: list[str] = []
        self.feed = TradeFeed(0, self.writer, self.counters, self.news)

    def push(self, trade_id: int, count: int = 1, *, at: int = NOW, single: bool = False) -> None:
        take = self.feed.on_second_source if single else self.feed.on_push
        take(payload(trade_id, count), at, at)
        self.writer.publish()

    @property
    def rows(self) -> list[Any]:
        return self.stage.rows(Kind.TRADE)


def payload(trade_id: int, count: int) -> bytes:
    item = {
        "instId": SWAP,
        "tradeId": str(trade_id),
        "px": "42219.9",
        "sz": "0.12",
        "side": "buy",
        "ts": "1790000000000",
        "count": str(count),
    }
    return json.dumps([item]).encode()


@pytest.fixture
def bench(stage: Callable[..., Stage]) -> Iterator[Bench]:
    there = stage()
    there.make_rings()
    made = Bench(there)
    yield made
    made.writer.close()


def test_second_source_fills_a_hole_without_rest(bench: Bench) -> None:
    bench.push(10)
    bench.push(14)
    bench.push(11, single=True)
    bench.push(12, single=True)
    assert [hole.match_count for hole in bench.feed.chain.holes] == [1]
    bench.push(13, single=True)
    assert [row[2] for row in bench.rows] == [10, 11, 12, 13, 14]
    assert (bench.counters.gaps, bench.counters.lost, bench.counters.duplicates) == (1, 0, 0)


def test_second_source_that_came_first_fills_a_hole_as_it_opens(bench: Bench) -> None:
    bench.push(10)
    for trade_id in (11, 12, 13):
        bench.push(trade_id, single=True)
    bench.push(14)
    assert [row[2] for row in bench.rows] == [10, 11, 12, 13, 14]
    assert not bench.feed.chain.holes


def test_second_source_of_what_is_known_is_no_duplicate(bench: Bench) -> None:
    bench.push(10)
    bench.push(13, 3)
    for trade_id in (11, 12, 13, 14):
        bench.push(trade_id, single=True)
    assert [row[2] for row in bench.rows] == [10, 13], "14 is left to the first source"
    assert bench.counters.duplicates == 0


def test_row_that_waited_behind_a_hole_keeps_the_time_it_was_received(bench: Bench) -> None:
    bench.push(10, at=NOW + 1)
    bench.push(12, at=NOW + 2)
    bench.push(13, at=NOW + 3)
    bench.push(11, at=NOW + 9)
    assert [(row[2], row[4] - NOW) for row in bench.rows] == [(10, 1), (11, 9), (12, 2), (13, 3)]


def test_row_after_a_loss_is_marked(bench: Bench) -> None:
    bench.push(10)
    bench.push(12)
    bench.feed.give_up(NOW, NOW)
    bench.writer.publish()
    assert [row[9] for row in bench.rows] == [0, TradeFlag.AFTER_LOSS]
    assert bench.news[-1] == "trades: 1 matches after 10 are lost"


def test_out_of_order_row_takes_its_place_and_is_no_duplicate(bench: Bench) -> None:
    for trade_id in (10, 12, 11, 13):
        bench.push(trade_id)
    assert [row[2] for row in bench.rows] == [10, 11, 12, 13]
    assert bench.counters.duplicates == 0


def test_conflicting_row_is_counted_and_the_first_kept(bench: Bench) -> None:
    bench.push(10)
    other = payload(10, 1).replace(b"42219.9", b"42000.0")
    bench.feed.on_push(other, NOW, NOW)
    bench.writer.publish()
    assert [row[5] for row in bench.rows] == [42219.9]
    assert bench.counters.duplicates == 1


def test_expected_second_copy_is_not_counted(bench: Bench) -> None:
    bench.feed.overlapping = True
    bench.push(10)
    bench.push(10)
    assert bench.counters.duplicates == 0
    bench.feed.overlapping = False
    bench.push(10)
    assert bench.counters.duplicates == 1
