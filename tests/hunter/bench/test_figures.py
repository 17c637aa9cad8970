from __future__ import annotations

from hunter.bench.figures import at, quantiles, ratio, spread
from hunter.status.documents import Percentiles


def test_quantiles_of_a_thousand_values() -> None:
    assert quantiles([float(value) for value in range(1000)]) == Percentiles(500, 990, 999)


def test_quantiles_are_divided_into_the_unit_that_is_wanted() -> None:
    assert quantiles([2_000.0], 1e3) == Percentiles(2, 2, 2)


def test_quantiles_of_nothing_are_none() -> None:
    assert quantiles([]) is None


def test_at_stays_within_the_values() -> None:
    assert (at([1.0, 2.0], 0.0), at([1.0, 2.0], 1.0)) == (1.0, 2.0)


def test_spread_tells_the_middle_and_the_ends() -> None:
    assert str(spread([3.0, 1.0, 2.0])) == "2.00 [1.00-3.00]"


def test_ratio_with_nothing_to_compare_with_is_none() -> None:
    assert ratio(6.0, 2.0) == 3.0
    assert ratio(6.0, 0.0) == 0.0
