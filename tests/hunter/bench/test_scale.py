from __future__ import annotations

from typing import Any

import pytest
from fakes.bench_outcomes import OUTCOME

from hunter.bench import scale


def test_three_hundred_instruments_are_what_the_peak_second_says() -> None:
    assert scale.total_per_s(300) == pytest.approx(10 * 895 + 290 * 89.5)


def test_measure_runs_all_of_them_at_that_rate(monkeypatch: pytest.MonkeyPatch) -> None:
    plans: list[Any] = []

    def run(plan: Any, *_: Any) -> Any:
        plans.append(plan)
        return OUTCOME

    monkeypatch.setattr(scale, "run", run)
    found = scale.measure(2.0, None, lambda *_: None)  # type: ignore[arg-type]
    assert (len(plans[0].instruments), plans[0].messages) == (300, 69_810)
    assert plans[0].channels == ("trades", "books5", "tickers")
    assert found["lost"] == 0
    assert found["lag_us_by_quarter"] == [100.0, 100.0]
