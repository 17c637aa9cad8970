from __future__ import annotations

from pathlib import Path

import pytest
from fakes.brain_rows import (
    CAPTURES,
    MS,
    START_NS,
    Row,
    bbo,
    book,
    captured_rows,
    feed,
    fresh_flow,
    mirrored,
    random_rows,
    ticker,
    trade,
)
from fakes.feature_oracle import KINDS, accepted_quotes, batch_features
from hypothesis import given, settings
from hypothesis import strategies as st

from hunter.brain.features import FEATURES, read_features
from hunter.brain.window import FlowWindow

RECORDINGS = [
    CAPTURES / "okx-framed-binance-dev" / "BTC-USDT-SWAP-20230405.jsonl.gz",
    CAPTURES / "okx-framed-binance-dev" / "ETH-USDT-SWAP-20240719.jsonl.gz",
]


def streamed(rows: list[Row]) -> dict[str, float]:
    return read_features(*filled(rows))


def filled(rows: list[Row]) -> tuple[FlowWindow, int]:
    """A window after `rows`, and event time."""
    brain = fresh_flow()
    for row in rows:
        feed(brain, row)
    return brain._window, brain._intake.now_ns


def complete(rows: list[Row]) -> bool:
    return all(any(isinstance(row, kind) for row in rows) for kind in KINDS)


@pytest.mark.parametrize("seed", range(12))
def test_streaming_features_equal_the_batch_on_random_rows(seed: int) -> None:
    rows = random_rows(seed, 400)
    assert complete(rows)
    assert streamed(rows) == pytest.approx(batch_features(rows), rel=1e-9, abs=1e-9)


@pytest.mark.parametrize("path", RECORDINGS, ids=lambda path: path.name)
def test_streaming_features_equal_the_batch_on_recorded_rows(path: Path) -> None:
    if not path.exists():
        pytest.skip(f"no recording {path.name} beside this checkout")
    rows = captured_rows(path, 3_000)
    assert complete(rows)
    for end in (700, 1_500, 3_000):
        part = rows[:end]
        assert streamed(part) == pytest.approx(batch_features(part), rel=1e-9, abs=1e-9)


@pytest.mark.parametrize("seed", range(6))
def test_truncating_the_future_changes_no_feature(seed: int) -> None:
    rows = random_rows(seed, 600, spoil=True)
    brain = fresh_flow()
    for i, row in enumerate(rows, 1):
        feed(brain, row)
        if i % 150 == 0:
            assert read_features(brain._window, brain._intake.now_ns) == streamed(rows[:i])


@settings(deadline=None, max_examples=40)
@given(seed=st.integers(0, 2**32), row_count=st.integers(20, 200))
def test_side_swap_negates_odd_features_and_keeps_even_ones_exactly(
    seed: int, row_count: int
) -> None:
    rows = random_rows(seed, row_count)
    quotes = accepted_quotes(rows)
    if not quotes:
        return
    # Reflected at the newest mid, so that basis points are taken of the same price.
    center = quotes[-1].mid
    straight, swapped = streamed(rows), streamed([mirrored(row, center) for row in rows])
    assert straight.keys() == swapped.keys()
    for name, parity, _ in FEATURES:
        if name in straight:
            expected = -straight[name] if parity == "odd" else straight[name]
            assert swapped[name] == expected, name


def test_names_are_unique_and_say_the_function() -> None:
    names = [feature.name for feature in FEATURES]
    assert len(set(names)) == len(names) == 30
    assert all(feature.function.__name__ == feature.name for feature in FEATURES)


def test_features_without_input_are_left_out() -> None:
    assert streamed([trade(START_NS)]) == {
        "trade_flow_1s": 1.0,
        "trade_flow_16s": 1.0,
        "trade_flow_4s": 1.0,
        "hawkes_imbalance": 0.5,
        "trades_per_s": 0.0,
        "quotes_per_s": 0.0,
    }
    quoted = streamed([bbo(START_NS)])
    assert "depth_imbalance_5" not in quoted
    assert "last_move_sign" not in quoted
    assert quoted["queue_imbalance"] == 0.0


def test_queue_imbalance_is_left_out_of_a_stale_quote() -> None:
    rows = [bbo(START_NS), trade(START_NS + 2_001 * MS)]
    assert "queue_imbalance" not in streamed(rows)
    assert "spread_bp" not in streamed(rows)


def test_features_of_the_book_are_left_out_when_it_is_stale_invalid_or_locked() -> None:
    later = bbo(START_NS + 3_000 * MS)
    assert "micro_price_deviation" in streamed([book(START_NS)])
    assert "micro_price_deviation" not in streamed([book(START_NS), later])
    assert "depth_imbalance_5" not in streamed([book(START_NS), book(START_NS, valid=0)])
    locked = streamed([book(START_NS, ((100.0, 1.0),), ((100.0, 1.0),))])
    assert "micro_price_deviation" not in locked
    assert "depth_imbalance_5" not in streamed([book(START_NS, asks=())])


@pytest.mark.parametrize("make", [bbo, ticker])
def test_queue_imbalance_is_of_the_touch(make: type) -> None:
    row = make(START_NS, (100.0, 3.0), (100.5, 1.0))
    assert streamed([row])["queue_imbalance"] == 0.5


def test_micro_price_of_one_level_is_half_the_queue_imbalance() -> None:
    found = streamed([book(START_NS, ((100.0, 3.0),), ((101.0, 1.0),))])
    assert found["micro_price_deviation"] == found["queue_imbalance"] / 2 == 0.25


def test_numbers_that_are_not_finite_never_come_out() -> None:
    rows = [bbo(START_NS), trade(START_NS, size=1e308), trade(START_NS, size=1e308)]
    assert "trade_flow_1s" not in streamed(rows)
