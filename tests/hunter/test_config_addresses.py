"""Addresses may come with secrets, which belong into no error and on no screen."""

from __future__ import annotations

from pathlib import Path

import pytest

from hunter.config import load, to_toml
from hunter.errors import ConfigError


def test_query_of_an_address_is_not_shown() -> None:
    found = load(None, ["okx.public_url=wss://gate.example/public?token=secret"])
    assert found.okx.public_url.endswith("?token=secret")
    assert 'public_url = "wss://gate.example/public?***"' in to_toml(found)
    assert "secret" not in to_toml(found)


@pytest.mark.parametrize("key", ["public_url", "business_url", "rest_url"])
@pytest.mark.parametrize("user", ["anna:secret", "secret", ":secret", "a@b:secret"])
def test_address_with_a_password_is_refused_without_repeating_it(
    tmp_path: Path, key: str, user: str
) -> None:
    url = f"{'https' if key == 'rest_url' else 'wss'}://{user}@gate.example/"
    path = tmp_path / "hunter.toml"
    path.write_text(f"[okx]\n{key} = '{url}'\n")
    with pytest.raises(ConfigError, match=f":2: okx.{key}: must hold no user or") as caught:
        load(path)
    assert "secret" not in str(caught.value)
    with pytest.raises(ConfigError, match="must hold no user or password") as caught:
        load(None, [f"okx.{key}={url}"])
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    "bad", ["wss://h/a b", "wss://h/\\u007f", "wss://h/\\nHost: x", "wss://h/#a"]
)
def test_address_that_could_break_a_request_is_refused(tmp_path: Path, bad: str) -> None:
    path = tmp_path / "hunter.toml"
    path.write_text(f'[okx]\npublic_url = "{bad}"\n')
    with pytest.raises(ConfigError, match=r":2: okx.public_url: must hold no blank"):
        load(path)


def test_rest_address_to_which_no_path_can_be_added_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"okx.rest_url: .* that of REST no '\?'"):
        load(None, ["okx.rest_url=https://gate.example/?token=secret"])


def test_absurdly_nested_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "hunter.toml"
    path.write_text("a = " + "[" * 100_000)
    with pytest.raises(ConfigError, match="not valid TOML"):
        load(path)
    with pytest.raises(ConfigError, match=r"okx\.channels"):
        load(None, ["okx.channels=" + "[" * 100_000])
