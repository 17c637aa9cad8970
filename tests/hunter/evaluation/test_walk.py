"""The walk: nobody is asked with rows of the future, and everybody with all of the past."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fakes.recordings import LAG_MS, MS, SPOT, START_NS, SWAP, ToldMarket, write
from fakes.told_brains import ToldBrain, guesser, maker, reader

from hunter.brain.flow import FlowBrain
from hunter.brain.protocol import Brain
from hunter.brain.settings import BrainSettings
from hunter.clock import SystemClock
from hunter.evaluation.rows import RecordedRow, RowCounts, recorded_rows
from hunter.evaluation.walk import WARM_NS, Entrant, InstrumentWalk, Walk

STEP = 100 * MS


def rows(tmp_path: Path, seconds: int = 132, *names: str) -> list[RecordedRow]:
    files = [
        write(tmp_path / f"{name}-{seconds}", ToldMarket(seconds, name).lines)
        for name in names or (SWAP,)
    ]
    return list(recorded_rows(files, RowCounts()))


def walked(items: list[RecordedRow], *entrants: Entrant) -> list[InstrumentWalk]:
    return Walk(entrants, (1_000,), (100, 2_000), SystemClock()).run(items)


def flow(instrument: str, horizon_ms: int | None) -> Brain:
    return FlowBrain(instrument, BrainSettings(horizon_ms=horizon_ms or 5_000))


class Watcher(ToldBrain):
    """Notes the newest row at each question."""

    def __init__(self) -> None:
        super().__init__("watcher", reader())
        self.newest = 0
        self.seen: list[tuple[int, int]] = []

    def on_bbo(self, row: Any) -> None:
        self.newest = max(self.newest, row.received_ts_ns)
        super().on_bbo(row)

    on_trade = on_book = on_ticker = lambda self, row: setattr(self, "newest", row.received_ts_ns)

    def outlook(self, now_ns: int) -> Any:
        self.seen.append((now_ns, self.newest))
        return super().outlook(now_ns)


def test_each_question_comes_after_all_of_its_past_and_before_its_future(tmp_path: Path) -> None:
    items = rows(tmp_path)
    watcher = Watcher()
    (walk,) = walked(items, Entrant("w", lambda *_: watcher, False))
    received = [item.row.received_ts_ns for item in items]
    grid = [at for at in walk.market.times_ns.tolist() if at - walk.first_ns >= WARM_NS]
    assert len(watcher.seen) == len(grid) > 100
    for at, (_, newest) in zip(grid, watcher.seen, strict=True):
        assert newest == max(time for time in received if time <= at)


def test_event_time_is_the_newest_stamp_and_the_time_since(tmp_path: Path) -> None:
    items = rows(tmp_path)
    watcher = Watcher()
    (walk,) = walked(items, Entrant("w", lambda *_: watcher, False))
    grid = [at for at in walk.market.times_ns.tolist() if at - walk.first_ns >= WARM_NS]
    for at, (now_ns, _) in zip(grid, watcher.seen, strict=True):
        assert now_ns == at - LAG_MS * MS


def test_a_row_at_the_very_time_of_a_point_counts_there(tmp_path: Path) -> None:
    lines = [(at - at % STEP, frame) for at, frame in ToldMarket(125).lines]
    items = list(recorded_rows([write(tmp_path / "a", lines)], RowCounts()))
    watcher = Watcher()
    (walk,) = walked(items, Entrant("w", lambda *_: watcher, False))
    grid = [at for at in walk.market.times_ns.tolist() if at - walk.first_ns >= WARM_NS]
    assert [newest for _, newest in watcher.seen] == grid


def test_cutting_the_future_off_changes_nothing_before(tmp_path: Path) -> None:
    items = rows(tmp_path, 140)
    entrant = Entrant("flow", flow, True)
    (whole,) = walked(items, entrant)
    (cut,) = walked(items[: len(items) * 131 // 140], entrant)
    count = len(cut.market.times_ns) - 1
    for field in ("mid", "queue_imbalance", "last_move", "gaps", "heuristic_a", "heuristic_b"):
        long, short = (getattr(walk.market, field)[:count] for walk in (whole, cut))
        assert np.array_equal(long, short, equal_nan=True), field
    long, short = (walk.brains[0].said[1_000].probability_up[:count] for walk in (whole, cut))
    assert np.array_equal(long, short, equal_nan=True)
    assert np.isfinite(short).sum() > 50


def test_the_same_rows_give_the_same_answers(tmp_path: Path) -> None:
    items = rows(tmp_path)
    entrant = Entrant("flow", flow, True)
    (one,), (other,) = walked(items, entrant), walked(items, entrant)
    said = [walk.brains[0].said[1_000].probability_up for walk in (one, other)]
    assert np.array_equal(*said, equal_nan=True)


def test_built_in_brain_is_made_for_horizons_it_lacks(tmp_path: Path) -> None:
    items = rows(tmp_path, 125)
    walk = Walk([Entrant("flow", flow, True)], (700, 5_000), (100, 2_000), SystemClock())
    (found,) = walk.run(items)
    assert {700, 5_000} <= set(found.brains[0].said)


def test_mates_are_introduced_and_fed_as_they_came(tmp_path: Path) -> None:
    met: list[tuple[str, str]] = []
    heard: list[tuple[str, int]] = []

    class Pair(ToldBrain):
        def meet(self, mate: Any) -> None:
            met.append((self.name, mate.name))

        def on_bbo(self, row: Any) -> None:
            heard.append((self.name, row.arrival))

    def make(instrument: str, horizon_ms: int | None) -> Brain:
        return Pair(instrument, reader())

    names = (SPOT, SWAP, "ETH-USDT-SWAP")
    walks = walked(rows(tmp_path, 3, *names), Entrant("p", make, False))
    assert [walk.instrument for walk in walks] == list(names)
    assert sorted(met) == [(SPOT, SWAP), (SWAP, SPOT)]
    arrivals = [arrival for name, arrival in heard if name != "ETH-USDT-SWAP"]
    assert arrivals == sorted(arrivals)


def test_long_silence_is_left_out_of_the_grid(tmp_path: Path) -> None:
    lines = ToldMarket(20).lines
    hour = 3_600_000 * MS
    lines = [(at + (hour if at - START_NS > 10_000 * MS else 0), f) for at, f in lines]
    items = list(recorded_rows([write(tmp_path / "a", lines)], RowCounts()))
    (walk,) = walked(items, Entrant("x", maker(guesser()), False))
    market = walk.market
    steps = np.diff(market.times_ns)
    assert len(market.times_ns) < 1_000
    assert (steps > STEP).sum() == 1
    assert np.isnan(market.mid[int(np.argmax(steps))])
    assert not (market.times_ns % STEP).any()


def test_latencies_and_progress_are_told(tmp_path: Path) -> None:
    told: list[int] = []
    items = rows(tmp_path, 123)
    entrant = Entrant("x", maker(guesser()), False)
    (walk,) = Walk([entrant], (1_000,), (100, 2_000), SystemClock(), told.append).run(items)
    assert told == sorted(told)
    brain = walk.brains[0]
    assert len(brain.outlook_us) == np.isfinite(brain.said[1_000].probability_up).sum() > 0
    assert len(brain.row_us) == len(items) // 8
    assert (brain.outlook_us >= 0).all()


def test_no_rows_are_no_walks() -> None:
    assert walked([], Entrant("x", maker(guesser()), False)) == []


@pytest.mark.parametrize("seconds", [10])
def test_nobody_is_asked_in_the_first_two_minutes(tmp_path: Path, seconds: int) -> None:
    (walk,) = walked(rows(tmp_path, seconds), Entrant("x", maker(guesser()), False))
    assert walk.brains[0].said == {}
    assert len(walk.brains[0].outlook_us) == 0
