from __future__ import annotations

import array
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from hunter.bench import comparison
from hunter.bench.peers import client
from hunter.bench.peers.client import Sink
from hunter.bench.runs import Cores
from hunter.bench.traffic import TrafficPlan


class Ended(BaseException):
    pass


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    lines: list[bytes] = []

    def end(_: int) -> None:
        raise Ended

    monkeypatch.setattr(os, "_exit", end)
    monkeypatch.setattr(os, "write", lambda _, data: lines.append(data))
    return lines


def test_sink_says_what_reached_the_user_and_when(told: list[bytes], tmp_path: Path) -> None:
    path = tmp_path / "arrivals"
    sink = Sink("websockets", 3, str(path))
    sink.on_message("7")
    sink.on_message()
    with pytest.raises(Ended):
        sink.on_message(9)
    found = json.loads(told[-1])
    assert (found["peer"], found["delivered"]) == ("websockets", 3)
    assert found["cpu_us_per_message"] >= 0
    arrivals = array.array("q", path.read_bytes())
    assert arrivals[::2].tolist() == [7, 9]
    assert arrivals[1] <= arrivals[3]


def test_every_peer_has_a_distribution_and_a_lock(tmp_path: Path) -> None:
    root = Path(__file__).resolve().parents[4]
    locks = {path.stem for path in (root / "requirements" / "peers").glob("*.lock")}
    assert client.PEERS.keys() == client.DISTRIBUTIONS.keys() == locks


def test_client_imports_nothing_of_ours() -> None:
    done = subprocess.run(
        [sys.executable, "-I", "-c", "import runpy,sys; runpy.run_path(sys.argv[1]);"
         "print([m for m in sys.modules if m.startswith('hunter.')])", str(comparison.CLIENT)],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.strip() == "[]"


def test_websockets_gets_a_burst_to_its_last_message() -> None:
    # our own environment has what this peer needs
    plan = TrafficPlan("mix", 300, greets=False)
    found = comparison.run_peer(
        "websockets", Path(sys.executable), plan, Cores(frozenset(), frozenset())
    )
    assert found.delivered == 300
