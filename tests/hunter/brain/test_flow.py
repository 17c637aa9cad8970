from __future__ import annotations

from math import log, nan
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

from hunter.brain.flow import FlowBrain
from hunter.brain.protocol import StateError
from hunter.brain.settings import BrainSettings
from hunter.brain.window.features import FEATURES
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
    log_odds = log(said.probability_up / (1.0 - said.probability_up))
    assert said.reason == (f"queue imbalance {sign}0.80 adds {log_odds:+.3f} to the log-odds (bbo)")
    assert said.instrument == "BTC-USDT-SWAP"
    assert (said.model, said.horizon_ms) == ("flow@2", 5_000)
    assert list(said.outlook) == ["1000", "5000", "10000"]
    assert said.outlook["5000"] == said.probability_up
    assert sum(said.experts.values()) == pytest.approx(1.0)
    assert said.quality.data_age_ms == 0.0
    assert said.probability_move is not None
    assert 0.0 < said.probability_move < 1.0
    assert said.edge_bp is not None
    assert said.edge_after_fee_bp == abs(said.edge_bp) - 10.0


def test_fee_and_least_edge_are_settings() -> None:
    said = decided(warmed(HEAVY_BID, fee_bp=2.5, min_edge_bp=0.0), bbo(AT, *HEAVY_BID))
    assert said.edge_bp is not None
    assert said.edge_after_fee_bp == abs(said.edge_bp) - 2.5
    said = decided(warmed(HEAVY_BID, min_edge_bp=9.0), bbo(AT, *HEAVY_BID))
    assert said.direction == "flat"
    assert " bp below 9 bp; queue imbalance +0.80" in said.reason


def test_balanced_queue_is_flat_with_confidence_zero() -> None:
    said = decided(warmed(), bbo(AT, *BALANCED))
    assert (said.direction, said.probability_up, said.confidence) == ("flat", 0.5, 0.0)
    assert said.reason == "no edge: p is 1/2; nothing pulls either way (bbo)"


def test_constant_input_is_flat_for_ever() -> None:
    brain = fresh_flow(interval_ms=1_000, warm_ms=0, threshold=0.0)
    found = [brain.on_bbo(bbo(START_NS + i * 100 * MS, *BALANCED)) for i in range(600)]
    told = {(d.direction, d.probability_up, d.edge_bp) for d in found if d is not None}
    assert told == {("flat", 0.5, 0.0)}
    assert [one.probability_up for one in brain.outlook(0)] == [0.5, 0.5, 0.5]


def test_balanced_queue_is_flat_even_without_a_threshold() -> None:
    said = decided(warmed(threshold=0.0), bbo(AT, *BALANCED))
    assert said.direction == "flat"


def test_small_edge_is_flat_and_keeps_its_probability() -> None:
    said = decided(warmed(), bbo(AT, (100.0, 5.0), (100.5, 4.0)))
    assert said.direction == "flat"
    assert 0.5 < said.probability_up < 0.55
    assert said.confidence == pytest.approx(2 * said.probability_up - 1)


@pytest.mark.parametrize("sign", [-1, 1])
def test_market_that_goes_one_way_is_never_told_the_other_by_its_sign(sign: int) -> None:
    brain = fresh_flow(interval_ms=100, horizon_ms=1_000, threshold=0.0, coverage=1.0)
    found = []
    for i in range(900):
        price = 11_000.0 + sign * i * 0.5  # 4 %
        ts_ns = START_NS + i * 100 * MS
        found.append(brain.on_trade(trade(ts_ns, side=sign, price=price, trade_id=i + 1)))
        found.append(brain.on_bbo(bbo(ts_ns, (price, 4.0), (price + 0.5, 4.0))))
    told = [decision for decision in found if decision is not None]
    assert {decision.direction for decision in told} == {"flat", "down" if sign < 0 else "up"}
    assert sign * (told[-1].probability_up - 0.5) > 0.1


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
    brain = warmed(HEAVY_BID, stale_ms=2_000)
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


@pytest.mark.parametrize("brain_lost_a_valid_book", [False, True])
def test_invalid_book_is_flat_until_the_next_valid_one(brain_lost_a_valid_book: bool) -> None:
    brain = warmed(HEAVY_BID)
    if brain_lost_a_valid_book:
        brain.on_book(book(AT - 200 * MS))
    brain.on_book(book(AT - 100 * MS, valid=0))
    said = decided(brain, bbo(AT, *HEAVY_BID))
    assert (said.direction, said.confidence) == ("flat", 0.0)
    assert said.reason.startswith("book invalid")
    assert (said.quality.feed, said.quality.book_valid) == ("resync", False)
    brain.on_book(book(AT + 500 * MS))
    said = decided(brain, bbo(AT + 1_000 * MS, *HEAVY_BID))
    assert said.quality.book_valid
    assert said.reason.startswith("gap ") == brain_lost_a_valid_book
    assert said.direction == ("flat" if brain_lost_a_valid_book else "up")


def test_gap_rests_the_direction_for_some_seconds_and_keeps_the_probability() -> None:
    brain = warmed(HEAVY_BID)
    brain.on_gap()
    said = decided(brain, bbo(AT, *HEAVY_BID))
    assert (said.direction, said.probability_up > 0.5) == ("flat", True)
    assert said.reason.startswith("gap 0.0 s ago: flows are of 5 s or less; queue imbalance +0.80")
    (_, own, _) = brain.outlook(AT + 1_900 * MS)
    assert own.reason == "gap 1.9 s ago: flows are of 5 s or less"
    for ms in range(500, 5_000, 500):
        brain.on_bbo(bbo(AT + ms * MS, *HEAVY_BID))
    assert decided(brain, bbo(AT + 5_000 * MS, *HEAVY_BID)).direction == "up"


def test_hole_in_the_trade_chain_begins_flows_anew() -> None:
    brain = warmed(HEAVY_BID)
    brain.on_trade(trade(AT - 100 * MS, size=50.0))
    before = decided(brain, trade(AT, size=50.0, trade_id=2)).features
    assert before["trade_flow_1s"] > 0.9
    said = decided(brain, trade(AT + 1_000 * MS, size=1.0, side=-1, trade_id=9))
    assert said.reason.startswith("gap 0.0 s ago")
    assert said.features["trade_flow_1s"] < 0.0


def test_lost_book_leaves_the_other_flows_also_after_a_restart() -> None:
    brain = warmed(HEAVY_BID)
    for row in (book(AT - 300 * MS), trade(AT - 200 * MS, size=50.0), book(AT - 100 * MS, valid=0)):
        feed(brain, row)
    other = fresh_flow(interval_ms=1_000)
    other.restore(brain.snapshot())
    found = [decided(one, trade(AT, size=1.0, trade_id=2)) for one in (brain, other)]
    assert found[0] == found[1]
    assert found[0].features["trade_flow_1s"] > 0.9


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
    brain = warmed(HEAVY_BID, stale_ms=2_000)
    brain.on_ticker(ticker(AT, *HEAVY_ASK))
    said = decided(brain, ticker(AT + 2_000 * MS, *HEAVY_ASK))
    assert "queue imbalance -0.80 adds -" in said.reason
    assert "log-odds (ticker)" in said.reason
    asks = ((100.5, 3.0),)
    said = decided(brain, book(AT + 3_000 * MS, ((100.0, 1.0),), asks))
    assert "queue imbalance -0.50 adds" in said.reason
    assert "log-odds (book)" in said.reason
    said = decided(brain, bbo(AT + 4_000 * MS, *HEAVY_BID))
    assert "queue imbalance +0.80 adds" in said.reason
    assert "log-odds (bbo)" in said.reason


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


QUICK = {"interval_ms": 200, "horizon_ms": 600, "warm_ms": 1_000, "coverage": 0.5}


@settings(deadline=None, max_examples=15)
@given(seed=st.integers(0, 2**32), row_count=st.integers(2, 250), spoil=st.booleans())
def test_mirrored_rows_give_the_mirrored_decisions(seed: int, row_count: int, spoil: bool) -> None:
    rows = random_rows(seed, row_count, spoil=spoil)
    swapped = [mirrored(row, 1_000.0) for row in rows]
    straight, mirror = (decisions(fresh_flow(**QUICK), r) for r in (rows, swapped))
    assert len(straight) == len(mirror)
    for one, other in zip(straight, mirror, strict=True):
        assert other.direction == OPPOSITE[one.direction]
        assert other.probability_up == 1.0 - one.probability_up
        assert other.confidence == one.confidence
        assert other.regime == one.regime
        assert other.experts == one.experts
        assert other.outlook == {ms: 1.0 - p for ms, p in one.outlook.items()}
        for name, value in one.features.items():
            if PARITY[name] == "odd":
                assert other.features[name] == -value, name


@settings(deadline=None, max_examples=12)
@given(seed=st.integers(0, 2**32), row_count=st.integers(2, 300), cut=st.floats(0, 1))
def test_restart_from_a_snapshot_anywhere_changes_no_byte(
    seed: int, row_count: int, cut: float
) -> None:
    options = {"interval_ms": 100, "horizon_ms": 400, "warm_ms": 500}
    rows = random_rows(seed, row_count, spoil=True)
    at = int(cut * row_count)
    steady, first, second = (fresh_flow(**options) for _ in range(3))

    def through(brain: FlowBrain, some: range) -> list[Decision | None]:
        found = []
        for number in some:
            if number % 70 == 0:
                brain.on_gap()
            found.append(feed(brain, rows[number]))
        return found

    expected = through(steady, range(row_count))
    found = through(first, range(at))
    second.restore(first.snapshot())
    found += through(second, range(at, row_count))
    assert msgspec.json.encode(found) == msgspec.json.encode(expected)
    assert second.snapshot() == steady.snapshot()


def paired(seed: int, row_count: int) -> list[tuple[int, Row]]:
    """Rows of two instruments in the order they came."""
    one, other = (random_rows(seed + i, row_count, spoil=True) for i in range(2))
    return sorted(
        [*((0, row) for row in one), *((1, row) for row in other)],
        key=lambda item: item[1].received_ts_ns,
    )


def both(options: dict[str, Any]) -> list[FlowBrain]:
    pair = [fresh_flow(**options), fresh_flow(**options)]
    pair[0].meet(pair[1])
    pair[1].meet(pair[0])
    return pair


def test_mates_read_each_other_and_go_on_after_a_restart_of_both() -> None:
    rows = paired(3, 250)
    steady, first, second = both(QUICK), both(QUICK), both(QUICK)
    expected = [feed(steady[which], row) for which, row in rows]
    found = [feed(first[which], row) for which, row in rows[:300]]
    for brain, before in zip(second, first, strict=True):
        brain.restore(before.snapshot())
    found += [feed(second[which], row) for which, row in rows[300:]]
    assert msgspec.json.encode(found) == msgspec.json.encode(expected)
    features = [said.features for said in expected if said is not None]
    for name in ("mate_queue_imbalance", "mate_ofi_250ms", "basis_deviation"):
        assert any(name in one for one in features), name
    alone = decisions(fresh_flow(**QUICK), [row for which, row in rows if not which])
    assert not any("mate_queue_imbalance" in said.features for said in alone)


def test_outlook_at_any_moment_changes_no_byte() -> None:
    rows = random_rows(9, 300, spoil=True)
    asked, silent = fresh_flow(**QUICK), fresh_flow(**QUICK)
    for number, row in enumerate(rows):
        feed(asked, row)
        feed(silent, row)
        if number % 3 == 0:
            asked.outlook(row.received_ts_ns + 5_000 * MS)
    assert asked.snapshot() == silent.snapshot()


@pytest.mark.parametrize("seed", range(2))
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
    made = []
    for place, wrong in ((3, b"window"), (4, b"context"), (0, 2), (1, b"other")):
        parts = msgspec.msgpack.decode(good)
        parts[place] = wrong
        made.append(parts)
    for place, wrong in ((0, b""), (1, []), (1, [b"", b"", b""]), (2, b""), (6, [[0.5], [], []])):
        parts = msgspec.msgpack.decode(good)
        parts[5][place] = wrong
        made.append(parts)
    whole = [msgspec.msgpack.encode(parts) for parts in made]
    return [
        b"",
        b"x",
        good[:-1],
        good + b"x",
        FlowBrain("X", BrainSettings(threshold=0.2)).snapshot(),
        *whole,
    ]


@pytest.mark.parametrize("index", range(14))
def test_state_that_does_not_fit_is_refused_and_changes_nothing(index: int) -> None:
    states = damaged_states()
    assert len(states) == 14
    brain = fresh_flow(interval_ms=1_000)
    brain.on_bbo(bbo(START_NS, *HEAVY_BID))
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
    assert len(state) < 48 * 1_024


def test_longest_horizon_and_shortest_interval_go_together() -> None:
    brain = fresh_flow(interval_ms=10, horizon_ms=600_000, warm_ms=0)
    decisions(brain, random_rows(8, 300, step_ms=20_000))
    assert len(brain.snapshot()) < 64 * 1_024
    assert [one.horizon_ms for one in brain.outlook(0)] == [1_000, 5_000, 10_000, 600_000]


def test_outlook_is_what_a_decision_would_say_and_changes_nothing() -> None:
    brain = warmed(HEAVY_BID)
    before = brain.snapshot()
    (_, early, _) = brain.outlook(AT)
    assert brain.snapshot() == before
    said = decided(brain, bbo(AT, *HEAVY_BID))
    assert (early.direction, early.probability_up) == ("up", said.probability_up)
    assert (early.horizon_ms, early.reason) == (5_000, "")
    assert early.probability_move == pytest.approx(said.probability_move, rel=0.01)
    (_, stale, _) = brain.outlook(AT + 60_000 * MS)
    assert (stale.direction, stale.probability_up) == ("flat", 0.5)
    assert stale.reason.startswith("stale input")
    (_, cold, _) = fresh_flow().outlook(AT)
    assert (cold.direction, cold.probability_up) == ("flat", 0.5)
    assert cold.reason == "no quote yet"
