from __future__ import annotations

import random
from itertools import pairwise
from math import exp, nan
from typing import Any

import msgspec
import pytest
from fakes.brain_rows import (
    MS,
    START_NS,
    Row,
    bbo,
    book,
    decisions,
    feed,
    fresh_flow,
    mirrored,
    random_rows,
    ticker,
    trade,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from hunter.brain.features import FEATURES
from hunter.brain.flow import FlowBrain
from hunter.brain.protocol import StateError
from hunter.brain.settings import BrainSettings
from hunter.signals.decision import Decision

PARITY = {name: parity for name, parity, _ in FEATURES}
OPPOSITE = {"up": "down", "down": "up", "flat": "flat"}
HEAVY_BID = ((100.0, 9.0), (100.5, 1.0))
HEAVY_ASK = ((100.0, 1.0), (100.5, 9.0))
BALANCED = ((100.0, 4.0), (100.5, 4.0))


def warmed(
    sides: tuple[tuple[float, float], tuple[float, float]] = BALANCED, **options: Any
) -> FlowBrain:
    """A brain that saw the same quote for 30.5 s, with the next boundary half a second ahead."""
    brain = fresh_flow(**{"interval_ms": 1_000, **options})
    for ms in range(0, 30_600, 500):
        brain.on_bbo(bbo(START_NS + ms * MS, *sides))
    return brain


def decided(brain: FlowBrain, row: Row) -> Decision:
    decision = feed(brain, row)
    assert decision is not None
    return decision


AT = START_NS + 31_000 * MS


@pytest.mark.parametrize(("sides", "direction"), [(HEAVY_BID, "up"), (HEAVY_ASK, "down")])
def test_heavy_queue_decides_its_direction_and_says_why(
    sides: tuple[tuple[float, float], tuple[float, float]], direction: str
) -> None:
    said = decided(warmed(sides), bbo(AT, *sides))
    assert said.direction == direction
    assert said.confidence == abs(2 * said.probability_up - 1) > 0.1
    sign = "+" if direction == "up" else "-"
    assert said.reason == f"queue imbalance {sign}0.80 (bbo) adds {sign}0.480 to the log-odds"
    assert said.instrument == "BTC-USDT-SWAP"
    assert (said.model, said.horizon_ms) == ("flow@1", 5_000)


def test_balanced_queue_is_flat_with_confidence_zero() -> None:
    said = decided(warmed(), bbo(AT, *BALANCED))
    assert (said.direction, said.probability_up, said.confidence) == ("flat", 0.5, 0.0)
    assert said.reason.startswith("no edge: |2p-1| 0.000 below 0.10; queue imbalance +0.00")


def test_balanced_queue_is_flat_even_without_a_threshold() -> None:
    said = decided(warmed(threshold=0.0), bbo(AT, *BALANCED))
    assert said.direction == "flat"


def test_small_edge_is_flat_and_keeps_its_probability() -> None:
    said = decided(warmed(), bbo(AT, (100.0, 5.0), (100.5, 4.0)))
    assert said.direction == "flat"
    assert 0.5 < said.probability_up < 0.55
    assert said.confidence == pytest.approx(2 * said.probability_up - 1)


def test_falling_market_with_a_balanced_queue_is_not_up() -> None:
    brain = fresh_flow(interval_ms=100, horizon_ms=1_000)
    found = []
    for i in range(2_000):
        price = 3_000.0 - i * 0.5
        ts_ns = START_NS + i * 50 * MS
        found.append(brain.on_trade(trade(ts_ns, side=-1, price=price, trade_id=i + 1)))
        found.append(brain.on_bbo(bbo(ts_ns, (price, 4.0), (price + 0.5, 4.0))))
    directions = {decision.direction for decision in found if decision is not None}
    assert directions == {"flat"}


def test_no_information_is_flat_with_confidence_zero() -> None:
    brain = fresh_flow(interval_ms=1_000)
    rows: list[Row] = [trade(START_NS + i * 500 * MS) for i in range(90)]
    found = decisions(brain, rows)
    assert len(found) == 44
    assert {(d.direction, d.probability_up, d.confidence) for d in found} == {("flat", 0.5, 0.0)}
    assert found[-1].reason == "no quote yet"
    assert found[-1].quality.feed == "connecting"


def test_warming_up_is_flat_and_says_how_far() -> None:
    brain = fresh_flow(interval_ms=1_000)
    assert brain.on_bbo(bbo(START_NS, *HEAVY_BID)) is None
    said = decided(brain, bbo(START_NS + 1_000 * MS, *HEAVY_BID))
    assert (said.direction, said.confidence) == ("flat", 0.0)
    assert said.reason == "warming up: 1.0 s of 30.0 s"
    assert not brain.warm
    assert warmed().warm


def test_stale_quote_is_flat_stale() -> None:
    brain = warmed(HEAVY_BID)
    assert decided(brain, trade(AT)).direction == "up"
    said = decided(brain, trade(AT + 2_000 * MS))
    assert (said.direction, said.confidence) == ("flat", 0.0)
    assert said.reason == "stale input: newest quote 2500 ms old, limit 2000 ms"
    assert said.quality.feed == "stale"


def test_quotes_that_arrive_with_old_stamps_are_stale() -> None:
    brain = warmed(HEAVY_BID)
    brain.on_trade(trade(AT + 900 * MS))
    brain.on_bbo(bbo(AT - 4_000 * MS, *HEAVY_BID))
    assert decided(brain, trade(AT + 5_000 * MS)).reason.startswith("stale input")


def test_invalid_book_is_flat_until_the_next_valid_one() -> None:
    brain = warmed(HEAVY_BID)
    brain.on_book(book(AT - 100 * MS, valid=0))
    said = decided(brain, bbo(AT, *HEAVY_BID))
    assert (said.direction, said.confidence) == ("flat", 0.0)
    assert said.reason.startswith("book invalid")
    assert (said.quality.feed, said.quality.book_valid) == ("resync", False)
    brain.on_book(book(AT + 500 * MS))
    said = decided(brain, bbo(AT + 1_000 * MS, *HEAVY_BID))
    assert said.direction == "up"
    assert said.quality.book_valid


@pytest.mark.parametrize(
    ("sides", "why"),
    [
        (((101.0, 9.0), (100.5, 1.0)), "crossed book: bid 101 not below ask 100.5"),
        (((100.5, 9.0), (100.5, 1.0)), "crossed book"),
        (((nan, 0.0), (100.5, 1.0)), "one-sided book"),
        (((100.0, 9.0), (nan, nan)), "one-sided book"),
    ],
)
def test_quote_that_is_no_market_is_flat(
    sides: tuple[tuple[float, float], tuple[float, float]], why: str
) -> None:
    said = decided(warmed(HEAVY_BID), bbo(AT, *sides))
    assert (said.direction, said.probability_up, said.confidence) == ("flat", 0.5, 0.0)
    assert said.reason.startswith(why)


def test_queue_imbalance_is_taken_from_the_next_best_source_when_bbo_is_silent() -> None:
    brain = warmed(HEAVY_BID)
    brain.on_ticker(ticker(AT, *HEAVY_ASK))
    assert decided(brain, ticker(AT + 2_000 * MS, *HEAVY_ASK)).reason.startswith(
        "queue imbalance -0.80 (ticker)"
    )
    asks = ((100.5, 3.0),)
    said = decided(brain, book(AT + 3_000 * MS, ((100.0, 1.0),), asks))
    assert said.reason.startswith("queue imbalance -0.50 (book)")
    said = decided(brain, bbo(AT + 4_000 * MS, *HEAVY_BID))
    assert said.reason.startswith("queue imbalance +0.80 (bbo)")


def test_decision_names_the_row_that_triggered_it() -> None:
    brain = warmed()
    brain.on_book(book(AT - 100 * MS))
    row = trade(AT + 40 * MS, sequence=88, received_ts_ns=AT - 460 * MS)
    said = decided(brain, row)
    assert said.decided_ts_ns == row.received_ts_ns
    assert said.boundary_ms == AT // MS
    assert said.trade_sequence == 88
    assert said.book_seq_id == 9
    assert said.quality.lag_ms == -500.0


@settings(deadline=None, max_examples=60)
@given(st.lists(st.integers(-2_000, 3_000), min_size=1, max_size=80), st.integers(1, 2_000))
def test_at_most_one_decision_per_interval_and_none_is_missed(
    steps_ms: list[int], interval_ms: int
) -> None:
    brain = fresh_flow(interval_ms=interval_ms)
    seen_ms, stamp_ms, boundaries = 0, START_NS // MS, []
    for step in steps_ms:
        stamp_ms += step
        said = brain.on_bbo(bbo(stamp_ms * MS))
        newest_ms = max(seen_ms, stamp_ms)
        # The first row at or after a boundary decides; rows before it and the very first do not.
        passed = seen_ms and newest_ms // interval_ms > seen_ms // interval_ms
        assert (said is not None) == bool(passed)
        if said is not None:
            assert said.boundary_ms == newest_ms // interval_ms * interval_ms
            boundaries.append(said.boundary_ms)
        seen_ms = newest_ms
    assert boundaries == sorted(set(boundaries))
    assert brain.decisions == len(boundaries)


@settings(deadline=None, max_examples=40)
@given(seed=st.integers(0, 2**32), row_count=st.integers(2, 250), spoil=st.booleans())
def test_mirrored_rows_give_the_mirrored_decisions(seed: int, row_count: int, spoil: bool) -> None:
    options = {"interval_ms": 200, "horizon_ms": 600, "warm_ms": 1_000}
    rows = random_rows(seed, row_count, spoil=spoil)
    swapped = [mirrored(row, 1_000.0) for row in rows]
    straight, mirror = (decisions(fresh_flow(**options), r) for r in (rows, swapped))
    assert len(straight) == len(mirror)
    for one, other in zip(straight, mirror, strict=True):
        assert other.direction == OPPOSITE[one.direction]
        assert other.probability_up == 1.0 - one.probability_up
        assert other.confidence == one.confidence
        assert other.regime == one.regime
        for name, value in one.features.items():
            if PARITY[name] == "odd":
                assert other.features[name] == -value, name


@settings(deadline=None, max_examples=30)
@given(seed=st.integers(0, 2**32), row_count=st.integers(2, 300), cut=st.floats(0, 1))
def test_restart_from_a_snapshot_anywhere_changes_no_byte(
    seed: int, row_count: int, cut: float
) -> None:
    options = {"interval_ms": 100, "horizon_ms": 400, "warm_ms": 500}
    rows = random_rows(seed, row_count, spoil=True)
    at = int(cut * row_count)
    steady, first, second = (fresh_flow(**options) for _ in range(3))
    expected = decisions(steady, rows)
    found = decisions(first, rows[:at])
    second.restore(first.snapshot())
    found += decisions(second, rows[at:])
    assert msgspec.json.encode(found) == msgspec.json.encode(expected)
    assert second.snapshot() == steady.snapshot()


@pytest.mark.parametrize("seed", range(4))
def test_truncating_the_future_changes_no_decision(seed: int) -> None:
    rows = random_rows(seed, 500, spoil=True)
    whole = decisions(fresh_flow(interval_ms=100), rows)
    part = decisions(fresh_flow(interval_ms=100), rows[:250])
    assert part
    assert whole[: len(part)] == part


def test_reception_at_another_speed_decides_alike() -> None:
    options = {"interval_ms": 100, "warm_ms": 1_000}
    rows = random_rows(5, 600, spoil=True)
    later_ns = START_NS + 10**17
    replayed = [row._replace(received_ts_ns=later_ns + i) for i, row in enumerate(rows)]
    for one, other in zip(
        decisions(fresh_flow(**options), rows),
        decisions(fresh_flow(**options), replayed),
        strict=True,
    ):
        quality = msgspec.structs.replace(other.quality, lag_ms=one.quality.lag_ms)
        assert one == msgspec.structs.replace(
            other, decided_ts_ns=one.decided_ts_ns, quality=quality
        )


def quoted_market(seed: int, slope: float, second_count: int) -> list[Row]:
    """Each second a quote; half a second on the mid moves, up with P = sigmoid(slope * QI)."""
    dice = random.Random(seed)
    rows: list[Row] = []
    price = 5_000.0
    for second in range(second_count):
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
    rows = quoted_market(3, slope, 30_000)
    told = []
    for row, after in pairwise(rows):
        said = feed(brain, row)
        if said is not None and said.confidence:
            told.append((said.probability_up, after.bid_price > row.bid_price))
    assert len(told) > 25_000
    late = told[len(told) * 3 // 4 :]
    for low, high in ((0.1, 0.4), (0.4, 0.6), (0.6, 0.95)):
        bucket = [(p, up) for p, up in late if low <= p < high]
        if len(bucket) > 300:
            said_up = sum(p for p, _ in bucket) / len(bucket)
            came_up = sum(up for _, up in bucket) / len(bucket)
            assert came_up == pytest.approx(said_up, abs=0.06)
    assert abs(brain._model.slope - slope) < abs(1.5 - slope) / 2


def test_nothing_is_learnt_while_the_book_is_invalid_or_the_quote_stale() -> None:
    brain = fresh_flow(interval_ms=1_000, horizon_ms=1_000)
    prior = brain._model.state()
    brain.on_bbo(bbo(START_NS, *HEAVY_BID))
    brain.on_bbo(bbo(START_NS + 1_000 * MS, *HEAVY_BID))
    brain.on_bbo(bbo(START_NS + 1_500 * MS, (200.0, 1.0), (200.5, 1.0)))
    brain.on_book(book(START_NS + 1_500 * MS, valid=0))
    brain.on_trade(trade(START_NS + 2_500 * MS))
    assert brain._model.state() == prior
    brain = fresh_flow(interval_ms=1_000, horizon_ms=9_000)
    prior = brain._model.state()
    brain.on_bbo(bbo(START_NS, *HEAVY_BID))
    brain.on_bbo(bbo(START_NS + 1_000 * MS, *HEAVY_BID))
    brain.on_bbo(bbo(START_NS + 2_000 * MS, (200.0, 1.0), (200.5, 1.0)))
    brain.on_trade(trade(START_NS + 20_000 * MS))
    assert brain._model.state() == prior


def test_learns_on_every_kind_of_row() -> None:
    for make in (trade, ticker, book):
        brain = fresh_flow(interval_ms=1_000, horizon_ms=1_000)
        prior = brain._model.state()
        brain.on_bbo(bbo(START_NS, *HEAVY_BID))
        brain.on_bbo(bbo(START_NS + 1_000 * MS, *HEAVY_BID))
        brain.on_bbo(bbo(START_NS + 1_900 * MS, (200.0, 1.0), (200.5, 1.0)))
        feed(brain, make(START_NS + 2_001 * MS))
        assert brain._model.state() != prior, make.__name__


def test_regime_is_calm_without_moves_and_volatile_in_a_burst() -> None:
    brain = warmed()
    assert decided(brain, bbo(AT, *BALANCED)).regime == "calm"
    said = decided(brain, bbo(AT + 1_000 * MS, (110.0, 4.0), (110.5, 4.0)))
    assert said.regime == "volatile"
    steady = fresh_flow(interval_ms=1_000)
    for i in range(900):
        price = 100.0 + i % 2
        last = steady.on_bbo(bbo(START_NS + i * 100 * MS, (price, 4.0), (price + 0.5, 4.0)))
        if last is not None:
            found = last.regime
    assert found == "normal"


def test_counts_inputs_and_decisions_across_a_restart() -> None:
    brain = fresh_flow(interval_ms=1_000)
    for row in (trade(START_NS), bbo(START_NS), ticker(START_NS), book(START_NS + 1_000 * MS)):
        feed(brain, row)
    other = fresh_flow(interval_ms=1_000)
    other.restore(brain.snapshot())
    assert other.inputs == {"trades": 1, "tickers": 1, "books": 1, "bbo": 1}
    assert other.decisions == 1
    assert other.errors == 0


def damaged_states() -> list[bytes]:
    good = warmed().snapshot()
    unpacked = msgspec.msgpack.decode(good)
    without_sum = msgspec.msgpack.decode(good)
    without_sum[3][3].pop()
    no_precision = [*unpacked[:4], [1.0, 0.0], *unpacked[5:]]
    later = [99, *unpacked[1:]]
    made = [msgspec.msgpack.encode(x) for x in (without_sum, no_precision, later)]
    return [b"", b"x", good[:-1], good + b"x", *made, FlowBrain("X").snapshot()]


@pytest.mark.parametrize("index", range(8))
def test_state_that_does_not_fit_is_refused_and_changes_nothing(index: int) -> None:
    states = damaged_states()
    assert len(states) == 8
    brain = FlowBrain("X", BrainSettings(interval_ms=1_000, threshold=0.2))
    if index in (4, 5, 6):
        brain = fresh_flow(interval_ms=1_000)
    before = brain.snapshot()
    with pytest.raises(StateError, match="start cold"):
        brain.restore(states[index])
    assert brain.snapshot() == before


def test_snapshot_is_small_and_bit_identical_after_a_round() -> None:
    rows = random_rows(8, 2_000)
    brain, other = fresh_flow(interval_ms=100), fresh_flow(interval_ms=100)
    decisions(brain, rows)
    state = brain.snapshot()
    other.restore(state)
    assert other.snapshot() == state
    assert len(state) < 8_192


def test_outlook_is_what_a_decision_would_say_and_changes_nothing() -> None:
    brain = warmed(HEAVY_BID)
    before = brain.snapshot()
    (early,) = brain.outlook(AT)
    assert brain.snapshot() == before
    said = decided(brain, bbo(AT, *HEAVY_BID))
    assert (early.direction, early.probability_up) == ("up", said.probability_up)
    assert (early.horizon_ms, early.reason) == (5_000, said.reason)
    (stale,) = brain.outlook(AT + 60_000 * MS)
    assert (stale.direction, stale.probability_up) == ("flat", 0.5)
    assert stale.reason.startswith("stale input")
    (cold,) = fresh_flow().outlook(AT)
    assert (cold.direction, cold.probability_up) == ("flat", 0.5)
    assert cold.reason.startswith("warming up")
