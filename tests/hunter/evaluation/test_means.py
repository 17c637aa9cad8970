"""Means over lines."""

from __future__ import annotations

from math import isnan, nan

import pytest
from fakes.cells import cell

from hunter.evaluation.means import mean_of, means


def test_mean_leaves_out_what_cannot_be_said() -> None:
    assert mean_of([cell(auc=0.6), cell(auc=nan), cell(auc=0.8)], "auc") == pytest.approx(0.7)
    assert isnan(mean_of([], "auc"))
    assert isnan(mean_of([cell(auc=nan)], "auc"))


def test_mean_of_lines_and_how_sure_its_difference_is() -> None:
    some = [cell(auc=0.80, auc_baseline=0.79), cell(auc=0.70, auc_baseline=0.71), cell(kind="x")]
    first, other = means(some)
    assert (first.lines, other.lines, first.moves) == (2, 1, 2 * some[0].moves)
    assert first.auc == pytest.approx(0.75)
    # Two intervals of 0.016 each: half of it by the root of two is left of the mean.
    assert first.delta_low == pytest.approx(-0.008 / 2**0.5)
    assert first.delta_high == pytest.approx(0.008 / 2**0.5)
    assert other.delta_high - other.delta_low == pytest.approx(0.016)


def test_brains_and_horizons_have_means_of_their_own() -> None:
    some = [cell(), cell(horizon_ms=5_000), cell(kind="x"), cell()]
    assert [(mean.kind, mean.horizon_ms, mean.lines) for mean in means(some)] == [
        ("flow", 1_000, 2),
        ("flow", 5_000, 1),
        ("x", 1_000, 1),
    ]
    assert means([]) == []
    assert isnan(means([cell(delta_low=nan, delta_high=nan)])[0].delta_high)
