"""Whom an operator has stopped by name, kept beyond the death of the supervisor that was told.

One name a line in the runtime directory. The supervisor's observer writes it when the wish changes;
the next start reads it if the supervisor was killed. An orderly stop of everything forgets it: who
starts after that wants all of it. Invariant: nothing here stops a start, or a supervisor.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Collection
from typing import Final

from hunter.config import Config
from hunter.files import private_opener

STOPPED_FILE: Final = "stopped.actors"
_BYTES_MAX: Final = 64 << 10


def stopped_actors(config: Config) -> frozenset[str]:
    """The names; none when there is no such file, or it is not to be read."""
    path = config.runtime_dir / STOPPED_FILE
    try:
        with path.open("rb") as file:
            raw = file.read(_BYTES_MAX)
    except OSError:
        return frozenset()
    return frozenset(raw.decode("utf-8", "replace").split())


def keep_stopped(config: Config, names: Collection[str]) -> None:
    """Write whole or not at all. Raises OSError."""
    path = config.runtime_dir / STOPPED_FILE
    aside = path.with_name(f".{STOPPED_FILE}.new")
    try:
        with open(aside, "w", encoding="utf-8", opener=private_opener) as file:
            file.writelines(f"{name}\n" for name in sorted(names))
        os.replace(aside, path)
    except OSError:
        _remove(aside)
        raise


def forget_stopped(config: Config) -> None:
    """After an orderly end: the next start starts everybody."""
    _remove(config.runtime_dir / STOPPED_FILE)


def _remove(path: os.PathLike[str]) -> None:
    with contextlib.suppress(OSError):  # it is not there, or the disk is read-only by now
        os.unlink(path)
