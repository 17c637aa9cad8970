"""Names to addresses, off the loop, and the last good ones for when nobody answers.

A look-up runs on a worker's thread, because it blocks; every connection asks anew, because
exchanges move. When the answer is an error, or does not come in time, the addresses that were good
last are used if they are not too old: a name server that is down must not keep the stream from an
exchange that is up. One look-up of a name is under way at most; whoever asks meanwhile shares it.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable
from typing import Any, Final, NamedTuple

from hunter.stream.worker import Worker

PATIENCE_NS: Final = 3_000_000_000
KEPT_NS_MAX: Final = 600_000_000_000
# A thread that hangs in a look-up for so long has no answer that anybody waits for.
LOST_NS: Final = 60_000_000_000

# What socket.getaddrinfo returns: family, kind, protocol, canonical name, address.
Address = tuple[Any, Any, int, str, Any]
LookUp = Callable[[str, int], list[Address]]


class LookUpFailed(OSError):
    """No addresses, neither new nor kept ones."""


class _Answer(NamedTuple):
    addresses: list[Address]
    asked_ns: int


class _Asked(NamedTuple):
    key: object
    at_ns: int


def is_loopback(host: str) -> bool:
    """Whether a server of this name is on this very host."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def look_up(host: str, port: int) -> list[Address]:
    """Addresses of a host; waits. Raises OSError, also for what cannot be a name."""
    try:
        return list(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
    except UnicodeError as error:
        raise OSError(f"not a host name: {error}") from error


class Resolver:
    """Of one process. `ask`, bring the worker's result to `answered`, look at `addresses`."""

    def __init__(self, worker: Worker, function: LookUp = look_up) -> None:
        self._worker = worker
        self._function = function
        self._asked: dict[tuple[str, int], _Asked] = {}
        self._good: dict[tuple[str, int], _Answer] = {}
        self._failed: dict[tuple[str, int], tuple[int, str]] = {}

    def ask(self, key: object, host: str, port: int, now_ns: int) -> None:
        """Begin a look-up; its result comes from the worker with `key`."""
        place = (host, port)
        asked = self._asked.get(place)
        if asked is not None and now_ns - asked.at_ns < LOST_NS:
            return
        function = self._function
        if self._worker.submit(key, lambda: function(host, port)):
            self._asked[place] = _Asked(key, now_ns)
        else:
            self._failed[place] = (now_ns, "too many name look-ups are waiting")

    def answered(self, key: object, addresses: list[Address] | None, error: OSError | None) -> None:
        """The worker's result; one that nobody waits for any more means nothing."""
        place = next((item for item, asked in self._asked.items() if asked.key is key), None)
        if place is None:
            return
        asked = self._asked.pop(place)
        if error is None and addresses:
            self._good[place] = _Answer(addresses, asked.at_ns)
            self._failed.pop(place, None)
        else:
            self._failed[place] = (asked.at_ns, str(error or "no addresses"))

    def addresses(self, host: str, port: int, since_ns: int, now_ns: int) -> list[Address] | None:
        """For a connection that asked at `since_ns`; None: wait. Raises LookUpFailed."""
        place = (host, port)
        good = self._good.get(place)
        asked = self._asked.get(place)
        waits = asked is not None and now_ns - since_ns < PATIENCE_NS
        if good is not None and asked is None and place not in self._failed:
            return list(good.addresses)
        if waits:
            return None
        if good is not None and now_ns - good.asked_ns <= KEPT_NS_MAX:
            return list(good.addresses)
        seconds = PATIENCE_NS // 1_000_000_000
        reason = f"no answer within {seconds} s"
        if asked is None:
            reason = self._failed.get(place, (0, reason))[1]
        raise LookUpFailed(f"cannot look up {host}: {reason}")
