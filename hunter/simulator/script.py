"""A script of faults: a TOML file that says what goes wrong when.

[[fault]]
at_s = 12.5            # after the start
name = "drop_trades"
count = 3              # optional, like all below
lasts_s = 10.0
connection = 2         # the second WebSocket connection accepted
instId = "BTC-USDT-SWAP"
code = 1001
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any, Final, NamedTuple

from hunter.errors import ConfigError
from hunter.simulator.faults import Fault, parse_fault

_KEYS: Final = frozenset({"name", "count", "lasts_s", "instId", "code"})


class Step(NamedTuple):
    at_ns: int  # after the start
    fault: Fault


def load_script(path: Path) -> list[Step]:
    """The steps in order of time; raises ConfigError that names the file and the step."""
    try:
        document = tomllib.loads(path.read_text())
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror}; check --faults") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not TOML: {error}") from error
    entries = document.pop("fault", [])
    if document or not isinstance(entries, list):
        raise ConfigError(f"{path} holds [[fault]] tables and nothing else")
    steps = []
    for number, entry in enumerate(entries, 1):
        try:
            steps.append(_step(entry))
        except ConfigError as error:
            raise ConfigError(f"{path}, fault {number}: {error}") from error
    return sorted(steps, key=lambda step: step.at_ns)


def _step(entry: Any) -> Step:
    if not isinstance(entry, dict):
        raise ConfigError("write it as a [[fault]] table")
    values = dict(entry)
    at_s, connection = values.pop("at_s", None), values.pop("connection", None)
    if isinstance(at_s, bool) or not isinstance(at_s, int | float) or not 0 <= at_s <= 1e6:
        raise ConfigError("at_s is missing or not a number of seconds")
    if unknown := values.keys() - _KEYS:
        raise ConfigError(f"unknown key {min(unknown)!r}")
    query = {name: str(value) for name, value in values.items()}
    if connection is not None:
        if not isinstance(connection, int) or connection < 1:
            raise ConfigError("connection is a number from 1: the n-th accepted")
        query["conn"] = f"#{connection}"
    return Step(int(at_s * 1e9), parse_fault(query))
