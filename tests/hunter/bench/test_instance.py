from __future__ import annotations

from pathlib import Path

import pytest

from hunter.bench.instance import BenchInstance, Mark, cost_ns
from hunter.bench.traffic import TrafficPlan
from hunter.errors import ConfigError


def test_cost_is_that_of_all_processes_of_a_role() -> None:
    before = Mark(0, 0, {"stream-0": 5, "stream-1": 7, "brain-0": 100}, {})
    after = Mark(1, 9, {"stream-0": 6, "stream-1": 9, "brain-0": 300}, {})
    assert cost_ns(before, after, "stream") == 3
    assert cost_ns(before, after, "brain") == 200


def test_setting_that_is_refused_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with pytest.raises(ConfigError):
        BenchInstance(TrafficPlan("trades", 1), 1, ("ring.capacity=3",), frozenset())
    assert list(tmp_path.iterdir()) == []
