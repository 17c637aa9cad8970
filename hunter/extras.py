"""Libraries that are not hunter's own: which extra brings them, and what to say without them."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Final

from hunter.errors import MissingExtra

MODULES: Final = {
    "web": ("starlette", "uvicorn"),
    "tui": ("textual",),
    "store": ("pyarrow",),
    "alerts": ("apprise",),
}
"""Extra -> the modules it brings."""


def has_extra(extra: str) -> bool:
    """Whether it is installed; imports nothing."""
    return all(find_spec(module) is not None for module in MODULES[extra])


def expect_extra(extra: str, what: str) -> None:
    """MissingExtra, with the command that installs it, when `what` could not run."""
    if not has_extra(extra):
        raise MissingExtra(f"{what} needs: pip install 'okx-hunter[{extra}]'")
