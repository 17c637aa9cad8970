"""`hunter status` over made-up pages."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from fakes.actor_stage import SWAP

from hunter.cli import status as status_module
from hunter.cli.status import read
from hunter.cli.status_text import text
from hunter.errors import HunterError
from hunter.status.latency import Latencies, Stage


def test_status_running_is_a_screen_and_exit_0(shown: Any) -> None:
    shown.up()
    shown.put_trades(10)
    output = shown.output("status")
    assert output.startswith('● running  "default" 0.1  pid ')
    for part in (
        "stream-0",
        "50 MB",
        "1.5 %",
        "1,234",
        f"{SWAP} 1 of 8,192 kept",
        "brain: warm, read 10 trades, 0 tickers, 4 books, 0 bbo; 9 decisions, 3 signals",
        "p50 180 us, p99 900 us",
        "stream-0 ws://127.0.0.1:1/ws/v5/public open, connects 2, last closed: closed 1001",
    ):
        assert part in output
    assert "!" not in output
    assert "\x1b" not in output


def test_status_json_has_exactly_the_public_keys(shown: Any) -> None:
    shown.up()
    report = json.loads(shown.output("status", "--json"))
    assert set(report) == {
        "schema", "state", "name", "version", "pid", "uptime_s", "reasons", "notices",
        "actors", "feeds", "connections", "limits", "rings", "brain", "memory",
        "latency_us", "web", "alerts", "store", "facts",
    }  # fmt: skip
    assert (report["schema"], report["state"], report["reasons"]) == (1, "running", [])
    assert [actor["name"] for actor in report["actors"]] == ["stream-0", "brain-0", "watchdog"]
    assert set(report["feeds"][0]) == {
        "instrument", "channel", "state", "messages", "age_ms", "gaps", "backfilled", "duplicates",
        "lost", "malformed", "lag_ms_p50", "lag_ms_p99", "mismatches", "resync_ms", "note",
        "actor",
    }  # fmt: skip
    assert set(report["latency_us"]) == {
        "exchange_to_receive", "receive_to_ring", "receive_to_brain", "receive_to_signal",
    }  # fmt: skip
    assert report["latency_us"]["receive_to_brain"] == {
        "p50": 0.0, "p99": 0.0, "p999": 0.0, "recent": 0, "count": 0, "sum": 0.0,
    }  # fmt: skip
    assert report["brain"]["latency_us"] == {"p50": 180.0, "p99": 900.0, "p999": 2000.0}


def test_status_shows_the_stages_that_have_counted_something(shown: Any) -> None:
    shown.up()
    assert "LATENCY" not in shown.output("status")
    kept = Latencies(shown.stage.status.pages["brain-0"])
    kept.record(Stage.RECEIVE_TO_BRAIN, 4_400, 980)
    kept.record(Stage.RECEIVE_TO_BRAIN, 800_000, 18)
    kept.record(Stage.RECEIVE_TO_BRAIN, 30_000_000, 2)
    lines = shown.output("status").splitlines()
    (at,) = (number for number, line in enumerate(lines) if line.startswith("LATENCY"))
    assert lines[at].split() == ["LATENCY", "P50", "P99", "P99.9"]
    assert " ".join(lines[at + 1].split()) == "receive to brain 4.5 us 803 us 30 ms"
    assert lines[at + 2 : at + 3] == [""]
    assert lines[at + 3].startswith("stream-0 ")


def test_status_degraded_says_why_and_exits_5(shown: Any) -> None:
    shown.up()
    shown.show_feed("stale", lost=7, lag_ms_p50=90_000.0, lag_ms_p99=91_000.0)
    result = shown.call("status")
    assert result.exit_code == 5
    assert result.output.startswith("● degraded")
    assert f"! {SWAP} trades: stale" in result.output
    assert "1 m 30 s" in result.output, "an old recording's age, not a lag in ms"


@pytest.mark.parametrize("state", ["starting", "stopping"])
def test_status_between_states_exits_5(shown: Any, state: str) -> None:
    shown.up(state)
    result = shown.call("status")
    assert result.exit_code == 5
    assert result.output.startswith(f"● {state}")


def test_status_stopped_exits_3(shown: Any) -> None:
    shown.down()
    result = shown.call("status")
    assert result.exit_code == 3
    assert result.output == ('● stopped  hunter "default" is not running; start it: hunter start\n')
    result = shown.call("status", "--json")
    assert result.exit_code == 3
    assert json.loads(result.output)["state"] == "stopped"


def test_status_of_a_killed_supervisor_shows_what_was(shown: Any) -> None:
    shown.up()
    shown.stage.status.pages["supervisor"].store("process_start", 1)
    result = shown.call("status")
    assert result.exit_code == 3
    assert "no supervisor" in result.output
    assert "was killed and took every process with it" in result.output


def test_status_of_actors_that_are_not_there_has_dashes(shown: Any) -> None:
    shown.up()
    report = read(shown.config)
    report.actors[0].pid = 0
    report.actors[0].active = False
    report.feeds[0].age_ms = None
    line = next(line for line in text(report).splitlines() if line.startswith("stream-0"))
    assert line.split()[:5] == ["stream-0", "(standby)", "ready", "-", "-"]


def test_status_watch_prints_again(shown: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    shown.up()
    pauses: list[float] = []

    def pause(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr(status_module.clock, "sleep_s", pause)
    lines = shown.call("status", "--watch", "--json").stdout.splitlines()
    assert [json.loads(line)["state"] for line in lines] == ["running"] * 3
    pauses.clear()
    assert shown.call("status", "--watch").stdout.count("● running") == 3


def test_status_of_another_users_instance_says_whose_it_is(
    shown: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = os.getuid()
    monkeypatch.setattr(os, "getuid", lambda: own + 1)
    error = shown.call("status").exception
    assert isinstance(error, HunterError)
    assert error.exit_code == 1
    assert f"belongs to user {own}" in str(error)
    assert f"sudo -u '#{own}' hunter status" in str(error)


def test_status_of_what_it_may_not_even_look_for_says_so(
    shown: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(_: Path) -> None:
        raise PermissionError(13, "Permission denied")

    shown.down()
    monkeypatch.setattr(Path, "lstat", refused)
    assert "cannot be looked into: Permission denied" in str(shown.call("status").exception)


def test_status_says_where_to_read_about_deaths(shown: Any) -> None:
    shown.up()
    assert "hunter deaths" not in shown.output("status")
    shown.up(brain=2)
    assert "restarts 2 (see: hunter deaths)" in shown.output("status")
