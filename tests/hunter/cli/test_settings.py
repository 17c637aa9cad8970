"""`hunter config check` and `show`."""

from __future__ import annotations

import tomllib
from typing import Any

from click.testing import CliRunner

from hunter.cli.main import cli
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
