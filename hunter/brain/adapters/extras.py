"""Libraries that are not among hunter's own: imported when a model needs them, and not before."""

from __future__ import annotations

import importlib
from types import ModuleType

from hunter.errors import ConfigError


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
        raise ConfigError(
            f"brain.experts: {module} is not installed: pip install 'okx-hunter[{extra}]'"
        ) from error
    except ImportError as error:
        raise ConfigError(f"brain.experts: {module} cannot be imported: {error}") from error
