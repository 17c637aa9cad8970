"""The token that everybody needs who comes from elsewhere than this host.

Made once, readable by the instance's user alone, and kept: whoever is logged in stays so when the
page's process is restarted. A file that the configuration names is as good if its owner made it.
"""

from __future__ import annotations

import contextlib
import os
import secrets
from pathlib import Path
from typing import Final

from hunter.config import Config, read_secret
from hunter.errors import ConfigError, HunterError

TOKEN_BYTES: Final = 32
TOKEN_LENGTH_MIN: Final = 16


def page_token(config: Config) -> str:
    """The token in `config.token_path`, which is made if it is not there.

    Raises ConfigError when others can read it or it is too short to be a secret.
    """
    path = config.token_path
    _make(path)
    token = read_secret(f"file:{path}", path.parent, {})
    if len(token) < TOKEN_LENGTH_MIN or not token.isascii() or not token.isprintable():
        raise ConfigError(
            f"{path}: a token has at least {TOKEN_LENGTH_MIN} plain characters;"
            " remove the file, then hunter restart web makes one"
        )
    return token


def _make(path: Path) -> None:
    """Whole or not at all: a link, not an open file, so that nobody reads half a token."""
    if path.exists():
        return
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        descriptor = os.open(
            aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600
        )
        try:
            os.write(descriptor, secrets.token_urlsafe(TOKEN_BYTES).encode() + b"\n")
        finally:
            os.close(descriptor)
        with contextlib.suppress(FileExistsError):
            os.link(aside, path)
    except OSError as error:
        raise HunterError(f"{path}, the page's token: {error.strerror}") from None
    finally:
        with contextlib.suppress(OSError):
            aside.unlink()
