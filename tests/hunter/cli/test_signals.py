"""`hunter signals`: out of the journal, whoever runs."""

from __future__ import annotations

import json
from typing import Any

import pytest
from fakes.actor_stage import SWAP

from hunter.access import following
from hunter.errors import NotFound


def test_signals_are_there_when_nothing_runs(shown: Any) -> None:
    shown.down()
    for boundary_ms in (1_000, 2_000, 3_000):
        shown.put_signal(boundary_ms)
    lines = shown.output("signals", "-n", "2").splitlines()
    assert len(lines) == 2
    assert lines[0] == (
        f"2026-09-21T14:13:20.000Z  {SWAP}  up   5 s ahead   p(up) 0.620  (1 s 0.70, 5 s 0.62)"
        "  p(move) 0.80  edge +0.25 bp, -9.75 after fees  calm/tight/quiet  queues lean up"
    )


def test_signals_json_has_the_public_keys(shown: Any) -> None:
    shown.put_signal(1_000, "down")
    item = json.loads(shown.output("signals", SWAP, "--json"))
    assert list(item) == [
        "schema", "id", "instrument", "direction", "probability_up", "confidence",
        "probability_move", "edge_bp", "edge_after_fee_bp", "horizon_ms", "outlook", "regime",
        "reason", "features", "experts", "context", "model", "trade_sequence", "book_seq_id",
        "quality", "decided_ts_ns", "latency_us",
    ]  # fmt: skip
    assert item["direction"] == "down"
    assert list(item["quality"]) == [
        "feed", "book_valid", "lag_ms", "gaps_in_window", "data_age_ms",
    ]  # fmt: skip


def test_signals_that_never_were_are_explained_on_stderr(shown: Any) -> None:
    result = shown.call("signals", "--json")
    assert result.exit_code == 0
    assert result.stdout == ""
    assert "no signals yet" in result.stderr


def test_signals_of_an_unknown_instrument(shown: Any) -> None:
    shown.put_signal(1_000)
    error = shown.call("signals", "XRP-USDT").exception
    assert isinstance(error, NotFound)
    assert "this instance streams BTC-USDT-SWAP" in str(error)


def test_signals_followed_shows_each_new_one(shown: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    shown.put_signal(1_000)
    pauses = iter([2_000, 3_000])

    def pause(seconds: float) -> None:
        boundary_ms = next(pauses, None)
        if boundary_ms is None:
            raise KeyboardInterrupt
        shown.put_signal(boundary_ms)

    monkeypatch.setattr(following.clock, "sleep_s", pause)
    result = shown.call("signals", "--follow", "--json")
    ids = [json.loads(line)["id"] for line in result.stdout.splitlines()]
    assert [name.rsplit("-", 1)[1] for name in ids] == ["1000", "2000", "3000"]
