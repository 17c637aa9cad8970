from __future__ import annotations

import random
from math import inf, nan

import pytest

from hunter.brain.window.quantile import RunningQuantile


def uniform(dice: random.Random) -> float:
    return dice.random()


def exponential(dice: random.Random) -> float:
    return dice.expovariate(1.0)


def normal(dice: random.Random) -> float:
    return dice.gauss(-3.0, 2.0)


@pytest.mark.parametrize("draw", [uniform, exponential, normal])
@pytest.mark.parametrize("level", [1 / 3, 0.5, 0.8, 0.9])
def test_share_below_the_estimate_is_the_level(draw: object, level: float) -> None:
    dice = random.Random(11)
    quantile = RunningQuantile(level, 600)
    below = 0
    for number in range(12_000):
        x = draw(dice)  # type: ignore[operator]
        if number >= 2_000:
            below += x < quantile.value
        quantile.add(x)
    assert below / 10_000 == pytest.approx(level, abs=0.03)


def test_it_forgets_what_was_before_its_memory() -> None:
    dice = random.Random(3)
    quantile = RunningQuantile(0.5, 200)
    for _ in range(3_000):
        quantile.add(dice.random())
    for _ in range(3_000):
        quantile.add(10.0 + dice.random())
    assert quantile.value == pytest.approx(10.5, abs=0.2)


def test_stream_of_one_value_is_kept_exactly_and_what_is_no_number_passes_by() -> None:
    quantile = RunningQuantile(0.8, 100)
    for x in [0.1, nan, inf, -inf] * 50:
        quantile.add(x)
    assert (quantile.value, quantile.distance, quantile.count) == (0.1, 0.0, 50.0)


def test_state_goes_round_and_what_is_none_is_refused() -> None:
    one, other = RunningQuantile(0.8, 50), RunningQuantile(0.8, 50)
    for x in (1.0, 2.0, 5.0):
        one.add(x)
    other.load(one.state())
    one.add(4.0)
    other.add(4.0)
    assert other.state() == one.state()
    for wrong in ((nan, 0.0, 0.0), (51.0, 0.0, 0.0), (1.0, inf, 0.0), (1.0, 0.0, -1.0)):
        with pytest.raises(ValueError, match="no state"):
            other.load(wrong)
