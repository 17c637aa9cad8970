"""Where each value in force comes from."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from hunter.config import load
from hunter.config.origins import origins


def test_origin_is_default_place_or_option(write: Callable[[str], Path]) -> None:
    path = write('[ring]\n\ncapacity = 64\n[web]\nhost = "127.0.0.1"\n')
    overrides = ("ring.capacity=128", "stream.shards = 1")
    found = origins(path, overrides, load(path, overrides))
    assert found["ring", "capacity"] == "--set"
    assert found["stream", "shards"] == "--set"
    assert found["web", "host"] == f"{path}:5", "given, although it is the default"
    assert found["web", "port"] == "default"
    assert ("hunter", "name") in found


def test_addresses_come_from_the_region_or_from_each_other(write: Callable[[str], Path]) -> None:
    path = write('[okx]\nregion = "eea"\n')
    found = origins(path, (), load(path))
    assert found["okx", "region"] == f"{path}:2"
    assert {found["okx", key] for key in ("public_url", "business_url", "rest_url")} == {
        "okx.region"
    }
    path = write('[okx]\npublic_url = "ws://gate:1/ws/v5/public"\n')
    found = origins(path, (), load(path))
    assert found["okx", "business_url"] == "okx.public_url"
    assert found["okx", "rest_url"] == "default"


def test_without_a_file_all_are_defaults() -> None:
    assert set(origins(None, (), load(None)).values()) == {"default"}
