from __future__ import annotations

import sys
from pathlib import Path

import pytest

from hunter.config import AlertsSection, BrainSection, Config
from hunter.system import environment
from hunter.system.environment import actor_environment, interpreter

SESSION = {
    "PATH": "/usr/bin",
    "LC_ALL": "C.UTF-8",
    "PYTHONPATH": "here",
    "SSL_CERT_FILE": "trusted.pem",
    "COVERAGE_PROCESS_START": "x",
    "HTTPS_PROXY": "http://anna:secret@proxy.example:1",
    "no_proxy": "localhost",
    "DATABASE_TOKEN": "secret",
    "AWS_SECRET_ACCESS_KEY": "secret",
    "NOTIFY_SOCKET": "@systemd",
    "HUNTER_CONFIG": "hunter.toml",
    "HUNTER_NATIVE": "off",
}
COMMON = {
    "PATH", "LC_ALL", "PYTHONPATH", "SSL_CERT_FILE", "COVERAGE_PROCESS_START", "HUNTER_NATIVE",
}  # fmt: skip
PLUGINS = Config(brain=BrainSection(kind="mine:Brain"))


@pytest.mark.parametrize("role", ["brain", "watchdog", "exchange", "web", "store"])
def test_actor_gets_what_every_program_needs_and_no_secret(role: str) -> None:
    found = actor_environment(SESSION, role, Config())
    assert found.keys() == COMMON
    assert "secret" not in str(found)


def test_stream_gets_the_way_to_the_exchange_too() -> None:
    found = actor_environment(SESSION, "stream", PLUGINS)
    assert found.keys() == COMMON | {"HTTPS_PROXY", "no_proxy"}


def test_users_brain_gets_all_because_it_is_the_users_program() -> None:
    assert actor_environment(SESSION, "brain", PLUGINS) == SESSION
    assert actor_environment(SESSION, "watchdog", PLUGINS).keys() == COMMON


def test_only_who_alerts_gets_its_secrets_and_the_way_out() -> None:
    alerts = AlertsSection(webhook="env:DATABASE_TOKEN", apprise="file:HUNTER_CONFIG")
    config = Config(alerts=alerts)
    found = actor_environment(SESSION, "alerts", config)
    assert found.keys() == COMMON | {"HTTPS_PROXY", "no_proxy", "DATABASE_TOKEN"}
    assert "DATABASE_TOKEN" not in actor_environment(SESSION, "stream", config)
    assert "DATABASE_TOKEN" not in actor_environment(SESSION, "web", config)


ROOT = Path(environment.__file__).resolve().parents[2]


def test_modules_do_not_come_from_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", ["", str(tmp_path), str(ROOT)])
    assert interpreter() == (sys.executable, "-P")


def test_source_tree_that_is_not_installed_is_found_in_the_working_directory(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(sys, "path", ["", str(ROOT)])
    assert interpreter() == (sys.executable,)


def test_source_tree_is_not_mixed_with_another_hunter_that_is_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "hunter").mkdir()
    (tmp_path / "hunter" / "__init__.py").touch()
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(sys, "path", ["", str(ROOT), str(tmp_path)])
    assert interpreter() == (sys.executable,)
