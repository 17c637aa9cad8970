"""The choice between the compiled half and the Python code."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from hunter import native


def kernel_with(value: str | None) -> str:
    environment = {name: text for name, text in os.environ.items() if name != "HUNTER_NATIVE"}
    if value is not None:
        environment["HUNTER_NATIVE"] = value
    code = "import hunter.native; print(hunter.native.kernel is None)"
    return subprocess.run(
        [sys.executable, "-c", code],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    ).stdout.strip()


@pytest.mark.parametrize(
    ("there", "value", "missed"), [(True, "", False), (False, "", True), (False, "off", False)]
)
def test_who_asked_for_python_alone_misses_nothing(
    monkeypatch: pytest.MonkeyPatch, there: bool, value: str, missed: bool
) -> None:
    monkeypatch.setattr(native, "kernel", sys if there else None)
    monkeypatch.setenv("HUNTER_NATIVE", value)
    assert native.is_missed() is missed


def test_off_leaves_the_python_code_alone() -> None:
    assert kernel_with("off") == "True"


def test_what_was_built_is_used() -> None:
    try:
        from hunter.native import _kernel  # noqa: F401
    except ImportError:
        assert kernel_with(None) == "True"
    else:
        assert kernel_with(None) == "False"
