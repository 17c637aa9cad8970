from __future__ import annotations

from math import exp

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hunter.brain.learning.logistic import sigmoid


@given(st.floats(-800, 800))
def test_sigmoid_of_the_negative_is_the_complement_exactly(x: float) -> None:
    assert sigmoid(-x) == 1.0 - sigmoid(x)
    assert 1.0 - sigmoid(-x) == sigmoid(x)


def test_sigmoid_is_the_logistic_function() -> None:
    assert sigmoid(0.0) == 0.5
    assert sigmoid(1.3) == pytest.approx(1 / (1 + exp(-1.3)))
