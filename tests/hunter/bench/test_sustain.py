from __future__ import annotations

from typing import Any

import msgspec
import pytest
from fakes.bench_outcomes import LOAD, OUTCOME

from hunter.bench import sustain
from hunter.bench.runs import Cores, RunOutcome
from hunter.bench.sustain import search


@pytest.mark.parametrize(
    ("limit", "good", "bad"),
    [(75.0, 70.0, 80.0), (9.0, 0.0, 2.5), (10_000.0, 640.0, None)],
)
def test_search_doubles_and_then_halves(limit: float, good: float, bad: float | None) -> None:
    found = search(lambda rate: rate <= limit, 10.0, 1_000.0, 2)
    assert found == (good, bad) or (good == 0.0 and found[0] <= limit)


def outcome(**given: Any) -> RunOutcome:
    return msgspec.structs.replace(OUTCOME, load=LOAD, **given)


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({}, ""),
        ({"missing": 1}, "lost"),
        ({"gaps": 1}, "lost"),
        ({"lapped": 1}, "lapped"),
        ({"lag_us_by_quarter": [1e3, 1e3, 2e3, 90e3]}, "lag grew to 90 ms"),
        ({"lag_us_by_quarter": [60e3, 60e3, 60e3, 60e3]}, ""),
    ],
)
def test_rate_holds_unless_something_is_lost_or_lags_more_and_more(
    given: dict[str, Any], why: str
) -> None:
    found = sustain.why_not(outcome(**given))
    assert why in found
    assert bool(why) == bool(found)


def test_load_that_was_not_done_in_time_holds_nothing() -> None:
    assert sustain.why_not(OUTCOME) == "the load was held up"


def test_limit_is_the_load_the_brain_or_the_busiest_process() -> None:
    one, two = (Cores(frozenset([0]), frozenset(range(1, 1 + count))) for count in (1, 2))
    assert "load generator" in sustain.limiting(outcome(note="it was late"), "x", two)
    assert sustain.limiting(outcome(), "the brain was lapped", two) == "brain"
    assert (
        sustain.limiting(outcome(), "the brain was lapped", one)
        == "brain, on one core with stream-0"
    )
    assert sustain.limiting(outcome(), "x", two) == "stream-0"
    assert sustain.limiting(outcome(), "x", one) == "stream-0, on one core with brain-0"
    used = outcome(core_percent={"0": 20.0, "1": 100.0})
    assert sustain.limiting(used, "x", one) == "stream-0, on a machine that does other work too"


def test_measure_says_how_many_instruments_that_is(monkeypatch: pytest.MonkeyPatch) -> None:
    def run(plan: Any, *_: Any) -> RunOutcome:
        return outcome(missing=int(plan.rate_per_s > 50_000))

    monkeypatch.setattr(sustain, "run", run)
    found = sustain.measure(5, 1.0, Cores(frozenset(), frozenset()), lambda *_: None)
    assert (found["sustained_per_s"], found["failed_per_s"]) == (50_000, 60_000)
    assert found["about_instruments"] == 555
    assert [item["held"] for item in found["tried"]] == [True, True, False, False, True]
