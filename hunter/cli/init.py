"""`hunter init`: a folder to begin from, with the configuration as it ships and a brain to change.

Both files come out of the package. Nothing that is there already is touched.
"""

from __future__ import annotations

import re
import shlex
from importlib.resources import files
from pathlib import Path
from typing import Final

import click

from hunter.config import load
from hunter.config.showing import toml_value
from hunter.errors import HunterError
from hunter.market.instrument import is_instrument

CONFIGURATION: Final = "hunter.toml"
BRAIN: Final = "mybrain.py"
_SHIPPED: Final = {CONFIGURATION: "hunter.toml", BRAIN: "mybrain.txt"}


@click.command()
@click.argument("directory", default=".", type=click.Path(file_okay=False, path_type=Path))
@click.option(
    "--instruments",
    metavar="A,B",
    help="As OKX spells them: BTC-USDT, BTC-USDT-SWAP, ...; default: BTC-USDT-SWAP.",
)
def init(directory: Path, instruments: str | None) -> None:
    """Make DIRECTORY (default: this one) a place to run hunter from.

    hunter.toml has every key with its default and what it means; mybrain.py is a brain of your own
    to begin from. What is there already is never overwritten. The instance is called as DIRECTORY.
    """
    texts = {name: shipped(source) for name, source in _SHIPPED.items()}
    texts[CONFIGURATION] = configured(
        texts[CONFIGURATION], name_of(directory), names_of(instruments)
    )
    there = [name for name in texts if (directory / name).exists()]
    if there:
        raise HunterError(
            f"{directory / there[0]} is there already, and nothing was made; name another"
            " folder: hunter init DIRECTORY"
        )
    directory.mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        with open(directory / name, "x", encoding="utf-8") as file:
            file.write(text)
    load(directory / CONFIGURATION)  # what is made here must be good
    at = "" if directory == Path() else f"cd {shlex.quote(str(directory))} && "
    click.echo(f"{directory / CONFIGURATION}: every key, its default and what it means")
    click.echo(f'{directory / BRAIN}: yours to change; brain.kind = "mybrain:Momentum" runs it')
    click.echo("Next:")
    click.echo(f"  {at}hunter start -d      (without a network: hunter start -d --demo)")
    click.echo("  hunter status")


def shipped(name: str) -> str:
    """A file of the package. Raises HunterError for an installation that lacks it."""
    try:
        return (files("hunter.cli") / "templates" / name).read_text(encoding="utf-8")
    except OSError as error:
        raise HunterError(f"this installation of hunter has no {name}; install it anew") from error


def name_of(directory: Path) -> str:
    """Of the instance: the folder's, if an instance may be called so."""
    if directory == Path():
        return ""
    name = directory.resolve().name
    return name if re.fullmatch(r"[A-Za-z0-9_-]{1,32}", name) else ""


def names_of(instruments: str | None) -> tuple[str, ...]:
    names = tuple(filter(None, (part.strip() for part in (instruments or "").split(","))))
    for name in names:
        if not is_instrument(name):
            hint = f"; did you mean {name.upper()}?" if is_instrument(name.upper()) else ""
            raise click.BadParameter(
                f'"{name}" is not spelt like BTC-USDT or BTC-USDT-SWAP{hint}',
                param_hint="--instruments",
            )
    return tuple(dict.fromkeys(names))


def configured(text: str, name: str, instruments: tuple[str, ...]) -> str:
    """The shipped configuration with these values; an empty one leaves what is there."""
    for key, value in (("name", name), ("instruments", instruments)):
        if value:
            line = f"{key} = {toml_value(value)}"
            found = re.search(rf"(?m)^{key} = .*$", text)
            assert found, key
            text = text[: found.start()] + line + text[found.end() :]
    return text
