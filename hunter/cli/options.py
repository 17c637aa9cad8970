"""Options and output shared by the commands."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import click

from hunter.cli.paint import colour as colour
from hunter.config import Config, find_file, load

Function = TypeVar("Function", bound=Callable[..., Any])


def config_option(function: Function) -> Function:
    """`-c FILE`."""
    return click.option(
        "-c",
        "--config",
        "config_file",
        metavar="FILE",
        help="Default: ./hunter.toml, then $HUNTER_CONFIG.",
    )(function)


def json_option(function: Function) -> Function:
    """`--json`."""
    return click.option("--json", "as_json", is_flag=True, help="JSON on standard output.")(
        function
    )


def load_config(config_file: str | None, overrides: Sequence[str] = ()) -> Config:
    return load(find_file(config_file), overrides)


def table(rows: Sequence[Sequence[str]], right: set[int]) -> list[str]:
    """Rows of equal length as aligned lines; columns in `right` are flush right. First row:
    headings.
    """
    widths = [max(len(click.unstyle(row[i])) for row in rows) for i in range(len(rows[0]))]
    lines = []
    for row in rows:
        cells = []
        for i, cell in enumerate(row):
            gap = " " * (widths[i] - len(click.unstyle(cell)))
            cells.append(gap + cell if i in right else cell + gap)
        lines.append("  ".join(cells).rstrip())
    return lines


def duration(seconds: float) -> str:
    """`0.4 s`, `12 s`, `3 m 05 s`, `2 h 07 m`, `3 d 4 h`."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = int(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} m {whole % 60:02d} s"
    if whole < 86_400:
        return f"{whole // 3600} h {whole % 3600 // 60:02d} m"
    return f"{whole // 86_400} d {whole % 86_400 // 3600} h"


def size(byte_count: int) -> str:
    """`61 MB`."""
    return f"{byte_count / 1e6:.0f} MB" if byte_count >= 1e6 else f"{byte_count / 1e3:.0f} kB"
