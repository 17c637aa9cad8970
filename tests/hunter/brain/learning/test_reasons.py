from __future__ import annotations

from hunter.brain.learning.drift import DriftMonitor, Rung
from hunter.brain.learning.reasons import (
    DRIFTS_TOLD_MAX,
    drift_lines,
    drift_text,
    notes,
    terms_text,
)

NAMES = ("queue_imbalance", "ofi_1s", "return_4s", "vpin_x", "expert")


def test_largest_terms_are_told_with_sign_value_and_share() -> None:
    said = terms_text((0.3, -0.0004, -0.4, 0.01, 0.2), NAMES, (0.5, 1.0, -2.0, 0.1), "bbo")
    assert said == (
        "return 4s -2.00 adds -0.400, queue imbalance +0.50 adds +0.300, expert adds +0.200"
        " to the log-odds (bbo)"
    )


def test_equal_terms_come_in_the_models_order_and_small_ones_not_at_all() -> None:
    said = terms_text((0.1, -0.1, 0.0004), NAMES, (1.0, 1.0, 1.0), "book")
    assert said == (
        "queue imbalance +1.00 adds +0.100, ofi 1s +1.00 adds -0.100 to the log-odds (book)"
    )
    assert terms_text((0.0,), NAMES, (0.0,), "book") == "nothing pulls either way (book)"


def test_notes_are_of_drift_shift_and_shadow() -> None:
    drift = DriftMonitor()
    assert notes(drift, (), ()) == []
    said = {}
    for _ in range(30):
        drift.observe(2.0, 2.0, 0.9, right=False)
        said[drift.rung] = notes(drift, ("spread_bp", "trades_per_s"), ("mine:A",))
    assert said[Rung.WIDE][0] == "drift: more confidence is asked for (alarm 1)"
    assert said[Rung.PRIOR] == [
        "drift: queue imbalance decides alone (alarm 2)",
        "unusual lately: spread bp, trades per s",
        "mine:A in shadow",
    ]
    assert said[Rung.RESET][0].startswith("drift: relearning (alarm ")


def test_drift_is_told_from_the_rung_on_that_a_person_should_know() -> None:
    drift, said = DriftMonitor(), {}
    for _ in range(30):
        said[drift.rung] = drift_text(drift)
        drift.observe(2.0, 2.0, 0.9, right=False)
    assert said[Rung.FINE] == said[Rung.WIDE] == ""
    assert said[Rung.PRIOR] == said[Rung.RESET] == drift.fault() != ""


def test_fallback_that_still_tells_is_drift_too() -> None:
    drift = DriftMonitor()
    while drift.rung < Rung.PRIOR:  # worse than queue imbalance, and no worse than saying 1/2
        drift.observe(0.7, 0.1, 0.6, right=True)
    assert drift_text(drift) == "drift: queue imbalance decides alone"


def test_drift_of_many_markets_is_a_few_lines() -> None:
    drifts = [(f"C{index}-USDT", "drift" * (index % 2)) for index in range(100)]
    lines = drift_lines(drifts)
    assert lines[0] == "C1-USDT: drift"
    assert lines[DRIFTS_TOLD_MAX:] == (
        f"others: {50 - DRIFTS_TOLD_MAX} more markets have left what was learnt",
    )
    assert drift_lines(drifts[:1]) == ()
