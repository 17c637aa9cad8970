"""`hunter service`: what it writes, says and refuses; a systemd that runs here hears nothing."""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from hunter.cli import service as module
from hunter.cli.main import cli
from hunter.errors import ConfigError, HunterError, NotRunning


class Machine:
    """A home and a configuration; `systemctl` is a script that writes down what it is told."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.file = home / "hunter.toml"
        self.file.write_text('[hunter]\nruntime_dir = "run"\n')
        self.unit = home / "config" / "systemd" / "user" / "hunter.service"
        self.told = home / "told"
        self.active = "active"
        script = home / "bin" / "systemctl"
        script.parent.mkdir()
        script.write_text(
            f'#!/bin/sh\necho "$@" >> {self.told}\ncase "$*" in *show*) cat {home}/shown;; esac\n'
        )
        script.chmod(script.stat().st_mode | stat.S_IXUSR)

    def call(self, *words: str) -> Result:
        return CliRunner().invoke(cli, ["service", *words, "-c", str(self.file)])

    def output(self, *words: str) -> str:
        found = self.call(*words)
        assert found.exception is None, found.exception
        return found.output

    def orders(self) -> list[str]:
        return self.told.read_text().splitlines() if self.told.exists() else []


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    """Where systemd does not run."""
    made = Machine(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    return made


@pytest.fixture
def with_systemd(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> Machine:
    """Where it runs: the script answers for it."""
    found = module.Systemd

    class Running(found):  # type: ignore[valid-type,misc]
        @classmethod
        def of_this_host(cls, is_users: bool, variables: Any) -> Any:
            del is_users, variables
            return found(True, machine.unit.parent, runs=True)

    monkeypatch.setattr(module, "Systemd", Running)
    return machine


def test_printed_unit_starts_this_installation_and_nothing_is_written(machine: Machine) -> None:
    text = machine.output("install", "--print")
    start = next(line for line in text.splitlines() if line.startswith("ExecStart="))
    assert start.endswith(f"start -c {machine.file}")
    assert Path(start.split("=")[1].split()[0]).is_file()
    assert "\nUser=hunter\n" in text
    assert "\nUser=market\n" in machine.output("install", "--print", "--run-as", "market")
    assert "\nUser=" not in machine.output("install", "--print", "--user")
    assert not machine.unit.exists()
    assert machine.orders() == []


def test_version_behind_a_link_is_started_by_the_link(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = Path(sys.executable).with_name("hunter")
    link = machine.home / "current"
    link.symlink_to(program.parent)
    for called, told in (("current/hunter", link / "hunter"), ("current/none", program)):
        monkeypatch.setattr(sys, "argv", [str(machine.home / called), "service"])
        assert f"ExecStart={told} start" in machine.output("install", "--user", "--print")


def test_user_unit_is_written_told_and_removed_without_systemd(machine: Machine) -> None:
    text = machine.output("install", "--user")
    assert f"wrote {machine.unit}" in text
    assert "systemctl --user enable --now hunter" in text
    assert "loginctl enable-linger" in text
    assert machine.unit.read_text() == machine.output("install", "--user", "--print")
    assert "is up to date" in machine.output("install", "--user")
    assert machine.call("status", "--user").exception.args == ("systemd does not run here",)
    assert f"removed {machine.unit}" in machine.output("uninstall", "--user")
    assert "nothing to do" in machine.output("uninstall", "--user")
    assert machine.orders() == []


def test_status_of_what_is_not_installed_names_the_very_command(machine: Machine) -> None:
    for words, told in ((("status", "--user"), " --user"), (("status", "--name", "none"), "")):
        error = machine.call(*words).exception
        assert isinstance(error, NotRunning)
        assert str(error).endswith(f"is not there; install it: hunter service install{told}")


def test_systemd_that_runs_is_told(with_systemd: Machine) -> None:
    assert "systemd has read it" in with_systemd.output("install", "--user")
    assert with_systemd.orders() == ["--user daemon-reload"]
    with_systemd.output("install", "--user")
    assert len(with_systemd.orders()) == 1, "nothing is new"
    with_systemd.file.write_text('[hunter]\nruntime_dir = "run"\n[stream]\nstandby = true\n')
    assert "systemctl --user restart hunter" in with_systemd.output("install", "--user")
    with_systemd.output("uninstall", "--user")
    assert with_systemd.orders()[2:] == [
        "--user disable --now hunter.service",
        "--user daemon-reload",
    ]


def test_no_reload_tells_systemd_nothing(with_systemd: Machine) -> None:
    with_systemd.output("install", "--user", "--no-reload")
    assert with_systemd.orders() == []


def test_status_says_what_systemd_says_and_whether_the_unit_is_old(with_systemd: Machine) -> None:
    shown = with_systemd.home / "shown"
    shown.write_text(
        "ActiveState=active\nSubState=running\nUnitFileState=enabled\nMainPID=7\n"
        "StatusText=3 of 3 ready\n"
    )
    missing = with_systemd.call("status", "--user")
    assert isinstance(missing.exception, NotRunning)
    with_systemd.output("install", "--user")
    text = with_systemd.output("status", "--user")
    assert "hunter.service: up to date" in text
    assert "active (running), enabled, pid 7: 3 of 3 ready" in text
    with_systemd.file.write_text('[hunter]\nruntime_dir = "run"\n[stream]\nstandby = true\n')
    assert "older than its configuration" in with_systemd.output("status", "--user")
    with_systemd.unit.write_text(with_systemd.unit.read_text() + "Nice=3\n")
    assert "changed by hand" in with_systemd.output("status", "--user")
    with_systemd.unit.write_text("[Service]\n")
    assert "not made by hunter" in with_systemd.output("status", "--user")
    shown.write_text("ActiveState=failed\nSubState=failed\nUnitFileState=\nMainPID=0\n")
    failed = with_systemd.call("status", "--user")
    assert isinstance(failed.exception, NotRunning)
    assert "journalctl --user -u hunter" in str(failed.exception)


def test_foreign_unit_is_neither_replaced_nor_stopped(with_systemd: Machine) -> None:
    with_systemd.unit.parent.mkdir(parents=True)
    with_systemd.unit.write_text("[Service]\nExecStart=/bin/true\n")
    for verb in ("install", "uninstall"):
        error = with_systemd.call(verb, "--user").exception
        assert isinstance(error, HunterError)
        assert "was not made by hunter service install" in str(error)
    assert with_systemd.orders() == []


@pytest.mark.parametrize(
    ("words", "kind", "told"),
    [
        (("install", "--run-as", "root"), ConfigError, "a user of its own"),
        (("install", "--run-as", "no-such-user-here"), HunterError, "useradd --system|needs root"),
        (("install", "--user", "--name", "a b"), ConfigError, "--name"),
    ],
)
def test_what_could_not_work_is_refused(
    machine: Machine, words: tuple[str, ...], kind: type[HunterError], told: str
) -> None:
    found = machine.call(*words)
    with pytest.raises(kind, match=told):
        raise found.exception


def test_configuration_that_is_no_file_is_refused(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    monkeypatch.chdir(empty)
    found = CliRunner().invoke(cli, ["service", "install", "--user"])
    with pytest.raises(ConfigError, match="needs a configuration file"):
        raise found.exception


def test_host_is_for_root(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "getuid", lambda: 1234)
    found = machine.call("install")
    with pytest.raises(HunterError, match="service install --user"):
        raise found.exception


def test_secrets_are_asked_for_by_name(machine: Machine) -> None:
    machine.file.write_text(
        '[hunter]\nruntime_dir = "run"\n[alerts]\nenabled = true\nwebhook = "env:HOOK"\n'
    )
    assert f"put HOOK into {machine.home / 'hunter.env'}" in machine.output("install", "--user")
