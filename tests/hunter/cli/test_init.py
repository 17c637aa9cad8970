"""`hunter init`: a folder to begin from."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from hunter.brain.load import load_brain
from hunter.brain.plugins.plugin import PluginBrain
from hunter.brain.settings import settings_of
from hunter.cli import init as init_module
from hunter.cli.init import configured, name_of, names_of, shipped
from hunter.cli.main import cli
from hunter.config import load
from hunter.errors import HunterError

ROOT = Path(__file__).resolve().parents[3]


def init(*words: str) -> Result:
    return CliRunner().invoke(cli, ["init", *words])


def test_folder_has_a_good_configuration_and_a_brain(tmp_path: Path) -> None:
    place = tmp_path / "my lab" / "lab-1"
    result = init(str(place), "--instruments", "BTC-USDT, ETH-USDT,BTC-USDT")
    assert result.exit_code == 0, result.output
    assert sorted(path.name for path in place.iterdir()) == ["hunter.toml", "mybrain.py"]
    config = load(place / "hunter.toml")
    assert config.hunter.name == "lab-1"
    assert config.okx.instruments == ("BTC-USDT", "ETH-USDT")
    *_, start, status = result.output.splitlines()
    assert start.startswith(f"  cd '{place}' && hunter start -d")
    assert status == "  hunter status"


def test_brain_of_the_folder_is_one_that_loads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert init(str(tmp_path)).exit_code == 0
    told = re.search(r'brain.kind = "(.*?)"', (tmp_path / "mybrain.py").read_text())
    assert told is not None
    config = load(tmp_path / "hunter.toml", [f'brain.kind="{told[1]}"'])
    monkeypatch.setitem(sys.modules, "mybrain", None)  # put back as it was, whatever is loaded
    monkeypatch.delitem(sys.modules, "mybrain")
    monkeypatch.setattr(sys, "path", list(sys.path))
    brain = load_brain(config.brain.kind, "BTC-USDT", settings_of(config.brain), tmp_path)
    assert isinstance(brain, PluginBrain)


def test_brain_is_that_of_the_readme() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    (told,) = re.findall(r"(?ms)^```python\n([^`]*?class Momentum.*?)^```", text)
    assert shipped("mybrain.txt").endswith(told)


def test_configuration_is_the_one_at_the_top() -> None:
    assert shipped("hunter.toml") == (ROOT / "hunter.toml").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", ["hunter.toml", "mybrain.py"])
def test_what_is_there_is_never_overwritten(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("mine")
    error = init(str(tmp_path)).exception
    assert isinstance(error, HunterError)
    assert "there already, and nothing was made" in str(error)
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert (tmp_path / name).read_text() == "mine"


def test_here_keeps_the_name_and_needs_no_cd(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = init()
    assert "\n  hunter start -d" in result.output
    assert load(tmp_path / "hunter.toml").hunter.name == "default"


def test_names_that_an_instance_cannot_have_are_not_taken(tmp_path: Path) -> None:
    assert name_of(tmp_path / "ok_1") == "ok_1"
    assert name_of(tmp_path / "not ok") == ""
    assert name_of(tmp_path / ("x" * 33)) == ""


@pytest.mark.parametrize(
    ("given", "said"), [("btc-usdt", "did you mean BTC-USDT?"), ("x y", '"x y" is not spelt')]
)
def test_instruments_that_are_none(tmp_path: Path, given: str, said: str) -> None:
    result = init(str(tmp_path / "lab"), "--instruments", given)
    assert result.exit_code == 2
    assert said in result.stderr
    assert not (tmp_path / "lab").exists()
    with pytest.raises(click.BadParameter):
        names_of(given)


def test_values_are_written_as_toml() -> None:
    text = 'name = "default"\ninstruments = ["A"]\nname = "other"\n'
    assert configured(text, "", ()) == text
    assert configured(text, "lab", ("B", "C")) == (
        'name = "lab"\ninstruments = ["B", "C"]\nname = "other"\n'
    )


def test_installation_without_its_files_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(init_module, "files", lambda _: Path("/nowhere"))
    with pytest.raises(HunterError, match=r"has no hunter\.toml; install it anew"):
        shipped("hunter.toml")
