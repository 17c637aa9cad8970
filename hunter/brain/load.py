"""From `brain.kind` to a brain: "flow", or "module:Class" of the user's.

Every way this can fail is a ConfigError that says what to change: a brain that cannot be
made now cannot be made by a restart either.
"""

from __future__ import annotations

import importlib
import inspect
import sys
from pathlib import Path

from hunter.brain.flow import FlowBrain
from hunter.brain.plugin import PluginBrain, attempt
from hunter.brain.protocol import Brain, UserBrain
from hunter.brain.settings import BrainSettings
from hunter.errors import ConfigError

METHODS = ("on_trades", "on_book", "on_ticker", "decide", "snapshot", "restore")


def load_brain(
    kind: str, instrument: str, settings: BrainSettings, search_dir: Path | None = None
) -> Brain:
    """A new brain for `instrument`. `search_dir` is where a user's module is looked for first."""
    if kind == "flow":
        return FlowBrain(instrument, settings)
    module_name, colon, class_name = kind.partition(":")
    if not colon or not module_name or not class_name:
        raise ConfigError(f'brain.kind: "{kind}" is no brain; write "flow" or "module:Class"')
    made = _make(_find(kind, module_name, class_name, search_dir), kind, instrument)
    return PluginBrain(instrument, made, kind, settings)


def _find(kind: str, module_name: str, class_name: str, search_dir: Path | None) -> type:
    if search_dir is not None and str(search_dir) not in sys.path:
        sys.path.insert(0, str(search_dir))
    module, error = attempt(importlib.import_module, module_name)
    if error is not None:
        where = f" (searched {search_dir} first)" if search_dir is not None else ""
        raise ConfigError(
            f'brain.kind: "{kind}": cannot import {module_name}{where}:'
            f" {type(error).__name__}: {error}"
        ) from error
    found = getattr(module, class_name, None)
    if not isinstance(found, type):
        raise ConfigError(f'brain.kind: "{kind}": {module_name} has no class {class_name}')
    missing = [name for name in METHODS if not callable(getattr(found, name, None))]
    if missing:
        raise ConfigError(f'brain.kind: "{kind}": {class_name} lacks {", ".join(missing)}')
    return found


def _make(found: type, kind: str, instrument: str) -> UserBrain:
    arguments = (instrument,) if _takes_an_argument(found) else ()
    made: UserBrain
    made, error = attempt(found, *arguments)
    if error is not None:
        given = f'"{instrument}"' if arguments else "no arguments"
        raise ConfigError(
            f'brain.kind: "{kind}": cannot be made with {given}: {type(error).__name__}: {error}'
        ) from error
    return made


def _takes_an_argument(found: type) -> bool:
    signature, error = attempt(inspect.signature, found)
    if error is not None:
        return False  # a class made in C that does not tell
    parameters = signature.parameters.values()
    return any(
        p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD) and p.default is p.empty
        for p in parameters
    )
