from __future__ import annotations

import pytest
from fakes.actor_stage import HandClock

from hunter.brain.plugins.budget import CLEAN_CALLS, STRIKES_MAX, Budget, Strikes

US = 1_000


def call(budget: Budget, clock: HandClock, spent_us: int, what: str = "decide") -> None:
    began_ns = budget.begin()
    clock.now_ns += spent_us * US
    budget.end(what, began_ns)


def test_budget_counts_what_takes_longer_than_it_and_nothing_else() -> None:
    clock = HandClock()
    budget = Budget(clock, 200)
    for spent_us in (0, 199, 200, 201, 5_000, 10):
        call(budget, clock, spent_us)
    assert budget.overruns == 2
    assert budget.longest_ns == 5_000 * US


def test_budget_missed_once_in_a_while_tells_nothing() -> None:
    clock = HandClock()
    budget = Budget(clock, 200)
    for number in range(2_000):
        call(budget, clock, 900 if number % 10 == 0 else 5)
    assert budget.overruns == 200
    assert budget.trouble == ""


def test_budget_missed_all_the_time_tells_so_until_it_is_kept_again() -> None:
    clock = HandClock()
    budget = Budget(clock, 200)
    told = []
    for spent_us in [900] * 30 + [5] * 300:
        call(budget, clock, spent_us)
        if not told or told[-1] != budget.trouble:
            told.append(budget.trouble)
    assert told == ["", "decide takes longer than brain.budget_us = 200", ""]


def test_budget_is_kept_apart_for_each_kind_of_call() -> None:
    clock = HandClock()
    budget = Budget(clock, 200)
    for _ in range(30):  # many short calls beside the long ones hide nothing
        call(budget, clock, 900, "decide")
        call(budget, clock, 900, "on_book")
        for _ in range(50):
            call(budget, clock, 5, "on_trades")
    assert budget.late == ("decide", "on_book")
    assert budget.trouble == "decide, on_book take longer than brain.budget_us = 200"


def test_strikes_three_are_a_shadow_that_names_the_failure_that_led_there() -> None:
    strikes = Strikes()
    for number in range(1, STRIKES_MAX + 1):
        assert not strikes.in_shadow
        assert strikes.trouble == ""
        strikes.strike(f"fault {number}")
    strikes.strike("fault 4")
    assert strikes.trouble == "in shadow after 3 failures: fault 3"


def test_strikes_in_shadow_end_after_600_clean_calls_in_a_row() -> None:
    strikes = Strikes()
    for _ in range(STRIKES_MAX):
        strikes.strike("fault")
    for _ in range(CLEAN_CALLS - 1):
        strikes.passed()
    strikes.strike("again")  # in a row: from the start
    for _ in range(CLEAN_CALLS - 1):
        strikes.passed()
    assert strikes.in_shadow
    strikes.passed()
    assert not strikes.in_shadow
    assert strikes.state() == (0, 0, "")


def test_strikes_far_apart_are_forgiven() -> None:
    strikes = Strikes()
    for _ in range(10):
        strikes.strike("fault")
        strikes.strike("fault")
        for _ in range(CLEAN_CALLS):
            strikes.passed()
    assert not strikes.in_shadow


def test_strikes_are_continued_from_their_state() -> None:
    strikes, again = Strikes(), Strikes()
    strikes.strike("fault")
    strikes.passed()
    again.load(strikes.state())
    assert again.state() == (1, 1, "fault")


@pytest.mark.parametrize("state", [(-1, 0, ""), (4, 0, ""), (1, -1, ""), (1, CLEAN_CALLS, "")])
def test_strikes_refuse_a_state_that_cannot_be(state: tuple[int, int, str]) -> None:
    with pytest.raises(ValueError, match="cannot be"):
        Strikes().load(state)
