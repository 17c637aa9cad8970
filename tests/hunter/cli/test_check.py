"""`hunter check`: one line, and two families of exit codes."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from fakes.actor_stage import SWAP

from hunter.cli.check import line, verdict
from hunter.cli.status import read


def test_running_is_ok_in_one_line(shown: Any) -> None:
    shown.up()
    output = shown.output("check")
    words, _, figures = output.partition(" | ")
    assert re.fullmatch(r"OK - 1 instrument, lag p99 0 ms, up \d+\.\d s", words)
    assert figures.startswith("actors=3 actors_ready=3 ")
    assert " feeds=1 feeds_live=1 " in output
    assert output.count("\n") == 1
    assert shown.output("check", "--format", "nagios").startswith("OK - ")


@pytest.mark.parametrize(
    ("state", "ours", "nagios", "word"),
    [
        ("starting", 5, 1, "WARNING"),
        ("stopping", 5, 1, "WARNING"),
        ("stale", 5, 2, "CRITICAL"),
        ("one of two", 5, 1, "WARNING"),
        ("down", 3, 2, "CRITICAL"),
    ],
)
def test_exit_codes_are_ours_or_those_of_nagios(
    shown: Any, state: str, ours: int, nagios: int, word: str
) -> None:
    if state == "down":
        shown.down()
    else:
        shown.up("running" if state not in ("starting", "stopping") else state)
    if state == "stale":
        shown.show_feed("stale")
    if state == "one of two":
        shown.states("degraded", "ready", "ready")
    found = shown.call("check")
    assert (found.exit_code, found.output.split(" - ")[0]) == (ours, word)
    found = shown.call("check", "--format", "nagios")
    assert (found.exit_code, found.output.split(" - ")[0]) == (nagios, word)


def test_reasons_are_on_the_line_without_a_bar(shown: Any) -> None:
    shown.up()
    report = read(shown.config)
    report.state = "degraded"
    report.reasons = ["a | b", "c\nd", "e", "f", "g"]
    told = line(verdict(report))
    assert told.startswith("WARNING - degraded: a / b; c d; e; and 2 more: hunter status | actors=")
    assert told.count("|") == 1


def test_lost_matches_are_told(shown: Any) -> None:
    shown.up()
    shown.show_feed("live", lost=7, lag_ms_p99=95.25)
    output = shown.output("check")
    assert "lag p99 95 ms, 7 lost" in output
    assert " lag_ms=95.2 " in output
    assert " lost=7 " in output


def test_stopped_has_no_figures_to_draw(shown: Any) -> None:
    shown.down()
    assert shown.call("check").output == (
        'CRITICAL - stopped: hunter "default" is not running; start it: hunter start\n'
    )


def test_bad_configuration_is_unknown_to_nagios_and_78_to_us(shown: Any) -> None:
    shown.stage.config_file.write_text("[ring]\ncapacitty = 64\n")
    assert shown.run("check").returncode == 78
    done = shown.run("check", "--format", "nagios")
    assert done.returncode == 3
    assert done.stdout.startswith("UNKNOWN - ")
    assert "capacitty" in done.stdout


def test_check_as_json(shown: Any) -> None:
    shown.up()
    shown.show_feed("stale")
    result = shown.call("check", "--format", "json")
    found = json.loads(result.output)
    assert result.exit_code == 5
    assert set(found) == {"schema", "status", "state", "name", "summary", "reasons", "figures"}
    assert (found["status"], found["state"]) == ("CRITICAL", "degraded")
    assert found["reasons"][0].startswith(f"{SWAP} trades: stale")
    assert found["figures"]["feeds_live"] == 0


def test_check_as_prometheus_is_the_metrics(shown: Any) -> None:
    shown.up()
    assert "hunter_up 1.0\n" in shown.output("check", "--format", "prometheus")
