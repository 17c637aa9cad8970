"""What the Dockerfile does, without Docker: only the files that it copies, a wheel made of them, a
fresh environment that has nothing else of ours, and hunter run from there in another folder.

It finds what an installation from the checkout hides: files that did not get into the wheel, and
code that reaches for the checkout. The libraries come from the environment that runs the tests,
by a path file; in the image they come from requirements/service.lock.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import urllib.request
import venv
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fakes.instance import temporary_home, wait_until

ROOT = Path(__file__).resolve().parents[2]
NOT_SHIPPED = {".c", ".pyc", ".so"}
QUIET = ("--disable-pip-version-check", "--quiet")


def sources() -> list[str]:
    """What the Dockerfile's first stage copies from the checkout, without the locks."""
    text = (ROOT / "Dockerfile").read_text(encoding="utf-8").split("\nFROM")[1]
    lines = re.findall(r"(?m)^COPY (?!--)(.+)$", text)
    found = [word for line in lines for word in line.split()[:-1]]
    return [word for word in found if not word.startswith("requirements/")]


def run(*words: str, cwd: Path, check: bool = True) -> subprocess.CompletedProcess[str]:
    """In an environment without a word of the checkout's."""
    bare = {"PATH": os.environ["PATH"], "HOME": str(cwd), "LANG": "C.UTF-8"}
    done = subprocess.run(
        words, cwd=cwd, env=bare, capture_output=True, text=True, timeout=120, check=False
    )
    assert not check or done.returncode == 0, (words, done.returncode, done.stdout, done.stderr)
    return done


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built as the image builds it."""
    home = tmp_path_factory.mktemp("source")
    for name in sources():
        if (ROOT / name).is_dir():
            ignored = shutil.ignore_patterns("__pycache__", "*.so", "*.egg-info")
            # links stay links, as COPY has them: what they lead to must be copied by name
            shutil.copytree(ROOT / name, home / name, symlinks=True, ignore=ignored)
        else:
            shutil.copy(ROOT / name, home / name)
    pip = (sys.executable, "-m", "pip", *QUIET)
    run(*pip, "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", "out", ".", cwd=home)
    (found,) = (home / "out").glob("*.whl")
    return found


class Installed:
    """`hunter` out of a fresh environment; `home` is a folder with a configuration, `elsewhere`
    another, to call it from.
    """

    def __init__(self, wheel: Path, home: Path) -> None:
        self.home = home
        self.elsewhere = home / "elsewhere"
        self.elsewhere.mkdir()
        self.environment = home / "env"
        venv.create(self.environment, symlinks=True)
        self.python = str(self.environment / "bin" / "python")
        pip = (sys.executable, "-m", "pip", "--python", self.python, *QUIET)
        run(*pip, "install", "--no-deps", "--no-index", str(wheel), cwd=home)
        (site,) = (self.environment / "lib").glob("*/site-packages")
        # path files in there are not read: an editable installation of the checkout stays out
        (site / "libraries.pth").write_text(sysconfig.get_paths()["purelib"] + "\n")
        self.site = site
        self.file = home / "hunter.toml"
        self.file.write_text('[hunter]\nname = "wheel"\nruntime_dir = "run"\n[web]\nport = 18787\n')

    def hunter(self, *words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        program = str(self.environment / "bin" / "hunter")
        return run(program, *words, "-c", str(self.file), cwd=self.elsewhere, check=check)

    def status(self) -> Any:
        return json.loads(self.hunter("status", "--json", check=False).stdout)


@pytest.fixture(scope="module")
def installed(wheel: Path) -> Iterator[Installed]:
    with temporary_home() as home:
        made = Installed(wheel, home)
        try:
            yield made
        finally:
            made.hunter("stop", check=False)


def shipped() -> set[str]:
    """Every file of the two packages that a user's copy has to have."""
    return {
        path.relative_to(ROOT).as_posix()
        for package in ("hunter", "supervisor")
        for path in (ROOT / package).rglob("*")
        if path.is_file() and path.suffix not in NOT_SHIPPED
    }


def test_wheel_has_every_file_of_the_packages_and_the_compiled_half(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    assert {"hunter/__main__.py", "hunter/py.typed", "supervisor/runner.py"} <= names
    missing = sorted(shipped() - names)
    assert not missing, "pyproject.toml, [tool.setuptools.package-data]"
    assert [name for name in names if re.fullmatch(r"hunter/native/_kernel\..*\.so", name)]
    assert not [name for name in names if name.startswith(("tests/", "data/"))]


def test_installed_hunter_is_the_wheels_own(installed: Installed) -> None:
    code = "import hunter, supervisor; from hunter.native import kernel; print(hunter.__file__)"
    code += "; print(supervisor.__file__); print(kernel is not None)"
    lines = run(installed.python, "-P", "-c", code, cwd=installed.elsewhere).stdout.split()
    assert all(Path(line).is_relative_to(installed.site) for line in lines[:2])
    assert lines[2] == "True"


def test_installed_hunter_runs_a_demo_shows_its_page_and_stops_from_another_folder(
    installed: Installed,
) -> None:
    has_page = (ROOT / "hunter/web/static/index.html").is_file()
    words = ("--set", "web.enabled=true") if has_page else ()
    installed.hunter("start", "--demo", "-d", *words)
    report = installed.status()
    assert report["state"] == "running", report["reasons"]
    wait_until("trades", lambda: sum(ring["sequence"] for ring in installed.status()["rings"]))
    assert '"price"' in installed.hunter("trades", "BTC-USDT-SWAP", "-n", "1", "--json").stdout
    if has_page:
        with urllib.request.urlopen(report["web"]["url"], timeout=10) as answer:
            assert b"<html" in answer.read().lower()
    installed.hunter("stop")
    assert installed.status()["state"] == "stopped"


def test_installed_hunter_has_what_its_commands_read(installed: Installed) -> None:
    unit = installed.hunter("service", "install", "--user", "--print").stdout
    assert f"ExecStart={installed.environment}/bin/hunter start" in unit
    if (
        "init"
        not in run(str(installed.environment / "bin" / "hunter"), "--help", cwd=installed.elsewhere)
        .stdout.split("Commands:")[1]
        .split()
    ):
        pytest.skip("hunter init is not there yet")
    program = str(installed.environment / "bin" / "hunter")
    run(program, "init", "mine", cwd=installed.elsewhere)
    run(program, "config", "check", "-c", "mine/hunter.toml", cwd=installed.elsewhere)
