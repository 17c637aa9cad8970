"""Both halves of the built-in brain decide alike, on rows made up and recorded, and restart.

What needs the recordings skips without them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from fakes.brain_rows import CAPTURES, captured_rows, decisions, fresh_flow, random_rows

from hunter.brain.flow import FlowBrain
from hunter.brain.learning import mixture, movement
from hunter.brain.window import window
from hunter.native import kernel

FILES = sorted(CAPTURES.glob("okx-framed-binance*/*.jsonl.gz"))
OPTIONS: dict[str, Any] = {"interval_ms": 200, "warm_ms": 2_000, "horizon_ms": 1_000}
ROWS = 2_500

compiled_too = pytest.mark.skipif(kernel is None, reason="there is no compiled half here")
recorded = pytest.mark.skipif(not FILES, reason="the recordings are not here")
QUICK: dict[str, Any] = {"interval_ms": 200, "horizon_ms": 600, "warm_ms": 1_000, "coverage": 0.5}


def python_half(monkeypatch: pytest.MonkeyPatch, **options: Any) -> FlowBrain:
    """A brain of which nothing is compiled."""
    with monkeypatch.context() as patch:
        for module in (window, mixture, movement):
            patch.setattr(module, "kernel", None)
        return fresh_flow(**options)


@recorded
@compiled_too
@pytest.mark.parametrize("path", FILES[:2], ids=lambda path: path.name)
def test_both_halves_decide_alike_on_recorded_rows(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = captured_rows(path, ROWS)
    plain, compiled = python_half(monkeypatch, **OPTIONS), fresh_flow(**OPTIONS)
    found = decisions(compiled, rows)
    assert len(found) > 20
    assert any(said.direction != "flat" for said in found)
    assert decisions(plain, rows) == found
    assert plain.snapshot() == compiled.snapshot()


@recorded
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


@compiled_too
@pytest.mark.parametrize("seed", range(3))
def test_both_halves_decide_alike_and_go_on_from_each_others_state(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = random_rows(50 + seed, 400, spoil=bool(seed))
    plain, compiled = python_half(monkeypatch, **QUICK), fresh_flow(**QUICK)
    assert type(plain._window) is not type(compiled._window)
    assert decisions(plain, rows[:200]) == decisions(compiled, rows[:200])
    assert plain.snapshot() == compiled.snapshot()
    before = plain.snapshot()
    with monkeypatch.context() as patch:
        patch.setattr(window, "kernel", None)
        patch.setattr(mixture, "kernel", None)
        patch.setattr(movement, "kernel", None)
        plain.restore(compiled.snapshot())
    compiled.restore(before)
    assert decisions(plain, rows[200:]) == decisions(compiled, rows[200:])
    assert plain.snapshot() == compiled.snapshot()
