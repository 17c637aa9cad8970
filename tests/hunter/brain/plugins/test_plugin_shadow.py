"""A user's brain that fails again and again, or takes its time."""

from __future__ import annotations

from math import nan
from typing import Any

import msgspec
import pytest
from fakes.actor_stage import HandClock
from fakes.brain_rows import MS, START_NS, bbo, decisions, random_rows, ticker, trade
from fakes.user_brains import FlowSign

from hunter.brain.plugins.budget import CLEAN_CALLS, Budget
from hunter.brain.plugins.plugin import PluginBrain, PluginState
from hunter.brain.protocol import StateError
from hunter.brain.settings import BrainSettings
from hunter.signals.decision import Decision

SETTINGS = BrainSettings(interval_ms=100, warm_ms=0)
NAME = "mine:FlowSign"


class Slow(FlowSign):
    """Takes its time by a clock of its own; its answers do not depend on it."""

    def __init__(self, takes_ns: int = 0) -> None:
        super().__init__()
        self.clock = HandClock()
        self.takes_ns = takes_ns

    def decide(self, now_ns: int) -> Decision | None:
        self.clock.now_ns += self.takes_ns
        return super().decide(now_ns)


def plugged(user: FlowSign | None = None) -> tuple[PluginBrain, FlowSign]:
    user = user or FlowSign()
    clock = user.clock if isinstance(user, Slow) else HandClock()
    return PluginBrain("BTC-USDT", user, NAME, SETTINGS, Budget(clock, 200)), user


class Market:
    """One trade a decision interval."""

    def __init__(self, brain: PluginBrain) -> None:
        self.brain = brain
        self.step = 0
        self.brain.on_trade(trade(START_NS))

    def next(self) -> Decision | None:
        self.step += 1
        return self.brain.on_trade(trade(START_NS + self.step * 100 * MS))


@pytest.mark.parametrize("way", ["raises", "nan"])
def test_brain_that_failed_three_decisions_is_in_shadow_and_fed_and_asked_on(way: str) -> None:
    brain, user = plugged()
    market = Market(brain)
    if way == "raises":
        user.fail_in = "decide"
        why = "decide raised RuntimeError: no decide today"
    else:
        user.answer = Decision(direction="up", probability_up=nan, horizon_ms=9, reason="")
        why = "decide returned probability_up nan, expected 0 to 1"
    reasons = [said.reason for _ in range(4) if (said := market.next())]
    failed, shadow = f"{NAME} failed: {why}", f"{NAME}: in shadow after 3 failures: {why}"
    assert reasons == [failed, failed, shadow, shadow]
    assert brain.trouble == shadow
    assert brain.failure == why
    user.fail_in, user.answer = "", None
    user.calls.clear()
    said = market.next()
    assert said is not None
    assert (said.direction, said.probability_up, said.reason) == ("flat", 0.5, shadow)
    assert [call[0] for call in user.calls] == ["on_trades", "decide"]


def test_brain_that_fails_on_every_row_has_one_strike_a_decision() -> None:
    brain, user = plugged()
    user.fail_in = "on_ticker"
    for number in range(50):
        brain.on_ticker(ticker(START_NS + number * MS))
    assert brain.errors == 50
    said = brain.on_ticker(ticker(START_NS + 100 * MS))
    assert said is not None
    assert "failed: on_ticker raised" in said.reason
    assert brain.trouble == ""


def test_brain_in_shadow_is_heard_again_after_600_decisions_that_did_not_fail() -> None:
    brain, user = plugged()
    market = Market(brain)
    user.fail_in = "decide"
    for _ in range(3):
        market.next()
    user.fail_in = ""
    for _ in range(CLEAN_CALLS - 1):
        said = market.next()
        assert said is not None
        assert said.direction == "flat"
    user.answer = "nothing"  # to have nothing to say is no failure
    assert market.next() is None
    assert brain.trouble == ""
    user.answer = None
    said = market.next()
    assert said is not None
    assert said.direction == "up"


def test_brain_beyond_its_budget_decides_the_same_and_is_told() -> None:
    rows = random_rows(7, 400)
    (prompt, _), (slow, _) = plugged(Slow()), plugged(Slow(takes_ns=250_000))
    said = decisions(prompt, rows)
    assert decisions(slow, rows) == said
    assert len(said) > 20
    assert (prompt.overruns, slow.overruns) == (0, len(said))
    assert slow.trouble == f"{NAME}: decide takes longer than brain.budget_us = 200"
    assert slow.snapshot() == prompt.snapshot(), "time is in no state"


def test_restart_amid_strikes_and_shadow_goes_on_as_if_nothing_had_been() -> None:
    brain, user = plugged()
    market = Market(brain)
    user.fail_in = "decide"
    for _ in range(2):
        market.next()
    for _ in range(2):  # with two strikes, then in shadow
        again, other = plugged()
        user.fail_in = ""
        again.restore(brain.snapshot())
        assert again.trouble == brain.trouble
        user.fail_in = other.fail_in = "decide"
        market.next()
        again.on_trade(trade(START_NS + market.step * 100 * MS))
        assert again.trouble == brain.trouble != ""
        user.fail_in = other.fail_in = ""
        assert again.snapshot() == brain.snapshot()


def test_state_with_strikes_that_cannot_be_is_refused() -> None:

    brain, _ = plugged()
    found = msgspec.msgpack.decode(brain.snapshot(), type=PluginState)
    found.strikes = (9, 0, "")
    with pytest.raises(StateError, match="9 strikes"):
        plugged()[0].restore(msgspec.msgpack.encode(found))


def test_outlook_of_a_brain_in_shadow_is_flat_and_asks_nothing() -> None:
    brain, user = plugged()
    market = Market(brain)
    user.fail_in = "decide"
    for _ in range(3):
        market.next()
    user.calls.clear()
    (outlook,) = brain.outlook(START_NS + 9_000 * MS)
    assert (outlook.direction, outlook.probability_up) == ("flat", 0.5)
    assert outlook.reason.startswith("in shadow after 3 failures")
    assert user.calls == []


@pytest.mark.parametrize("answer", ["raises", 0.5, "nothing"])
def test_outlook_that_fails_is_flat_and_counts_nothing(answer: Any) -> None:
    brain, user = plugged()
    market = Market(brain)
    market.next()
    brain.on_bbo(bbo(START_NS + 101 * MS))
    user.answer, user.fail_in = answer, "decide" if answer == "raises" else ""
    for _ in range(5):
        (outlook,) = brain.outlook(START_NS + 150 * MS)
        assert (outlook.direction, outlook.probability_up) == ("flat", 0.5)
    assert (brain.errors, brain.trouble, brain.overruns) == (0, "", 0)
    says = {"raises": "no decide today", "nothing": "nothing to say"}
    assert says.get(answer, "float, expected Decision or None") in outlook.reason
