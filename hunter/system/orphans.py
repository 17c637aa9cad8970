"""What actors of a killed run have left behind: ended before the next run begins.

The kernel ends actors with their supervisor, but not what a user's brain had started itself, such
as the workers of a data loader; as long as the supervisor lives it sweeps these up, and afterwards
nobody would. They are told by the session of their actor, or by a variable in their environment.
Not found is only who forked, without another program, into a session of its own.
"""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Collection
from pathlib import Path
from typing import Final

from hunter.config import Config
from hunter.errors import SegmentError
from hunter.ring.segment import shared_dir
from hunter.status import block
from hunter.status.page import is_alive, process_start_ticks

VARIABLE: Final = "HUNTER_RUNTIME_DIR"  # in each actor's environment, and so in its children's
_ROUNDS_MAX: Final = 20  # a program may start another while it is being looked for


def end_orphans(config: Config) -> int:
    """Kill them; how many there were. The caller holds the instance lock: no actor of this
    instance can be alive.
    """
    if os.environ.get(VARIABLE) == str(config.runtime_dir):
        return 0  # we come out of an actor ourselves
    sessions, mark = _sessions(config), f"{VARIABLE}={config.runtime_dir}".encode()
    killed: set[int] = set()
    for _ in range(_ROUNDS_MAX):
        found = {pid for pid in _pids() if _is_orphan(pid, sessions, mark)} - killed
        if not found:
            break
        for pid in found:
            _kill(pid, sessions, mark)
        killed |= found
    return len(killed)


def _sessions(config: Config) -> frozenset[int]:
    """Of the actors that the last run's pages name; without those whose number somebody else has
    got since.
    """
    try:
        status = block.attach(shared_dir(config.hunter.name, config.runtime_dir))
    except SegmentError:
        return frozenset()
    beats = [page.beat() for name, page in status.pages.items() if name != block.SUPERVISOR]
    status.close()
    return frozenset(
        beat.pid
        for beat in beats
        if beat.pid and (is_alive(beat) or not process_start_ticks(beat.pid))
    )


def _pids() -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def _is_orphan(pid: int, sessions: Collection[int], mark: bytes) -> bool:
    if pid == os.getpid():
        return False
    if not process_start_ticks(pid):
        return False  # a zombie: ended, and only its parent can make it go
    with contextlib.suppress(OSError):  # gone, or another user's
        if Path(f"/proc/{pid}").stat().st_uid != os.geteuid():
            return False
        if os.getsid(pid) in sessions:
            return True
        return mark in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    return False


def _kill(pid: int, sessions: Collection[int], mark: bytes) -> None:
    with contextlib.suppress(OSError):
        descriptor = os.pidfd_open(pid)
        try:
            # only now that the pidfd holds it does a look tell that it is the one we mean
            if _is_orphan(pid, sessions, mark):
                signal.pidfd_send_signal(descriptor, signal.SIGKILL)
        finally:
            os.close(descriptor)
