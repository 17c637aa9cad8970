"""Keeps Python's search for cyclic garbage out of the work: it is done before a wait.

What a loop makes for a frame or a row is freed by its reference count; cycles are rare (an
exception with its traceback, a user's brain). The interpreter searches whenever 700 more objects
have been made than freed, which is in the middle of a burst. A look at the young ones takes 0.1 ms
and one at all of them 4 to 10, measured in a stream and a brain at 3,000 messages a second. So the
automatic search is off; the loop lets us look when it is about to sleep anyway, and, if it never
sleeps, once there is so much that memory matters more than a tenth of a millisecond.

What was built at the start lives for ever and is not looked at again (gc.freeze). The runner alone
uses this.
"""

from __future__ import annotations

import gc
from typing import Final

IDLE_OBJECTS: Final = 700
BUSY_OBJECTS: Final = 50_000
# All of them, old ones too: after so many looks at the young, and no more often than this.
FULL_AFTER_LOOKS: Final = 10
FULL_EVERY_NS: Final = 60_000_000_000
_YOUNG: Final = 1


class Garbage:
    """`begin` when all is built; then `before_wait`, and `now_and_then` beside it."""

    def __init__(self) -> None:
        self._full_due_ns = 0

    def begin(self, now_ns: int) -> None:
        gc.collect()
        gc.freeze()
        gc.disable()
        self._full_due_ns = now_ns + FULL_EVERY_NS

    def before_wait(self, now_ns: int) -> None:
        """Nothing is waiting to be done."""
        self._look(now_ns, IDLE_OBJECTS)

    def now_and_then(self, now_ns: int) -> None:
        """Some times a second, for a loop that may never wait. It gets full looks, too: what has
        outlived one at the young would otherwise stay for ever.
        """
        self._look(now_ns, BUSY_OBJECTS)

    def _look(self, now_ns: int, made_min: int) -> None:
        made, _, looks = gc.get_count()
        if made < made_min:
            return
        if looks >= FULL_AFTER_LOOKS and now_ns >= self._full_due_ns:
            self._full_due_ns = now_ns + FULL_EVERY_NS
            gc.collect()
        else:
            gc.collect(_YOUNG)
