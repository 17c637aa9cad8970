from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hunter.web.thinning import thinned


def test_few_points_all_stay() -> None:
    assert thinned(np.array([3.0, 1.0, 2.0]), 3).tolist() == [0, 1, 2]
    assert thinned(np.array([]), 600).tolist() == []


def test_peaks_stay() -> None:
    values = np.zeros(10_000)
    values[1_234], values[8_765] = 9.0, -9.0
    kept = thinned(values, 100).tolist()
    assert len(kept) <= 100
    assert {0, 1_234, 8_765, 9_999} <= set(kept)


@given(st.lists(st.floats(-1e9, 1e9), max_size=300), st.integers(4, 50))
def test_kept_points_are_few_in_order_and_have_the_extremes(
    numbers: list[float], count_max: int
) -> None:
    values = np.array(numbers)
    kept = thinned(values, count_max)
    assert len(kept) == min(len(numbers), len(kept)) <= count_max
    assert (np.diff(kept) > 0).all()
    if numbers:
        assert (values[kept].min(), values[kept].max()) == (values.min(), values.max())
        assert (kept[0], kept[-1]) == (0, len(numbers) - 1)


@pytest.mark.parametrize("count", [601, 5_000, 8_192])
def test_as_many_as_fit_are_kept(count: int) -> None:
    wave = np.sin(np.arange(count) * 2.1)
    assert 500 <= len(thinned(wave, 600)) <= 600
