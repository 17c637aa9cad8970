"""Whether a reader sleeps: one word of shared memory that spares its writers most wake-ups.

To wake a sleeping process costs its waker 20 us, and a message to one that is awake half a one; a
busy reader needs neither. The reader alone stores the word, writers only look at it:

    reader   word = asleep | fence | look for news once more | sleep | word = awake
    writer   publish       | fence | look at the word        | wake the reader if it says asleep

Each stores first and looks then, with a full fence in between, so at least one of the two sees what
the other has stored: news that come while the reader falls asleep are found by its second look, or
their writer wakes it. On x86-64 the fence is a lock that is taken and given back: an atomic
read-modify-write. Elsewhere that may be less than a full fence, and then, once in a very long time,
a reader sleeps over news until the next publication, or until its wait is over: every wait has a
time-out, as it must have one for wake-ups that ZeroMQ drops.

Nothing here has to be put right after a death. A reader killed awake leaves `awake` behind: nobody
is there to be woken, and its successor looks for news before it sleeps for the first time. One
killed asleep leaves `asleep`: writers send wake-ups in vain, as they would to a reader that never
was there. A writer killed between publication and wake-up leaves a reader that sleeps until the
next one's publication, or its time-out.
"""

from __future__ import annotations

from threading import Lock
from typing import Final

_AWAKE: Final = 0
_ASLEEP: Final = 1


class SleepWord:
    """A reader's word. `words`: mapped memory; `index`: which of its 8-byte words."""

    __slots__ = ("_index", "_lock", "_words")

    def __init__(self, words: memoryview, index: int) -> None:
        self._words = words
        self._index = index
        self._lock = Lock()

    def fall_asleep(self) -> None:
        """The reader is about to sleep; it looks for news once more after this."""
        self._words[self._index] = _ASLEEP
        self._fence()

    def wake_up(self) -> None:
        """The reader looks for news without being told."""
        self._words[self._index] = _AWAKE

    def is_asleep(self) -> bool:
        """Whether the reader has to be told of what was stored before this call."""
        self._fence()
        return bool(self._words[self._index])

    def _fence(self) -> None:
        """Nobody else has this lock: it is taken for what that does to the order of memory."""
        self._lock.acquire()
        self._lock.release()
