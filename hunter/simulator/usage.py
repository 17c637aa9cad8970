"""How much of the exchange's limits a client uses: counts in sliding windows, and the most seen."""

from __future__ import annotations

from collections import deque
from typing import Final

# More events in one window than this are counted as this many: no limit is anywhere near.
_EVENTS_MAX: Final = 100_000


class Meter:
    """Events in any window of `window_ns`: [t, t + window_ns)."""

    def __init__(self, window_ns: int) -> None:
        self.total = 0
        self.most = 0
        self._window_ns = window_ns
        self._times: deque[int] = deque(maxlen=_EVENTS_MAX)

    def note(self, now_ns: int) -> int:
        """Count one event; returns how many the window that ends now holds."""
        times = self._times
        while times and now_ns - times[0] >= self._window_ns:
            times.popleft()
        times.append(now_ns)
        self.total += 1
        self.most = max(self.most, len(times))
        return len(times)
