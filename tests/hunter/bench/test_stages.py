from __future__ import annotations

from pathlib import Path

import pytest

from hunter.bench import stages

NAMES = [
    "socket", "frame", "decode", "book upkeep", "ring write", "wake-up", "ring read", "features",
    "decision", "publish",
]  # fmt: skip


def test_every_stage_is_measured_once_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stages, "_WAKES", 20)
    found = stages.measure(1, messages=500)
    assert [item["stage"] for item in found] == NAMES
    assert all(item["cpu_us_per_message"] >= 0 for item in found)
    of = {item["stage"]: item for item in found}
    assert of["decode"]["cpu_us_per_message"] > 0
    assert of["book upkeep"]["cpu_us_each"] > of["book upkeep"]["cpu_us_per_message"]


def test_nothing_is_left_in_shared_memory(tmp_path: Path) -> None:
    with stages._ring(tmp_path, 100) as (writer, reader):
        assert writer.last_trade(0) is None
        assert reader.poll() == []
        directory = stages.segment.shared_dir("bench-stages", tmp_path)
        assert directory.exists()
    assert not directory.exists()
