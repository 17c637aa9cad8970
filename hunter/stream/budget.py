"""How many connections a second this host may open to one server, over all its processes.

OKX allows 3 a second for each IP address (overview-websocket-connect), and counts what a restarted
process or another instance of this user has opened. The times of the newest ones are in a small
file that all of them know, changed under a flock; they are monotonic times, which all processes of
a boot share. Asking never waits: the answer is how long to wait.
"""

from __future__ import annotations

import fcntl
import hashlib
import ipaddress
import os
import struct
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from hunter.exchange.okx.endpoints import CONNECTS_PER_SECOND
from hunter.ring.segment import make_private_dir

# A little more than the second: what leaves here evenly may arrive there in a bunch.
WINDOW_NS: Final = 1_100_000_000
BUSY_RETRY_NS: Final = 20_000_000
_TIMES: Final = struct.Struct(f"<{CONNECTS_PER_SECOND}Q")


def budget_path(url: str, runtime_dir: Path, host_dir: Path) -> Path:
    """The file of the server behind `url`: in `host_dir`, which all instances of this user share,
    or for a server on this host in the instance's own `runtime_dir`: it is nobody else's."""
    parts = urlsplit(url)
    server = f"{parts.hostname}:{parts.port or 0}"
    if is_loopback(parts.hostname or ""):
        return runtime_dir / "connects.budget"
    digest = hashlib.blake2s(server.encode(), digest_size=4).hexdigest()
    return host_dir / f"connects-{digest}.budget"


class ConnectBudget:
    """Of one server."""

    def __init__(self, path: Path) -> None:
        make_private_dir(path.parent)
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        self._descriptor = os.open(path, flags, 0o600)

    def reserve(self, now_ns: int) -> int:
        """0: connect now, it is counted. Else the nanoseconds after which to ask again."""
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return BUSY_RETRY_NS
        try:
            raw = os.pread(self._descriptor, _TIMES.size, 0)
            times: list[int] = sorted(_TIMES.unpack(raw)) if len(raw) == _TIMES.size else []
            # 0: fewer than three so far; later than now: written before the last boot
            times = [at_ns for at_ns in times if 0 < at_ns <= now_ns]
            if len(times) == CONNECTS_PER_SECOND and now_ns - times[0] < WINDOW_NS:
                return times[0] + WINDOW_NS - now_ns
            kept = [0] * CONNECTS_PER_SECOND + times + [now_ns]
            os.pwrite(self._descriptor, _TIMES.pack(*kept[-CONNECTS_PER_SECOND:]), 0)
            return 0
        finally:
            fcntl.flock(self._descriptor, fcntl.LOCK_UN)

    def close(self) -> None:
        os.close(self._descriptor)


def is_loopback(host: str) -> bool:
    """Whether a server of this name is on this very host."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
