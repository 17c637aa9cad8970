from __future__ import annotations

import random
from math import log, nan

import pytest

from hunter.brain.learning.regime import CODES, MIDDLE, Conditions, Regimes, name_of

LN2 = log(2.0)


def seen(count: int = 500) -> Regimes:
    dice = random.Random(2)
    regimes = Regimes()
    for _ in range(count):
        regimes.see(Conditions(dice.random(), dice.random(), dice.random()))
    return regimes


def test_names_say_volatility_spread_and_trades() -> None:
    assert name_of(0) == "calm/tight/quiet"
    assert name_of(MIDDLE) == "steady/usual/normal"
    assert name_of(CODES - 1, broken=True) == "volatile/wide/busy/break"
    assert len({name_of(code) for code in range(CODES)}) == CODES


def test_terciles_are_of_what_was_seen() -> None:
    regimes = seen()
    assert name_of(regimes.code(Conditions(0.05, 0.5, 0.95))) == "calm/usual/busy"
    assert name_of(regimes.code(Conditions(0.95, 0.05, 0.5))) == "volatile/tight/normal"
    assert regimes.code(Conditions(nan, nan, nan)) == MIDDLE


def test_nothing_is_low_or_high_before_enough_was_seen_or_when_all_is_the_same() -> None:
    assert seen(30).code(Conditions(-9.0, 9.0, 9.0)) == MIDDLE
    regimes = Regimes()
    for _ in range(100):
        regimes.see(Conditions(0.0, 0.5, 3.0))
    assert regimes.code(Conditions(0.0, 0.5, 3.0)) == MIDDLE


def test_spread_of_a_tick_is_usual_where_it_is_nearly_always_a_tick() -> None:
    dice, regimes = random.Random(4), Regimes()
    codes = set()
    for number in range(3_000):
        spread = 0.5 if dice.random() < 0.95 else 1.5
        regimes.see(Conditions(0.0, spread, 0.0))
        if number > 300:
            codes.add(name_of(regimes.code(Conditions(0.0, 0.5, 0.0))))
    assert codes == {"steady/usual/normal"}
    assert name_of(regimes.code(Conditions(0.0, 1.5, 0.0))) == "steady/wide/normal"


def test_regime_that_loses_is_one_to_abstain_in_until_it_wins() -> None:
    regimes = Regimes()
    for _ in range(29):
        regimes.learn(5, LN2 + 0.2)
    assert regimes.fault(5) == ""
    regimes.learn(5, LN2 + 0.2)
    assert regimes.fault(5).startswith("regime calm/usual/busy: log-loss 0.893 there")
    assert regimes.fault(6) == ""
    for _ in range(60):
        regimes.learn(5, LN2 - 0.2)
    assert regimes.fault(5) == ""


def test_state_goes_round_and_what_is_none_is_refused() -> None:
    one, other = seen(), Regimes()
    one.learn(3, 1.0)
    other.load(one.state())
    assert other.state() == one.state()
    for wrong in (b"", one.state()[:-1], b"\xff" * len(one.state())):
        with pytest.raises(ValueError, match="state"):
            other.load(wrong)
