"""The order flow of the synthetic market: mood, takers and quotes, from one seeded generator.

The shapes follow published observations in kind, not in size: activity clusters in bursts and quiet
spells, order sizes are heavy-tailed, most flow is near the touch, thin queues are pulled first.
"""

from __future__ import annotations

import math
import random
from typing import Final

from hunter.simulator.ladder import Ladder

LEVELS_MIN: Final = 440
LEVELS_MAX: Final = 520
STEP_S: Final = 0.1  # one step of the mood
PRESSURE_TIME_S: Final = 4.0

# name: (activity, mean length in s, chance to come after a normal spell)
_SPELLS: Final = {"normal": (0.8, 8.0, 0.0), "burst": (12.0, 0.4, 0.6), "quiet": (0.05, 1.5, 0.4)}


def _mean_activity() -> float:
    weights = {name: (spell[2] or 1.0) * spell[1] for name, spell in _SPELLS.items()}
    total = sum(weights.values())
    return sum(weights[name] * spell[0] for name, spell in _SPELLS.items()) / total


_MEAN_ACTIVITY: Final = _mean_activity()


def draw_gap_ns(rng: random.Random, per_second: float) -> int:
    """Memoryless gap; at least 1 ns so that time always moves."""
    return max(1, int(rng.expovariate(per_second) * 1e9))


class Mood:
    """Hidden state: `pressure` in (-1, 1) leans on the flow, `activity` multiplies its rate.

    The long-run mean of `activity` is 1. Pressure reverts in about 4 s, and leans against the
    distance from the anchor so that the price stays near it over days.
    """

    def __init__(self, rng: random.Random, anchor_ticks: int) -> None:
        self._rng = rng
        self._anchor_ticks = anchor_ticks
        self._level = 0.0
        self.pressure = 0.0
        self.spell = "normal"
        self.activity = _SPELLS["normal"][0] / _MEAN_ACTIVITY

    def step(self, tick: int) -> bool:
        """One step of 0.1 s; true when the activity changed."""
        rng = self._rng
        pull = max(-0.5, min(0.5, -20.0 * (tick - self._anchor_ticks) / self._anchor_ticks))
        fade = STEP_S / PRESSURE_TIME_S
        self._level += fade * (pull - self._level) + math.sqrt(2 * fade) * rng.gauss(0.0, 0.8)
        self.pressure = math.tanh(self._level)
        if rng.random() >= STEP_S / max(STEP_S, _SPELLS[self.spell][1]):
            return False
        if self.spell == "normal":
            self.spell = "burst" if rng.random() < _SPELLS["burst"][2] else "quiet"
        else:
            self.spell = "normal"
        self.activity = _SPELLS[self.spell][0] / _MEAN_ACTIVITY
        return True


class Takers:
    """Who crosses the spread. `orders_per_s` is steered so that rows come at the rate asked."""

    def __init__(self, rng: random.Random, lots_typical: int, rate: float) -> None:
        self._rng = rng
        self._rate = rate
        self._rows_per_order = 1.2
        self.lots_typical = lots_typical

    @property
    def orders_per_s(self) -> float:
        return self._rate / self._rows_per_order

    def draw(self, mood: Mood) -> tuple[bool, int, int]:
        """(is a buy, lots, most price levels it may cross)."""
        rng = self._rng
        is_buy = rng.random() < 0.5 + 0.3 * mood.pressure
        if rng.random() < (0.08 if mood.spell == "burst" else 0.02):
            return is_buy, self.lots_typical * 4_000, rng.randint(2, 14)
        lots = max(1, int(self.lots_typical * rng.lognormvariate(0.0, 1.2)))
        return is_buy, lots, 2 if rng.random() < 0.1 else 1

    def filled(self, row_count: int) -> None:
        self._rows_per_order += 0.005 * (row_count - self._rows_per_order)


def _queue(rng: random.Random, distance: int, lean: float, lots_typical: int) -> tuple[int, int]:
    """A fresh queue (lots, orders) at `distance` levels from the touch."""
    scale = 12.0 if distance == 0 else 6.0 + 0.05 * distance
    lots = max(1, int(lots_typical * scale * rng.lognormvariate(0.0, 0.7) * math.exp(lean)))
    return lots, rng.randint(1, 14 if distance == 0 else 6)


def seed_ladder(rng: random.Random, ladder: Ladder, best_tick: int, lots_typical: int) -> None:
    """Fill up the far end to LEVELS_MIN and trim beyond LEVELS_MAX."""
    tick = ladder.keys[-1] * ladder.sign if ladder.keys else best_tick - ladder.sign
    while len(ladder.keys) < LEVELS_MIN:
        gap = 1 if len(ladder.keys) < 10 else 1 + int(rng.expovariate(1.2))
        tick += ladder.sign * gap
        assert tick > 0, "price fell to zero; choose an instrument with finer ticks"
        ladder.put(tick, *_queue(rng, len(ladder.keys), 0.0, lots_typical))
    ladder.trim(LEVELS_MAX)


def refresh_quotes(
    rng: random.Random, bids: Ladder, asks: Ladder, pressure: float, lots_typical: int
) -> None:
    """One act of the makers: close the spread, pull the touch, or redraw a queue near it."""
    spread = asks.best_tick() - bids.best_tick()
    if spread > 1 and rng.random() < 0.75:
        side = bids if rng.random() < 0.5 + 0.4 * pressure else asks
        lean = 0.6 * pressure * -side.sign
        side.put(side.best_tick() - side.sign, *_queue(rng, 0, lean, lots_typical))
        return
    side, other = (bids, asks) if rng.random() < 0.5 else (asks, bids)
    lean = 0.6 * pressure * -side.sign
    weight = other.best_lots() / (side.best_lots() + other.best_lots())
    if rng.random() < 0.06 * weight * weight and len(side.keys) > 1:
        side.remove(side.best_tick())
        return
    distance = min(int(rng.expovariate(0.25)), 60)
    tick = side.best_tick() + side.sign * distance
    if distance and tick * side.sign in side.levels and rng.random() < 0.3:
        side.remove(tick)
        return
    side.put(tick, *_queue(rng, distance, lean, lots_typical))
