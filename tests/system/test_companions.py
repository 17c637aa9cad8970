"""Page, alerts and store only look on: killed, hung or stopped, stream and brain do not notice."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fakes.instance import HunterInstance, running, temporary_home, wait_until

from hunter.access import Instance
from hunter.status.report import ActorReport, StatusReport
from hunter.system import free_port

pytestmark = pytest.mark.system

ROOT = Path(__file__).resolve().parents[2]
COMPANIONS = ("web", "alerts", "store")
THERE = tuple(name for name in COMPANIONS if (ROOT / "hunter" / name / "__main__.py").exists())


@pytest.fixture(scope="module")
def watched() -> Iterator[Watched]:
    """All companions that there are, the brain asked often; nobody listens to the alerts."""
    if not THERE:
        pytest.skip("there are no companions yet")
    with temporary_home() as home:
        hook = home / "webhook"
        hook.touch(mode=0o600)
        hook.write_text(f"http://127.0.0.1:{free_port()}/\n")
        settings = [f"{name}.enabled=true" for name in THERE]
        settings += [f'alerts.webhook="file:{hook}"', f"web.port={free_port()}"]
        with running(home, "brain.interval_ms=50", *settings) as (made, _):
            looked_at = Watched(made)
            try:
                yield looked_at
            finally:
                looked_at.close()


def facts(report: StatusReport) -> dict[str, Any]:
    """What must not change: who they are, and what they have lost."""
    return {
        "actors": [
            (actor.name, actor.pid, actor.restarts, actor.state)
            for actor in report.actors
            if actor.role not in COMPANIONS
        ],
        "feeds": [
            (feed.channel, feed.gaps, feed.lost, feed.malformed, feed.backfilled, feed.duplicates)
            for feed in report.feeds
        ],
        "connects": [connection.connects for connection in report.connections],
        "lapped": report.brain.lapped,
    }


class Watched:
    """The instance, looked at from this process: a look costs a millisecond."""

    def __init__(self, instance: HunterInstance) -> None:
        self.instance = instance
        self._access = Instance(instance.config)

    def close(self) -> None:
        self._access.close()

    def report(self) -> StatusReport:
        return self._access.status()

    def companion(self, name: str) -> ActorReport:
        return next(actor for actor in self.report().actors if actor.name == name)

    def goes_on(self) -> None:
        """Rows and decisions come, from now on."""
        rows, decisions = self.progress()

        def is_further() -> bool:
            now = self.progress()
            return now[0] > rows and now[1] > decisions

        wait_until("new rows and decisions", is_further)

    def progress(self) -> tuple[int, int]:
        report = self.report()
        return report.rings[0].sequence, report.brain.decisions


def end(watched: Watched, name: str, how: str) -> None:
    if how == "stopped by name":
        watched.instance.command("stop", name)
    else:
        pid = watched.companion(name).pid
        assert pid
        os.kill(pid, signal.SIGKILL if how == "killed" else signal.SIGSTOP)


@pytest.mark.parametrize("how", ["killed", "hung", "stopped by name"])
def test_companions_that_end_change_nothing_for_stream_and_brain(
    watched: Watched, how: str
) -> None:
    watched.goes_on()
    before = facts(watched.report())
    old = {name: watched.companion(name).pid for name in THERE}
    for name in THERE:
        end(watched, name, how)
        watched.goes_on()
    if how == "stopped by name":
        assert [watched.companion(name).state for name in THERE] == ["stopped"] * len(THERE)
        for name in THERE:
            watched.instance.command("restart", name)

    def are_back() -> bool:
        now = [watched.companion(name) for name in THERE]
        return all(each.state == "ready" and each.pid not in (0, old[each.name]) for each in now)

    wait_until("the companions are back", are_back, 30)
    watched.goes_on()
    assert facts(watched.report()) == before
