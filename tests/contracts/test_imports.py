"""Who may import whom: the contracts of pyproject.toml hold, and each catches what it is for.

The second half plants one forbidden import at a time in a copy of the tree, because a contract that
names a module wrongly passes in silence.
"""

from __future__ import annotations

import ast
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

# file to plant in, line to plant, what the report must name
PLANTS = [
    ("hunter/market/side.py", "import hunter.ring.rows", "hunter.market.side -> hunter.ring.rows"),
    ("hunter/errors.py", "import hunter.clock", "hunter.errors -> hunter.clock"),
    (
        "hunter/config/schema.py",
        "import hunter.status",
        "hunter.config.schema -> hunter.status",
    ),
    ("hunter/ring/reader.py", "import hunter.bus", "hunter.ring.reader -> hunter.bus"),
    ("hunter/status/__init__.py", "import hunter.runtime", "hunter.status -> hunter.runtime"),
    ("hunter/brain/__init__.py", "import hunter.stream", "hunter.brain -> hunter.stream"),
    (
        "hunter/brain/__init__.py",
        "def f():\n    import hunter.system",
        "hunter.brain -> hunter.sys",
    ),
    ("hunter/stream/__init__.py", "import hunter.access", "hunter.stream -> hunter.access"),
    ("hunter/access/__init__.py", "import hunter.brain", "hunter.access -> hunter.brain"),
    ("hunter/system/specs.py", "import hunter.cli", "hunter.system.specs -> hunter.cli"),
    (
        "hunter/simulator/__init__.py",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import hunter.stream",
        "hunter.simulator -> hunter.stream",
    ),
    ("hunter/utils.py", "'''a stray file'''", "hunter.utils"),
    ("supervisor/helpers.py", "'''a stray file'''", "supervisor.helpers"),
    ("supervisor/spec.py", "import supervisor.policy", "supervisor.spec -> supervisor.policy"),
    (
        "supervisor/policy.py",
        "import supervisor.process",
        "supervisor.policy -> supervisor.process",
    ),
    ("supervisor/errors.py", "import hunter.errors", "supervisor.errors -> hunter.errors"),
    ("supervisor/spec.py", "import msgspec", "supervisor.spec -> msgspec"),
    ("hunter/brain/__init__.py", "import supervisor.child", "hunter.brain -> supervisor.child"),
    ("hunter/signals/__init__.py", "import zmq", "hunter.signals -> zmq"),
    ("hunter/brain/__init__.py", "import websockets", "hunter.brain -> websockets"),
    ("hunter/brain/__init__.py", "import mmap", "hunter.brain -> mmap"),
    ("hunter/brain/__init__.py", "import time", "hunter.brain -> time"),
    ("supervisor/policy.py", "import time", "supervisor.policy -> time"),
    ("hunter/access/__init__.py", "import click", "hunter.access -> click"),
    ("hunter/ring/layout.py", "import hunter.ring.writer", "No cycles are allowed in hunter.ring"),
]


def lint(folder: Path) -> subprocess.CompletedProcess[str]:
    program = "import sys; from importlinter.cli import lint_imports_command as run; run()"
    return subprocess.run(
        [sys.executable, "-c", program, "--no-cache", "--no-logo"],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


@pytest.fixture
def tree_copy(tmp_path: Path, root: Path) -> Path:
    ignore = shutil.ignore_patterns("__pycache__")
    for package in ("hunter", "supervisor"):
        shutil.copytree(root / package, tmp_path / package, ignore=ignore)
    shutil.copy(root / "pyproject.toml", tmp_path)
    return tmp_path


def test_import_contracts_hold(root: Path) -> None:
    result = lint(root)
    assert result.returncode == 0, result.stdout[-4000:] + result.stderr


@pytest.mark.parametrize(("name", "line", "named"), PLANTS, ids=[plant[2] for plant in PLANTS])
def test_a_planted_import_is_caught(tree_copy: Path, name: str, line: str, named: str) -> None:
    path = tree_copy / name
    before = path.read_text(encoding="utf-8") if path.exists() else ""
    path.write_text(before + "\n" + line + "\n", encoding="utf-8")
    result = lint(tree_copy)
    assert result.returncode == 1, result.stdout[-4000:] + result.stderr
    assert "BROKEN" in result.stdout
    assert named in " ".join(result.stdout.split()), result.stdout[-3000:]


def foreign_imports(tree: ast.Module, own: set[str]) -> set[str]:
    """What a file imports, lazily or not, that is neither the standard library's nor its own."""
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            names.add(node.module.split(".")[0])
    return names - own - sys.stdlib_module_names


def test_foreign_imports_sees_lazy_ones() -> None:
    tree = ast.parse("import os, numpy.linalg\ndef f():\n    from zmq import green\nimport hunter")
    assert foreign_imports(tree, {"hunter"}) == {"numpy", "zmq"}


def test_supervisor_is_standard_library_only(package_sources: list[Any]) -> None:
    for source in package_sources:
        if source.name.startswith("supervisor/"):
            assert not foreign_imports(source.tree, {"supervisor"}), source.name


# Libraries of extras, and the only places that may import them: without the extra nothing else may
# miss it. Whoever starts from there asks hunter.extras first.
EXTRA_HOMES = {
    "starlette": ("hunter/web/",),
    "uvicorn": ("hunter/web/",),
    "textual": ("hunter/cli/top",),
    "rich": ("hunter/cli/top",),
    "pyarrow": ("hunter/store/", "hunter/access"),
    "pandas": ("hunter/access",),
    "polars": ("hunter/access",),
    "apprise": ("hunter/alerts/",),
}


def strangers(name: str, tree: ast.Module) -> set[str]:
    """Libraries that a file imports and that only other places may."""
    found = foreign_imports(tree, {"hunter", "supervisor"})
    return {each for each in found if not name.startswith(EXTRA_HOMES.get(each, (name,)))}


def test_strangers_sees_a_library_of_an_extra_elsewhere() -> None:
    tree = ast.parse("import starlette.applications, numpy")
    assert strangers("hunter/web/app.py", tree) == set()
    assert strangers("hunter/brain/flow.py", tree) == {"starlette"}


def test_libraries_of_extras_are_imported_in_their_homes_alone(package_sources: list[Any]) -> None:
    wrong = {source.name: strangers(source.name, source.tree) for source in package_sources}
    assert not {name: found for name, found in wrong.items() if found}


def test_declared_dependencies_are_those_imported(
    package_sources: list[Any], pyproject: dict[str, Any]
) -> None:
    imported: set[str] = set()
    for source in package_sources:
        imported |= foreign_imports(source.tree, {"hunter", "supervisor"})
    declared = {text.split(">=")[0] for text in pyproject["project"]["dependencies"]}
    names = {"zmq": "pyzmq", "prometheus_client": "prometheus-client"}
    assert {names.get(name, name) for name in imported - EXTRA_HOMES.keys()} == declared
