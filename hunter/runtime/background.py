"""A process that stands back for the data path: it gets little, in short turns, and takes the core
from nobody.

Niceness alone does none of this where each session is a scheduling group of its own (autogroup, as
on most desktops and plain servers): it counts within the group, and every actor has its own
session. And a process that wakes up may take the core from one that is in the middle of a frame,
for a turn of 1 to 3 ms. So all four are asked for; what a kernel does not know, it does without.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import platform
import struct
from pathlib import Path
from typing import Final

from hunter import clock

TURN_NS: Final = 100_000  # the shortest that Linux grants; before 6.12 it does not listen
_AUTOGROUP: Final = Path("/proc/self/autogroup")
# Of an ordinary user the kernel takes one such wish in 100 ms from the whole host.
_ASK_AGAIN_S: Final = 0.11
_ASKS_MAX: Final = 10
_SCHED_SETATTR: Final = {"x86_64": 314, "aarch64": 274}
# sched_attr: size u4, policy u4, flags u8, nice i4, priority u4, runtime u8, deadline u8, period u8
_SCHED_ATTR: Final = struct.Struct("=IIQiIQQQ")


def stand_back(nice: int) -> None:
    """For the rest of this process's life, and of its session's. Before there are threads."""
    if not nice:
        return
    _weigh_group(nice)
    with contextlib.suppress(PermissionError):  # by a sandbox's rules
        os.nice(nice)
        if os.sched_getscheduler(0) != os.SCHED_OTHER:
            return  # an administrator has chosen
        if not _take_short_turns():
            os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))


def _weigh_group(nice: int) -> None:
    for _ in range(_ASKS_MAX):
        try:
            _AUTOGROUP.write_text(str(nice))
        except BlockingIOError:
            clock.sleep_s(_ASK_AGAIN_S)
        except OSError:  # no such groups, or a sandbox that does not let us
            return
        else:
            return


def _take_short_turns() -> bool:
    """As SCHED_BATCH; whether the kernel took it."""
    number = _SCHED_SETATTR.get(platform.machine())
    if number is None:
        return False
    nice = os.getpriority(os.PRIO_PROCESS, 0)
    wish = _SCHED_ATTR.pack(_SCHED_ATTR.size, os.SCHED_BATCH, 0, nice, 0, TURN_NS, 0, 0)
    return bool(ctypes.CDLL(None).syscall(ctypes.c_long(number), 0, wish, 0) == 0)
