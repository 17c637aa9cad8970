"""The package's names resolve when they are asked for, and none before."""

from __future__ import annotations

import subprocess
import sys

import pytest

import supervisor
from supervisor import spec


def test_public_name_is_the_modules_own() -> None:
    assert supervisor.TreeSpec is spec.TreeSpec


def test_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Watcher'"):
        supervisor.Watcher  # noqa: B018


def test_importing_the_package_imports_nothing_of_it() -> None:
    code = "import sys, supervisor; print([m for m in sys.modules if m.startswith('supervisor.')])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
