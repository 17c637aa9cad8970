from __future__ import annotations

import ctypes
import errno
from pathlib import Path
from typing import Any

import pytest

from hunter.store.swap import exchange


def test_two_folders_change_places(tmp_path: Path) -> None:
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
        (tmp_path / name / f"of-{name}").touch()
    assert exchange(tmp_path / "one", tmp_path / "other")
    assert (tmp_path / "one" / "of-other").exists()
    assert (tmp_path / "other" / "of-one").exists()


def test_a_folder_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    with pytest.raises(FileNotFoundError):
        exchange(tmp_path / "one", tmp_path / "other")


def test_a_system_without_the_call_says_so(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(ctypes, "CDLL", lambda *_, **__: object())
    assert not exchange(tmp_path / "one", tmp_path / "other")


def test_a_file_system_that_cannot_says_so(tmp_path: Path, monkeypatch: Any) -> None:
    class Library:
        @staticmethod
        def renameat2(*_: Any) -> int:
            ctypes.set_errno(errno.EINVAL)
            return -1

    monkeypatch.setattr(ctypes, "CDLL", lambda *_, **__: Library)
    assert not exchange(tmp_path / "one", tmp_path / "other")
