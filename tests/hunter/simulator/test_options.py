"""Options are refused early, with the next step."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from hunter.errors import ConfigError
from hunter.simulator.options import PLAN_FILE, ReplayPlan, SimOptions, load_plan, save_plan


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"instruments": ("btc",)}, "write it like"),
        ({"instruments": ()}, "at least one instrument"),
        ({"rate": -1.0}, "rate"),
        ({"speed": 0.0}, "speed"),
        ({"port": 70_000}, "port"),
        ({"replay": (Path("/nonexistent/file"),)}, "no recording"),
    ],
)
def test_bad_options_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        SimOptions(**options)


def test_defaults_are_one_swap_at_its_recorded_speed() -> None:
    options = SimOptions()
    assert options.instruments == ("BTC-USDT-SWAP",)
    assert (options.port, options.host, options.speed) == (0, "127.0.0.1", 1.0)


def test_plan_is_read_back_and_none_is_none(tmp_path: Path) -> None:
    assert load_plan(tmp_path) is None
    plan = ReplayPlan(("a.jsonl", "b.jsonl.zst"), 2.5)
    save_plan(tmp_path, plan)
    assert (tmp_path / PLAN_FILE).is_file()
    assert load_plan(tmp_path) == plan
