"""FlowWindow: one instrument's recent past and the vector of features that models learn from.

Single-threaded, owned by one brain; reading changes nothing. There are two of it: this one, and
`kernel.FlowWindow` (hunter/native/window.c), which does the same operations in the same order and
has the same bytes as state and as vector; `new_window` takes the compiled one where there is one.
The two halves may be mixed over time, a state of one is a state of the other, but a mate is always
of the same half.
"""

from __future__ import annotations

from math import isfinite, nan

from hunter.brain.window.features import FEATURES, PairView
from hunter.brain.window.recent import DEPTH_LEVELS as DEPTH_LEVELS
from hunter.brain.window.recent import RecentFlow
from hunter.native import kernel

_FUNCTIONS = tuple(feature.function for feature in FEATURES)


class FlowWindow(RecentFlow):
    """`vector` is what it is for."""

    __slots__ = ()

    def vector(self, now_ns: int, mate: FlowWindow | None = None, /) -> tuple[float, ...]:
        """Every feature at event time `now_ns`, in the order of FEATURES; NaN is not available.

        `mate` is the window of the other instrument of the same base, as it stands.
        """
        view = PairView(self, now_ns, mate)
        values = (function(view) for function in _FUNCTIONS)
        # + 0.0 makes a negative zero a zero
        return tuple(value + 0.0 if isfinite(value) else nan for value in values)


def new_window(stale_ms: int) -> FlowWindow:
    """The compiled one where there is a kernel: it has the methods and `quote`, not the parts."""
    if kernel is None:
        return FlowWindow(stale_ms)
    compiled: FlowWindow = kernel.FlowWindow(stale_ms)
    return compiled
