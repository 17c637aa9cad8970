"""Tells whoever runs us how we are, in systemd's words: ready, alive, stopping, and a line of text.

The protocol is sd_notify(3): one datagram a message, to the unix socket that NOTIFY_SOCKET names
(a path, or "@" and an abstract name). Silent without that variable. Invariants: never blocks, never
raises; what the receiver could not take is said again at the next occasion, until it is taken. The
signs of life that WATCHDOG_USEC asks for come from the runner's loop itself: one that hangs is
restarted from above. Only the runner uses this.
"""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Mapping

from supervisor.lifecycle import ChildState
from supervisor.tree import Tree

# For this process alone: a child that inherited them would speak in our name.
VARIABLES = ("NOTIFY_SOCKET", "WATCHDOG_PID", "WATCHDOG_USEC")
# While the tree starts, each tick asks for this much longer: children in a row may each take their
# whole start timeout, which together exceeds any limit that somebody set for the program as such.
EXTENSION_USEC = 15_000_000
_MICROSECOND_NS = 1_000


class Notifier:
    """The way up; `tell` on each change and tick, `beat` on each turn of the loop."""

    def __init__(self, environ: Mapping[str, str] | None = None) -> None:
        """Where to is taken from the environment, unless another mapping is given."""
        variables = os.environ if environ is None else environ
        address = variables.get("NOTIFY_SOCKET", "")
        self._address = "\0" + address[1:] if address.startswith("@") else address
        self._socket: socket.socket | None = None
        if address.startswith(("/", "@")):
            with contextlib.suppress(OSError):  # no descriptor left: then silently
                kind = socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC
                self._socket = socket.socket(socket.AF_UNIX, kind)
        self._interval_ns = self._interval(variables)
        self._beat_due_ns = 0
        self._said_ready = False
        self._said_stopping = False
        self._said_status = ""

    def _interval(self, variables: Mapping[str, str]) -> int | None:
        """Half of what we are allowed, as sd_watchdog_enabled(3) advises."""
        usec, pid = variables.get("WATCHDOG_USEC", ""), variables.get("WATCHDOG_PID", "")
        is_for_us = pid in ("", str(os.getpid()))
        if self._socket is None or not is_for_us or not usec.isdigit() or int(usec) == 0:
            return None
        return int(usec) * _MICROSECOND_NS // 2

    def tell(self, tree: Tree) -> None:
        """What is new about the tree."""
        if self._socket is None:
            return
        if tree.stopping and not self._said_stopping:
            self._said_stopping = self._send("STOPPING=1")
        elif tree.is_settled and not self._said_ready and not tree.stopping:
            self._said_ready = self._send("READY=1")
        elif not self._said_ready and not tree.stopping:
            self._send(f"EXTEND_TIMEOUT_USEC={EXTENSION_USEC}")
        status = summary(tree)
        if status != self._said_status and self._send(f"STATUS={status}"):
            self._said_status = status

    def beat(self, now_ns: int) -> None:
        """The loop turns; said when it is due."""
        if self._interval_ns is not None and now_ns >= self._beat_due_ns:
            self._send("WATCHDOG=1")
            self._beat_due_ns = now_ns + self._interval_ns

    def next_beat_ns(self) -> int | None:
        """When the loop has to turn at the latest."""
        return None if self._interval_ns is None else self._beat_due_ns

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None
            self._interval_ns = None

    def _send(self, text: str) -> bool:
        """Whether the receiver's socket has taken it."""
        assert self._socket is not None
        try:
            self._socket.sendto(text.encode(), self._address)
        except OSError:  # full, gone, not allowed, or a name longer than a socket's may be
            return False
        return True


def summary(tree: Tree) -> str:
    """The tree in one line, for people."""
    alive_count = sum(record.state.is_live for record in tree.records)
    if tree.stopping:
        return f"stopping, {alive_count} left"
    ready_count = sum(record.state is ChildState.READY for record in tree.records)
    others = [
        f"{record.name} {record.state.value}"
        for record in tree.records
        if record.state is not ChildState.READY
    ]
    return "; ".join([f"{ready_count} of {len(tree.records)} ready", *others])
