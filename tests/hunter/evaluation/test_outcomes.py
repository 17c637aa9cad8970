"""Labels: the mid's own moves, and none across what is not known."""

from __future__ import annotations

from math import exp, isnan, nan

import numpy as np
import pytest
from fakes.grid_markets import STEP_NS, market

from hunter.evaluation.outcomes import (
    baseline_probability,
    baseline_slope,
    outcomes,
    surroundings,
)


def test_label_is_the_move_from_the_delay_on() -> None:
    dice = np.random.default_rng(1)
    mids = list(100.0 + dice.integers(0, 3, 40) / 10)
    for horizon, delay in ((1, 0), (5, 0), (5, 2), (39, 0)):
        found = outcomes(market(mids), 100, horizon * 100, delay * 100)
        for i in range(40):
            if i + delay + horizon > 39:
                assert not found.known[i]
                assert isnan(found.move_bp[i])
            else:
                expected = (mids[i + delay + horizon] / mids[i + delay] - 1) * 1e4
                assert found.known[i]
                assert found.move_bp[i] == pytest.approx(expected, abs=1e-9)


def test_same_price_is_no_move_at_all() -> None:
    found = outcomes(market([100.1, 100.2, 100.1]), 100, 200)
    assert found.move_bp[0] == 0.0


def test_window_across_what_is_unknown_has_no_label() -> None:
    mids = [100.0] * 20
    mids[10] = nan
    assert outcomes(market(mids), 100, 300).known.tolist() == [
        i + 3 < 20 and not i <= 10 <= i + 3 for i in range(20)
    ]
    gaps = [0] * 10 + [1] * 10
    found = outcomes(market([100.0] * 20, gaps=gaps), 100, 300)
    assert found.known.tolist() == [i + 3 < 20 and not i < 10 <= i + 3 for i in range(20)]
    times = [i * STEP_NS + (10**12 if i >= 10 else 0) for i in range(20)]
    found = outcomes(market([100.0] * 20, times_ns=times), 100, 300)
    assert found.known.tolist() == [i + 3 < 20 and not i < 10 <= i + 3 for i in range(20)]


def test_window_longer_than_the_recording_has_no_label() -> None:
    found = outcomes(market([100.0, 101.0]), 100, 200)
    assert not found.known.any()
    assert not outcomes(market([]), 100, 200).known.any()


@pytest.mark.parametrize(
    ("horizon_ms", "slope"),
    [
        (500, 1.5),
        (1_000, 1.5),
        (5_000, 0.6),
        (10_000, 0.4),
        (20_000, 0.4 * 2 / 3),  # it falls by a third from each horizon to its double, from 5 s on
        (2_236.068, (1.5 * 0.6) ** 0.5),
    ],
)
def test_baseline_begins_as_the_published_prior(horizon_ms: int, slope: float) -> None:
    assert baseline_slope(horizon_ms) == pytest.approx(slope)


def test_baseline_learns_each_label_when_it_is_over() -> None:
    """Against a logit driven point by point: one Laplace step for each label, by its gradient."""
    dice = np.random.default_rng(3)
    mids = list(100.0 + np.cumsum(dice.integers(-1, 2, 300)) / 10)
    imbalance = dice.uniform(-1, 1, 300)
    imbalance[40:45] = nan
    here = market(mids)
    found = baseline_probability(imbalance, outcomes(here, 100, 1_000), 100, 1_000)
    slope, precision = 1.5, 200.0
    for i in range(300):
        label = mids[i] - mids[i - 10] if i >= 10 else 0.0
        x = imbalance[i - 10]
        if label and np.isfinite(x):
            p = 1 / (1 + exp(-slope * x))
            precision += 0.1 * p * (1 - p) * x * x
            slope += 0.1 * ((label > 0) - p) * x / precision
        if np.isfinite(imbalance[i]):
            assert found[i] == pytest.approx(1 / (1 + exp(-slope * imbalance[i])))
        else:
            assert isnan(found[i])
    assert slope != pytest.approx(1.5, abs=1e-3)


def test_baseline_does_not_see_its_own_label() -> None:
    imbalance = np.full(30, 0.5)
    up, down = (market([100.0] * 20 + [end] * 10) for end in (101.0, 99.0))
    one, other = (baseline_probability(imbalance, outcomes(m, 100, 500), 100, 500)
                  for m in (up, down))  # fmt: skip
    assert one[:20].tolist() == other[:20].tolist()
    assert one[20] != other[20]
    assert one[0] == pytest.approx(1 / (1 + exp(-0.75)))


def test_surroundings_are_of_the_past() -> None:
    mids = [100.0] * 5 + [101.0] * 15
    trades = list(range(0, 40, 2))
    found = surroundings(market(mids, trades=trades), 100, 500)
    assert found.volatility_bp[4] == 0.0
    assert found.volatility_bp[5] == pytest.approx(100.0 / 5**0.5)
    assert found.volatility_bp[10] == pytest.approx(0.0)
    assert found.trades_per_s[19] == pytest.approx(20.0)  # two a step
    assert found.trades_per_s[0] == 0.0
