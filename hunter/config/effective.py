"""The checked configuration as a file of the runtime directory: the actors of an instance all run
with the very same one, whatever becomes of the user's file.

Written by the supervisor alone. Private: it holds the password of a proxy, if there is one.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

import msgspec

from hunter.config.schema import Config


def save_effective(config: Config, path: Path) -> None:
    """Write whole or not at all: an actor may be reading. Raises OSError."""
    aside = _aside(path)
    try:
        descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(msgspec.json.encode(config))
        aside.replace(path)
    except OSError:
        _remove(aside)  # half a file, say of a full disk
        raise


def load_effective(path: Path) -> Config:
    """Read back what `save_effective` wrote."""
    return msgspec.json.decode(path.read_bytes(), type=Config)


def remove_effective(path: Path) -> None:
    """And what a killed writer may have left beside it."""
    _remove(path)
    _remove(_aside(path))


def _aside(path: Path) -> Path:
    return path.with_name(f".{path.name}.new")


def _remove(path: Path) -> None:
    with contextlib.suppress(OSError):  # it is not there, or the disk is read-only by now
        path.unlink()
