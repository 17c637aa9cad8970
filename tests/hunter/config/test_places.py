from __future__ import annotations

from pathlib import Path

import pytest

from hunter.config.places import Places


def test_error_without_a_file_names_the_defaults() -> None:
    places = Places(None, "")
    assert places.of("stream", "shards") == "defaults"


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("[stream]\n# two\nshards = 2", 3),
        ("\nstream.shards = 2", 2),
        ("[ stream ]\n'shards' = 2", 2),
        ("[ring]\nshards = 1\n[stream]  # here\nshards = 2", 4),
        ("stream = { shards = 2 }", 1),
        ("[stream]\nstandby = true", 1),
    ],
)
def test_place_of_a_key_is_its_line_or_its_sections(text: str, line: int) -> None:
    assert Places(Path("f.toml"), text).of("stream", "shards") == f"f.toml:{line}"


def test_place_of_an_overridden_key_is_the_option() -> None:
    places = Places(Path("f.toml"), "[ring]\ncapacity = 64")
    places.overridden["ring", "capacity"] = "--set ring.capacity=65"
    assert places.of("ring", "capacity") == "--set ring.capacity=65"
    assert places.of("ring") == "f.toml:1"
    places.overridden["strem", "shards"] = "--set strem.shards=2"
    assert places.of("strem") == "--set strem.shards=2"
