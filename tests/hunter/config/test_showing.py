from __future__ import annotations

import tomllib
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

import pytest
from fakes.configs import configs, plain
from hypothesis import given

from hunter.config import Config, OkxSection, load, to_toml
from hunter.config.showing import shown_value


@given(configs)
def test_toml_of_a_configuration_says_the_same(config: Config) -> None:
    assert tomllib.loads(to_toml(config)) == plain(config)


def test_toml_of_the_defaults_loads_as_the_defaults(write: Callable[[str], Path]) -> None:
    assert plain(load(write(to_toml(load(None))))) == plain(load(None))


def test_shown_configuration_of_a_region_loads_as_the_same(write: Callable[[str], Path]) -> None:
    found = load(None, ["okx.region=us-demo"])
    shown = to_toml(found)
    assert 'public_url = "wss://wsuspap.okx.com:8443/ws/v5/public"' in shown
    assert plain(load(write(shown))) == plain(found)


@pytest.mark.parametrize("password", ["secret", "se@cret", "se:cret", "se/cret", ""])
def test_password_of_a_proxy_is_not_shown(password: str) -> None:
    found = load(None, [f"okx.proxy=http://anna:{quote(password, safe='')}@proxy.example:3128"])
    assert 'proxy = "http://anna:***@proxy.example:3128"' in to_toml(found)
    unquoted = OkxSection(proxy=f"http://anna:{password}@proxy.example:3128")
    assert 'proxy = "http://anna:***@proxy.example:3128"' in to_toml(Config(okx=unquoted))


@pytest.mark.parametrize(("given", "shown"), [("", ""), ("secret@", "***@")])
def test_proxy_without_a_password_is_shown_without_its_token(given: str, shown: str) -> None:
    found = load(None, [f"okx.proxy=http://{given}proxy.example:3128"])
    assert f'proxy = "http://{shown}proxy.example:3128"' in to_toml(found)


def test_query_of_an_address_is_not_shown() -> None:
    found = load(None, ["okx.public_url=wss://gate.example/public?token=secret"])
    assert found.okx.public_url.endswith("?token=secret")
    assert 'public_url = "wss://gate.example/public?***"' in to_toml(found)
    assert "secret" not in to_toml(found)


def test_origins_are_comments_behind_the_values() -> None:
    text = to_toml(load(None), {("ring", "capacity"): "hunter.toml:3"})
    assert "capacity = 8192  # hunter.toml:3\n" in text
    assert text.count("#") == 1
    assert tomllib.loads(text) == tomllib.loads(to_toml(load(None)))


def test_single_value_hides_what_the_whole_does() -> None:
    found = load(None, ["okx.proxy=http://anna:secret@proxy.example:3128"])
    assert shown_value(found, "okx", "proxy") == "http://anna:***@proxy.example:3128"
    assert shown_value(found, "ring", "capacity") == 8192
