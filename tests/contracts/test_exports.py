"""What others import: public names exist, every module imports alone, the command starts light."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
import types
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

import hunter
import supervisor

# What `hunter status` must not wait for: it has 300 ms, and numpy alone takes half of that.
HEAVY = {"numpy", "websockets", "zmq", "asyncio"}


def dangling(module: types.ModuleType) -> list[str]:
    """Names that a module's `__all__` promises and the module does not have."""
    return [name for name in module.__all__ if not hasattr(module, name)]


def python(*arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        cwd=cwd,
    )


def module_names(package_sources: list[Any]) -> list[str]:
    paths = [Path(source.name).with_suffix("") for source in package_sources]
    parts = [path.parent.parts if path.name == "__init__" else path.parts for path in paths]
    return [".".join(each) for each in parts if each[-1] != "__main__"]


@pytest.mark.parametrize("package", [hunter, supervisor], ids=lambda package: package.__name__)
def test_public_names_exist(package: types.ModuleType) -> None:
    assert package.__all__
    assert sorted(set(package.__all__)) == sorted(package.__all__)
    assert dangling(package) == []


def test_dangling_sees_a_promise_not_kept() -> None:
    module = types.ModuleType("sample")
    module.__all__ = ["kept", "broken"]  # type: ignore[attr-defined]
    module.kept = 1  # type: ignore[attr-defined]
    assert dangling(module) == ["broken"]


def test_hunter_offers_attach() -> None:
    assert "attach" in hunter.__all__
    assert callable(hunter.attach)


def test_installed_version_is_the_checkouts(pyproject: dict[str, Any]) -> None:
    # Differs when the environment was not made by `make`, or before the last change of version.
    assert metadata.version("okx-hunter") == pyproject["project"]["version"]


def test_every_module_imports(package_sources: list[Any]) -> None:
    for name in module_names(package_sources):
        importlib.import_module(name)


def test_packages_are_marked_as_typed(root: Path) -> None:
    assert (root / "hunter/py.typed").exists()
    assert (root / "supervisor/py.typed").exists()


def test_console_script_resolves(pyproject: dict[str, Any]) -> None:
    module, _, name = pyproject["project"]["scripts"]["hunter"].partition(":")
    assert callable(getattr(importlib.import_module(module), name))


def test_python_m_hunter_is_the_command(tmp_path: Path) -> None:
    result = python("-m", "hunter", "--help", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert "start" in result.stdout
    assert "status" in result.stdout


def loaded_after(statement: str) -> set[str]:
    """What a fresh interpreter has loaded after a statement."""
    program = f"{statement}\nimport json, sys\nprint(json.dumps(sorted(sys.modules)))"
    result = python("-c", program)
    assert result.returncode == 0, result.stderr
    return set(json.loads(result.stdout.splitlines()[-1]))


def heavy_after(statement: str) -> set[str]:
    return HEAVY & loaded_after(statement)


@pytest.mark.parametrize(
    "module", ["hunter", "hunter.cli.main", "hunter.access", "supervisor.child"]
)
def test_module_is_light_to_import(module: str) -> None:
    assert heavy_after(f"import {module}") == set()


# What a command may load of ours: each of these takes its part of the time until the first word.
@pytest.mark.parametrize(
    ("module", "never"),
    [
        ("hunter.cli.main", {"msgspec", "hunter.access", "hunter.config"}),
        (
            "hunter.cli.status",
            {"supervisor", "hunter.system", "hunter.signals", "hunter.exchange", "hunter.runtime"}
            | {"subprocess", "socket", "importlib.metadata", "logging"},
        ),
        ("hunter.cli.process", {"supervisor.runner", "hunter.system.instance", "hunter.stream"}),
    ],
)
def test_command_begins_with_what_it_needs(module: str, never: set[str]) -> None:
    assert loaded_after(f"import {module}") & (never | HEAVY - {"zmq"}) == set()


def test_heavy_after_sees_a_heavy_import() -> None:
    assert heavy_after("import numpy") >= {"numpy"}
