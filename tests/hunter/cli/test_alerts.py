"""`hunter alerts test` against a real web server."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from fakes.alert_server import AlertServer

from hunter.cli.main import cli
from hunter.errors import ConfigError, HunterError

SECRET = "hook-secret"


@pytest.fixture
def server() -> Iterator[AlertServer]:
    made = AlertServer()
    yield made
    made.close()


def run(home: Path, alerts: str) -> Result:
    file = home / "hunter.toml"
    file.write_text(f"[alerts]\n{alerts}")
    return CliRunner().invoke(cli, ["alerts", "test", "-c", str(file)])


def test_each_channel_gets_one_message_and_its_answer_is_shown(
    tmp_path: Path, server: AlertServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOOK", f"{server.url}/{SECRET}")
    monkeypatch.setenv("BOT", f"{server.url}/bot{SECRET}")
    ways = 'webhook = "env:HOOK"\ntelegram_token = "env:BOT"\ntelegram_chat = "5"\n'
    done = run(tmp_path, ways + "enabled = true\n")
    assert done.exit_code == 0, done.output
    assert done.output == "webhook: delivered (200)\ntelegram: delivered (200)\n"
    assert len(server.posts) == 2
    assert "this is a test, nothing is wrong" in server.posts[0].body["text"]
    server.mood = "401"
    done = run(tmp_path, ways)
    assert isinstance(done.exception, HunterError)
    assert str(done.exception) == "not delivered by webhook, telegram"
    assert "webhook: not delivered: HTTP 401\n" in done.output
    assert "alerts.enabled is false" in done.output
    assert SECRET not in done.output


def test_nobody_to_tell_is_a_bad_configuration(tmp_path: Path) -> None:
    done = run(tmp_path, "")
    assert isinstance(done.exception, ConfigError)
    assert "nobody to tell" in str(done.exception)
