from __future__ import annotations

from pathlib import Path

import pytest

from hunter.bench import oneprocess
from hunter.bench.traffic import TrafficPlan
from hunter.errors import HunterError


def test_all_messages_become_rows_in_turns_of_the_stream(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    few = oneprocess.receive(TrafficPlan("mix", 400), 64 << 10)
    many = oneprocess.receive(TrafficPlan("mix", 400), 4 << 10)
    assert few.cpu_ns > 0
    assert 1 <= few.turn_count < many.turn_count
    assert list(tmp_path.iterdir()) == []


def test_messages_that_never_become_rows_are_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(oneprocess, "merged_row_count", lambda *_: 0)
    monkeypatch.setattr(oneprocess, "_PATIENCE_NS", 1_000_000_000)
    with pytest.raises(HunterError, match="did not become rows"):
        oneprocess.receive(TrafficPlan("trades", 10), 1 << 10)
