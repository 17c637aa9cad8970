from __future__ import annotations

from types import SimpleNamespace
from typing import Any
from unittest.mock import MagicMock

import msgspec
import pytest
from fakes.bench_outcomes import OUTCOME

from hunter.bench import runs
from hunter.bench.frames import trade_id
from hunter.bench.runs import Cores
from hunter.bench.traffic import MESSAGES_MAX, TrafficPlan, instrument_names


def test_load_has_a_core_of_its_own_where_there_are_two(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {3, 1, 2})
    assert runs.choose_cores() == Cores(frozenset([1]), frozenset([2, 3]))
    assert str(runs.choose_cores()) == "load on core 1, engine on 2,3"
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {1})
    assert "one core for all" in str(runs.choose_cores())


def test_sentinels_count_as_subscriptions() -> None:
    # trades alone do not prove that a socket lives
    assert runs.subscription_count(TrafficPlan("trades", 1)) == 2
    assert runs.subscription_count(TrafficPlan("mix", 1)) == 3
    assert runs.subscription_count(TrafficPlan("top5", 1, instrument_names(300))) == 903


def test_what_is_missing_is_lost_even_if_no_feed_noticed() -> None:
    replace = msgspec.structs.replace
    assert runs.lost(OUTCOME) == 0
    assert runs.lost(replace(OUTCOME, missing=3)) == 3
    assert runs.lost(replace(OUTCOME, lost=4, missing=3)) == 4
    assert runs.lost(replace(OUTCOME, missing=-2)) == 0


def test_trades_of_the_first_instrument_have_their_numbers() -> None:
    assert runs.trade_numbers(TrafficPlan("trades", 5)) == [0, 1, 2, 3, 4]
    several = runs.trade_numbers(TrafficPlan("trades", 200, instrument_names(3)))
    assert len(several) == pytest.approx(67, abs=1)


def test_lag_counts_from_the_schedule_and_leaves_the_greeting_out() -> None:
    plan = TrafficPlan("trades", 3, rate_per_s=1000)
    times = [(trade_id(-1), 1), (trade_id(0), 150), (trade_id(1), 1_000_250)]
    instance: Any = SimpleNamespace(trade_times=lambda name, count: times)
    assert runs.schedule_lags(plan, 100, instance) == [50, 150]


def test_ring_of_one_instrument_holds_a_whole_run() -> None:
    assert runs.ring_capacity(TrafficPlan("trades", 100_000)) == 131_072
    assert runs.ring_capacity(TrafficPlan("trades", 10)) == 8_192


def test_run_of_too_many_messages_is_cut_short_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    plans: list[TrafficPlan] = []
    monkeypatch.setattr(runs, "Load", lambda plan, _: plans.append(plan) or MagicMock())
    monkeypatch.setattr(runs, "BenchInstance", MagicMock())
    monkeypatch.setattr(runs, "_watch", lambda *_: OUTCOME)
    cores = Cores(frozenset(), frozenset())
    told = [
        runs.run(TrafficPlan("trades", count), cores).cut_short
        for count in (MESSAGES_MAX, MESSAGES_MAX + 1)
    ]
    assert told == [False, True]
    assert [plan.messages for plan in plans] == [MESSAGES_MAX, MESSAGES_MAX]
