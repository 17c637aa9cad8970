"""Alerts from a whole instance to a real web server: what goes wrong, that it is over, and nothing
of the secrets anywhere.
"""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from fakes.alert_server import AlertServer
from fakes.instance import HunterInstance, Simulator, temporary_home, wait_until

from hunter.access import Instance
from hunter.status.documents import AlertsDocument
from hunter.status.shapes import ActorReport, StatusReport

pytestmark = pytest.mark.system

HOOK, BOT = "dummy-hook-9c2f", "dummy-bot-77ab"
LATE_MS = 1_000.0


class Alerted:
    """An instance whose alerts go to a server here, by webhook and as Telegram would take them."""

    def __init__(self, home: Path, port: int) -> None:
        self.server = AlertServer()
        for name, secret in (("hook", HOOK), ("bot", f"bot{BOT}")):
            (home / name).write_text(f"{self.server.url}/{secret}\n")
            (home / name).chmod(0o600)
        self.instance = HunterInstance(
            home,
            [
                "alerts.enabled=true",
                'alerts.webhook="file:hook"',
                'alerts.telegram_token="file:bot"',
                'alerts.telegram_chat="-5"',
                "alerts.after_s=1",
            ],
            port,
        )

    def lines(self, path: str = f"/{HOOK}") -> list[str]:
        """All that was told, without the titles."""
        return [line for body in self.server.bodies(path) for line in body["text"].splitlines()[1:]]

    def told(self, text: str) -> None:
        wait_until(f"told: {text}", lambda: any(text in line for line in self.lines()))

    def status(self) -> StatusReport:
        """As `hunter status` has it, without a process for each look."""
        with Instance(self.instance.config) as seen:
            return seen.status()

    def alerts(self) -> AlertsDocument:
        found = self.status().alerts
        assert found is not None
        return found

    def actor(self, name: str) -> ActorReport:
        return next(actor for actor in self.status().actors if actor.name == name)


@pytest.fixture(scope="module")
def simulator() -> Iterator[Simulator]:
    made = Simulator("--no-limits")
    yield made
    made.stop()


@pytest.fixture(scope="module")
def alerted(simulator: Simulator) -> Iterator[Alerted]:
    with temporary_home() as home:
        made = Alerted(home, simulator.port)
        try:
            made.instance.start()
            yield made
        finally:
            made.instance.stop()
            made.server.close()


def files_with_secrets(home: Path) -> list[str]:
    """Of all that the instance has written, but the secrets' own files."""
    return [
        str(path)
        for path in home.rglob("*")
        if path.is_file() and path.name not in ("hook", "bot")
        if any(secret.encode() in path.read_bytes() for secret in (HOOK, BOT))
    ]


def test_exchange_that_goes_away_is_one_alert_and_one_resolved_and_what_was_lost(
    alerted: Alerted, simulator: Simulator
) -> None:
    simulator.stop(signal.SIGKILL)
    alerted.told("is degraded: BTC-USDT-SWAP trades: connecting")
    # A killed alerts process repeats nothing and forgets nothing.
    wait_until("both to have it", lambda: alerted.alerts().sent == 2)
    before = alerted.actor("alerts").pid
    os.kill(before, signal.SIGKILL)
    wait_until("another one", lambda: alerted.actor("alerts").pid not in (0, before))
    wait_until("it to be ready", lambda: alerted.actor("alerts").state == "ready")
    simulator.restart()
    alerted.told("resolved after")
    assert len(alerted.lines()) == 3, "\n".join(alerted.lines())
    first, lost, last = alerted.lines()
    assert first.startswith("- default is degraded: ")
    assert "lost for good" in lost, "the market of another simulator is another one"
    assert last.startswith("- resolved after ")
    wait_until("the bot", lambda: len(alerted.lines(f"/bot{BOT}/sendMessage")) == 3)
    assert alerted.lines(f"/bot{BOT}/sendMessage") == alerted.lines()
    assert alerted.server.bodies(f"/bot{BOT}")[0]["chat_id"] == "-5"
    wait_until("its figures", lambda: alerted.alerts().sent == 6)


def test_server_that_hangs_fails_or_closes_holds_nobody_up(alerted: Alerted) -> None:
    instance, server = alerted.instance, alerted.server
    server.posts.clear()
    server.mood = "hang"
    instance.command("stop", "brain-0")
    wait_until("the server to hang", lambda: server.posts)
    actor = alerted.actor("alerts")
    assert (actor.state, actor.restarts) == ("ready", 1)
    assert actor.heartbeat_age_ms < LATE_MS
    server.mood = "500"
    server.let_go.set()
    wait_until("more tries", lambda: alerted.alerts().failed > 1)
    assert alerted.alerts().waiting == 2
    assert any("alerts cannot be told, 2 wait" in text for text in alerted.status().notices)
    server.mood = "404"
    wait_until("it to give up", lambda: alerted.alerts().dropped == 2)
    server.mood = "ok"
    instance.command("restart", "brain-0")
    alerted.told("resolved after")


def test_killed_supervisor_is_told_of_by_the_next_start_and_the_secrets_are_nowhere(
    alerted: Alerted,
) -> None:
    instance, server = alerted.instance, alerted.server
    server.posts.clear()
    os.kill(alerted.status().pid, signal.SIGKILL)
    wait_until("the end", lambda: alerted.status().state == "stopped")
    instance.start()
    alerted.told("the former supervisor was killed")
    assert len(alerted.lines()) == 1
    shown = json.dumps(instance.status()) + instance.command("status", check=False).stdout
    shown += (
        instance.command("logs", "-n", "1000").stdout + instance.command("config", "show").stdout
    )
    words = Path(f"/proc/{alerted.actor('alerts').pid}/cmdline").read_bytes().decode()
    pages = b"".join(path.read_bytes() for path in instance.shared.iterdir()).decode("latin-1")
    assert not [secret for secret in (HOOK, BOT) if secret in shown + words + pages]
    assert "alerts.json" in {path.name for path in instance.home.rglob("*")}
    assert files_with_secrets(instance.home) == []
