"""A configuration as people may see it: in TOML, without passwords and tokens."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

import msgspec

from hunter.config.schema import SECTIONS, SITE_URLS, Config

NO_ORIGINS: Final[Mapping[tuple[str, str], str]] = MappingProxyType({})
_COMMENT_COLUMN_MAX: Final = 60
# May hold a password: shown nowhere.
_SECRET: Final = frozenset((("okx", "proxy"),))


def to_toml(config: Config, origins: Mapping[tuple[str, str], str] = NO_ORIGINS) -> str:
    """Every key with its effective value, and with its origin if that is given; a password is not
    shown.
    """
    lines: list[str] = []
    for section in SECTIONS:
        lines.append(f"[{section}]")
        keys = getattr(config, section).__struct_fields__
        shown = {key: f"{key} = {toml_value(shown_value(config, section, key))}" for key in keys}
        width = min(_COMMENT_COLUMN_MAX, max(len(line) for line in shown.values()))
        for key, line in shown.items():
            origin = origins.get((section, key))
            lines.append(f"{line:{width}}  # {origin}" if origin else line)
        lines.append("")
    return "\n".join(lines)


def shown_value(config: Config, section: str, key: str) -> object:
    """What people may see of a value."""
    return _shown(section, key, getattr(getattr(config, section), key))


def shown_url(url: str) -> str:
    """What people may see of an address: a gateway of one's own may want a token in the query."""
    place, mark, _ = url.partition("?")
    return f"{place}?***" if mark else place


def _shown(section: str, key: str, value: object) -> object:
    """What people may see of a value: neither the password nor the token of a proxy."""
    if section == "okx" and key in SITE_URLS:
        return shown_url(str(value))
    scheme, separator, rest = str(value).partition("://")
    who, at, place = rest.rpartition("@")
    if (section, key) not in _SECRET or not at:
        return value
    name, colon, _ = who.partition(":")
    # A name without a password is a token.
    return f"{scheme}{separator}{name if colon else ''}{colon}***{at}{place}"


def toml_value(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        # A JSON string is a TOML one, but for the one control character that JSON leaves as it is.
        return msgspec.json.encode(value).decode().replace("\x7f", "\\u007F")
    if isinstance(value, tuple):
        return "[" + ", ".join(toml_value(item) for item in value) + "]"
    return str(value)
