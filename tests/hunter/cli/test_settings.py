"""`hunter config check` and `show`."""

from __future__ import annotations

import json
import tomllib
from typing import Any

import pytest
from click.testing import CliRunner

from hunter.cli.init import shipped
from hunter.cli.main import cli
from hunter.cli.settings import descriptions, json_schema
from hunter.config.schema import SECTIONS
from hunter.errors import ConfigError


def test_check_names_the_good_file(shown: Any) -> None:
    assert shown.output("config", "check") == f"{shown.stage.config_file}: good\n"


def test_check_of_no_file_at_all_is_about_the_defaults(shown: Any, monkeypatch: Any) -> None:
    monkeypatch.chdir(shown.config.runtime_dir)
    assert CliRunner().invoke(cli, ["config", "check"]).output == "defaults: good\n"


def test_check_names_place_key_and_cure(shown: Any) -> None:
    shown.stage.config_file.write_text("[ring]\n\ncapacitty = 64\n")
    error = shown.call("config", "check").exception
    assert isinstance(error, ConfigError)
    assert str(error) == (
        f'{shown.stage.config_file}:3: unknown key ring.capacitty; did you mean "capacity"?'
    )


def test_show_prints_every_key_in_force_as_toml(shown: Any) -> None:
    found = tomllib.loads(shown.output("config", "show", "--set", "ring.capacity=128"))
    assert found["ring"] == {"capacity": 128}
    assert found["hunter"]["runtime_dir"] == "run"
    assert found["okx"]["instruments"] == ["BTC-USDT-SWAP"]
    assert found["stream"]["standby"] is False


def test_check_looks_at_the_model_file(shown: Any) -> None:
    shown.stage.config_file.write_text('[brain]\nmodel_file = "none.json"\n')
    error = shown.call("config", "check").exception
    assert isinstance(error, ConfigError)
    assert str(error).startswith("brain.model_file: ")
    assert "none.json: No such file or directory; make one: hunter train" in str(error)


def test_show_says_where_a_value_comes_from(shown: Any) -> None:
    lines = shown.output("config", "show", "--set", "ring.capacity=128").splitlines()
    assert "capacity = 128  # --set" in lines
    assert f'runtime_dir = "run"  # {shown.stage.config_file}:2' in lines
    assert any(line.startswith("shards = 1 ") and line.endswith("# default") for line in lines)


@pytest.mark.parametrize(
    ("key", "words", "said"),
    [
        ("hunter.runtime_dir", (), "run\n"),
        ("okx.instruments", (), '["BTC-USDT-SWAP"]\n'),
        ("okx.instruments", ("--json",), '["BTC-USDT-SWAP"]\n'),
        ("stream.standby", (), "false\n"),
        ("ring.capacity", ("--set", "ring.capacity=128"), "128\n"),
        ("hunter.name", ("--json",), '"default"\n'),
        ("okx.proxy", ("--set", "okx.proxy=http://a:b@c:1"), "http://a:***@c:1\n"),
    ],
)
def test_get_prints_one_value(shown: Any, key: str, words: tuple[str, ...], said: str) -> None:
    assert shown.output("config", "get", key, *words) == said


@pytest.mark.parametrize(
    ("key", "said"),
    [("web.prot", 'did you mean "web.port"?'), ("web", "write section.key"), ("x.y", "no key")],
)
def test_get_of_no_key_is_wrong_usage(shown: Any, key: str, said: str) -> None:
    result = shown.call("config", "get", key)
    assert result.exit_code == 2
    assert said in result.stderr


def test_schema_describes_every_key() -> None:
    found = json.loads(CliRunner().invoke(cli, ["config", "schema"]).output)
    assert set(found["properties"]) == set(SECTIONS)
    assert found["additionalProperties"] is False
    for name, kind in SECTIONS.items():
        section = found["$defs"][found["properties"][name]["$ref"].rpartition("/")[2]]
        assert set(section["properties"]) == set(kind.__struct_fields__)
        assert section["additionalProperties"] is False
    port = found["$defs"]["WebSection"]["properties"]["port"]
    assert (port["maximum"], port["default"]) == (65_535, 8_787)
    assert port["description"] == "The next free one of ten, if it is taken"


def test_schema_uses_the_words_of_the_shipped_file() -> None:
    told = descriptions("# not this\n\n[a]\n# one\n# two\n# b = 1\nc = 2\n# d e\n\n# f = 3\n")
    assert told == {("a", "b"): "one two"}
    keys = {(name, key) for name, kind in SECTIONS.items() for key in kind.__struct_fields__}
    assert descriptions(shipped("hunter.toml")).keys() <= keys
    assert "Config" not in json_schema("")["$defs"]
