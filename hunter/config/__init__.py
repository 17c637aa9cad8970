"""The whole configuration: one schema, its defaults, and `load`.

    schema     sections, keys, types, ranges, defaults
    loading    finds the file, reads it, completes it, lets `--set` win
    places     which line or option a key was given in
    checks     what the types cannot say
    cpus       sets of processor cores
    secrets    where a secret is, and reading it
    wording    the words of an error
    showing    what people may see
    effective  the file that an instance's actors read

Others import from here alone.
"""

from __future__ import annotations

from hunter.config.cpus import cpus_text, parse_cpus
from hunter.config.effective import load_effective, remove_effective, save_effective
from hunter.config.loading import find_file, load
from hunter.config.schema import (
    ACTORS_MAX,
    CHANNELS,
    REGIONS,
    AlertsSection,
    BrainSection,
    Config,
    HunterSection,
    OkxSection,
    StoreSection,
    StreamSection,
    SupervisorSection,
    WebSection,
)
from hunter.config.secrets import read_secret, secret_variable
from hunter.config.showing import shown_url, to_toml

__all__ = [
    "ACTORS_MAX",
    "CHANNELS",
    "REGIONS",
    "AlertsSection",
    "BrainSection",
    "Config",
    "HunterSection",
    "OkxSection",
    "StoreSection",
    "StreamSection",
    "SupervisorSection",
    "WebSection",
    "cpus_text",
    "find_file",
    "load",
    "load_effective",
    "parse_cpus",
    "read_secret",
    "remove_effective",
    "save_effective",
    "secret_variable",
    "shown_url",
    "to_toml",
]
