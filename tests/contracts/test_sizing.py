"""docs/sizing.md: what the rings take is what the code says; no figure is left open."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from hunter.config import load
from hunter.system.layouts import rings_bytes


@pytest.fixture(scope="module")
def text(root: Path) -> str:
    return (root / "docs/sizing.md").read_text(encoding="utf-8")


def rows(text: str, heading: str) -> list[list[str]]:
    """Cells of the first table below a heading."""
    section = text.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def test_shared_memory_is_what_the_layout_takes(text: str) -> None:
    head, _, *found = rows(text, "Shared memory")
    capacities = [int(re.sub(r"[^\d]", "", cell)) for cell in head[1:]]
    assert load(None).ring.capacity in capacities
    for channels, *cells in found:
        names = channels.removesuffix(" (default)").split(", ")
        if channels.endswith("(default)"):
            assert set(names) == set(load(None).okx.channels)
        for capacity, cell in zip(capacities, cells, strict=True):
            settings = [f"ring.capacity={capacity}", f"okx.channels={json.dumps(names)}"]
            assert float(cell) == pytest.approx(rings_bytes(load(None, settings)) / 1e6, abs=0.006)


def test_no_figure_is_left_open(text: str) -> None:
    assert not re.findall(r"\b[A-Z]+_[A-Z]+\b", text)
