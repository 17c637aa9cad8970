"""Outside experts inside the built-in brain: heard, learning, and the same after any restart."""

from __future__ import annotations

from math import nan
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fakes.actor_stage import HandClock
from fakes.brain_rows import Row, decisions, random_rows
from fakes.user_experts import Steady

from hunter.brain.flow import FlowBrain
from hunter.brain.load import Plugins, load_panel
from hunter.brain.plugins.budget import Budget
from hunter.brain.plugins.outside import Guarded, Panel
from hunter.brain.protocol import StateError
from hunter.brain.settings import BrainSettings

SETTINGS = BrainSettings(interval_ms=200, horizon_ms=1_000, warm_ms=1_000)
ROWS: list[Row] = random_rows(11, 6_000)


class Moody(Steady):
    """Fails until it has learnt something: long enough for a shadow, which ends later."""

    def predict(self, x: np.ndarray, horizon_ms: int) -> float | None:
        if self.labels < 40:
            return nan
        return super().predict(x, horizon_ms)


class Slow(Steady):
    def __init__(self, clock: HandClock) -> None:
        super().__init__()
        self.clock = clock

    def predict(self, x: np.ndarray, horizon_ms: int) -> float | None:
        self.clock.now_ns += 900_000
        return super().predict(x, horizon_ms)


def brain(clock: HandClock | None = None) -> FlowBrain:
    hand = HandClock()
    first = Slow(clock) if clock else Steady()
    experts = [
        Guarded(first, "first", Budget(clock or hand, 200)),
        Guarded(Moody(), "moody", Budget(hand, 200)),
    ]
    return FlowBrain("BTC-USDT", SETTINGS, Panel(experts))


def test_experts_are_asked_taught_and_weighed() -> None:
    flow = brain()
    said = decisions(flow, ROWS)
    first, moody = flow._panel.experts
    assert first.asked > 400
    assert first._expert.labels > 400  # type: ignore[attr-defined]
    assert said[-1].experts.keys() >= {"first", "moody"}
    assert any("moody in shadow" in one.reason for one in said)
    assert not said[-1].reason.count("in shadow")
    assert not moody.in_shadow


def test_slow_expert_changes_no_decision_and_no_state() -> None:
    clock = HandClock()
    prompt, slow = brain(), brain(clock)
    assert decisions(slow, ROWS) == decisions(prompt, ROWS)
    assert slow.snapshot() == prompt.snapshot()
    assert slow.overruns > 1_000
    assert (prompt.overruns, prompt.trouble) == (0, "")
    assert "first: predict takes longer than brain.budget_us = 200" in slow.trouble


@pytest.mark.parametrize("cut", [700, 4_900])
def test_restart_anywhere_changes_no_byte(cut: int) -> None:
    whole, before, after = brain(), brain(), brain()
    said = decisions(before, ROWS[:cut])
    after.restore(before.snapshot())
    assert said + decisions(after, ROWS[cut:]) == decisions(whole, ROWS)
    assert after.snapshot() == whole.snapshot()


def test_state_of_other_experts_is_refused() -> None:
    flow = brain()
    decisions(flow, ROWS[:500])
    with pytest.raises(StateError):
        FlowBrain("BTC-USDT", SETTINGS).restore(flow.snapshot())


def test_restart_with_a_model_of_river_changes_no_byte(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("river", reason="no river: make test-ml")
    (tmp_path / "online_model_of_flow.py").write_text(
        "from river import linear_model, optim, preprocessing as p\n"
        "def make():\n"
        "    return p.StandardScaler() | linear_model.LogisticRegression(optim.Adam(0.01))\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))

    def made() -> Any:
        panel = load_panel("BTC-USDT", Plugins(("river:online_model_of_flow:make",)), tmp_path)
        return FlowBrain("BTC-USDT", SETTINGS, panel)

    whole, before, after = made(), made(), made()
    said = decisions(before, ROWS[:1_500])
    after.restore(before.snapshot())
    assert said + decisions(after, ROWS[1_500:3_000]) == decisions(whole, ROWS[:3_000])
    assert after.snapshot() == whole.snapshot()
    assert len(whole.snapshot()) < 65_536
    assert whole.errors == 0
