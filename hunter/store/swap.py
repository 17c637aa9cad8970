"""Two directories change places at once, where the file system can do that.

Then whoever looks sees the one or the other, whole. Linux has a call for it, renameat2(2), which
Python does not; most local file systems support it (ext4, xfs, btrfs, tmpfs, overlayfs).
"""

from __future__ import annotations

import ctypes
import errno
import os
from pathlib import Path
from typing import Final

_AT_FDCWD: Final = -100
_RENAME_EXCHANGE: Final = 2
_UNSUPPORTED: Final = frozenset(
    (errno.ENOSYS, errno.EINVAL, errno.EXDEV, errno.EPERM, errno.EOPNOTSUPP)
)


def exchange(one: Path, other: Path) -> bool:
    """Whether they changed places; False where that cannot be done. Raises OSError."""
    call = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if call is None:
        return False
    names = os.fsencode(one), os.fsencode(other)
    if call(_AT_FDCWD, names[0], _AT_FDCWD, names[1], ctypes.c_uint(_RENAME_EXCHANGE)) == 0:
        return True
    code = ctypes.get_errno()
    if code in _UNSUPPORTED:
        return False
    raise OSError(code, os.strerror(code), str(one))
