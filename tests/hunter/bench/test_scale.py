from __future__ import annotations

from typing import Any

import msgspec
import pytest
from fakes.bench_outcomes import LOAD, OUTCOME

from hunter.bench import scale
from hunter.bench.runs import Cores


def test_three_hundred_instruments_are_what_the_peak_second_says() -> None:
    assert scale.total_per_s(300) == pytest.approx(10 * 895 + 290 * 89.5)


def measured(monkeypatch: pytest.MonkeyPatch, mix: str, **given: Any) -> tuple[Any, dict[str, Any]]:
    plans: list[Any] = []

    def run(plan: Any, *_: Any) -> Any:
        plans.append(plan)
        return msgspec.structs.replace(OUTCOME, load=LOAD, **given)

    monkeypatch.setattr(scale, "run", run)
    cores = Cores(frozenset([0]), frozenset([1]))
    return plans, scale.measure(mix, 2.0, cores, lambda *_: None)


def test_measure_runs_all_of_them_at_that_rate(monkeypatch: pytest.MonkeyPatch) -> None:
    plans, found = measured(monkeypatch, "top5")
    assert (len(plans[0].instruments), plans[0].messages) == (300, 69_810)
    assert plans[0].channels == ("trades", "books5", "tickers")
    assert (found["lost"], found["held"], found["limiting"]) == (0, True, "")
    assert found["lag_us_by_quarter"] == [100.0, 100.0]
    assert found["core_percent"] == {"0": 20.0, "1": 51.0}
    assert found["rss_bytes"] == {"stream-0": 90_000_000}
    assert found["shared_bytes"] == 4_000_000


def test_mix_of_the_recording_has_its_channels(monkeypatch: pytest.MonkeyPatch) -> None:
    plans, found = measured(monkeypatch, "capture")
    assert plans[0].channels == ("bbo-tbt", "trades", "tickers", "books")
    assert found["mix"] == "capture"


def test_what_does_not_hold_names_who_was_busy(monkeypatch: pytest.MonkeyPatch) -> None:
    busy = {"stream-0": 30.0, "brain-0": 68.0}
    _, found = measured(monkeypatch, "top5", lag_us_by_quarter=[1e3, 9e5], cpu_percent=busy)
    assert found["why"] == "the lag grew to 900 ms"
    assert found["limiting"] == "brain-0, on one core with stream-0"
