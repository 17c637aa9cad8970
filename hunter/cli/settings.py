"""`hunter config`: check a file, show what is in force and where it comes from, or describe every
key for an editor.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import click
import msgspec

from hunter.brain.adapters.pinned import check_experts
from hunter.brain.learning.modelfile import named_model
from hunter.cli.init import CONFIGURATION, shipped
from hunter.cli.options import config_option, json_option, load_config
from hunter.config import Config, find_file, to_toml
from hunter.config.origins import origins
from hunter.config.schema import SECTIONS
from hunter.config.showing import shown_value, toml_value
from hunter.config.wording import nearest

set_option = click.option(
    "--set", "overrides", multiple=True, metavar="KEY=VALUE", help="As for start."
)


@click.group()
def config() -> None:
    """Check, show or describe the configuration."""


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
@set_option
def show(config_file: str | None, overrides: tuple[str, ...]) -> None:
    """Every key with the value in force, and where it comes from, as TOML."""
    config = load_config(config_file, overrides)
    told = origins(find_file(config_file), overrides, config)
    click.echo(to_toml(config, told), nl=False)


@config.command()
@click.argument("key")
@config_option
@set_option
@json_option
def get(key: str, config_file: str | None, overrides: tuple[str, ...], as_json: bool) -> None:
    """One value, such as web.port, for a script: texts are printed bare, lists as TOML."""
    config = load_config(config_file, overrides)
    section, _, name = key.partition(".")
    known = [f"{one}.{field}" for one, kind in SECTIONS.items() for field in kind.__struct_fields__]
    if key not in known:
        hint = nearest(key, known) if name else "; write section.key, as in stream.shards"
        raise click.BadParameter(f'no key "{key}"{hint}', param_hint="KEY")
    value = shown_value(config, section, name)
    if as_json:
        click.echo(msgspec.json.encode(value))
    else:
        click.echo(value if isinstance(value, str) else toml_value(value))


@config.command()
def schema() -> None:
    """JSON Schema of hunter.toml, for editors: completion, types, ranges and what keys mean.

    \b
    hunter config schema > hunter.schema.json
    and as the first line of hunter.toml:  #:schema ./hunter.schema.json
    """
    click.echo(msgspec.json.format(msgspec.json.encode(json_schema(shipped(CONFIGURATION)))))


def json_schema(template: str) -> dict[str, Any]:
    """Of the file; each key is described by the comment above it in `template`."""
    (_, *_), definitions = msgspec.json.schema_components([Config], ref_template="#/$defs/{name}")
    del definitions["Config"]
    told = descriptions(template)
    for section, kind in SECTIONS.items():
        for key, found in definitions[kind.__name__]["properties"].items():
            if text := told.get((section, key)):
                found["description"] = text
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "hunter.toml",
        "type": "object",
        "properties": {name: {"$ref": f"#/$defs/{SECTIONS[name].__name__}"} for name in SECTIONS},
        "additionalProperties": False,
        "$defs": definitions,
    }


def descriptions(template: str) -> dict[tuple[str, str], str]:
    """Section and key -> the comment above it, where it has one."""
    found: dict[tuple[str, str], str] = {}
    section, above = "", list[str]()
    for line in template.splitlines():
        if head := re.fullmatch(r"\[(\w+)\]", line):
            section, above = head[1], []
        elif key := re.match(r"(?:# )?(\w+) = ", line):
            if above:
                found[section, key[1]] = " ".join(above)
            above = []
        elif line.startswith("# "):
            above.append(line[2:])
        else:
            above = []
    return found
