"""The whole configuration: one schema, its defaults, and `load`.

    schema     sections, keys, types, ranges, defaults
    loading    finds the file, reads it, completes it, lets `--set` win
    places     which line or option a key was given in
    checks     what the types cannot say
    cpus       sets of processor cores
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
    BrainSection,
    Config,
    HunterSection,
    OkxSection,
    StreamSection,
    SupervisorSection,
)
from hunter.config.showing import shown_url, to_toml

__all__ = [
    "ACTORS_MAX",
    "CHANNELS",
    "REGIONS",
    "BrainSection",
    "Config",
    "HunterSection",
    "OkxSection",
    "StreamSection",
    "SupervisorSection",
    "cpus_text",
    "find_file",
    "load",
    "load_effective",
    "parse_cpus",
    "remove_effective",
    "save_effective",
    "shown_url",
    "to_toml",
]
