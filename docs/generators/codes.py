"""docs/reference/exit-codes.md: from the command line's own list and the tree of errors."""

from __future__ import annotations

import inspect
import re

from docs.generators.text import code, table
from hunter import errors
from hunter.cli.main import EXIT_CODES

_HEAD = """# Exit codes and errors

Every command ends with one of these. An error is one line on standard error, which says what
happened and what to do next; there is no traceback.
"""


def page() -> str:
    rows = [[code(number), words] for number, words in exit_codes().items()]
    told = _told()
    kinds = [
        [code(name), code(str(kind.exit_code)), code(kind.__mro__[1].__name__), told[name]]
        for name, kind in inspect.getmembers(errors, inspect.isclass)
        if issubclass(kind, errors.HunterError) and kind is not errors.HunterError
    ]
    return "\n".join(
        [
            _HEAD,
            table(["code", "meaning"], rows),
            "Ctrl-C is the proper end of `hunter start`, `hunter sim` and `hunter record`: 0.\n",
            "## Errors in Python\n",
            "What `hunter.attach` and the objects it gives raise, all of `hunter.errors`:\n",
            table(["error", "exit code", "is a", "whose fault"], kinds),
        ]
    )


def exit_codes() -> dict[str, str]:
    """Code -> meaning, as `hunter --help` has it."""
    text = " ".join(EXIT_CODES.replace("\b", "").split()).removeprefix("Exit codes: ").rstrip(".")
    pairs = re.findall(r"(\d+) (.+?)(?=, \d+ |$)", text)
    return dict(pairs)


def _told() -> dict[str, str]:
    """Error -> whose fault it is, out of the tree in the module's docstring."""
    found = re.findall(r"(?m)^[ |+-]*([A-Z]\w+)\s+\d+\s+(.+)$", errors.__doc__ or "")
    return dict(found)
