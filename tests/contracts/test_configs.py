"""The configuration files that ship load, and hunter.toml shows every key with its default."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from hunter import config
from hunter.errors import ConfigError

NAMES = ["hunter.toml", "configs/demo.toml", "configs/replay.toml", "configs/ci.toml"]


def defaults() -> dict[str, dict[str, Any]]:
    """Section -> key -> default, as the code has them."""
    whole = config.load(None)
    sections: dict[str, dict[str, Any]] = {}
    for section in whole.__struct_fields__:
        values = getattr(whole, section)
        if hasattr(values, "__struct_fields__"):
            sections[section] = {key: getattr(values, key) for key in values.__struct_fields__}
    return sections


def shown(text: str) -> dict[str, dict[str, Any]]:
    """What a commented file shows when every commented key is switched on."""
    return tomllib.loads(re.sub(r"(?m)^# (\w+ = )", r"\1", text))


def differences(text: str) -> list[str]:
    """Where a commented file and the code disagree about keys or defaults."""
    wanted, found = defaults(), shown(text)
    flat = {
        f"{section}.{key}": value for section, keys in wanted.items() for key, value in keys.items()
    }
    told = {
        f"{section}.{key}": value for section, keys in found.items() for key, value in keys.items()
    }
    wrong = [f"missing {name}" for name in flat.keys() - told.keys()]
    wrong += [f"unknown {name}" for name in told.keys() - flat.keys()]
    for name in flat.keys() & told.keys():
        value = tuple(told[name]) if isinstance(told[name], list) else told[name]
        if value != flat[name]:
            wrong.append(f"{name} is {flat[name]!r}, not {value!r}")
    return sorted(wrong)


def test_every_shipped_file_is_in_the_list(root: Path) -> None:
    shipped = [path.relative_to(root).as_posix() for path in root.glob("configs/*.toml")]
    assert sorted(NAMES) == sorted(["hunter.toml", *shipped])


@pytest.mark.parametrize("name", NAMES)
def test_shipped_file_loads(root: Path, name: str) -> None:
    config.load(root / name)


@pytest.mark.parametrize("name", NAMES)
def test_shipped_file_with_a_misspelt_key_is_refused(root: Path, tmp_path: Path, name: str) -> None:
    text = (root / name).read_text(encoding="utf-8")
    assert "\ninstruments = " in text
    path = tmp_path / "hunter.toml"
    path.write_text(text.replace("\ninstruments = ", "\ninstrumens = "), encoding="utf-8")
    with pytest.raises(ConfigError, match=r"instrumens.*instruments"):
        config.load(path)


def test_shipped_files_are_instances_of_their_own(root: Path) -> None:
    configs = [config.load(root / name) for name in NAMES]
    assert len({each.hunter.name for each in configs}) == len(NAMES)
    assert len({each.data_dir for each in configs}) == len(NAMES)
    # Whatever ships writes into the one folder that git ignores.
    assert all(each.data_dir.is_relative_to(root / "data") for each in configs)


def test_hunter_toml_shows_every_key_with_its_default(root: Path) -> None:
    assert differences((root / "hunter.toml").read_text(encoding="utf-8")) == []


def test_differences_sees_missing_unknown_and_changed_keys(root: Path) -> None:
    text = (root / "hunter.toml").read_text(encoding="utf-8")
    bad = text.replace("# capacity = 8192", "# capacity = 4096").replace("# shards =", "# chards =")
    assert differences(bad) == [
        "missing stream.shards",
        "ring.capacity is 8192, not 4096",
        "unknown stream.chards",
    ]
