from __future__ import annotations

from dataclasses import replace
from math import nan
from typing import Any

import pytest

from hunter.brain.settings import BrainSettings, settings_of
from hunter.config import BrainSection
from hunter.errors import ConfigError


@pytest.mark.parametrize(
    "wrong",
    [
        {"interval_ms": 0},
        {"horizon_ms": -5},
        {"stale_ms": 0},
        {"warm_ms": -1},
        {"threshold": 1.0},
        {"threshold": -0.1},
        {"coverage": 0.0},
        {"coverage": 1.5},
        {"min_edge_bp": -1.0},
        {"fee_bp": nan},
    ],
)
def test_settings_refuse_what_cannot_work(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=r"brain\."):
        BrainSettings(**wrong)


def test_digest_differs_when_any_number_differs() -> None:
    base = BrainSettings()
    changed = [
        replace(base, interval_ms=200),
        replace(base, horizon_ms=1_000),
        replace(base, threshold=0.2),
        replace(base, warm_ms=0),
        replace(base, stale_ms=100),
        replace(base, coverage=0.5),
        replace(base, min_edge_bp=1.0),
        replace(base, fee_bp=1.0),
    ]
    digests = {settings.digest() for settings in [base, *changed]}
    assert len(digests) == 9
    assert BrainSettings().digest() == base.digest()


def test_section_of_the_configuration_says_all_of_it_and_has_the_same_defaults() -> None:
    assert settings_of(BrainSection()) == BrainSettings()
    numbers = {"interval_ms": 20, "horizon_ms": 300, "warm_ms": 5, "stale_ms": 700}
    shares = {"threshold": 0.3, "coverage": 0.4, "min_edge_bp": 0.5, "fee_bp": 2.5}
    assert settings_of(BrainSection(**numbers, **shares)) == BrainSettings(**numbers, **shares)


def test_horizons_are_the_usual_ones_and_its_own() -> None:
    assert BrainSettings().horizons_ms == (1_000, 5_000, 10_000)
    assert BrainSettings(horizon_ms=300).horizons_ms == (300, 1_000, 5_000, 10_000)
    assert BrainSettings(interval_ms=10, horizon_ms=600_000).horizons_ms[-1] == 600_000
