from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest
from fakes.bench_outcomes import OUTCOME

from hunter.bench import report, stages, suite
from hunter.bench.suite import DEFAULT_PARTS, Suite


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    made: list[Any] = []

    def measure(*given: Any, **_: Any) -> Any:
        made.append(given)
        return {}

    monkeypatch.setattr(suite, "burst", lambda mix, *_: made.append(mix) or OUTCOME)
    monkeypatch.setattr(suite, "paced", lambda plan, *_: made.append(plan) or OUTCOME)
    monkeypatch.setattr(suite.stages, "measure", lambda repeats: [])
    for module in (suite.sustain, suite.scale):
        monkeypatch.setattr(module, "measure", measure)
    return made


def test_contract_keys_are_there_whatever_is_measured() -> None:
    found = Suite(1.0, 1, lambda *_: None).found
    assert found["machine"]["pinning"]
    assert all(found[key] == [] for key in ("burst", "paced", "stages", "peers"))


def test_every_part_fills_its_key(asked: list[Any]) -> None:
    made = Suite(10.0, 20, lambda *_: None)
    for part in DEFAULT_PARTS:
        made.measure(part)
    assert asked[:6] == ["trades"] * 3 + ["mix"] * 3
    assert [plan.rate_per_s for plan in asked[6:9]] == [1_000, 5_000, 20_000]
    assert [item["stage"] for item in made.found["stages"]] == [suite.WHOLE_PATH]
    assert made.found["costliest_stage"] == ""
    assert [given[0] for given in asked[10:]] == ["top5", "capture"]
    first = made.found["burst"][0]
    assert (first["mix"], first["cpu_us_per_message"], first["lost"]) == ("trades", 1.5, 0)
    paced = made.found["paced"][1]
    assert paced["rate_per_s"] == 5_000
    assert paced["receive_to_ring_us"] == {"p50": 1, "p99": 2, "p999": 3}
    assert paced["schedule_to_receive_us"] is None


def test_sizing_is_made_when_it_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []
    monkeypatch.setattr(suite.sizing, "measure", lambda *given: asked.append(given) or [])
    made = Suite(10.0, 20, lambda *_: None)
    assert "sizing" not in DEFAULT_PARTS
    made.measure("sizing")
    assert (asked[0][0], made.found["sizing"]) == (3.0, [])


def test_burst_tells_the_median_run_and_whatever_was_lost_in_any() -> None:
    runs = [
        msgspec.structs.replace(OUTCOME, stream_us_per_message=cost, missing=missing)
        for cost, missing in ((3.0, 0), (1.0, 7), (2.0, 0))
    ]
    entry = suite.burst_entry("mix", runs)
    assert (entry["cpu_us_per_message"], entry["lost"], entry["rounds"]) == (2.0, 7, 3)
    assert (entry["cpu_us_per_message_min"], entry["cpu_us_per_message_max"]) == (1.0, 3.0)


def test_peers_and_curves_are_made_when_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    entries = {"peers": [], "peers_missing": ["ccxt: none"], "rounds": 1}
    monkeypatch.setattr(suite.comparison, "measure", lambda *_: entries)
    monkeypatch.setattr(suite.curves, "measure", lambda *_: [])
    made = Suite(1.0, 1, lambda *_: None)
    made.compare(tmp_path, 1)
    assert made.found["peers_missing"] == ["ccxt: none"]
    files = made.draw_curves(tmp_path)
    assert [file.name for file in files] == ["curves.json", "curves.md"]
    assert report.lines(made.found)


def test_whole_path_stands_behind_its_stages_and_is_no_stage(
    asked: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    costs = {"decode": 1.0, stages.TOGETHER: 3.0, "features": 2.0}
    found = [{"stage": name, "cpu_us_per_message": cost} for name, cost in costs.items()]
    monkeypatch.setattr(suite.stages, "measure", lambda _: found)
    made = Suite(1.0, 1, lambda *_: None, ("top5",))
    made.measure("burst")
    made.measure("stages")
    names = [item["stage"] for item in made.found["stages"]]
    assert names == ["decode", stages.TOGETHER, suite.WHOLE_PATH, "features"]
    assert made.found["costliest_stage"] == "features"
    made.measure("scale")
    assert [given[0] for given in asked if isinstance(given, tuple)] == ["top5"]
