"""Whether this processor keeps the order of stores that plain Python code relies on.

x86-64 does. Others, arm64 among them, may show a head before the row it names; the compiled half
tells them not to (hunter/native/ring.h says how), plain Python cannot. Asked whenever a segment is
mapped.
"""

from __future__ import annotations

import os

from hunter import native
from hunter.errors import SegmentUnusable

ORDERED_MACHINES = frozenset({"x86_64", "amd64", "AMD64"})


def require_order() -> None:
    """Raise SegmentUnusable where plain Python code must not touch a ring."""
    machine = os.uname().machine
    if native.kernel is None and machine not in ORDERED_MACHINES:
        raise SegmentUnusable(
            f"this processor ({machine}) may reorder what plain Python stores, so the ring needs"
            " hunter's compiled half: leave HUNTER_NATIVE unset, or install a C compiler and"
            " Python's headers (Debian, Ubuntu: apt install gcc python3-dev) and install hunter"
            " again"
        )
