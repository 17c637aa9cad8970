from __future__ import annotations

import random
from math import exp, log, nan

import pytest

from hunter.brain.learning.drift import (
    CALM_LABELS,
    WIDE_ABOVE,
    DriftMonitor,
    FeatureShift,
    Rung,
)

LN2 = log(2.0)
SLOPE = 2.0
"""Of queue imbalance on crypto perpetuals at 1 s: 1.3 to 2.1."""


def label(monitor: DriftMonitor, p_up: float, up: bool, baseline: float = LN2) -> Rung | None:
    p = p_up if up else 1.0 - p_up
    folded = max(p_up, 1.0 - p_up)
    return monitor.observe(-log(p), baseline, folded, up == (p_up >= 0.5))


def session(dice: random.Random, monitor: DriftMonitor, count: int, flipped: bool) -> list[int]:
    """Labels of a model that is right (or the opposite); at which of them the ladder moved up."""
    rose = []
    for number in range(count):
        p_up = 1.0 / (1.0 + exp(-SLOPE * dice.uniform(-1.0, 1.0)))
        up = (dice.random() < p_up) != flipped
        before = monitor.alarms
        p_right = p_up if up else 1.0 - p_up
        label(monitor, p_up, up, baseline=-log(p_right))
        if monitor.alarms > before:
            rose.append(number)
    return rose


@pytest.mark.parametrize("seed", range(8))
def test_clean_session_of_half_an_hour_has_at_most_two_alarms(seed: int) -> None:
    monitor = DriftMonitor()
    # a label a second, 45 % of them without a move
    assert len(session(random.Random(seed), monitor, 1_000, flipped=False)) <= 2
    assert monitor.pages == monitor.resets == 0


@pytest.mark.parametrize("seed", range(8))
def test_flip_of_the_rule_is_found_within_23_labels_and_answered_to_the_end(seed: int) -> None:
    dice, monitor = random.Random(seed), DriftMonitor()
    session(dice, monitor, 300, flipped=False)
    rose = session(dice, monitor, 60, flipped=True)
    assert rose[0] <= 23
    assert monitor.mute
    assert monitor.pages == 1
    assert monitor.resets >= 1
    assert monitor.rung == Rung.RESET
    assert monitor.fault().startswith("drift: the market left what was learnt")


def test_ladder_goes_down_by_calm_labels_and_then_tells_again() -> None:
    monitor = DriftMonitor()
    while monitor.rung < Rung.RESET:
        label(monitor, 0.9, up=False)
    assert monitor.mute
    taken = [label(monitor, 0.5, up=True) for _ in range(2 * CALM_LABELS)]
    assert [rung for rung in taken if rung is not None] == [Rung.WIDE, Rung.FINE]
    assert taken[CALM_LABELS - 1] == Rung.WIDE
    assert monitor.fault() == ""


def test_reset_comes_again_while_it_goes_on_losing() -> None:
    monitor = DriftMonitor()
    taken = [label(monitor, 0.95, up=False) for _ in range(24)]
    assert taken.count(Rung.RESET) == monitor.resets >= 3
    assert monitor.pages == 1


def test_worse_than_queue_imbalance_falls_back_to_it_and_still_tells() -> None:
    monitor = DriftMonitor()
    taken = []
    for _ in range(20):
        taken.append(label(monitor, 0.55, up=True, baseline=0.2))
    assert Rung.PRIOR in taken
    assert not monitor.mute
    assert Rung.RESET not in taken


def test_confidence_that_is_not_kept_widens_before_it_costs() -> None:
    dice, monitor = random.Random(1), DriftMonitor()
    raised = []
    for number in range(1_200):
        up = dice.random() < 0.68
        rung = label(monitor, 0.8, up) if number % 2 else label(monitor, 0.2, not up)
        if rung == Rung.WIDE:
            raised.append(monitor._loss)
    ece, floor = monitor.calibration()
    assert ece > 2 * floor + 0.03
    assert monitor.rung >= Rung.WIDE
    assert min(raised) < WIDE_ABOVE


def test_monitor_state_goes_round_and_what_is_none_is_refused() -> None:
    one, other = DriftMonitor(), DriftMonitor()
    session(random.Random(1), one, 200, flipped=True)
    other.load(one.state())
    assert other.state() == one.state()
    assert (other.rung, other.mute, other.alarms) == (one.rung, one.mute, one.alarms)
    for wrong in (b"", one.state()[:-1], b"\xff" * len(one.state())):
        with pytest.raises(ValueError, match="drift monitor"):
            other.load(wrong)


def test_shift_of_an_input_is_told_once_and_is_over_when_it_is() -> None:
    dice, shift = random.Random(5), FeatureShift(2)
    for _ in range(1_500):
        shift.see((dice.uniform(0.5, 2.0), dice.expovariate(1.0)))
    assert shift.shifted() == ()
    assert shift.alarms == 0
    for _ in range(200):
        shift.see((dice.uniform(5.0, 20.0), nan))
    assert shift.shifted() == (0,)
    assert shift.alarms == 1
    other = FeatureShift(2)
    other.load(shift.state())
    assert other.state() == shift.state()
    for _ in range(6_000):
        shift.see((dice.uniform(5.0, 20.0), dice.expovariate(1.0)))
    assert shift.shifted() == ()
    with pytest.raises(ValueError, match="feature shift"):
        other.load(b"")
