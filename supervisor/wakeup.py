"""The signals that a supervisor takes, as a descriptor for its poll.

A handler that does anything would do it in the middle of a decision; these do nothing, and Python
writes the number into a pipe. Invariant: what the host program had set is set again afterwards.
Only the runner uses this, in the main thread.
"""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator
from types import FrameType

SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD)


def _take_no_action(_number: int, _frame: FrameType | None) -> None:
    """The wake-up descriptor tells the loop; a handler must exist for that to happen."""


@contextlib.contextmanager
def signal_descriptor() -> Iterator[int]:
    """A descriptor from which the numbers of SIGNALS can be read, while the context lasts."""
    read_fd, write_fd = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
    before = {number: signal.getsignal(number) for number in SIGNALS}
    wakeup_before = signal.set_wakeup_fd(write_fd, warn_on_full_buffer=False)
    try:
        for number in SIGNALS:
            # nohup has the terminal's end ignored, and means it
            if not (number == signal.SIGHUP and before[number] is signal.SIG_IGN):
                signal.signal(number, _take_no_action)
        yield read_fd
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(wakeup_before)
        os.close(read_fd)
        os.close(write_fd)
