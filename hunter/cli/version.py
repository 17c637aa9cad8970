"""`hunter version`: what a bug report should begin with."""

from __future__ import annotations

import platform
from importlib import metadata

import click
import msgspec

from hunter.cli.options import json_option


class VersionReport(msgspec.Struct, frozen=True):
    """`hunter version --json`. `compiled`: the compiled half of the data path is in use."""

    schema: int
    version: str
    python: str
    system: str
    machine: str
    compiled: bool
    libraries: dict[str, str | None]


@click.command()
@json_option
def version(as_json: bool) -> None:
    """Version of hunter, and of what it runs on."""
    from hunter.cli.probes import library_versions, native_state  # late: it takes a while

    found = VersionReport(
        1,
        _version(),
        platform.python_version(),
        f"{platform.system()} {platform.release()}",
        platform.machine(),
        native_state() == "compiled",
        library_versions(),
    )
    if as_json:
        click.echo(msgspec.json.encode(found))
        return
    half = "compiled half" if found.compiled else f"compiled half {native_state()}"
    known = ", ".join(f"{name} {number}" for name, number in found.libraries.items())
    click.echo(f"hunter {found.version}, {half}")
    click.echo(f"Python {found.python} on {found.system} {found.machine}")
    click.echo(known)


def _version() -> str:
    try:
        return metadata.version("okx-hunter")
    except metadata.PackageNotFoundError:
        return "0+source"
