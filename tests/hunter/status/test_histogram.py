from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hunter.status.histogram import COUNTER_BYTES, COUNTERS, VALUE_MAX, Histogram

values = st.lists(
    st.one_of(st.integers(0, 100), st.integers(0, 10**9), st.integers(0, VALUE_MAX)),
    min_size=1,
    max_size=200,
)
fractions = st.one_of(st.sampled_from([0.0, 0.5, 0.99, 0.999, 1.0]), st.floats(0, 1))


def filled(recorded: list[int]) -> Histogram:
    histogram = Histogram()
    for value in recorded:
        histogram.record(value)
    return histogram


@given(values, fractions)
def test_percentile_is_within_a_sixteenth_of_the_sorted_list(
    recorded: list[int], fraction: float
) -> None:
    exact = sorted(recorded)[max(0, math.ceil(fraction * len(recorded)) - 1)]
    assert abs(filled(recorded).percentile(fraction) - exact) <= exact / 16


@given(st.integers(0, 15))
def test_small_values_are_exact(value: int) -> None:
    assert filled([value]).percentile(0.5) == value


@given(values)
def test_percentiles_never_fall(recorded: list[int]) -> None:
    histogram = filled(recorded)
    found = [histogram.percentile(step / 20) for step in range(21)]
    assert found == sorted(found)


def test_empty_histogram_says_zero() -> None:
    assert Histogram().percentile(0.99) == 0.0


def test_values_out_of_range_stay_countable() -> None:
    histogram = filled([-5, VALUE_MAX + 1, 1 << 100])
    assert histogram.total == 3
    assert histogram.percentile(0.1) == 0
    assert histogram.percentile(1.0) == pytest.approx(VALUE_MAX, rel=1 / 16)


def test_memory_is_fixed() -> None:
    histogram = filled([1 << shift for shift in range(63)])
    assert len(histogram.counts) == 960


def test_halve_forgets_single_values_and_keeps_the_shape() -> None:
    histogram = filled([100] * 10 + [1_000_000])
    histogram.halve()
    assert histogram.total == 5
    assert histogram.percentile(1.0) == pytest.approx(100, rel=1 / 16)


def test_who_else_counts_in_the_buffer_is_counted() -> None:
    shared = bytearray(COUNTERS * COUNTER_BYTES)
    histogram = Histogram(memoryview(shared).cast("Q"))
    histogram.record(3)
    memoryview(shared).cast("Q")[9] += 2
    assert histogram.total == 3
    assert histogram.percentile(1.0) == 9.0
    histogram.halve()
    assert list(shared.strip(b"\0")) == [1]


@pytest.mark.parametrize("wrong", [bytearray(COUNTERS * 4), bytearray(COUNTERS * 8)])
def test_another_buffer_is_a_programmers_error(wrong: bytearray) -> None:
    with pytest.raises(AssertionError):
        Histogram(memoryview(wrong).cast("Q" if len(wrong) < COUNTERS * 8 else "q"))
