"""Decimal texts are exact."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hunter.simulator.decimals import decimal_text, decimal_units, split_size


@pytest.mark.parametrize(
    ("units", "decimals", "text"),
    [
        (639210, 1, "63921"),
        (639211, 1, "63921.1"),
        (5, 8, "0.00000005"),
        (12, 0, "12"),
        (0, 2, "0"),
    ],
)
def test_text_has_no_trailing_zeros_and_no_exponent(units: int, decimals: int, text: str) -> None:
    assert decimal_text(units, decimals) == text


@given(st.integers(0, 10**18), st.integers(0, 10))
def test_units_are_the_inverse_of_text(units: int, decimals: int) -> None:
    back, back_decimals = decimal_units(decimal_text(units, decimals))
    assert Decimal(back).scaleb(-back_decimals) == Decimal(units).scaleb(-decimals)


@given(st.integers(1, 10**12), st.integers(0, 8), st.integers(1, 300))
def test_split_sizes_are_positive_and_sum_exactly(units: int, decimals: int, count: int) -> None:
    size = decimal_text(units, decimals)
    parts = split_size(size, count)
    assert len(parts) == count
    assert all(Decimal(part) > 0 for part in parts)
    assert sum(map(Decimal, parts)) == Decimal(size)


def test_split_of_too_few_units_goes_below_the_lot() -> None:
    assert split_size("0.3", 4) == ["0.07", "0.07", "0.07", "0.09"]
