"""Bars that hunter makes of the trades in a running demo's ring are the exchange's own candles."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from fakes.instance import HunterInstance, wait_until

from hunter.access import Instance

pytestmark = pytest.mark.system

INSTRUMENTS = ("BTC-USDT-SWAP", "BTC-USD-SWAP", "BTC-USDT")
SETTINGS = (
    f"okx.instruments={json.dumps(INSTRUMENTS)}",
    'okx.channels=["trades", "candle1s"]',
)
BARS_WANTED = 4
NUMBERS = ("open", "high", "low", "close", "volume", "volume_base", "volume_quote")


def confirmed(access: Instance, name: str) -> dict[int, Any]:
    """The exchange's candles that are over and in which something was traded."""
    rows = access.candles(name, "1s").last(10_000)
    return {row["open_ts_ns"]: row for row in rows if row["confirmed"] and row["volume"] > 0.0}


def complete(access: Instance, name: str) -> dict[int, Any]:
    return {bar["open_ts_ns"]: bar for bar in access.bars(name, "1s") if bar["complete"]}


def shared(access: Instance, name: str) -> set[int]:
    """When those opened that both have; none while they are few."""
    both = complete(access, name).keys() & confirmed(access, name).keys()
    return both if len(both) >= BARS_WANTED else set()


def test_bars_of_a_running_demo_are_its_exchanges_candles(tmp_path: Path) -> None:
    instance = HunterInstance(tmp_path, SETTINGS, None)
    try:
        instance.start("--demo")
        with Instance(instance.config) as access:
            for name in INSTRUMENTS:
                both = wait_until(f"whole bars of {name}", lambda name=name: shared(access, name))
                bars, candles = complete(access, name), confirmed(access, name)
                for open_ts_ns in both:
                    bar, candle = bars[open_ts_ns], candles[open_ts_ns]
                    assert [bar[number] for number in NUMBERS] == pytest.approx(
                        [candle[number] for number in NUMBERS], rel=1e-6
                    )
        shown = instance.command("candles", INSTRUMENTS[0], "--bar", "1s", "--json").stdout
        told = [json.loads(line) for line in shown.splitlines()]
        assert [bar["why_not_complete"] for bar in told][-1] == "under way"
        assert any(bar["complete"] and bar["volume_quote"] > 0 for bar in told)
    finally:
        instance.stop()
