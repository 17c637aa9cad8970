from __future__ import annotations

import json
from pathlib import Path
from typing import Any, ClassVar

import pytest
from click.testing import CliRunner

from hunter.cli import bench as module
from hunter.cli.bench import bench

BOTH = ("scale", "top5", "capture")


class FakeSuite:
    """Remembers what it was asked for."""

    asked: ClassVar[list[Any]] = []

    def __init__(self, seconds: float, instruments: int, tell: Any, mixes: Any) -> None:
        self.mixes = mixes
        self.asked.append((seconds, instruments))
        self.found: dict[str, Any] = {
            "machine": {
                "cpu": "x", "cores": 1, "load_1m": 0.0, "kernel": "6", "python": "3", "pinning": "",
                "compiled": False,
            }
        }  # fmt: skip
        tell("something", 0.5)

    def measure(self, part: str) -> None:
        self.asked.append(part if part != "scale" else (part, *self.mixes))

    def compare(self, directory: Path, rounds: int) -> None:
        self.asked.append((directory, rounds))
        self.found["peers_missing"] = ["ccxt: no environment; make one: make peers"]

    def draw_curves(self, directory: Path) -> list[Path]:
        self.asked.append(directory)
        return [directory / "curves.md"]


@pytest.fixture(autouse=True)
def suite(monkeypatch: pytest.MonkeyPatch) -> type[FakeSuite]:
    FakeSuite.asked = []
    monkeypatch.setattr(module, "Suite", FakeSuite)
    return FakeSuite


def run(*words: str) -> Any:
    return CliRunner().invoke(bench, list(words), catch_exceptions=False)


def test_without_options_everything_is_measured(suite: type[FakeSuite]) -> None:
    done = run()
    assert suite.asked == [(10.0, 20), "burst", "paced", "stages", "sustain", BOTH]
    assert "pure Python" in done.stdout


def test_only_asks_for_parts_and_json_is_one_object(suite: type[FakeSuite]) -> None:
    done = run("--only", "burst", "--seconds", "1", "--instruments", "3", "--json")
    assert suite.asked == [(1.0, 3), "burst"]
    assert json.loads(done.stdout)["machine"]["cpu"] == "x"


def test_peers_have_a_folder_of_their_own_unless_told(suite: type[FakeSuite]) -> None:
    done = run("--peers")
    assert suite.asked == [(10.0, 20), (Path(".bench-peers"), 3)]
    assert "make peers" in done.stderr
    run("--peers", "elsewhere", "--rounds", "1", "--only", "stages")
    assert suite.asked[3:] == ["stages", (Path("elsewhere"), 1)]


def test_curves_say_where_they_were_written(suite: type[FakeSuite], tmp_path: Path) -> None:
    done = run("--curves", "--out", str(tmp_path))
    assert suite.asked[1:] == [tmp_path]
    assert f"written: {tmp_path / 'curves.md'}" in done.stderr


def test_part_that_does_not_exist_is_a_mistake_of_usage() -> None:
    assert run("--only", "everything").exit_code == 2


def test_scale_may_be_of_one_mix(suite: type[FakeSuite]) -> None:
    run("--only", "scale", "--mix", "capture")
    assert suite.asked[1:] == [("scale", "capture")]
