"""Simulators that end with the test, a clock to move by hand, and the recorded market data."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fakes.running_simulator import Running

from hunter.simulator.options import SimOptions


@pytest.fixture
def start() -> Iterator[Callable[..., Running]]:
    """Start simulators; all are stopped after the test."""
    running: list[Running] = []

    def start(**options: Any) -> Running:
        options.setdefault("limits", False)
        running.append(Running(SimOptions(**options)))
        return running[-1]

    yield start
    for item in running:
        item.stop()


class HandClock:
    """Time that moves when told to."""

    def __init__(self) -> None:
        self.now_ns = 1_790_000_000_000_000_000

    def wall_ns(self) -> int:
        return self.now_ns

    def monotonic_ns(self) -> int:
        return self.now_ns


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture(scope="session")
def captures() -> Path:
    root = Path(__file__).parents[3].parent / "shared" / "captures"
    if not root.is_dir():
        pytest.skip(f"no recorded market data at {root}")
    return root
