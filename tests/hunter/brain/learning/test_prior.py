from __future__ import annotations

from math import nan

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hunter.brain.learning.prior import (
    EXPERT_SIZES,
    PRECISIONS,
    PRIOR_SLOPES,
    ExpertPrior,
    Prior,
    prior_slope,
    published_prior,
)
from hunter.brain.window.features import ODD_COUNT


@pytest.mark.parametrize("horizon_ms", [250, 1_000, 3_000, 10_000, 60_000])
def test_published_prior_fits_and_begins_as_queue_imbalance(horizon_ms: int) -> None:
    prior = published_prior(horizon_ms)
    prior.check()
    for one, size, precision in zip(prior.experts, EXPERT_SIZES, PRECISIONS, strict=True):
        assert len(one.mean) == size
        assert one.precision == (precision,) * size
        assert one.mean[0] == prior_slope(horizon_ms)
    assert prior.experts[0].mean == (prior_slope(horizon_ms),)
    assert prior.scales[0] == 1.0


def test_only_the_mate_s_features_have_another_term_and_it_fades_with_the_horizon() -> None:
    near, far = published_prior(1_000), published_prior(10_000)
    others = {i for i, one in enumerate(near.experts[3].mean) if one}
    assert others == {0, 11, 12, 13}
    for i in (11, 12, 13):
        ratio = far.experts[3].mean[i] / near.experts[3].mean[i]
        assert ratio == pytest.approx(PRIOR_SLOPES[2][1] / PRIOR_SLOPES[0][1])


def test_digest_tells_any_difference() -> None:
    prior = published_prior(1_000)
    scales = (*prior.scales[:-1], 7.0)
    e0 = prior.experts[0]._replace(precision=(201.0,))
    others = (
        published_prior(1_001),
        prior._replace(scales=scales),
        prior._replace(experts=(e0, *prior.experts[1:])),
    )
    digests = {prior.digest(), *(one.digest() for one in others)}
    assert len(digests) == 4
    assert published_prior(1_000).digest() == prior.digest()
    assert len(prior.pack()) == 8 * (1 + ODD_COUNT + 2 * sum(EXPERT_SIZES))


def test_prior_that_does_not_fit_is_refused() -> None:
    prior = published_prior(1_000)
    last = prior.experts[3]
    wrong = {
        "coefficients": prior._replace(experts=prior.experts[:3]),
        "precisions": _with_last(ExpertPrior(last.mean, last.precision[1:])),
        "coefficient of nan": _with_last(last._replace(mean=(nan, *last.mean[1:]))),
        "precision of 0": _with_last(last._replace(precision=(0.0, *last.precision[1:]))),
        "scale of -1": prior._replace(scales=(1.0, -1.0, *prior.scales[2:])),
    }
    for what, one in wrong.items():
        with pytest.raises(ValueError, match=what):
            one.check()


def _with_last(expert: ExpertPrior) -> Prior:
    prior = published_prior(1_000)
    return prior._replace(experts=(*prior.experts[:3], expert))


@pytest.mark.parametrize(("horizon_ms", "slope"), PRIOR_SLOPES)
def test_prior_slope_is_the_published_one_at_its_horizons(horizon_ms: int, slope: float) -> None:
    assert prior_slope(horizon_ms) == slope


@given(st.integers(1, 600_000), st.integers(1, 600_000))
def test_prior_slope_never_rises_with_the_horizon(one: int, other: int) -> None:
    near, far = sorted((one, other))
    assert prior_slope(near) >= prior_slope(far) > 0.0


def test_prior_slope_beyond_the_last_horizon_goes_on_falling_as_before() -> None:
    assert prior_slope(20_000) == pytest.approx(0.4 * 0.4 / 0.6)
    assert prior_slope(100) == 1.5
