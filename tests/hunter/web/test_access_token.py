from __future__ import annotations

import stat
from pathlib import Path

import pytest

from hunter.config import Config, load
from hunter.errors import ConfigError, HunterError
from hunter.web.access_token import page_token


@pytest.fixture
def config(tmp_path: Path) -> Config:
    file = tmp_path / "hunter.toml"
    file.write_text('[hunter]\nruntime_dir = "run"\n')
    (tmp_path / "run").mkdir()
    return load(file, [])


def test_token_is_made_once_for_its_user_alone(config: Config) -> None:
    token = page_token(config)
    assert len(token) >= 32
    path = config.token_path
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [entry.name for entry in path.parent.iterdir()] == ["web-token"]
    assert page_token(config) == token, "who is logged in stays so"
    path.unlink()
    assert page_token(config) != token


def test_token_file_of_the_configuration_is_taken(config: Config, tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    mine.write_text("my-own-long-token-of-letters\n")
    mine.chmod(0o600)
    named = load(tmp_path / "hunter.toml", ['web.token_file="mine"'])
    assert page_token(named) == "my-own-long-token-of-letters"
    mine.chmod(0o644)
    with pytest.raises(ConfigError, match="chmod 600"):
        page_token(named)


@pytest.mark.parametrize("text", ["short", "h\u00e9" * 20, "two\nlines-that-are-long-enough"])
def test_token_that_is_none_is_refused(config: Config, text: str) -> None:
    config.token_path.write_text(text)
    config.token_path.chmod(0o600)
    with pytest.raises(ConfigError, match="at least 16 plain characters"):
        page_token(config)


def test_place_that_cannot_be_written_is_named(config: Config, tmp_path: Path) -> None:
    (tmp_path / "run").rmdir()
    with pytest.raises(HunterError, match="web-token, the page's token: No such file"):
        page_token(config)


def test_token_that_somebody_made_meanwhile_wins(
    config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = page_token(config)
    monkeypatch.setattr(Path, "exists", lambda _: False)  # both have looked, neither saw a file
    assert page_token(config) == token
