from __future__ import annotations

import random
from typing import Any

import pytest

from hunter.brain.learning.abstention import (
    COVERAGE_SEEN_MIN,
    GAP_REST_NS,
    Claim,
    Coverage,
    Quoted,
    objection,
    obstacle,
    warming,
)
from hunter.brain.settings import BrainSettings

MS = 1_000_000
GOOD = Quoted(False, True, 0, False, True, 100.0, 100.5)
FINE = Claim(0.3, 0.5, None, "", "", wide=False)


def refused(settings: dict[str, Any] | None = None, **facts: Any) -> str:
    coverage = Coverage(BrainSettings(**settings or {}).coverage)
    return objection(FINE._replace(**facts), BrainSettings(**settings or {}), coverage)


@pytest.mark.parametrize(
    ("facts", "why"),
    [
        ({"book_lost": True, "seen": False}, "book invalid: waiting for a new snapshot"),
        ({"seen": False, "age_ns": 9**12}, "no quote yet"),
        ({"age_ns": 2_001 * MS, "crossed": True}, "stale input: newest quote 2001 ms old"),
        ({"crossed": True, "usable": False}, "crossed book: bid 100 not below ask 100.5"),
        ({"usable": False}, "one-sided book: no bid or no ask"),
        ({"age_ns": 2_000 * MS}, ""),
    ],
)
def test_input_that_allows_no_opinion_says_the_first_reason(
    facts: dict[str, Any], why: str
) -> None:
    assert obstacle(GOOD._replace(**facts), 2_000).startswith(why)
    assert bool(obstacle(GOOD._replace(**facts), 2_000)) == bool(why)


def test_warm_up_says_how_far_it_is() -> None:
    assert warming(1_250 * MS, 30_000) == "warming up: 1.2 s of 30.0 s"
    assert warming(30_000 * MS, 30_000) == ""


@pytest.mark.parametrize(
    ("facts", "why"),
    [
        ({"gap_age_ns": GAP_REST_NS - 1, "drift": "drift: x"}, "gap 5.0 s ago"),
        ({"gap_age_ns": GAP_REST_NS}, ""),
        ({"drift": "drift: x", "regime": "regime y"}, "drift: x"),
        ({"regime": "regime y", "confidence": 0.0}, "regime y"),
        ({"confidence": 0.0, "edge_bp": 0.0}, "no edge: p is 1/2"),
        ({"edge_bp": -0.19}, "edge 0.19 bp below 0.2 bp"),
        ({"edge_bp": -0.21}, ""),
        ({"confidence": 0.09}, "no edge: |2p-1| 0.090 below 0.10"),
        ({"confidence": 0.19, "wide": True}, "no edge: |2p-1| 0.190 below 0.20, doubled"),
    ],
)
def test_first_objection_in_the_fixed_order_is_told(facts: dict[str, Any], why: str) -> None:
    said = refused({"min_edge_bp": 0.2}, **facts)
    assert said.startswith(why)
    assert bool(said) == bool(why)


def test_no_limit_at_all_still_says_nothing_at_one_half() -> None:
    assert refused({"threshold": 0.0, "coverage": 1.0}, confidence=0.0) == "no edge: p is 1/2"
    assert refused({"threshold": 0.0, "coverage": 1.0}, confidence=1e-9) == ""


@pytest.mark.parametrize("share", [0.1, 0.2, 0.5])
def test_coverage_lets_its_share_through_and_half_of_it_when_wide(share: float) -> None:
    dice, coverage = random.Random(7), Coverage(share)
    settings = BrainSettings(coverage=share, threshold=0.0)
    told = {False: 0, True: 0}
    for number in range(8_000):
        confidence = dice.betavariate(2.0, 5.0)
        for wide in told:
            claim = FINE._replace(confidence=confidence, wide=wide)
            told[wide] += number >= 1_000 and not objection(claim, settings, coverage)
        coverage.add(confidence)
    assert told[False] / 7_000 == pytest.approx(share, abs=0.03)
    assert told[True] / 7_000 == pytest.approx(share / 2, abs=0.03)


def test_coverage_waits_for_enough_decisions_and_never_stops_what_is_always_the_same() -> None:
    coverage = Coverage(0.2)
    for _ in range(int(COVERAGE_SEEN_MIN) - 1):
        coverage.add(0.9)
    assert coverage.limit(wide=False) == 0.0
    coverage.add(0.9)
    assert coverage.limit(wide=False) == coverage.limit(wide=True) == 0.9
    assert objection(FINE._replace(confidence=0.9), BrainSettings(), coverage) == ""
    said = objection(FINE._replace(confidence=0.8, wide=True), BrainSettings(), coverage)
    assert said == (
        "coverage: |2p-1| 0.800 not among the most confident 10% (from 0.900, halved by drift)"
    )


def test_coverage_state_goes_round() -> None:
    for share in (0.2, 1.0):
        one, other = Coverage(share), Coverage(share)
        for x in (0.1, 0.5, 0.2):
            one.add(x)
        other.load(one.state())
        assert other.state() == one.state()
        with pytest.raises(ValueError, match="coverage"):
            other.load(b"")
    assert Coverage(1.0).limit(wide=False) == 0.0
