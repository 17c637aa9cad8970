"""Whether to colour, and colouring. Light: the entry point asks before it imports anything else."""

from __future__ import annotations

import os
import sys

import click


def colour(text: str, name: str) -> str:
    """In colour where `uses_colour`, else as it is."""
    return click.style(text, fg=name) if uses_colour() else text


def uses_colour() -> bool:
    """On a terminal that is not dumb, or where FORCE_COLOR or CLICOLOR_FORCE asks for it (with a
    pager, in a CI's log); never with NO_COLOR.
    """
    if "NO_COLOR" in os.environ:
        return False
    return is_colour_forced() or (sys.stdout.isatty() and os.environ.get("TERM") != "dumb")


def is_colour_forced() -> bool:
    """Whether the environment asks for colour whatever the output is."""
    forced = (os.environ.get(name, "0") for name in ("FORCE_COLOR", "CLICOLOR_FORCE"))
    return "NO_COLOR" not in os.environ and any(value not in ("", "0") for value in forced)
