"""docs/reference/python.md: what `hunter.attach` gives, from signatures and docstrings."""

from __future__ import annotations

import inspect
import re
from typing import Any

import hunter
from docs.generators.text import paragraphs

_HEAD = """# Python

    import hunter
    h = hunter.attach("hunter.toml")

Read-only: nothing here can disturb the running system. [Read the ring from a
notebook](../how-to/notebook.md) shows it in use; [the rows' fields](trades.md#rows) are their own
table.
"""


def page() -> str:
    parts = [_HEAD, "## Functions\n", _function("hunter.attach", hunter.attach)]
    for title, kind in _kinds().items():
        parts += [f"## {title}\n", paragraphs(kind.__doc__) + "\n"]
        members = [
            (name, value)
            for name, value in vars(kind).items()
            if not name.startswith("_") and _is_told(value)
        ]
        parts += [_function(name, value) for name, value in members]
    return "\n".join(parts)


def _kinds() -> dict[str, type]:
    """The classes that users get into their hands."""
    from hunter import access

    found = {"Instance": access.Instance, "Lane": access.Lane}
    for name in getattr(access, "__all__", ()):
        value = getattr(access, name)
        if inspect.isclass(value) and name not in found:
            found[name] = value
    return found


def _is_told(value: Any) -> bool:
    """Methods and properties that say something; fields stand in their class's docstring."""
    is_method = isinstance(value, property | classmethod) or inspect.isroutine(value)
    return is_method and bool(value.__doc__)


def _function(name: str, value: Any) -> str:
    if isinstance(value, property):
        return f"### {name}\n\n{paragraphs(value.__doc__)}\n"
    # Annotations are long and stand in the docstring in words; defaults are what one looks up.
    signature = inspect.signature(inspect.unwrap(value))
    bare = [
        parameter.replace(annotation=inspect.Parameter.empty)
        for parameter in signature.parameters.values()
        if parameter.name != "self"
    ]
    shown = str(signature.replace(parameters=bare, return_annotation=inspect.Signature.empty))
    return f"### {re.sub(r'.*[.]', '', name)}\n\n    {name}{shown}\n\n{paragraphs(value.__doc__)}\n"
