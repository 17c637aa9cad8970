"""How files are opened that nobody else may read: journals, logs and checkpoints tell what a
user's brain thinks.
"""

from __future__ import annotations

import os


def private_opener(path: str, flags: int) -> int:
    """For `open(..., opener=private_opener)`: mode 0600 when made, and not inherited."""
    return os.open(path, flags | os.O_CLOEXEC, 0o600)
