from __future__ import annotations

import pytest

from hunter.signals.decision import Decision, Quality


def test_four_fields_are_enough_for_a_users_decision() -> None:
    made = Decision(direction="flat", probability_up=0.5, horizon_ms=1_000, reason="why not")
    assert made.confidence == 0.0
    assert made.quality == Quality(feed="connecting", book_valid=False, gaps_in_window=0)


def test_decisions_do_not_share_features_and_are_frozen() -> None:
    one = Decision(direction="flat", probability_up=0.5, horizon_ms=1, reason="")
    other = Decision(direction="flat", probability_up=0.5, horizon_ms=1, reason="")
    one.features["x"] = 1.0
    assert other.features == {}
    with pytest.raises(AttributeError):
        one.reason = "changed"  # type: ignore[misc]
