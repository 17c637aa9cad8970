"""What holds for every test: fixed examples in CI, no host settings, loopback, no leftovers."""

from __future__ import annotations

import ipaddress
import os
import signal
import socket
from collections.abc import Iterator

import hypothesis
import psutil
import pytest

# A failing example is printed with the line that repeats it. On CI the examples are derived from
# the test itself, so that a red run is about the change and not about the dice.
hypothesis.settings.register_profile("default", deadline=None, print_blob=True)
hypothesis.settings.register_profile("ci", deadline=None, print_blob=True, derandomize=True)
hypothesis.settings.load_profile("ci" if os.environ.get("CI") else "default")

# A shell that runs the suite in the background lets it, and all that it starts, ignore Ctrl-C; the
# tests of Ctrl-C need it.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def no_settings_of_the_host(monkeypatch: pytest.MonkeyPatch) -> None:
    """A developer's own hunter, or colours, must not change what a test sees."""
    for name in ("HUNTER_CONFIG", "NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)


def is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


@pytest.fixture(scope="session", autouse=True)
def loopback_only() -> Iterator[None]:
    """Connections to other hosts fail at once in the tests' own process."""
    connect, connect_ex = socket.socket.connect, socket.socket.connect_ex

    def check(self: socket.socket, address: object) -> None:
        if self.family in (socket.AF_INET, socket.AF_INET6):
            assert isinstance(address, tuple)
            host = str(address[0])
            assert is_loopback(host), f"a test connects to {host}; tests stay on loopback"

    def checked_connect(self: socket.socket, address: object) -> None:
        check(self, address)
        connect(self, address)  # type: ignore[arg-type]

    def checked_connect_ex(self: socket.socket, address: object) -> int:
        check(self, address)
        return connect_ex(self, address)  # type: ignore[arg-type]

    socket.socket.connect = checked_connect  # type: ignore[assignment,method-assign]
    socket.socket.connect_ex = checked_connect_ex  # type: ignore[assignment,method-assign]
    yield
    socket.socket.connect = connect  # type: ignore[method-assign]
    socket.socket.connect_ex = connect_ex  # type: ignore[method-assign]


@pytest.fixture(scope="session", autouse=True)
def no_process_left() -> Iterator[None]:
    """A test that starts a process also ends it."""
    yield
    left = psutil.Process().children(recursive=True)
    _, alive = psutil.wait_procs(left, timeout=3)
    names = []
    for process in alive:
        names.append(f"{process.pid} {' '.join(process.cmdline())}")
        process.kill()
    psutil.wait_procs(alive, timeout=3)
    assert not names, f"tests left processes running: {names}"
