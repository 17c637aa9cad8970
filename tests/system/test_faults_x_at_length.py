"""The long runs of tests/soak in a short form: storm, rest and outage."""

from __future__ import annotations

import argparse

import pytest
from soak.outage import scaled_outage
from soak.quiet import quiet
from soak.storm import storm

pytestmark = pytest.mark.system


@pytest.mark.parametrize(("seed", "standby"), [(20261122, False), (20261123, True)])
def test_storm_of_faults_leaves_nothing_missing_and_nothing_wrong(seed: int, standby: bool) -> None:
    options = argparse.Namespace(
        minutes=0.13, rate=100.0, instruments=3, seed=seed, gap_s=0.4, standby=standby
    )
    result = storm(options)
    assert result["failures"] == [], result
    assert len(result["faults"]) >= 5, result


def test_x6_market_at_rest_costs_no_connection() -> None:
    result = quiet(minutes=0.08)
    assert result["failures"] == [], result
    assert result["silences_confirmed_by_rest"] >= 3, result


def test_x28_hour_without_an_exchange_is_survived_and_made_up_for() -> None:
    result = scaled_outage(hours=1.0)
    assert result["failures"] == [], result
    assert 100 < result["attempts"] < 250, result
