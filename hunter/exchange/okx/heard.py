"""What every push of a subscription changes in its session. Pure.

One truth in two hands: compiled code and `session` write the same record. This class is the twin of
the compiled one, for where there is none.
"""

from __future__ import annotations

from hunter.native import kernel


class Heard:
    """`heard_ns`: last data or acknowledgement; `data_count`: pushes."""

    __slots__ = ("data_count", "heard_ns")

    def __init__(self) -> None:
        self.heard_ns = 0
        self.data_count = 0


def new_heard() -> Heard:
    """The compiled one where there is a kernel."""
    if kernel is None:
        return Heard()
    compiled: Heard = kernel.Heard()
    return compiled
