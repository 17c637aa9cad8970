"""A user's brain that fails when it is told to, each time in the way it is told.

A test copies this file beside a configuration (`put_beside`) and writes the name of a fault into a
file beside it (`tell`): `fault` is taken by the next call of on_trades and strikes once,
`fault-at-import` strikes whenever the module is imported, as long as the file is there.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

KIND = 'brain.kind="failing_brains:OnDemand"'
FAULT = "fault"
FAULT_AT_IMPORT = "fault-at-import"
GRANDCHILDREN = "grandchildren.txt"
LATE_S = 1.5
BLOCKED_S = 30.0  # on a busy machine it takes a while to tell a spinning loop from a starved one
_SLEEPER = ["sleep", "600"]
_IMPORTED_S = time.monotonic()


class Fatal(BaseException):
    """No Exception: nobody who catches those holds it up."""


def put_beside(home: Path) -> None:
    shutil.copy(__file__, home / "failing_brains.py")


def tell(home: Path, fault: str, where: str = FAULT) -> None:
    """Complete as soon as it is there."""
    aside = home / f"{where}.new"
    aside.write_text(fault)
    aside.rename(home / where)


def take(where: Path) -> str:
    """The fault that is asked for, which is then over."""
    try:
        fault = where.read_text()
        where.unlink()
    except FileNotFoundError:
        return ""
    return fault


def _fatal() -> None:
    raise Fatal("nothing goes any more")


def _recurse() -> None:
    _recurse()


def _block() -> None:
    helper = threading.Thread(target=threading.Event().wait, args=(60,), daemon=True)
    helper.start()
    end_s = time.monotonic() + BLOCKED_S
    while time.monotonic() < end_s:
        pass


def _be_deaf() -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)


def _leave_grandchildren() -> None:
    """One as any program makes it, one in a session of its own, and one whose parent is gone."""
    plain = subprocess.Popen(_SLEEPER)
    apart = subprocess.Popen(_SLEEPER, start_new_session=True)
    code = f"import subprocess; print(subprocess.Popen({_SLEEPER!r}, stdout=2).pid)"
    orphan = subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, check=True).stdout
    aside = Path(__file__).with_name(f"{GRANDCHILDREN}.new")
    aside.write_text(f"{plain.pid} {apart.pid} {int(orphan)}")
    aside.rename(aside.with_suffix(""))


FAULTS: dict[str, Callable[[], Any]] = {
    "segfault": lambda: ctypes.string_at(0),
    "abort": os.abort,
    "exit 139": lambda: os._exit(139),
    "system exit": lambda: sys.exit(3),
    "fatal": _fatal,
    "raise": lambda: 1 // 0,
    "recurse": _recurse,
    "block": _block,
    "deaf": _be_deaf,
    "grandchildren": _leave_grandchildren,
}


class OnDemand:
    """Does what a brain does, which is nothing here, and what it is told to."""

    def __init__(self) -> None:
        self._home = Path(__file__).parent
        self._is_late = (self._home / FAULT_AT_IMPORT).exists()

    def on_trades(self, batch: Sequence[Any]) -> None:
        if self._is_late and time.monotonic() - _IMPORTED_S > LATE_S:
            os._exit(7)
        fault = take(self._home / FAULT)
        if fault:
            FAULTS[fault]()

    def on_book(self, book: Any) -> None:
        pass

    def on_ticker(self, ticker: Any) -> None:
        pass

    def decide(self, now_ns: int) -> None:
        return None

    def snapshot(self) -> bytes:
        return b"-"

    def restore(self, state: bytes) -> None:
        pass


def _strike_at_import() -> None:
    try:
        fault = Path(__file__).with_name(FAULT_AT_IMPORT).read_text()
    except FileNotFoundError:
        return
    if fault != "late":
        FAULTS[fault]()


_strike_at_import()
