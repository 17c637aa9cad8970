"""`status`, `doctor`, `check` and the metrics tell the same of an instance, whatever state it is
in: all of them are made of one report.
"""

from __future__ import annotations

import json
import re
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from fakes.instance import HunterInstance, running, wait_until

from hunter.cli.main import cli
from hunter.cli.status import read

pytestmark = pytest.mark.system

EXIT_CODES = {"running": 0, "degraded": 5, "stopped": 3}
NAGIOS_CODES = {"OK": 0, "WARNING": 1, "CRITICAL": 2}
STEP = re.compile(r"; see: hunter [^;]*$")


def samples(text: str) -> dict[str, float]:
    """`name{labels}` -> value."""
    found = {}
    for line in text.splitlines():
        if line and not line.startswith("#"):
            name, _, value = line.rpartition(" ")
            found[name] = float(value)
    return found


def total(found: dict[str, float], name: str) -> float:
    return sum(value for key, value in found.items() if key.partition("{")[0] == name)


def told(instance: HunterInstance) -> tuple[Any, Any, Any, str, dict[str, float]]:
    """What each says, one after the other."""

    def run(*words: str) -> Any:
        return CliRunner().invoke(cli, [*words, "-c", str(instance.config_file)])

    status = run("status", "--json")
    screen = run("status")
    doctor = run("doctor", "--offline", "--json")
    check = run("check", "--format", "json")
    nagios = run("check", "--format", "nagios")
    metrics = run("check", "--format", "prometheus")
    report, verdict = json.loads(status.stdout), json.loads(check.stdout)
    state = report["state"]
    codes = {done.exit_code for done in (status, screen, check, metrics)}
    assert codes == {EXIT_CODES[state]}
    assert doctor.exit_code == (5 if state == "degraded" else 0), doctor.stdout
    assert nagios.exit_code == NAGIOS_CODES[verdict["status"]]
    assert nagios.stdout.startswith(f"{verdict['status']} - ")
    assert screen.stdout.startswith(f"● {state}")
    return report, json.loads(doctor.stdout), verdict, screen.stdout, samples(metrics.stdout)


def agree(instance: HunterInstance, state: str) -> Any:
    """The report, when all others have told the same."""
    report, doctor, verdict, screen, found = told(instance)
    assert report["state"] == verdict["state"] == state
    reasons = report["reasons"]
    assert verdict["reasons"] == reasons
    rows = [row["found"] for row in doctor["rows"] if row["check"] == "instance"]
    assert len(rows) == max(1, len(reasons))
    for reason, row in zip(reasons, rows, strict=False):
        assert reason in row
        assert reason in screen
    shown = [STEP.sub("", line[2:]) for line in screen.splitlines() if line.startswith("! ")]
    assert shown == (reasons if report["actors"] else [])
    figures = verdict["figures"]
    assert figures["actors"] == len(report["actors"])
    assert figures["restarts"] == sum(actor["restarts"] for actor in report["actors"])
    assert figures["lost"] == sum(feed["lost"] for feed in report["feeds"])
    assert figures["gaps"] == sum(feed["gaps"] for feed in report["feeds"])
    ready = sum(actor["state"] == "ready" for actor in report["actors"])
    assert figures["actors_ready"] == ready
    live = sum(feed["state"] == "live" for feed in report["feeds"])
    assert figures["feeds_live"] == live
    for feed in report["feeds"]:
        assert feed["instrument"] in screen
    assert total(found, "hunter_up") == (state != "stopped")
    metrics_agree(report, found)
    return report


def metrics_agree(report: Any, found: dict[str, float]) -> None:
    names = {key.partition("{")[0] for key in found}
    actors, feeds = report["actors"], report["feeds"]
    for name, wanted in (
        ("hunter_actor_restarts_total", sum(actor["restarts"] for actor in actors)),
        ("hunter_feed_lost_total", sum(feed["lost"] for feed in feeds)),
        ("hunter_feed_gaps_total", sum(feed["gaps"] for feed in feeds)),
    ):
        assert total(found, name) == wanted, name
        assert name in names or not actors, name


def by_http(instance: HunterInstance, path: str) -> tuple[int, str]:
    web = read(instance.config).web
    assert web is not None
    url = web.url.rstrip("/") + path
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def settled(instance: HunterInstance, state: str) -> None:
    """The report no longer moves between two states."""

    def holds() -> bool:
        return all(read(instance.config).state == state for _ in range(3))

    wait_until(f"the instance is {state}", holds)


def test_all_tell_the_same_in_three_situations(home: Path) -> None:
    page = ("web.enabled=true", "web.port=18790")
    with running(home, "watchdog.hang_after_ms=5000", *page) as (instance, _):
        settled(instance, "running")
        report = agree(instance, "running")
        assert {actor["state"] for actor in report["actors"]} == {"ready"}
        assert {feed["state"] for feed in report["feeds"]} == {"live"}
        assert by_http(instance, "/readyz")[0] == 200
        metrics_agree(report, samples(by_http(instance, "/metrics")[1]))

        instance.command("stop", "stream-0")
        settled(instance, "degraded")
        report = agree(instance, "degraded")
        assert any("stream-0 was stopped by the operator" in each for each in report["reasons"])
        assert {feed["state"] for feed in report["feeds"]} == {"connecting"}
        assert by_http(instance, "/readyz")[0] == 503
        assert by_http(instance, "/healthz")[0] == 200
        metrics_agree(report, samples(by_http(instance, "/metrics")[1]))

        instance.command("stop")
        report = agree(instance, "stopped")
        assert report["reasons"] == ['hunter "default" is not running; start it: hunter start']
