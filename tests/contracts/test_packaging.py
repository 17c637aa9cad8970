"""What gets installed: locks that pin everything, one version number, a Makefile that helps."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

LOCKS = [f"requirements/{name}.lock" for name in ("runtime", "dev", "ml", "extras")]


def pins(text: str) -> dict[str, tuple[str, int]]:
    """Package -> (version, number of hashes)."""
    found = {}
    for block in re.split(r"\n(?=\S)", re.sub(r"(?m)^ *#.*\n?", "", text)):
        if pinned := re.match(r"([a-z0-9][a-z0-9._-]*)==([^\s;\\]+)", block):
            found[pinned[1]] = (pinned[2], block.count("--hash=sha256:"))
    return found


def option_lines(text: str) -> list[str]:
    """Lines that steer pip, such as an index of one machine; a lock has none."""
    return [line for line in text.splitlines() if line.startswith("-") or "://" in line]


def declared(texts: list[str]) -> set[str]:
    return {re.match(r"[A-Za-z0-9._-]+", text)[0].lower() for text in texts}  # type: ignore[index]


@pytest.mark.parametrize("name", LOCKS)
def test_lock_pins_every_package_with_hashes_and_names_no_place(root: Path, name: str) -> None:
    text = (root / name).read_text(encoding="utf-8")
    assert len(pins(text)) >= 7
    assert not [package for package, (_, hashes) in pins(text).items() if hashes < 1]
    assert option_lines(text) == []


def test_locks_hold_what_is_declared(root: Path, pyproject: dict[str, Any]) -> None:
    runtime, dev, ml, extras_lock = (
        pins((root / name).read_text(encoding="utf-8")) for name in LOCKS
    )
    core = declared(pyproject["project"]["dependencies"])
    assert core <= runtime.keys()
    assert core | declared(pyproject["dependency-groups"]["dev"]) <= dev.keys()
    assert runtime.items() <= dev.items(), "the tests run with other versions than users do"
    extras = pyproject["project"]["optional-dependencies"]
    declared_extras = {name for group in extras.values() for name in declared(group)}
    assert declared_extras <= {*ml, *extras_lock, "okx-hunter"}
    assert declared(pyproject["dependency-groups"]["docs"]) <= extras_lock.keys()
    assert dev.items() <= ml.items()
    assert dev.items() <= extras_lock.items()


def test_locks_have_wheels_for_both_machines_and_three_pythons(root: Path) -> None:
    # numpy has one wheel for each Python, machine and C library: a lock made for one machine only
    # would hold far fewer hashes.
    runtime = pins((root / LOCKS[0]).read_text(encoding="utf-8"))
    assert runtime["numpy"][1] > 40


def test_pins_and_option_lines_see_a_bad_lock() -> None:
    bad = "-i https://example.org/simple\na==1 \\\n    --hash=sha256:00\n    # via b\nb==2\n"
    assert pins(bad) == {"a": ("1", 1), "b": ("2", 0)}
    assert option_lines(bad) == ["-i https://example.org/simple"]


def test_changelog_speaks_of_this_version(root: Path, pyproject: dict[str, Any]) -> None:
    text = (root / "CHANGELOG.md").read_text(encoding="utf-8")
    newest = re.search(r"(?m)^## \[(.+?)\]", text)
    assert newest
    assert newest[1] == pyproject["project"]["version"]


def phony_targets(text: str) -> set[str]:
    return set(re.search(r"(?m)^\.PHONY: (.+)$", text)[1].split())  # type: ignore[index]


def test_makefile_help_names_every_target(root: Path) -> None:
    text = (root / "Makefile").read_text(encoding="utf-8")
    told = set(re.findall(r'@echo "make ([\w-]+) ', text))
    assert phony_targets(text) - {"help"} == told
    assert told >= {"demo", "test", "check", "bench", "soak", "clean"}


def test_ci_runs_the_users_own_commands(root: Path) -> None:
    text = (root / ".ci/run").read_text(encoding="utf-8")
    assert "make check" in text
    assert "make test" in text
    assert (root / ".ci/run").stat().st_mode & 0o111
