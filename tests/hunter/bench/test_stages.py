from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from fakes.twin_streams import without_kernel

from hunter.bench import stages
from hunter.native import kernel

TO_RING = ["socket", "frame", "decode", "book upkeep", "ring write", "turn"]
NAMES = [
    *TO_RING, stages.TOGETHER, "wake-up", "ring read", "features", "decision", "publish",
]  # fmt: skip


def measure(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    monkeypatch.setattr(stages, "_WAKES", 20)
    found = stages.measure(1, messages=500)
    assert [item["stage"] for item in found] == NAMES
    assert all(item["cpu_us_per_message"] >= 0 for item in found)
    return {item["stage"]: item for item in found}


def test_every_stage_is_measured_once_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    of = measure(monkeypatch)
    assert of["decode"]["cpu_us_per_message"] > 0
    assert of["book upkeep"]["cpu_us_each"] > of["book upkeep"]["cpu_us_per_message"]
    costs = [of[name]["cpu_us_per_message"] for name in TO_RING]
    whole = of[stages.TOGETHER]["cpu_us_per_message"]
    assert sum(costs) == pytest.approx(max(whole, sum(costs[:-1])), abs=0.02)
    expected = "Python" if kernel is None else "C"
    assert {of[name]["by"] for name in TO_RING[1:5]} == {expected}


def test_without_a_compiled_half_the_twins_are_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    with without_kernel():
        of = measure(monkeypatch)
    assert {of[name]["by"] for name in TO_RING[1:5]} == {"Python"}


def test_nothing_is_left_in_shared_memory(tmp_path: Path) -> None:
    with stages._ring(tmp_path, 100) as (writer, reader):
        assert writer.last_trade(0) is None
        assert reader.poll() == []
        directory = stages.segment.shared_dir("bench-stages", tmp_path)
        assert directory.exists()
    assert not directory.exists()
