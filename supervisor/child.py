"""The only module a supervised program imports: die with the parent, say ready, beat.

Cheap to import (os and signal; ctypes only inside `protect`), and every function does nothing in a
program that is not supervised, so that it may also be run by hand. Nothing here ever blocks or
raises because of the parent: a full or broken pipe loses the word, and the supervisor decides by
silence. The descriptors and variables are taken out of reach of the program's own children.

Call `protect()` first thing in the main thread; then `notify_ready()` once, and `beat()` from the
work loop itself: a helper thread would beat for a loop that hangs.
"""

from __future__ import annotations

import os
import signal

NOTIFY_FD_VARIABLE = "SUPERVISOR_NOTIFY_FD"
LIFE_FD_VARIABLE = "SUPERVISOR_LIFE_FD"
PID_VARIABLE = "SUPERVISOR_PID"
BEATS_VARIABLE = "SUPERVISOR_BEATS"

_PR_SET_PDEATHSIG = 1  # linux/prctl.h
_taken: dict[str, int | None] = {}


def _take(variable: str) -> int | None:
    """The number in the variable, which is then removed: it is for this process alone."""
    if variable not in _taken:
        text = os.environ.pop(variable, "")
        _taken[variable] = int(text) if text.isdigit() else None
    return _taken[variable]


def _take_descriptor(variable: str) -> int | None:
    fresh = variable not in _taken
    descriptor = _take(variable)
    if fresh and descriptor is not None:
        try:
            os.set_inheritable(descriptor, False)
        except OSError:  # a variable that came without its descriptor, through a wrapper program
            _taken[variable] = None
    return _taken[variable]


def protect() -> None:
    """Have the kernel kill this process when the supervisor dies, however it dies.

    The signal follows the death of the *thread* that spawned us (prctl(2)), which is why the
    supervisor spawns from its main thread only. If it died before prctl, no signal will come: hence
    the look at the parent afterwards.
    """
    _take_descriptor(NOTIFY_FD_VARIABLE)
    _take_descriptor(LIFE_FD_VARIABLE)
    _take(BEATS_VARIABLE)
    parent_pid = _take(PID_VARIABLE)
    if parent_pid is None:
        return
    import ctypes  # here, because it costs milliseconds that an unsupervised run need not pay

    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0) != 0:
        os.write(2, b"supervisor.child: PR_SET_PDEATHSIG failed; only the life line is left\n")
    if os.getppid() != parent_pid:
        os.write(2, b"supervisor.child: the supervisor is not (or no longer) the parent; ending\n")
        os._exit(1)


def _say(line: bytes) -> None:
    descriptor = _take_descriptor(NOTIFY_FD_VARIABLE)
    if descriptor is None:
        return
    try:
        os.write(descriptor, line)
    except BlockingIOError:
        pass  # the pipe is full of unread words: the supervisor sleeps, and allows for it
    except BrokenPipeError:
        pass  # the supervisor is gone; PDEATHSIG or the life line says so in its own way


def notify_ready() -> None:
    """The program does its work from now on."""
    _say(b"READY=1\n")


def beat() -> None:
    """The work loop turns. Said only to a supervisor that wants to hear it (`hang_after_ns`), for
    each word wakes it up.
    """
    if _take(BEATS_VARIABLE) is not None:
        _say(b"BEAT=1\n")


def extend_start(seconds: float) -> None:
    """Getting ready takes up to this much longer, counted from now."""
    _say(b"EXTEND_MS=%d\n" % round(seconds * 1000))


def life_fd() -> int | None:
    """A descriptor that becomes readable (end of file) when the supervisor is gone.

    For a poll loop: the second guard, where prctl does not reach (another thread, another user).
    """
    return _take_descriptor(LIFE_FD_VARIABLE)
