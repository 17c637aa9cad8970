"""From the configuration to brains and experts: the built-in one, the user's, the installed.

Every way this can fail is a ConfigError that says what to change: a brain that cannot be
made now cannot be made by a restart either. A model in a file is made once a process, as it learns
nothing; all else once for each instrument.
"""

from __future__ import annotations

import importlib
import inspect
import sys
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any, Final, NamedTuple

from hunter.brain.adapters import lightgbm, onnx, river, sklearn
from hunter.brain.adapters.pinned import read_pinned
from hunter.brain.flow import FlowBrain
from hunter.brain.learning.modelfile import beliefs_of, named_model
from hunter.brain.plugins.budget import Budget
from hunter.brain.plugins.outside import Guarded, OutsideExpert, Panel
from hunter.brain.plugins.plugin import PluginBrain, attempt
from hunter.brain.protocol import Brain, UserBrain
from hunter.brain.settings import BrainSettings
from hunter.clock import Clock, SystemClock
from hunter.config.plugins import (
    BRAINS,
    EXPERTS,
    FILE_KINDS,
    ExpertSpec,
    installed,
    kind_fault,
    parse_expert,
)
from hunter.config.schema import BrainSection
from hunter.errors import ConfigError

BRAIN_METHODS: Final = ("on_trades", "on_book", "on_ticker", "decide", "snapshot", "restore")
EXPERT_METHODS: Final = ("predict", "learn", "state", "load")
_FILE_ADAPTERS: Final = {"lightgbm": lightgbm.make, "onnx": onnx.make, "sklearn": sklearn.make}


class Plugins(NamedTuple):
    """What plug-ins there are beside the kind of brain, what they may take, and what the built-in
    brain begins from."""

    experts: tuple[str, ...] = ()
    budget_us: int = 200
    clock: Clock = SystemClock()
    model_file: str = ""

    @classmethod
    def of(cls, section: BrainSection) -> Plugins:
        return cls(section.experts, section.budget_us, model_file=section.model_file)

    def budget(self) -> Budget:
        return Budget(self.clock, self.budget_us)


class _Wish(NamedTuple):
    """What the configuration asks for, and where: for the errors."""

    key: str
    text: str

    def refused(self, why: str) -> ConfigError:
        return ConfigError(f'{self.key}: "{self.text}": {why}')


def load_brain(
    kind: str,
    instrument: str,
    settings: BrainSettings,
    search_dir: Path | None = None,
    plugins: Plugins | None = None,
) -> Brain:
    """A new brain for `instrument`. `search_dir` is where a user's module is looked for first, and
    what the paths of models count from."""
    plugins = plugins or Plugins()
    if kind == "flow":
        panel = load_panel(instrument, plugins, search_dir)
        beliefs = beliefs_of(named_model(plugins.model_file, search_dir))
        return FlowBrain(instrument, settings, panel=panel, beliefs=beliefs)
    if fault := kind_fault(kind):
        raise ConfigError(f"brain.kind: {fault}")
    wish = _Wish("brain.kind", kind)
    found = _find(wish, kind, BRAINS, search_dir)
    if not isinstance(found, type):
        raise wish.refused("not a class")
    _expect_methods(wish, found, BRAIN_METHODS)
    user: UserBrain = _make(wish, found, instrument)
    return PluginBrain(instrument, user, kind, settings, plugins.budget())


def load_panel(instrument: str, plugins: Plugins, search_dir: Path | None = None) -> Panel:
    """The outside experts of one instrument, in the order of the configuration."""
    experts = []
    for text in plugins.experts:
        try:
            spec = parse_expert(text)
        except ConfigError as error:
            raise ConfigError(f"brain.experts: {error}") from None
        expert = _load_expert(spec, instrument, search_dir)
        experts.append(Guarded(expert, spec.name, plugins.budget(), spec.horizon_ms))
    return Panel(experts)


def _load_expert(spec: ExpertSpec, instrument: str, search_dir: Path | None) -> OutsideExpert:
    if spec.kind in FILE_KINDS:
        return _load_file(spec, search_dir or Path())
    wish = _Wish("brain.experts", spec.text)
    if spec.kind == "river":
        factory = _find(wish, spec.target, EXPERTS, search_dir)
        if not callable(factory):
            raise wish.refused("not a function")
        return river.make(spec.name, factory)
    found = _find(wish, spec.target, EXPERTS, search_dir)
    if not callable(found):
        raise wish.refused("neither a class nor a function that makes an expert")
    made: OutsideExpert = _make(wish, found, instrument)
    _expect_methods(wish, made, EXPERT_METHODS)
    return made


@lru_cache(maxsize=64)
def _load_file(spec: ExpertSpec, base_dir: Path) -> OutsideExpert:
    content = read_pinned(spec, base_dir)
    made: OutsideExpert = _FILE_ADAPTERS[spec.kind](spec.name, spec.sha256, content)
    return made


def _find(wish: _Wish, target: str, group: str, search_dir: Path | None) -> Any:
    """What `module:name`, or the name of an entry point, stands for."""
    if ":" not in target:
        found, error = attempt(installed(group)[target].load)
        if error is not None:
            raise wish.refused(f"cannot be loaded: {type(error).__name__}: {error}") from error
        return found
    module_name, _, name = target.partition(":")
    if search_dir is not None and str(search_dir) not in sys.path:
        sys.path.insert(0, str(search_dir))
    module, error = attempt(importlib.import_module, module_name)
    if error is not None:
        where = f" (searched {search_dir} first)" if search_dir is not None else ""
        raise wish.refused(
            f"cannot import {module_name}{where}: {type(error).__name__}: {error}"
        ) from error
    found = getattr(module, name, None)
    if found is None:
        raise wish.refused(f"{module_name} has no {name}")
    return found


def _expect_methods(wish: _Wish, found: object, methods: tuple[str, ...]) -> None:
    missing = [name for name in methods if not callable(getattr(found, name, None))]
    if missing:
        raise wish.refused(f"lacks {', '.join(missing)}")


def _make(wish: _Wish, found: Callable[..., Any], instrument: str) -> Any:
    arguments = (instrument,) if _takes_an_argument(found) else ()
    made, error = attempt(found, *arguments)
    if error is not None:
        given = f'"{instrument}"' if arguments else "no arguments"
        raise wish.refused(
            f"cannot be made with {given}: {type(error).__name__}: {error}"
        ) from error
    return made


def _takes_an_argument(found: Callable[..., Any]) -> bool:
    signature, error = attempt(inspect.signature, found)
    if error is not None:
        return False  # a class made in C that does not tell
    parameters = signature.parameters.values()
    return any(
        p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD) and p.default is p.empty
        for p in parameters
    )
