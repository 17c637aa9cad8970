from __future__ import annotations

from typing import Any

import msgspec
import pytest
from fakes.bench_outcomes import LOAD, OUTCOME

from hunter.bench import sizing
from hunter.bench.runs import Cores
from hunter.config import load


def test_each_number_of_instruments_runs_at_its_own_rate_with_the_default_channels(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    plans: list[Any] = []

    def run(plan: Any, *_: Any) -> Any:
        plans.append(plan)
        return msgspec.structs.replace(OUTCOME, load=LOAD, missing=len(plans) - 1)

    monkeypatch.setattr(sizing, "run", run)
    cores = Cores(frozenset([0]), frozenset([1]))
    found = sizing.measure(2.0, cores, lambda *_: None, (1, 50))
    assert [len(plan.instruments) for plan in plans] == [1, 50]
    assert [plan.rate_per_s for plan in plans] == [90.0, 4_500.0]
    assert [plan.messages for plan in plans] == [180, 9_000]
    assert set(plans[0].channels) == set(load(None).okx.channels)
    assert [(item["rate_per_s"], item["lost"], item["held"]) for item in found] == [
        (90, 0, True),
        (4_500, 1, False),
    ]
    assert found[0]["shared_bytes"] == 4_000_000
