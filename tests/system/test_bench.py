"""`hunter bench` as a user runs it, for a second: the contract's keys, and nothing lost."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from fakes.instance import HUNTER

pytestmark = pytest.mark.system


def test_bench_measures_a_burst_and_paced_load_without_loss(tmp_path: Path) -> None:
    words = ["bench", "--json", "--seconds", "1", *("--only", "burst", "--only", "paced")]
    done = subprocess.run(
        [*HUNTER, *words], capture_output=True, text=True, timeout=100, check=False, cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    found = json.loads(done.stdout)
    assert {"cpu", "cores", "python", "compiled"} <= found["machine"].keys()
    assert [item["mix"] for item in found["burst"]] == ["trades", "mix"]
    assert [item["rate_per_s"] for item in found["paced"]] == [1_000, 5_000, 20_000]
    for item in found["burst"] + found["paced"]:
        assert (item["lost"], item["gaps"], item["malformed"], item["reconnects"]) == (0, 0, 0, 0)
        assert item["cpu_us_per_message"] > 0
        assert item["messages_per_s"] > 0
    for item in found["paced"]:
        for stage in ("receive_to_ring_us", "receive_to_signal_us", "schedule_to_receive_us"):
            assert {"p50", "p99", "p999"} <= item[stage].keys(), stage
            assert item[stage]["p50"] <= item[stage]["p99"] <= item[stage]["p999"]
    assert list(tmp_path.iterdir()) == []
