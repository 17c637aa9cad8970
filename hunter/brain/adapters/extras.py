"""Libraries that are not among hunter's own: imported when a model needs them, and not before."""

from __future__ import annotations

import importlib
from importlib.util import find_spec
from types import ModuleType
from typing import Final

from hunter.errors import ConfigError

LIBRARIES: Final = {"lightgbm": "lightgbm", "onnx": "onnxruntime", "river": "river"}
"""What kinds of experts need, by their extra, which has the kind's name."""


def expect(kind: str) -> None:
    """ConfigError when the library of a kind of expert is not installed; imports nothing."""
    module = LIBRARIES.get(kind, "")
    if module and find_spec(module) is None:
        raise _absent(module, kind)


def _absent(module: str, extra: str) -> ConfigError:
    return ConfigError(
        f"brain.experts: {module} is not installed: pip install 'okx-hunter[{extra}]'"
    )


def need(module: str, extra: str) -> ModuleType:
    """An optional library; ConfigError with the command that installs it."""
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] != module.partition(".")[0]:
            raise ConfigError(
                f"brain.experts: {module} is there, but not {error.name}, which it needs:"
                f" pip install 'okx-hunter[{extra}]'"
            ) from error
        raise _absent(module, extra) from error
    except ImportError as error:
        raise ConfigError(f"brain.experts: {module} cannot be imported: {error}") from error
