"""The nemesis in short: a fixed seed, real processes, all checkers; and canaries, which must fail.

The long form is tests/soak/nemesis.py. Not judged here is I6, whether the supervisor grows: these
runs are too short to tell.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from fakes.nemesis_deaths import is_excused
from fakes.nemesis_plan import WEIGHTS, PlanOptions, make_plan
from soak.nemesis_canaries import BlindReader, DoubleRow, Miscount, Orphan, Secret, TornRow
from soak.nemesis_run import carry_out, nemesis_of

pytestmark = [pytest.mark.system, pytest.mark.timeout(300)]
SEED = 2048  # its plan holds every kind of action
# A machine that runs other tests as well must not make an actor look hung.
SETTINGS = ("watchdog.hang_after_ms=2500",)


def test_seeded_faults_of_every_kind_break_no_invariant(home: Path) -> None:
    options = PlanOptions(kills=10, pace_s=0.2, mixed=True)
    plan = make_plan(SEED, options)
    assert {action.kind for action in plan} == WEIGHTS.keys()
    with nemesis_of(home, options, *SETTINGS, seed=SEED) as nemesis:
        carry_out(nemesis, plan)
        nemesis.heal()
        result = nemesis.judge(is_long=False)
    if is_excused(result["failures"], result["invalid"]):
        pytest.skip(f"somebody else killed our processes: {result['invalid']}")
    assert result["failures"] == []
    assert result["signals"] > 10
    assert result["trade_rows"] > 100
    assert result["reader"]["rows"] > 100
    assert result["books_compared"] > 0


def test_canaries_are_found(home: Path) -> None:
    """A death that nobody brought about, a doubled and a torn row, a reader that went blind, a
    process left, a secret told.
    """
    options = PlanOptions(kills=0, network=False, standby=False)
    canaries = (Miscount(), DoubleRow(), TornRow(), BlindReader(), Orphan(), Secret())
    with nemesis_of(home, options, *SETTINGS) as nemesis:
        try:
            for canary in canaries:
                canary.before_heal(nemesis)
            nemesis.heal()
            for canary in canaries:
                canary.before_stop(nemesis)
            result = nemesis.judge(is_long=False)
        finally:
            for canary in canaries:
                canary.clean_up()
    failures = result["failures"]
    for mark in ("I1", "I2", "I3 the reader did not live", "I5", "I7", "I8"):
        assert any(text.startswith(mark) for text in failures), (mark, failures)
    assert result["invalid"] == [], "a crash is no kill by somebody else"
