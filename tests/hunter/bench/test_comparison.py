from __future__ import annotations

from array import array
from pathlib import Path
from typing import Any

import pytest

from hunter.bench import comparison
from hunter.bench.comparison import PeerRun
from hunter.bench.frames import trade_id
from hunter.bench.runs import Cores
from hunter.bench.traffic import TrafficPlan
from hunter.errors import HunterError
from hunter.status.documents import Percentiles

NO_CORES = Cores(frozenset(), frozenset())


def test_missing_environment_is_one_line_that_says_how_to_make_it(tmp_path: Path) -> None:
    python = tmp_path / "ccxt" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.touch()
    found, missing = comparison.environments(tmp_path)
    assert found == {"ccxt": python}
    assert len(missing) == 3
    assert all("make peers" in line and "\n" not in line for line in missing)


def test_lags_count_from_when_a_trade_was_due_and_the_first_tenth_is_left_out() -> None:
    plan = TrafficPlan("trades", 20, rate_per_s=1000)
    arrivals = array("q", [trade_id(-1), 5, trade_id(1), 6, trade_id(2), 2_000_130])
    assert comparison.arrival_lags(plan, arrivals.tobytes(), 100) == [30]


def test_latencies_of_two_stages_are_added() -> None:
    first, second = Percentiles(1, 2, 3), Percentiles(10, 20, 30)
    assert comparison.added(first, second) == Percentiles(11, 22, 33)
    assert comparison.added(first, None) == first
    assert comparison.added(None, second) is None


def test_client_that_ends_without_a_word_is_an_error_with_its_last_line(tmp_path: Path) -> None:
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\necho 'no such library' >&2\nexit 3\n")
    python.chmod(0o700)
    plan = TrafficPlan("trades", 10)
    comparison_patience, comparison._READY_S = comparison._READY_S, 0.2  # type: ignore[misc]
    try:
        with pytest.raises(HunterError, match="ccxt: no such library"):
            comparison.run_peer("ccxt", python, plan, NO_CORES)
    finally:
        comparison._READY_S = comparison_patience  # type: ignore[misc]


def test_measure_takes_turns_and_compares_medians(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    turns: list[str] = []

    def run_hunter(plan: Any, cores: Any) -> PeerRun:
        turns.append("hunter")
        return PeerRun("", "", plan.messages, 2.0, 1)

    def run_peer(peer: str, python: Path, plan: Any, cores: Any) -> PeerRun:
        turns.append(peer)
        if plan.mix == "mix":
            raise HunterError("broken: it fell over")
        return PeerRun("1.0", "3.11", plan.messages // 2, 10.0, 1, Percentiles(5, 6, 7))

    monkeypatch.setattr(comparison, "environments", lambda _: ({"ccxt": tmp_path}, []))
    monkeypatch.setattr(comparison, "_run_hunter", run_hunter)
    monkeypatch.setattr(comparison, "run_peer", run_peer)
    found = comparison.measure(tmp_path, 2, NO_CORES, lambda *_: None)
    assert turns[:4] == ["hunter", "ccxt", "hunter", "ccxt"]
    ours, theirs = found["peers"][:2]
    assert (ours["ratio"], theirs["ratio"]) == (0.0, 5.0)
    assert theirs["delivered_share"] == 0.5
    assert theirs["latency_us"] == {"p50": 5, "p99": 6, "p999": 7}
    assert found["peers_missing"] == ["broken: it fell over"]
    assert turns.count("ccxt") == 2 * 4 + 1, "a peer that is broken is not asked again"
