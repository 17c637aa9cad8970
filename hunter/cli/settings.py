"""`hunter config`: check a file, or show what is in force."""

from __future__ import annotations

from pathlib import Path

import click

from hunter.brain.adapters.pinned import check_experts
from hunter.brain.learning.modelfile import named_model
from hunter.cli.options import config_option, load_config
from hunter.config import find_file, to_toml


@click.group()
def config() -> None:
    """Check or show the configuration."""


@config.command()
@config_option
def check(config_file: str | None) -> None:
    """Say whether the configuration is good; exit 78 with the place when it is not."""
    config = load_config(config_file)
    check_experts(config.brain.experts, Path(config.base_dir))
    named_model(config.brain.model_file, Path(config.base_dir))
    click.echo(f"{find_file(config_file) or 'defaults'}: good")


@config.command()
@config_option
@click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", help="As for start.")
def show(config_file: str | None, overrides: tuple[str, ...]) -> None:
    """Every key with the value in force."""
    click.echo(to_toml(load_config(config_file, overrides)), nl=False)
