from __future__ import annotations

import sys
from pathlib import Path

import pytest

from hunter.brain.adapters.extras import expect, need
from hunter.errors import ConfigError


def test_library_that_is_there_is_imported() -> None:
    assert need("json", "ml").loads("1") == 1


def test_library_that_is_missing_is_one_line_with_the_command(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(ConfigError) as caught:
        need("onnxruntime", "onnx")
    assert caught.value.exit_code == 78
    assert str(caught.value) == (
        "brain.experts: onnxruntime is not installed: pip install 'okx-hunter[onnx]'"
    )


def test_library_that_is_missing_is_told_before_anything_is_started(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(ConfigError, match=r"pip install 'okx-hunter\[onnx\]'"):
        expect("onnx")
    for kind in ("sklearn", "class", "installed"):
        expect(kind)


def test_library_without_what_it_needs_itself_says_which(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "half_library_1.py").write_text("import no_such_part\n")
    (tmp_path / "half_library_2.py").write_text("from json import no_such_name\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(ConfigError, match="half_library_1 is there, but not no_such_part"):
        need("half_library_1", "ml")
    with pytest.raises(ConfigError, match="half_library_2 cannot be imported: cannot import name"):
        need("half_library_2", "ml")
