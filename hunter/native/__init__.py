"""The compiled half of the data path: `kernel` is the extension module, or None.

Built from the C files beside this one where there is a compiler at installation; without it hunter
runs on the Python code alone, which does the same at a higher price. HUNTER_NATIVE=off asks for
that. Whoever has a compiled twin chooses between the two in its own module, by `kernel`; nobody
else asks.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import ModuleType

OFF = "off"


def _load() -> ModuleType | None:
    if os.environ.get("HUNTER_NATIVE", "") == OFF:
        return None
    try:
        from hunter.native import _kernel
    except ImportError:
        return None
    return _kernel


kernel = _load()


def is_missed() -> bool:
    """Whether the compiled half is not there although nobody asked for that."""
    return kernel is None and os.environ.get("HUNTER_NATIVE", "") != OFF
