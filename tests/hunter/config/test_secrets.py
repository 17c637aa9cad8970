from __future__ import annotations

import os
from pathlib import Path

import pytest

from hunter.config.secrets import SECRET_BYTES_MAX, read_secret, secret_fault, secret_variable
from hunter.errors import ConfigError

SECRET = "xoxb-very-secret"


def kept(tmp_path: Path, text: str = f" {SECRET}\n", mode: int = 0o600) -> str:
    path = tmp_path / "secret"
    path.write_text(text, encoding="utf-8")
    path.chmod(mode)
    return "file:secret"


@pytest.mark.parametrize("reference", ["", "env:TOKEN", "env:_A1", "file:a", "file:/run/x y"])
def test_places_of_secrets_are_taken(reference: str) -> None:
    assert secret_fault(reference) == ""


@pytest.mark.parametrize("reference", [SECRET, "env:", "env:1A", "file:", "https://x.example/y"])
def test_the_secret_itself_is_refused_and_not_repeated(reference: str) -> None:
    why = secret_fault(reference)
    assert why
    assert reference not in why.replace("env:NAME", "").replace("file:PATH", "")


def test_secret_comes_from_the_environment(tmp_path: Path) -> None:
    assert secret_variable("env:TOKEN") == "TOKEN"
    assert secret_variable("file:TOKEN") == ""
    assert read_secret("env:TOKEN", tmp_path, {"TOKEN": f" {SECRET} "}) == SECRET
    with pytest.raises(ConfigError, match="no TOKEN"):
        read_secret("env:TOKEN", tmp_path, {"TOKEN": " "})


def test_secret_comes_from_a_file_beside_the_configuration(tmp_path: Path) -> None:
    assert read_secret(kept(tmp_path), tmp_path, {}) == SECRET
    assert read_secret(f"file:{tmp_path}/secret", Path("/"), {}) == SECRET


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o666])
def test_file_that_others_can_read_is_refused(tmp_path: Path, mode: int) -> None:
    with pytest.raises(ConfigError, match="chmod 600") as caught:
        read_secret(kept(tmp_path, mode=mode), tmp_path, {})
    assert SECRET not in str(caught.value)


def test_file_that_holds_no_secret_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="No such file"):
        read_secret("file:absent", tmp_path, {})
    for text in ("", "\n", "a" * (SECRET_BYTES_MAX + 1)):
        with pytest.raises(ConfigError, match="empty or too long"):
            read_secret(kept(tmp_path, text), tmp_path, {})
    os.mkfifo(tmp_path / "fifo", 0o600)
    with pytest.raises(ConfigError, match="is no file"):
        read_secret("file:fifo", tmp_path, {})
    for name in ("~nobody-of-that-name/x", "a\x00b"):
        with pytest.raises(ConfigError, match="can be no file"):
            read_secret(f"file:{name}", tmp_path, {})
    (tmp_path / "secret").write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match="no text"):
        read_secret("file:secret", tmp_path, {})
