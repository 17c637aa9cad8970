"""The built-in brain on recorded rows: both halves, and a restart. Skips without the recordings."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from fakes.brain_rows import CAPTURES, captured_rows, decisions, fresh_flow

from hunter.brain import mixture, movement, window
from hunter.brain.flow import FlowBrain
from hunter.native import kernel

FILES = sorted(CAPTURES.glob("okx-framed-binance*/*.jsonl.gz"))
OPTIONS: dict[str, Any] = {"interval_ms": 200, "warm_ms": 2_000, "horizon_ms": 1_000}
ROWS = 2_500

pytestmark = pytest.mark.skipif(not FILES, reason="the recordings are not here")


def python_half(monkeypatch: pytest.MonkeyPatch) -> FlowBrain:
    with monkeypatch.context() as patch:
        for module in (window, mixture, movement):
            patch.setattr(module, "kernel", None)
        return fresh_flow(**OPTIONS)


@pytest.mark.skipif(kernel is None, reason="there is no compiled half here")
@pytest.mark.parametrize("path", FILES[:2], ids=lambda path: path.name)
def test_both_halves_decide_alike_on_recorded_rows(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = captured_rows(path, ROWS)
    plain, compiled = python_half(monkeypatch), fresh_flow(**OPTIONS)
    found = decisions(compiled, rows)
    assert len(found) > 20
    assert any(said.direction != "flat" for said in found)
    assert decisions(plain, rows) == found
    assert plain.snapshot() == compiled.snapshot()


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_restart_amid_recorded_rows_changes_no_byte(path: Path) -> None:
    rows = captured_rows(path, ROWS)
    steady, first, second = (fresh_flow(**OPTIONS) for _ in range(3))
    expected = decisions(steady, rows)
    found = decisions(first, rows[: ROWS // 3])
    second.restore(first.snapshot())
    found += decisions(second, rows[ROWS // 3 :])
    assert found == expected
    assert second.snapshot() == steady.snapshot()
