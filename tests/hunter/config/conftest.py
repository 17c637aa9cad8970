from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from hunter.config import load
from hunter.errors import ConfigError


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str], Path]:
    def written(text: str) -> Path:
        path = tmp_path / "hunter.toml"
        path.write_text(text, encoding="utf-8")
        return path

    return written


@pytest.fixture
def refusal(write: Callable[[str], Path]) -> Callable[[str], str]:
    """What is said about a file: always one line that begins with the file's place."""

    def refused(text: str) -> str:
        path = write(text)
        with pytest.raises(ConfigError) as caught:
            load(path)
        message = str(caught.value)
        assert message.startswith(f"{path}:"), message
        assert "\n" not in message
        assert "`" not in message
        assert caught.value.exit_code == 78
        return message

    return refused
