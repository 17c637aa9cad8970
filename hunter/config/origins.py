"""Where each value in force comes from: "default", "hunter.toml:12", or "--set ...".

Reads the file once more, beside `load`, which has checked it: `hunter config show` is the only one
who wants to know.
"""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from hunter.config.places import Places
from hunter.config.schema import SITE_URLS, Config

DEFAULT: Final = "default"
OF_REGION: Final = "okx.region"

Key = tuple[str, str]


def origins(path: Path | None, overrides: Sequence[str], config: Config) -> dict[Key, str]:
    """Section and key -> its origin, for every key. `config` is what `load` made of the same."""
    text = path.read_text(encoding="utf-8") if path is not None else ""
    given: dict[str, Any] = tomllib.loads(text)
    places = Places(path, text)
    set_keys = {_key(override) for override in overrides}
    found: dict[Key, str] = {}
    for section in config.__struct_fields__:
        for key in getattr(getattr(config, section), "__struct_fields__", ()):
            if (section, key) in set_keys:
                found[section, key] = "--set"
            elif key in given.get(section, {}):
                found[section, key] = places.of(section, key)
            else:
                found[section, key] = DEFAULT
    for key in SITE_URLS:
        if found["okx", key] == DEFAULT and found["okx", "region"] != DEFAULT:
            found["okx", key] = OF_REGION
    public = found["okx", "public_url"]
    follows = public not in (DEFAULT, OF_REGION) and config.okx.public_url.endswith("/public")
    if follows and found["okx", "business_url"] in (DEFAULT, OF_REGION):
        found["okx", "business_url"] = "okx.public_url"
    return found


def _key(override: str) -> Key:
    section, _, key = override.partition("=")[0].strip().partition(".")
    return section, key
