"""`hunter version`."""

from __future__ import annotations

import json
from importlib import metadata

import pytest
from click.testing import CliRunner

from hunter.cli import version as version_module
from hunter.cli.main import cli


def test_version_names_hunter_python_and_libraries() -> None:
    first, second, third = CliRunner().invoke(cli, ["version"]).output.splitlines()
    assert first.startswith(f"hunter {metadata.version('okx-hunter')}, compiled half")
    assert second.startswith("Python 3.")
    assert "websockets" in third


def test_version_as_json() -> None:
    found = json.loads(CliRunner().invoke(cli, ["version", "--json"]).output)
    assert set(found) == {
        "schema", "version", "python", "system", "machine", "compiled", "libraries",
    }  # fmt: skip
    assert found["version"] == metadata.version("okx-hunter")


def test_source_tree_that_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> str:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(version_module.metadata, "version", missing)
    assert version_module._version() == "0+source"
