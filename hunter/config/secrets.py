"""Where a secret is: "env:NAME" or "file:PATH", never the secret itself.

Whoever wrote the secret here all the same must not find it in a log, so no message repeats it. Read
by the one actor that needs it, at its start; the file's mode is checked, because a file that others
can read is no secret.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from hunter.errors import ConfigError

SECRET_BYTES_MAX: Final = 65_536
_ENVIRONMENT: Final = re.compile(r"env:([A-Za-z_][A-Za-z0-9_]*)")
_HOW: Final = 'name a place, "env:NAME" or "file:PATH"; the secret itself must not stand here'


def secret_fault(reference: str) -> str:
    """Why this names no place of a secret; "" if it does, or if none is named."""
    if not reference or _ENVIRONMENT.fullmatch(reference):
        return ""
    return "" if reference.startswith("file:") and len(reference) > len("file:") else _HOW


def secret_variable(reference: str) -> str:
    """The environment variable that holds it; "" when it is in a file."""
    found = _ENVIRONMENT.fullmatch(reference)
    return found[1] if found else ""


def read_secret(reference: str, base_dir: Path, variables: Mapping[str, str]) -> str:
    """The secret, without blanks around it.

    Raises ConfigError when it is not there, is empty, or is in a file that others can read.
    """
    if name := secret_variable(reference):
        value = variables.get(name, "").strip()
        if not value:
            raise ConfigError(f"the environment has no {name}, which a secret was to come from")
        return value
    path = base_dir / reference.removeprefix("file:")
    try:
        path = base_dir / Path(reference.removeprefix("file:")).expanduser()
        with open(path, "rb", opener=_open_at_once) as file:
            mode = os.fstat(file.fileno()).st_mode
            raw = file.read(SECRET_BYTES_MAX + 1) if stat.S_ISREG(mode) else b""
    except OSError as error:
        raise ConfigError(f"{path}, which holds a secret: {error.strerror}") from None
    except (RuntimeError, ValueError):  # the home of nobody; a name that can be none
        raise ConfigError(f"{path!r}, which holds a secret, can be no file") from None
    if not stat.S_ISREG(mode):
        raise ConfigError(f"{path}, which holds a secret, is no file")
    if mode & 0o077:
        raise ConfigError(f"{path} holds a secret and others can read it: chmod 600 {path}")
    try:
        value = raw.decode().strip()
    except UnicodeDecodeError:
        raise ConfigError(f"{path} holds a secret that is no text") from None
    if not value or len(raw) > SECRET_BYTES_MAX:
        raise ConfigError(f"{path} is empty or too long for a secret")
    return value


def _open_at_once(path: str, flags: int) -> int:
    """A fifo would keep the start waiting for whoever writes to it."""
    return os.open(path, flags | os.O_NONBLOCK)
