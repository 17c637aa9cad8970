"""A newcomer with nothing but the README: the commands of its sections, as they stand there.

A shell runs them, in a folder and with a home of their own. What is different from a newcomer's
machine, and why:

- `pip install` is left out: tests/extras/test_wheel.py installs a wheel into a fresh environment.
  `hunter` is this very checkout.
- After `hunter init` the addresses in hunter.toml are those of a local exchange look-alike, because
  tests have no network; the brain need not warm up for 30 s.
- systemd is not told anything; its own tool looks at the unit where it is installed.
- "Kill something" finds its victim by name, and might find somebody else's here;
  tests/system/test_kill_each_process.py does what it says.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fakes.instance import Simulator, temporary_home, wait_until

pytestmark = pytest.mark.system

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
INSTALLING = re.compile(r"python3 -m venv|pip install|\. env/bin/activate")
SIGNALS_SOON = "interval_ms = 50\nwarm_ms = 0\nhorizon_ms = 100\n"


def commands(text: str, heading: str) -> list[str]:
    """The lines of the indented blocks below a heading, without comments."""
    found = re.search(rf"(?ms)^## {re.escape(heading)}\n(.*?)(?=^## |\Z)", text)
    assert found, f'the README has no section "{heading}"'
    section = re.sub(r"(?ms)^```.*?^```", "", found[1])
    lines = [
        re.sub(r"\s+#.*", "", line).strip() for line in section.splitlines() if line[:4] == "    "
    ]
    return [line for line in lines if line]


class Shell:
    """Runs lines one after the other, keeping the folder."""

    def __init__(self, home: Path) -> None:
        self.home = self.folder = home
        self._programs = home / "programs"
        self._programs.mkdir()
        script = self._programs / "hunter"
        script.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m hunter "$@"\n')
        script.chmod(0o755)
        (home / ".venv/bin").mkdir(parents=True)
        (home / ".venv/bin/hunter").symlink_to(script)
        kept = ("LANG", "PYTHONPATH", "HUNTER_NATIVE")
        self.variables = {name: os.environ[name] for name in kept if name in os.environ}
        self.variables |= {
            "PATH": f"{self._programs}:{os.environ['PATH']}",
            "HOME": str(home),
            "XDG_RUNTIME_DIR": str(home),
            # from another folder than the checkout's, it is found where it is installed
            "PYTHONPATH": str(ROOT),
        }

    def run(self, line: str, *codes: int) -> str:
        """What it says. Fails unless its exit code is 0, or one of those given."""
        script = f"{line}\ncode=$?\npwd >&2\nexit $code"
        done = subprocess.run(
            ["sh", "-c", script],
            cwd=self.folder,
            env=self.variables,
            capture_output=True,
            text=True,
            timeout=90,
            check=False,
        )
        assert done.returncode in (codes or (0,)), (line, done.returncode, done.stdout, done.stderr)
        self.folder = Path(done.stderr.splitlines()[-1])
        return done.stdout

    def status(self) -> Any:
        return json.loads(self.run("hunter status --json", 0, 5))


@pytest.fixture
def shell() -> Iterator[Shell]:
    with temporary_home() as home:
        made = Shell(home)
        try:
            yield made
        finally:
            made.run("hunter stop", 0, 1, 78)


def test_commands_finds_what_stands_in_a_section() -> None:
    text = "## A\n\n    one    # why\n    two --x\n\n```\n    no\n```\n## B\n\n    three\n"
    assert commands(text, "A") == ["one", "two --x"]
    assert commands(text, "B") == ["three"]


def test_demo_starts_says_what_it_does_and_ends_with_ctrl_c(shell: Shell) -> None:
    assert "make demo" in commands(README, "Two commands")
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    recipe = re.search(r"(?m)^demo:.*\n\t@exec \$\(BIN\)/(.+)$", makefile)
    assert recipe, "make demo is one command of an installed hunter"
    output = shell.home / "output"
    with output.open("w") as said:
        process = subprocess.Popen(
            ["sh", "-c", f"exec {recipe[1]}"],
            cwd=shell.folder,
            env=shell.variables,
            stdout=said,
            stderr=subprocess.STDOUT,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )
    try:
        wait_until("ready", lambda: "Ready in" in output.read_text(), 40)
        assert "running" in shell.run("hunter status", 0, 5)
    finally:
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 0
    assert output.read_text().rstrip().endswith("nothing is left running")


def test_page_is_where_status_says_it_is(shell: Shell) -> None:
    start, status, stop = commands(README, "The page")
    shell.run(start)
    url = shell.status()["web"]["url"]
    assert url in shell.run(status, 0, 5)
    with urllib.request.urlopen(url, timeout=10) as answer:
        assert answer.status == 200
        assert b"<html" in answer.read().lower()
    with urllib.request.urlopen(f"{url.rstrip('/')}/metrics", timeout=10) as answer:
        assert b"hunter_" in answer.read()
    assert "stopped in" in shell.run(stop)


def test_live_configuration_and_a_brain_of_ones_own(shell: Shell) -> None:
    lines = [line for line in commands(README, "Live") if not INSTALLING.search(line)]
    assert any(line.startswith("hunter start") for line in lines)
    simulator = Simulator("--no-limits")
    try:
        for line in lines:
            shell.run(line, *((0, 5) if line.split()[1] in ("status", "doctor") else (0,)))
            if line.startswith("hunter init"):
                point_at(shell.folder / "hunter.toml", simulator.port)
            if line.startswith("hunter start"):
                wait_until("its trades", lambda: shell.status()["rings"][0]["sequence"] > 0)
        assert "not running" in shell.run("hunter status", 3)
        run_own_brain(shell)
    finally:
        shell.run("hunter stop", 0, 78)
        simulator.stop()


def point_at(file: Path, port: int) -> None:
    """At a local exchange, as somebody would who edits it."""
    text = file.read_text(encoding="utf-8")
    assert "\n[okx]\n" in text
    assert "\n[brain]\n" in text
    addresses = f'public_url = "ws://127.0.0.1:{port}/ws/v5/public"\n'
    addresses += f'rest_url = "http://127.0.0.1:{port}"\n'
    text = text.replace("\n[okx]\n", f"\n[okx]\n{addresses}")
    file.write_text(text.replace("\n[brain]\n", f"\n[brain]\n{SIGNALS_SOON}"), encoding="utf-8")


def run_own_brain(shell: Shell) -> None:
    """As the README says how: its class beside hunter.toml, and the key that names it."""
    found = re.search(r'`brain\.kind = "(\w+):(\w+)"`', README)
    code = re.search(r"(?ms)^```python\n((?:(?!^```).)*?^class \w+:.*?def decide.*?)^```", README)
    assert found
    assert code
    (shell.folder / f"{found[1]}.py").write_text(code[1], encoding="utf-8")
    file = shell.folder / "hunter.toml"
    text = file.read_text(encoding="utf-8")
    named = f'kind = "{found[1]}:{found[2]}"'
    assert '\nkind = "flow"\n' in text
    file.write_text(text.replace('\nkind = "flow"\n', f"\n{named}\n"), encoding="utf-8")
    shell.run("hunter config check")
    shell.run("hunter start -d")

    def models() -> set[str]:
        lines = shell.run("hunter signals --json").splitlines()
        return {json.loads(line)["model"] for line in lines}

    wait_until("its signals", lambda: f"{found[1]}:{found[2]}" in models())
    shell.run("hunter stop")


def test_service_is_installed_with_the_command_that_stands_there(shell: Shell) -> None:
    lines = [line for line in commands(README, "As a service") if "service install" in line]
    assert lines
    config = shell.folder / "hunter.toml"
    config.write_text('[hunter]\nruntime_dir = "run"\n', encoding="utf-8")
    for line in lines:
        unit = shell.run(f"{line} --print")
        assert f"start -c {config}" in unit
    said = shell.run("hunter service install --user --no-reload")
    file = shell.home / ".config/systemd/user/hunter.service"
    assert str(file) in said
    assert "hunter service install" in file.read_text() or file.read_text().startswith("# hunter")
    if shutil.which("systemd-analyze"):
        assert "systemd-analyze verify: fine" in said
    shell.run("hunter service uninstall --user") if not Path("/run/systemd/system").is_dir() else ""
