from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hunter.status.histogram import (
    COUNTERS,
    COUNTERS_BYTES,
    VALUE_MAX,
    Histogram,
    index_of,
    lowest,
    middle,
    used,
)

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


def test_counts_of_somebody_elses_memory_are_gone_on_with() -> None:
    memory = bytearray(COUNTERS_BYTES)
    counts = memoryview(memory).cast("Q")
    Histogram(counts).record(100, 3)
    assert Histogram(counts).total == 3
    counts[index_of(100)] += 2  # as compiled code does
    assert Histogram(counts).total == 5
    assert Histogram(counts).percentile(0.5) == pytest.approx(100, rel=1 / 16)


@pytest.mark.parametrize("shape", [(COUNTERS - 1, "Q"), (2 * COUNTERS, "I")])
def test_memory_of_another_shape_is_a_programmers_error(shape: tuple[int, str]) -> None:
    length, kind = shape
    size = length * (8 if kind == "Q" else 4)
    with pytest.raises(AssertionError):
        Histogram(memoryview(bytearray(size)).cast(kind))  # type: ignore[call-overload]


@given(values, st.lists(fractions, max_size=5))
def test_percentiles_at_once_are_those_one_by_one(recorded: list[int], wanted: list[float]) -> None:
    histogram = filled(recorded)
    assert histogram.percentiles(*wanted) == [histogram.percentile(each) for each in wanted]


@given(values)
def test_used_counters_are_found_and_no_others_looked_at(recorded: list[int]) -> None:
    histogram = filled(recorded)
    first, last = used(histogram.counts)
    counts = histogram.counts.tolist()
    assert sum(counts[first:last]) == len(recorded) == histogram.total
    assert any(counts[first : first + 32])
    assert any(counts[last - 32 : last])


def test_nothing_recorded_uses_nothing() -> None:
    assert used(Histogram().counts) == (0, 0)


@given(st.integers(0, VALUE_MAX))
def test_counter_spans_the_value_that_it_counts(value: int) -> None:
    index = index_of(value)
    assert lowest(index) <= value
    assert index == COUNTERS - 1 or value < lowest(index + 1)
    assert lowest(index) <= middle(index)


def test_largest_total_has_a_highest_percentile() -> None:
    histogram = Histogram()
    histogram.record(7, (1 << 60) + 1)  # more than a float can count
    assert histogram.percentile(1.0) == 7
