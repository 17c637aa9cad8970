"""Actors that are odd on purpose, under the real command line.

    python odd_actors.py host ODDITY CONTROL_FILE start --background -c FILE ...

runs `hunter start ...` in this process, and each actor as `odd_actors.py actor ODDITY CONTROL_FILE
MODULE NAME RUNTIME_DIR`: the real actor, changed a little before it begins.

- livelock: while the control file's number is not 0, every stream but the first takes frames and
  writes no rows, and a brain reads none; all go on beating.
- skew: the wall clock of this host is what it is plus the 8 bytes of the control file, a number of
  nanoseconds.
"""

from __future__ import annotations

import mmap
import runpy
import struct
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

CONTROL_BYTES = 8
_NUMBER = struct.Struct("<q")


def set_control(path: Path, number: int) -> None:
    """Make the file, or change what it says at once."""
    if not path.exists():
        path.write_bytes(bytes(CONTROL_BYTES))
    with path.open("r+b") as file, mmap.mmap(file.fileno(), CONTROL_BYTES) as view:
        _NUMBER.pack_into(view, 0, number)


def _control(path: str) -> Callable[[], int]:
    with open(path, "rb") as file:
        view = mmap.mmap(file.fileno(), CONTROL_BYTES, access=mmap.ACCESS_READ)
    return lambda: int(_NUMBER.unpack_from(view)[0])


def livelock(control: Callable[[], int]) -> None:
    from hunter.brain.actor import BrainActor
    from hunter.ring.writer import RingWriter
    from hunter.stream import fastpath

    def unless_locked(method: Callable[..., Any], instead: Any) -> Callable[..., Any]:
        return lambda *words, **named: instead if control() else method(*words, **named)

    if sys.argv[1] == "stream-0":
        return
    fastpath.kernel = None  # it puts rows without asking the writer
    for name in ("put_trade", "put_bbo", "put_ticker", "put_book", "put"):
        setattr(RingWriter, name, unless_locked(getattr(RingWriter, name), None))
    BrainActor._read = unless_locked(BrainActor._read, 0)  # type: ignore[method-assign]


def skew(control: Callable[[], int]) -> None:
    true_ns, true_s = time.time_ns, time.time
    time.time_ns = lambda: true_ns() + control()
    time.time = lambda: true_s() + control() / 1e9


def nothing(control: Callable[[], int]) -> None:
    del control


# oddity -> what is done to the host's process, and to an actor's
ODDITIES = {"livelock": (nothing, livelock), "skew": (skew, skew)}


def _run_host(oddity: str, control_file: str, words: list[str]) -> None:
    plain = subprocess.Popen

    class Popen(plain):  # type: ignore[type-arg,valid-type,misc]
        """Starts the odd actor in place of the plain one."""

        def __init__(self, args: Any, **named: Any) -> None:
            if tuple(args[:2]) == (sys.executable, "-m"):
                args = [sys.executable, __file__, "actor", oddity, control_file, *args[2:]]
            super().__init__(args, **named)

    subprocess.Popen = Popen  # type: ignore[misc]
    ODDITIES[oddity][0](_control(control_file))
    sys.argv = ["hunter", *words]
    runpy.run_module("hunter", run_name="__main__")


def _run_actor(oddity: str, control_file: str, module: str, words: list[str]) -> None:
    sys.argv = [module, *words]
    ODDITIES[oddity][1](_control(control_file))
    runpy.run_module(module, run_name="__main__", alter_sys=True)


def main() -> None:
    role, oddity, control_file, *words = sys.argv[1:]
    sys.path[0] = ""  # as with -m: where we are, and not where this file lies
    if role == "host":
        _run_host(oddity, control_file, words)
    else:
        _run_actor(oddity, control_file, words[0], words[1:])


if __name__ == "__main__":
    main()
