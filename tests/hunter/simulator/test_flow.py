"""Order flow: moods, takers, quotes."""

from __future__ import annotations

import random

from hunter.simulator.flow import (
    LEVELS_MAX,
    LEVELS_MIN,
    Mood,
    Takers,
    draw_gap_ns,
    refresh_quotes,
    seed_ladder,
)
from hunter.simulator.ladder import Ladder


def test_activity_has_a_mean_of_one_and_all_spells_come() -> None:
    mood, total, spells = Mood(random.Random(5), 1000), 0.0, set()
    for _ in range(200_000):
        mood.step(1000)
        total += mood.activity
        spells.add(mood.spell)
        assert -1 < mood.pressure < 1
    assert abs(total / 200_000 - 1) < 0.1
    assert spells == {"normal", "burst", "quiet"}


def test_pressure_leans_back_to_the_anchor() -> None:
    sums = {}
    for tick in (900, 1100):
        mood = Mood(random.Random(5), 1000)
        total = 0.0
        for _ in range(20_000):
            mood.step(tick)
            total += mood.pressure
        sums[tick] = total
    assert sums[900] > 0 > sums[1100]


def test_gap_is_never_nothing() -> None:
    rng = random.Random(1)
    assert all(draw_gap_ns(rng, 1e12) >= 1 for _ in range(1000))


def test_takers_follow_the_pressure_and_sweep_at_times() -> None:
    takers, mood = Takers(random.Random(2), 10, 20.0), Mood(random.Random(3), 1000)
    mood.pressure = 0.9
    drawn = [takers.draw(mood) for _ in range(5_000)]
    assert 0.7 < sum(is_buy for is_buy, _, _ in drawn) / 5_000 < 0.85
    assert all(lots >= 1 for _, lots, _ in drawn)
    assert max(levels for _, _, levels in drawn) > 10


def test_takers_slow_down_when_orders_make_many_rows() -> None:
    takers = Takers(random.Random(2), 10, 20.0)
    for _ in range(2_000):
        takers.filled(4)
    assert abs(takers.orders_per_s - 5.0) < 0.1


def test_seeding_keeps_the_depth_within_its_limits() -> None:
    rng, ladder = random.Random(4), Ladder(-1)
    seed_ladder(rng, ladder, 50_000, 10)
    assert ladder.best_tick() == 50_000
    assert len(ladder.keys) == LEVELS_MIN
    for tick in range(50_001, 50_200):
        ladder.put(tick, 5, 1)
    seed_ladder(rng, ladder, 50_200, 10)
    assert len(ladder.keys) == LEVELS_MAX


def test_quotes_never_cross_the_book() -> None:
    rng, bids, asks = random.Random(7), Ladder(-1), Ladder(1)
    seed_ladder(rng, bids, 50_000, 10)
    seed_ladder(rng, asks, 50_003, 10)
    for step in range(20_000):
        refresh_quotes(rng, bids, asks, 0.9 if step % 2_000 < 1_000 else -0.9, 10)
        assert bids.best_tick() < asks.best_tick()
        seed_ladder(rng, bids, 0, 10)
        seed_ladder(rng, asks, 0, 10)
