"""A compiled record beside its Python twin, for tests that hold one against the other."""

from __future__ import annotations

from typing import Any

import pytest

from hunter.native import kernel


def twins(plain: type[Any]) -> list[Any]:
    """Parameters: the Python class, and the compiled one of the same name where there is one."""
    found = [pytest.param(plain, id="python")]
    if kernel is not None:
        found.append(pytest.param(getattr(kernel, plain.__name__), id="compiled"))
    return found


def fields(record: Any, twin: type[Any]) -> dict[str, Any]:
    """The public fields that the Python class declares, as `record` has them."""
    return {name: getattr(record, name) for name in twin.__slots__ if not name.startswith("_")}


needs_kernel = pytest.mark.skipif(kernel is None, reason="there is no compiled half to look at")
