from __future__ import annotations

from math import log, nan

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hunter.brain.window.decay import DecayedMean, DecayedMoments, DecayedRate, DecayedSum

MS = 1_000_000
T0 = 1_700_000_000_000 * MS
EVENTS = st.lists(
    st.tuples(st.integers(0, 20_000), st.floats(-1e3, 1e3, allow_nan=False)), max_size=60
)


def test_sum_halves_in_a_half_life() -> None:
    total = DecayedSum(500)
    total.add(T0, 8.0)
    assert total.read(T0) == 8.0
    assert total.read(T0 + 500 * MS) == 4.0
    assert total.read(T0 + 1_500 * MS) == 1.0


@given(EVENTS)
def test_sum_equals_the_batch_in_any_order_of_stamps(events: list[tuple[int, float]]) -> None:
    total = DecayedSum(1_000)
    for ms, amount in events:
        total.add(T0 + ms * MS, amount)
    now_ms = 20_500
    batch = sum(amount * 2.0 ** (-(now_ms - ms) / 1_000) for ms, amount in events)
    assert total.read(T0 + now_ms * MS) == pytest.approx(batch, rel=1e-9, abs=1e-9)


@given(EVENTS)
def test_sum_of_negated_amounts_is_negated_exactly(events: list[tuple[int, float]]) -> None:
    total, mirror = DecayedSum(250), DecayedSum(250)
    for ms, amount in events:
        total.add(T0 + ms * MS, amount)
        mirror.add(T0 + ms * MS, -amount)
    assert mirror.read(T0 + 30_000 * MS) == -total.read(T0 + 30_000 * MS)


def test_reading_changes_nothing() -> None:
    total = DecayedSum(300)
    total.add(T0, 1.0)
    before = total.state()
    for ms in range(50):
        total.read(T0 + ms * MS)
    assert total.state() == before


def test_reading_before_the_newest_addition_reads_as_of_it() -> None:
    total, mean, moments = DecayedSum(300), DecayedMean(300), DecayedMoments(300)
    total.add(T0, 1.0)
    for ms, level in ((0, 4.0), (300, 8.0)):
        mean.update(T0 + ms * MS, level)
        moments.update(T0 + ms * MS, level)
    assert total.read(T0 - 10_000 * MS) == total.read(T0) == 1.0
    assert mean.read(T0 - 10_000 * MS) == mean.read(T0 + 300 * MS) == 4.0
    assert moments.read(T0 - 10_000 * MS) == moments.read(T0 + 300 * MS) == (4.0, 0.0)


def test_cleared_sum_begins_from_nothing() -> None:
    total = DecayedSum(300)
    total.add(T0, 1.0)
    total.clear()
    assert total.read(T0) == 0.0
    total.add(T0 + MS, 2.0)
    assert total.read(T0 + MS) == 2.0


def test_rate_is_unbiased_from_the_start() -> None:
    rate = DecayedRate(60_000)
    rate.start(T0)
    rate.start(T0 + 10**12)  # only the first call tells
    for i in range(100):
        rate.add(T0 + i * 100 * MS, 1.0)
    assert rate.read(T0 + 10_000 * MS) == pytest.approx(10.0, rel=0.01)


def test_rate_before_any_time_was_seen_is_zero() -> None:
    rate = DecayedRate(1_000)
    assert rate.read(T0) == 0.0
    rate.start(T0)
    rate.add(T0, 5.0)
    assert rate.read(T0) == 0.0


def test_rate_of_a_long_run_is_sum_times_ln2_over_half_life() -> None:
    rate = DecayedRate(1_000)
    rate.start(T0)
    rate.add(T0 + 100_000 * MS, 3.0)
    assert rate.read(T0 + 100_000 * MS) == pytest.approx(3.0 * log(2.0))


def test_mean_weighs_levels_by_time() -> None:
    mean = DecayedMean(1_000)
    mean.update(T0, 4.0)
    mean.update(T0 + 500 * MS, 8.0)
    assert mean.read(T0 + 500 * MS) == 4.0
    assert mean.read(T0 + 1_500 * MS) == pytest.approx(6.0)
    mean.update(T0 + 500 * MS, 10.0)  # the level changed again at the same moment
    assert mean.read(T0 + 1_500 * MS) == pytest.approx(7.0)


def test_mean_of_a_level_that_never_changed_is_that_level() -> None:
    mean = DecayedMean(1_000)
    for i in range(1_000):
        mean.update(T0 + i * 7 * MS, 0.1)
    assert mean.read(T0 + 7_777 * MS) == 0.1


LEVELS = st.lists(
    st.tuples(st.integers(1, 5_000), st.one_of(st.just(nan), st.floats(-100, 100))),
    min_size=1,
    max_size=40,
)


@given(LEVELS)
def test_moments_equal_the_batch_over_the_time_with_a_level(
    steps: list[tuple[int, float]],
) -> None:
    moments, mirror = DecayedMoments(2_000), DecayedMoments(2_000)
    at_ms, levels = 0, []
    for step_ms, level in steps:
        at_ms += step_ms
        levels.append((at_ms, level))
        moments.update(T0 + at_ms * MS, level)
        mirror.update(T0 + at_ms * MS, -level)
    now_ms = at_ms + 500
    mean, variance = moments.read(T0 + now_ms * MS)
    assert mirror.read(T0 + now_ms * MS) == (-mean, variance)
    ends = [*levels[1:], (now_ms, nan)]
    parts = [
        (2.0 ** (-(now_ms - end) / 2_000) - 2.0 ** (-(now_ms - start) / 2_000), level)
        for (start, level), (end, _) in zip(levels, ends, strict=True)
        if level == level
    ]
    total = sum(weight for weight, _ in parts)
    if not parts:
        assert (mean, variance) == (0.0, 0.0)
        return
    expected = sum(weight * level for weight, level in parts) / total
    spread = sum(weight * (level - expected) ** 2 for weight, level in parts) / total
    assert mean == pytest.approx(expected, rel=1e-9, abs=1e-9)
    assert variance == pytest.approx(spread, rel=1e-9, abs=1e-9)


def test_states_continue_bit_for_bit() -> None:
    total, rate, mean = DecayedSum(100), DecayedRate(100), DecayedMean(100)
    rate.start(T0)
    for i in range(5):
        total.add(T0 + i * 7 * MS, 0.1)
        rate.add(T0 + i * 7 * MS, 0.1)
        mean.update(T0 + i * 7 * MS, 0.1 * i)
    moments, moments_2 = DecayedMoments(100), DecayedMoments(100)
    moments.update(T0, 3.0)
    moments.update(T0 + 50 * MS, 4.0)
    moments_2.load(moments.state())
    assert moments_2.read(T0 + 90 * MS) == moments.read(T0 + 90 * MS)
    for part in (total, rate, mean, moments):
        assert len(part.state()) == len(part.FORMAT)
    total_2, rate_2, mean_2 = DecayedSum(100), DecayedRate(100), DecayedMean(100)
    total_2.load(total.state())
    rate_2.load(rate.state())
    mean_2.load(mean.state())
    now = T0 + 99 * MS
    assert total_2.read(now) == total.read(now)
    assert rate_2.read(now) == rate.read(now)
    assert mean_2.read(now) == mean.read(now)
