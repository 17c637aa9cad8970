"""The socket that the page listens on.

A browser's bookmark and a scraper's target want the same port each time, so the configured one is
taken whenever it is free. On loopback the next ones will do; elsewhere somebody has been told the
number, and a page on another port would be a page that nobody finds.
"""

from __future__ import annotations

import contextlib
import errno
import ipaddress
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from hunter.errors import HunterError

PORTS_TRIED: Final = 10
BACKLOG: Final = 64
# Whoever takes nothing of what we sent, or is gone without a word, is let go after so long.
_USER_TIMEOUT_MS: Final = 20_000
# What a slow browser has not taken yet is old: the kernel would keep megabytes of it.
_SEND_BUFFER_BYTES: Final = 128 << 10
_LISTENS: Final = "0A"


def listen(host: str, port: int) -> socket.socket:
    """A listening socket on `port`, or, on loopback, on one of the next.

    Raises HunterError, with the name of who has it, when there is none.
    """
    family, address = _resolved(host, port)
    count = PORTS_TRIED if ipaddress.ip_address(address).is_loopback else 1
    for number in range(port, min(port + count, 65_536)):
        found = _bound(family, address, number)
        if found is not None:
            return found
    owner = port_owner(port)
    ports = f"port {port} of {host}" + (f" and the next {count - 1}" if count > 1 else "")
    raise HunterError(
        f"{ports} cannot be had: {port} is taken{f' by {owner}' if owner else ''};"
        " choose another: [web] port"
    )


def _resolved(host: str, port: int) -> tuple[socket.AddressFamily, str]:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError as error:
        raise HunterError(f'[web] host: "{host}" is no address of this host: {error}') from None
    return found[0][0], str(found[0][4][0])


def _bound(family: socket.AddressFamily, address: str, port: int) -> socket.socket | None:
    made = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    made.setblocking(False)
    # Else the connections of a process that was killed hold the port for a minute.
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    # Both are handed on to every connection that is accepted.
    made.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _USER_TIMEOUT_MS)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER_BYTES)
    try:
        made.bind((address, port))
        made.listen(BACKLOG)
    except OSError as error:
        made.close()
        if error.errno == errno.EADDRINUSE:
            return None
        raise HunterError(
            f"the page cannot listen on {address} port {port}: {error.strerror};"
            " see [web] host and port"
        ) from None
    return made


def port_owner(port: int, proc: Path = Path("/proc")) -> str:
    """The process that listens there, as `name (pid 1)`; "" when it is not for us to see."""
    inodes = {
        inode for table in ("tcp", "tcp6") for inode in _listeners(proc / "net" / table, port)
    }
    for folder in proc.glob("[0-9]*/fd") if inodes else ():
        if not inodes.isdisjoint(_held(folder)):
            with contextlib.suppress(OSError):
                name = (folder.parent / "comm").read_text().strip()
                return f"{name} (pid {folder.parent.name})"
    return ""


def _held(folder: Path) -> Iterator[str]:
    """What a process's descriptors are; nothing of another user's, or of one that is gone."""
    with contextlib.suppress(OSError):
        for entry in folder.iterdir():
            with contextlib.suppress(OSError):
                yield str(entry.readlink())


def _listeners(table: Path, port: int) -> list[str]:
    try:
        lines = table.read_text().splitlines()[1:]
    except OSError:
        return []
    rows = [line.split() for line in lines]
    return [
        f"socket:[{row[9]}]"
        for row in rows
        if row[3] == _LISTENS and int(row[1].rpartition(":")[2], 16) == port
    ]
