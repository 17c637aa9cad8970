"""Forked processes that end with their parent, and complain through a pipe of what they find."""

from __future__ import annotations

import ctypes
import os
import select
import signal
import sys
from collections.abc import Callable
from typing import NoReturn

COMPLAINTS_PER_PROCESS_MAX = 3
_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None)


def child(complain: Callable[[str], None], live: Callable[[], None]) -> int:
    """Fork a process that does `live` and nothing after it; returns its pid."""
    sys.stdout.flush()
    pid = os.fork()
    if not pid:
        # a stopped one would outlive us otherwise, should we be killed
        _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        _live_and_leave(complain, live)
    return pid


def _live_and_leave(complain: Callable[[str], None], live: Callable[[], None]) -> NoReturn:
    try:
        live()
    except Exception as error:
        complain(f"{type(error).__name__}: {error}")
    finally:
        sys.stdout.flush()
        os._exit(0)


def complaints(reading: int) -> list[str]:
    """What the processes have complained of since the last call."""
    lines: list[str] = []
    while True:
        try:
            raw = os.read(reading, 65536)
        except BlockingIOError:
            return lines
        if not raw:
            return lines
        lines += raw.decode().splitlines()


def make_complain(writing: int) -> Callable[[str], None]:
    said = [0]

    def complain(text: str) -> None:
        said[0] += 1
        if said[0] <= COMPLAINTS_PER_PROCESS_MAX:
            os.write(writing, text[:400].encode() + b"\n")  # below PIPE_BUF: never mixed

    return complain


def reap(pid: int, seconds_max: float) -> bool:
    """Wait for a process to end by itself; whether it did."""
    descriptor = os.pidfd_open(pid)
    ended = bool(select.select([descriptor], [], [], seconds_max)[0])
    os.close(descriptor)
    if not ended:
        os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    return ended
