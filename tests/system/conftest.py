"""System tests: whole instances of real processes. Marked `system`; they may wait for processes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from fakes.instance import temporary_home

CAPTURES = Path(__file__).resolve().parents[3] / "shared" / "captures"


@pytest.fixture
def home() -> Iterator[Path]:
    """A directory of its own with a short path, removed afterwards."""
    with temporary_home() as path:
        yield path


@pytest.fixture
def captures() -> Path:
    """Recorded market data; not a part of the project."""
    if not CAPTURES.is_dir():
        pytest.skip("needs recorded market data in ../shared/captures")
    return CAPTURES
