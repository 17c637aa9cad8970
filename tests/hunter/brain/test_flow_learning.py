"""What the built-in brain learns from its rows, and what it must not learn from."""

from __future__ import annotations

import random
from itertools import pairwise
from math import exp

import pytest
from fakes.brain_rows import MS, START_NS, Row, bbo, book, feed, fresh_flow, ticker, trade

from hunter.brain.flow import FlowBrain
from hunter.signals.decision import Decision

HEAVY_BID = ((100.0, 9.0), (100.5, 1.0))
BALANCED = ((100.0, 4.0), (100.5, 4.0))


def quoted_market(seed: int, slope: float, second_count: int, first_second: int = 0) -> list[Row]:
    """Each second a quote; half a second on the mid moves, up with P = sigmoid(slope * QI)."""
    dice = random.Random(seed)
    rows: list[Row] = []
    price = 5_000.0
    for second in range(first_second, first_second + second_count):
        bid_size = dice.randrange(1, 40)
        ask_size = 40 - bid_size
        at = START_NS + second * 1_000 * MS
        rows.append(bbo(at, (price, bid_size), (price + 0.5, ask_size)))
        imbalance = (bid_size - ask_size) / 40
        price += 0.5 if dice.random() < 1 / (1 + exp(-slope * imbalance)) else -0.5
        rows.append(bbo(at + 500 * MS, (price, 20.0), (price + 0.5, 20.0)))
    return rows


@pytest.mark.parametrize("slope", [0.3, 3.0])
def test_brain_learns_the_slope_of_a_known_market_and_stays_calibrated(slope: float) -> None:
    brain = fresh_flow(interval_ms=1_000, horizon_ms=900)
    rows = quoted_market(3, slope, 1_000)
    told = []
    for row, after in pairwise(rows):
        said = feed(brain, row)
        if said is not None and said.confidence:
            told.append((said.probability_up, after.bid_price > row.bid_price))
    assert len(told) > 900
    late = told[len(told) // 2 :]
    for low, high in ((0.05, 0.35), (0.35, 0.65), (0.65, 0.95)):
        bucket = [(p, up) for p, up in late if low <= p < high]
        if len(bucket) > 100:
            said_up = sum(p for p, _ in bucket) / len(bucket)
            came_up = sum(up for _, up in bucket) / len(bucket)
            assert came_up == pytest.approx(said_up, abs=0.12)


def learnt(brain: FlowBrain) -> list[bytes]:
    return [horizon.mixture.state() for horizon in brain._learned.horizons]


def test_nothing_is_learnt_while_the_book_is_invalid_or_the_quote_stale() -> None:
    brain = fresh_flow(interval_ms=1_000, horizon_ms=1_000)
    prior = learnt(brain)
    brain.on_bbo(bbo(START_NS, *HEAVY_BID))
    brain.on_bbo(bbo(START_NS + 1_000 * MS, *HEAVY_BID))
    brain.on_bbo(bbo(START_NS + 1_500 * MS, (200.0, 1.0), (200.5, 1.0)))
    brain.on_book(book(START_NS + 1_500 * MS, valid=0))
    brain.on_trade(trade(START_NS + 2_600 * MS))
    assert learnt(brain) == prior
    brain = fresh_flow(interval_ms=1_000, horizon_ms=9_000, stale_ms=2_000)
    brain.on_bbo(bbo(START_NS, *HEAVY_BID))
    brain.on_bbo(bbo(START_NS + 500 * MS, *HEAVY_BID))
    brain.on_bbo(bbo(START_NS + 4_000 * MS, (200.0, 1.0), (200.5, 1.0)))
    prior = learnt(fresh_flow(horizon_ms=9_000, stale_ms=2_000))
    brain.on_bbo(bbo(START_NS + 4_100 * MS, (200.0, 1.0), (200.5, 1.0)))
    brain.on_trade(trade(START_NS + 20_000 * MS))
    assert learnt(brain) == prior


@pytest.mark.parametrize("gap", ["on_gap", "hole"])
def test_nothing_is_learnt_across_a_gap(gap: str) -> None:
    brain = fresh_flow(interval_ms=1_000)
    prior = learnt(brain)
    brain.on_trade(trade(START_NS))
    for ms in range(0, 800, 100):
        brain.on_bbo(bbo(START_NS + ms * MS, *HEAVY_BID))
    if gap == "on_gap":
        brain.on_gap()
    else:
        brain.on_trade(trade(START_NS + 800 * MS, trade_id=7))
    for ms in range(800, 1_800, 100):
        brain.on_bbo(bbo(START_NS + ms * MS, (200.0, 1.0), (200.5, 1.0)))
    assert learnt(brain) == prior
    for ms in range(1_800, 3_900, 100):
        brain.on_bbo(bbo(START_NS + ms * MS, (300.0, 1.0), (300.5, 1.0)))
    assert learnt(brain) != prior


def test_learns_on_every_kind_of_row() -> None:
    for make in (trade, ticker, book):
        brain = fresh_flow(interval_ms=1_000, horizon_ms=1_000)
        prior = learnt(brain)
        brain.on_bbo(bbo(START_NS, *HEAVY_BID))
        brain.on_bbo(bbo(START_NS + 1_000 * MS, *HEAVY_BID))
        brain.on_bbo(bbo(START_NS + 1_900 * MS, (200.0, 1.0), (200.5, 1.0)))
        feed(brain, make(START_NS + 2_001 * MS))
        assert learnt(brain) != prior, make.__name__


def test_flip_of_the_markets_rule_is_found_and_answered_in_seconds() -> None:
    brain = fresh_flow(interval_ms=1_000, horizon_ms=1_000, coverage=1.0)
    rows = quoted_market(5, 3.0, 420)
    flip_at = 300
    rows[2 * flip_at :] = quoted_market(6, -3.0, 120, first_second=flip_at)
    found: dict[int, Decision] = {}
    for row in rows:
        said = feed(brain, row)
        if said is not None:
            found[(said.boundary_ms - START_NS // MS) // 1_000] = said
    before = [found[second] for second in range(200, flip_at)]
    assert sum(said.direction != "flat" for said in before) > 60
    assert all("drift" not in said.reason for said in before)
    alarmed = [second for second in range(flip_at, 420) if "drift" in found[second].reason]
    assert 5 <= alarmed[0] - flip_at <= 23
    late = [found[second] for second in range(flip_at + 60, 420)]
    assert all(said.direction == "flat" for said in late[:20])
    assert any(said.reason.startswith("drift: the market left what was learnt") for said in late)
    assert late[0].regime.endswith("/break")


def test_regime_is_a_label_of_terciles() -> None:
    brain = fresh_flow(interval_ms=1_000)
    told = []
    for i in range(1_200):
        price, spread = 100.0 + i % 2, 0.5 + i % 7
        told.append(brain.on_bbo(bbo(START_NS + i * 100 * MS, (price, 4.0), (price + spread, 4.0))))
    regimes = [said.regime for said in told if said is not None]
    assert regimes[0] == "steady/usual/normal"
    assert {name.split("/")[1] for name in regimes[-30:]} == {"tight", "usual", "wide"}


def test_market_that_turns_round_is_told_as_drift() -> None:
    brain = fresh_flow(interval_ms=1_000, horizon_ms=900)
    said = set()
    for row in quoted_market(3, 6.0, 400):
        feed(brain, row)
        said.add(brain.drift)
    assert said == {""}
    for row in quoted_market(4, -6.0, 60, first_second=400):
        feed(brain, row)
        said.add(brain.drift)
    assert any(words.startswith("drift: the market left what was learnt") for words in said)
