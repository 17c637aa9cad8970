from __future__ import annotations

import random
import struct
from math import exp

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hunter.brain.learning.calibration import KNOTS, SLOPE_MIN, Calibration, segments
from hunter.brain.learning.experts import LOG_ODDS_MAX
from hunter.brain.learning.logistic import sigmoid

GROWTH = 2e-4
LOG_ODDS = st.floats(-40.0, 40.0)
LABELS = st.lists(st.tuples(st.floats(-8.0, 8.0), st.floats(0.0, 1.0)), max_size=60)


def taught(labels: list[tuple[float, float]]) -> Calibration:
    made = Calibration(GROWTH)
    for towards, weight in labels:
        made.learn(towards, weight)
    return made


def odds_after(shape: float, said: float) -> float:
    """A market that says `said` and means a cubic of it."""
    return 0.5 * said + shape * said**3


@given(LOG_ODDS)
def test_segments_add_up_and_are_odd(log_odds: float) -> None:
    assert sum(segments(log_odds)) == pytest.approx(log_odds, abs=1e-12)
    assert segments(-log_odds) == [-one for one in segments(log_odds)]


@given(st.floats(-30.0, 30.0))
def test_map_begins_as_the_identity(log_odds: float) -> None:
    assert Calibration(GROWTH)(log_odds) == pytest.approx(log_odds, abs=1e-12)


@given(LABELS, LOG_ODDS, LOG_ODDS)
def test_map_is_odd_rising_and_bounded(
    labels: list[tuple[float, float]], one: float, other: float
) -> None:
    made = taught(labels)
    low, high = sorted((one, other))
    assert made(low) <= made(high)
    assert made(-one) == -made(one)
    assert abs(made(one)) <= LOG_ODDS_MAX
    assert made(0.0) == 0.0


@given(LABELS, st.floats(-8.0, 8.0))
def test_factor_is_what_the_map_multiplies_by(
    labels: list[tuple[float, float]], log_odds: float
) -> None:
    made = taught(labels)
    assert made.factor(log_odds) * log_odds == pytest.approx(made(log_odds), abs=1e-9)
    assert made.factor(0.0) >= SLOPE_MIN


@pytest.mark.parametrize("shape", [0.0, 0.15, -0.04])
def test_shapes_that_one_factor_cannot_mend_are_learnt(shape: float) -> None:
    dice, made = random.Random(5), Calibration(GROWTH)
    for _ in range(20_000):
        said = dice.gauss(0.0, 1.2)
        up = dice.random() < sigmoid(odds_after(shape, said))
        made.learn(said if up else -said, 1.0)
    for said in (0.25, 0.75, 1.5, 2.25):
        assert sigmoid(made(said)) == pytest.approx(sigmoid(odds_after(shape, said)), abs=0.035)


def test_slope_never_falls_so_far_that_the_order_is_lost() -> None:
    made = taught([(-0.5, 1.0)] * 5_000)
    assert made(0.5) == pytest.approx(0.5 * SLOPE_MIN)
    assert made(0.2) < made(0.3)


def test_reset_keeps_the_map_and_makes_it_learn_as_quickly_as_at_first() -> None:
    made = taught([(1.0, 1.0)] * 3_000)
    before, sure = made(1.0), made.state()
    made.learn(-1.0, 1.0)
    slow = before - made(1.0)
    made = made.loaded(sure)
    made.reset()
    assert made(1.0) == before
    made.learn(-1.0, 1.0)
    assert before - made(1.0) > 1.5 * slow


def test_state_continues_and_a_wrong_one_is_refused() -> None:
    made = taught([(0.7, 0.5), (-0.2, 1.0), (2.5, 1.0)])
    other = Calibration(GROWTH).loaded(made.state())
    assert other.state() == made.state()
    made.learn(1.4, 1.0)
    other.learn(1.4, 1.0)
    assert other.state() == made.state()
    assert len(made.state()) == made.state_bytes
    with pytest.raises(ValueError, match="bytes of state"):
        made.loaded(made.state()[:-8])
    flat = struct.pack("<d", 0.01) + made.state()[8:]
    with pytest.raises(ValueError, match="below"):
        made.loaded(flat)


def test_one_label_moves_the_slopes_by_the_laplace_step() -> None:
    made = taught([(0.5, 1.0)])
    surprise = 1.0 - 1.0 / (1.0 + exp(-0.5))
    variance = (1.0 / 20.0) * (1.0 + GROWTH)
    variance = min(variance, 1.0 / 20.0)
    curvature = surprise * (1.0 - surprise)
    step = surprise * variance * 0.5 / (1.0 + curvature * variance * 0.25)
    assert made(0.5) == pytest.approx(0.5 * (1.0 + step))
    assert made(3.5) - made(3.0) == pytest.approx(0.5), f"beyond {KNOTS[1]} nothing was learnt"
