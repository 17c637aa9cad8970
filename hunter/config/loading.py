"""From files and `--set` to a checked configuration. Order of precedence: default, file, `--set`.

Unknown keys are refused. An error names file, line and key, and gives a hint, on one line; nothing
is started with a configuration that has one.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from hunter.config.checks import check
from hunter.config.places import Places
from hunter.config.schema import REGIONS, SECTIONS, SITE_URLS, Config
from hunter.config.showing import toml_value
from hunter.config.wording import nearest, plain_reason, told
from hunter.errors import ConfigError

ENVIRONMENT_VARIABLE: Final = "HUNTER_CONFIG"
DEFAULT_FILE: Final = "hunter.toml"
# Words of keys, also misspelt ones, whose value is not repeated in an error.
_MAY_HOLD_A_SECRET: Final = ("proxy", "webhook", "token", "telegram", "apprise")


def find_file(given: str | None) -> Path | None:
    """The configuration file: the one given, else ./hunter.toml, else $HUNTER_CONFIG, else none."""
    if given is not None:
        return Path(given)
    if Path(DEFAULT_FILE).is_file():
        return Path(DEFAULT_FILE)
    named = os.environ.get(ENVIRONMENT_VARIABLE)
    return Path(named) if named else None


def load(path: Path | None, overrides: Sequence[str] = ()) -> Config:
    """Read, check and complete a configuration; `overrides` are `section.key=value` texts.

    Raises ConfigError with one line: place, key, what is wrong and what would be right.
    """
    text = ""
    tables: dict[str, Any] = {}
    if path is not None:
        text, tables = _read(path)
    places = Places(path, text)
    for override in overrides:
        _override(tables, override, places)
    _complete(tables, places)
    sections: dict[str, Any] = {}
    for name, table in tables.items():
        if name not in SECTIONS:
            raise ConfigError(
                f"{places.of(name)}: unknown section [{told(name)}]{nearest(name, SECTIONS)}"
            )
        sections[name] = _convert(name, table, places)
    base = path.resolve().parent if path is not None else Path.cwd()
    config = Config(**sections, base_dir=str(base))
    check(config, places)
    return config


def _read(path: Path) -> tuple[str, dict[str, Any]]:
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such file; name another with -c FILE") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read: {error}") from None
    try:
        return text, tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:  # the latter: absurd nesting
        found = re.search(r"\(at line (\d+)", str(error))
        line = found[1] if found else len(text.splitlines())  # else it is "at end of document"
        reason = str(error).split(" (at ")[0]
        raise ConfigError(f"{path}:{line}: not valid TOML: {reason}") from None


def _override(tables: dict[str, Any], override: str, places: Places) -> None:
    dotted, equals, value = override.partition("=")
    section, dot, key = dotted.strip().partition(".")
    shown = f"{told(dotted)}{equals}{told(value)}"
    import difflib  # late: most runs have no --set

    words = re.findall(r"[a-z]+", override.lower())
    if any(difflib.get_close_matches(key, words) for key in _MAY_HOLD_A_SECRET):
        shown = f"{told(dotted.split()[0]) if dotted.strip() else ''}{equals or ' '}..."
    if not equals or not dot:
        raise ConfigError(f"--set {shown}: write section.key=value, for example stream.shards=2")
    try:
        parsed = tomllib.loads(f"value = {value}")["value"]
    except (tomllib.TOMLDecodeError, RecursionError):
        parsed = value.strip()  # a bare word is a text: --set hunter.name=lab
    table = tables.setdefault(section, {})
    if isinstance(table, dict):  # what is none is refused with its place in the file
        table[key] = parsed
        places.overridden[section, key] = f"--set {shown}"


def _complete(tables: dict[str, Any], places: Places) -> None:
    """The addresses of the region, where none are given."""
    table = tables.get("okx")
    region = table.get("region", "global") if isinstance(table, dict) else "global"
    if not isinstance(table, dict) or not isinstance(region, str):
        return  # nothing is given, or it is refused with its place
    if region not in REGIONS:
        raise ConfigError(
            f'{places.of("okx", "region")}: okx.region: unknown region "{told(region)}"'
            f"{nearest(region, REGIONS)}"
        )
    public_url = table.get("public_url")
    if isinstance(public_url, str) and public_url.endswith("/public"):
        # the other path of the same server, not of OKX
        table.setdefault("business_url", public_url.removesuffix("public") + "business")
    for key in SITE_URLS:
        table.setdefault(key, getattr(REGIONS[region], key))


def _convert(section: str, table: object, places: Places) -> Any:
    if not isinstance(table, dict):
        raise ConfigError(
            f"{places.of(section)}: {section} must be a table: write [{section}] above its keys"
        )
    known = [field.name for field in msgspec.structs.fields(SECTIONS[section])]
    for key in table:
        if key not in known:
            raise ConfigError(
                f"{places.of(section, key)}: unknown key {section}.{told(key)}{nearest(key, known)}"
            )
    try:
        return msgspec.convert(table, SECTIONS[section])
    except msgspec.ValidationError as error:
        reason, _, where = str(error).partition(" - at `$.")
        key = re.split(r"[.\[`]", where)[0] if where else ""
        default = getattr(SECTIONS[section](), key, None)
        hint = f" (for example {toml_value(default)})" if default not in (None, "") else ""
        dotted = f"{section}.{key}" if key else section
        raise ConfigError(
            f"{places.of(section, key)}: {dotted}: {plain_reason(reason)}{hint}"
        ) from None
