from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
from fakes.actor_stage import HandClock
from fakes.brain_rows import MS, START_NS, bbo
from fakes.model_files import model_file
from fakes.training import COUNT, logistic

from hunter.brain.adapters.sklearn import export_logistic
from hunter.brain.flow import FlowBrain
from hunter.brain.learning.modelfile import ModelUnreadable, write_model
from hunter.brain.load import Plugins, _takes_an_argument, load_brain, load_panel
from hunter.brain.plugins.plugin import PluginBrain
from hunter.brain.settings import BrainSettings
from hunter.config.plugins import BRAINS, EXPERTS
from hunter.config.schema import BrainSection
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
        ("fakes.user_brains:Absent", "fakes.user_brains has no Absent"),
        ("fakes.user_brains:not_a_class", "not a class"),
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


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An installed package that offers brains and experts."""
    info = tmp_path / "clever-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: clever\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        f"[{BRAINS}]\nsign = fakes.user_brains:FlowSign\ngone = fakes.user_brains:Absent\n"
        f"[{EXPERTS}]\nsteady = fakes.user_experts:make\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


def test_installed_brain_is_found_by_its_name(package: Path) -> None:
    brain = load_brain("sign", "BTC-USDT", SETTINGS)
    assert isinstance(brain, PluginBrain)
    assert brain.name == "sign"
    with pytest.raises(ConfigError, match=r'^brain.kind: "gone": cannot be loaded: Attribute'):
        load_brain("gone", "BTC-USDT", SETTINGS)


def test_brain_has_the_budget_of_the_configuration() -> None:
    section = BrainSection(kind="fakes.user_brains:FlowSign", budget_us=7)
    plugins = Plugins.of(section)
    brain = load_brain(section.kind, "BTC-USDT", SETTINGS, None, plugins)
    assert isinstance(brain, PluginBrain)
    assert brain._budget.budget_us == 7


def panel(*experts: str, search_dir: Path | None = None) -> Any:
    return load_panel("ETH-USDT", Plugins(experts, 200, HandClock()), search_dir)


def test_experts_are_made_in_their_order_with_the_instrument_if_they_ask(package: Path) -> None:
    module = "fakes.user_experts"
    found = panel(f"{module}:Steady", f"{module}:Named#horizon_ms=5000", "steady")
    assert found.names == (f"{module}:Steady", f"{module}:Named@5000", "steady")
    assert found.experts[1]._expert.instrument == "ETH-USDT"
    voting = [
        [answer == answer for answer in one] for one in found.ask([0.5] * COUNT, (1_000, 5_000))
    ]
    assert voting == [[True, False, True], [True, True, True]]


def test_flow_gets_its_experts(package: Path) -> None:
    brain = load_brain("flow", "BTC-USDT", SETTINGS, None, Plugins(("fakes.user_experts:Steady",)))
    assert isinstance(brain, FlowBrain)
    assert brain._panel.names == ("fakes.user_experts:Steady",)
    assert (brain.errors, brain.overruns, brain.trouble) == (0, 0, "")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("nobody", '"nobody" is no expert'),
        ("no_such_module_here:Expert", "cannot import no_such_module_here"),
        ("fakes.user_experts:Absent", "fakes.user_experts has no Absent"),
        ("fakes.user_experts:number", "neither a class nor a function"),
        ("fakes.user_experts:Wordless", "lacks learn, state, load"),
        ("fakes.user_experts:Refusing", "cannot be made with no arguments: OSError: weights.bin"),
        ("river:fakes.user_experts:number", "not a function"),
        ("sklearn:absent.json", "absent.json: cannot be read"),
    ],
)
def test_expert_that_cannot_be_is_a_configuration_error(text: str, says: str) -> None:
    with pytest.raises(ConfigError, match=says) as caught:
        panel(text)
    assert str(caught.value).startswith("brain.experts: ")


def test_model_in_a_file_is_pinned_and_made_once_for_all_instruments(tmp_path: Path) -> None:
    entry = export_logistic(*logistic(), tmp_path / "m.json").replace(f"{tmp_path}/", "")
    plugins = Plugins((entry,))
    one, other = (load_panel(name, plugins, tmp_path) for name in ("BTC-USDT", "ETH-USDT"))
    assert one.experts[0]._expert is other.experts[0]._expert
    assert one.experts[0] is not other.experts[0]
    with pytest.raises(ConfigError, match="is not the file that was named"):
        panel(entry[:-2] + ("00" if entry[-2:] != "00" else "11"), search_dir=tmp_path)


def test_built_in_brain_begins_from_the_model_that_is_named(tmp_path: Path) -> None:
    write_model(tmp_path / "m.json", model_file())
    section = BrainSection(model_file="m.json")
    settings = BrainSettings(warm_ms=0)
    rows = [bbo(START_NS + n * 50 * MS, (100.0, 5.0), (100.5, 1.0)) for n in range(20)]
    said = []
    for plugins in (Plugins.of(section), Plugins()):
        brain = load_brain("flow", "BTC-USDT", settings, tmp_path, plugins)
        for row in rows:
            brain.on_bbo(row)
        said.append(brain.outlook(0)[0].probability_up)
    assert said[0] > said[1] + 0.05  # its slope is 2.5, the published one 1.5


def test_model_file_that_does_not_fit_is_a_bad_configuration(tmp_path: Path) -> None:
    (tmp_path / "bad.json").write_text("{}")
    for name, why in (("none.json", "No such file"), ("bad.json", "no model file")):
        plugins = Plugins(model_file=name)
        with pytest.raises(ModelUnreadable, match=rf"brain\.model_file: .*{name}.*{why}"):
            load_brain("flow", "BTC-USDT", SETTINGS, tmp_path, plugins)
    assert ModelUnreadable.exit_code == 78
