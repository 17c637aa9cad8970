"""The runtime directory is fit for sockets and locks, and nobody else's, before anything is made.

Every refusal is the configuration's fault (exit 78) and names the directory and the way out.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Final

from hunter.bus.sockets import PATH_BYTES_MAX
from hunter.config import Config
from hunter.errors import ConfigError
from hunter.ring.segment import make_private_dir

# The longest name in there: what a brain sleeps on. It must fit into a socket's address.
_LONGEST_NAME: Final = "wake-brain-0.ipc"


def check_places(config: Config) -> None:
    """Make the runtime directory, or check the one that is there.

    Raises ConfigError or SegmentUnusable.
    """
    directory = config.runtime_dir
    length = len(os.fsencode(directory / _LONGEST_NAME))
    if length > PATH_BYTES_MAX:
        raise ConfigError(
            f"hunter.runtime_dir: {directory} is too long for a socket by"
            f" {length - PATH_BYTES_MAX} bytes; choose a shorter path"
        )
    _refuse_shared(directory)
    make_private_dir(directory)
    if not os.access(directory, os.W_OK | os.X_OK):
        raise ConfigError(
            f"hunter.runtime_dir: {directory} cannot be written to ({_why(directory)});"
            " set [hunter] runtime_dir to a folder of this user"
        )


def _refuse_shared(directory: Path) -> None:
    """What others could write to, others may have written: locks, sockets, a configuration."""
    try:
        mode = stat.S_IMODE(directory.lstat().st_mode)
    except OSError:  # not there, or not to be seen: said with the attempt to make it
        return
    if mode & 0o022 and not directory.is_symlink():
        raise ConfigError(
            f"hunter.runtime_dir: others can write to {directory} (mode {mode:04o}); look at what"
            f" is in it, then: chmod 700 {directory}"
        )


def _why(directory: Path) -> str:
    flags = os.statvfs(directory).f_flag
    return "read-only file system" if flags & os.ST_RDONLY else "permission denied"


def make_folders(config: Config) -> None:
    """The data and log directories; raises ConfigError when one cannot be had."""
    for key, path in (("data_dir", config.data_dir), ("log_dir", config.log_dir)):
        try:
            path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigError(
                f"hunter.{key}: {path} cannot be a directory: {error.strerror}; choose another"
            ) from error
        if not os.access(path, os.W_OK | os.X_OK):
            raise ConfigError(
                f"hunter.{key}: {path} cannot be written to ({_why(path)}); choose another"
            )
