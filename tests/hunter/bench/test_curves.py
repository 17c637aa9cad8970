from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from fakes.bench_outcomes import OUTCOME

from hunter.bench import curves
from hunter.bench.runs import Cores

NO_CORES = Cores(frozenset(), frozenset())


@pytest.fixture
def plans(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    made: list[Any] = []

    def run(plan: Any, cores: Any, settings: Any = (), **_: Any) -> Any:
        made.append((plan, settings))
        return OUTCOME

    monkeypatch.setattr(curves, "run", run)
    return made


def test_four_curves_change_one_thing_each(plans: list[Any]) -> None:
    found = curves.measure(0.1, NO_CORES, lambda *_: None)
    assert [curve.name for curve in found] == ["rate", "instruments", "capacity", "readers"]
    along = [[point.at for point in curve.points] for curve in found]
    assert along == [
        list(getattr(curves, name)) for name in ("RATES", "INSTRUMENTS", "CAPACITIES", "READERS")
    ]
    sizes = [settings for _, settings in plans if settings and "4096" not in settings[0]]
    assert sizes[0] == ("ring.capacity=1024",)
    assert sizes[-1] == ("ring.capacity=262144",)


def test_tables_and_pictures_are_written(plans: list[Any], tmp_path: Path) -> None:
    found = curves.measure(0.1, NO_CORES, lambda *_: None)
    files = curves.write(found, tmp_path / "out", "a machine")
    text = (tmp_path / "out" / "curves.md").read_text()
    assert "Measured on a machine." in text
    assert "| 20,000 | 1.50 | 0.50 | 0 |" in text
    assert [item["name"] for item in json.loads(files[0].read_text())] == [
        curve["name"] for curve in curves.as_json(found)
    ]
    for file in files[2:]:
        assert f"]({file.name})" in text
        ElementTree.parse(file)
