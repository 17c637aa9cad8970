"""When the loop of an actor may sleep: at once, or after some time of looking without result.

To be woken takes 50 us and more on a core that has gone to sleep, to look takes 10. So who can
spare a core lets the loop spin for a while after the last work (`busy_poll_us`); when nothing comes
for so long, it sleeps all the same, and begins to spin again with the next work. The runner asks
after each turn. Pure.
"""

from __future__ import annotations


class IdleStrategy:
    """`busy_poll_ns`: how long after the last work the loop goes on without a wait."""

    __slots__ = ("_busy_poll_ns", "_spin_until_ns")

    def __init__(self, busy_poll_ns: int) -> None:
        self._busy_poll_ns = busy_poll_ns
        self._spin_until_ns = 0

    def may_wait(self, work: int, now_ns: int) -> bool:
        """After a turn that began at `now_ns` and did so much."""
        if work:
            self._spin_until_ns = now_ns + self._busy_poll_ns
            return False
        return now_ns >= self._spin_until_ns
