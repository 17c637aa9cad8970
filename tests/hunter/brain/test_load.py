from __future__ import annotations

import sys
from pathlib import Path

import pytest

from hunter.brain.flow import FlowBrain
from hunter.brain.load import _takes_an_argument, load_brain
from hunter.brain.plugin import PluginBrain
from hunter.brain.settings import BrainSettings
from hunter.errors import ConfigError

SETTINGS = BrainSettings()


def test_flow_is_the_built_in() -> None:
    brain = load_brain("flow", "BTC-USDT", SETTINGS)
    assert isinstance(brain, FlowBrain)
    assert brain.instrument == "BTC-USDT"


@pytest.mark.parametrize("name", ["FlowSign", "Optional"])
def test_class_of_a_module_is_adapted(name: str) -> None:
    brain = load_brain(f"fakes.user_brains:{name}", "BTC-USDT", SETTINGS)
    assert isinstance(brain, PluginBrain)
    assert brain.name == f"fakes.user_brains:{name}"


def test_class_that_asks_for_the_instrument_gets_it() -> None:
    brain = load_brain("fakes.user_brains:Named", "ETH-USDT", SETTINGS)
    assert isinstance(brain, PluginBrain)
    assert brain._user.instrument == "ETH-USDT"  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("kind", "says"),
    [
        ("flaw", 'write "flow" or "module:Class"'),
        (":Class", 'write "flow" or "module:Class"'),
        ("module:", 'write "flow" or "module:Class"'),
        ("no_such_module_here:Class", "cannot import no_such_module_here.*ModuleNotFoundError"),
        ("fakes.user_brains:Absent", "has no class Absent"),
        ("fakes.user_brains:not_a_class", "has no class not_a_class"),
        ("fakes.user_brains:Deaf", "lacks on_trades, on_book, on_ticker, snapshot, restore"),
        ("fakes.user_brains:Refusing", "cannot be made with no arguments: OSError: weights.bin"),
    ],
)
def test_kind_that_makes_no_brain_is_a_configuration_error(kind: str, says: str) -> None:
    with pytest.raises(ConfigError, match=says) as caught:
        load_brain(kind, "BTC-USDT", SETTINGS)
    assert str(caught.value).startswith("brain.kind: ")


def test_module_is_looked_for_in_the_search_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "path", list(sys.path))
    (tmp_path / "brain_of_mine_1.py").write_text("from fakes.user_brains import FlowSign as Mine\n")
    (tmp_path / "brain_of_mine_2.py").write_text("def broken(:\n")
    load_brain("brain_of_mine_1:Mine", "BTC-USDT", SETTINGS, tmp_path)
    with pytest.raises(ConfigError, match=r"searched .* first.*SyntaxError"):
        load_brain("brain_of_mine_2:Mine", "BTC-USDT", SETTINGS, tmp_path)
    assert sys.path.count(str(tmp_path)) == 1


def test_class_that_hides_its_signature_is_made_without_arguments() -> None:
    class Secret:
        __signature__ = "not a signature"

    assert not _takes_an_argument(Secret)
