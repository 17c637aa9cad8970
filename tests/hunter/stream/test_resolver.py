"""Resolver with a real worker and a look-up that does what the test says."""

from __future__ import annotations

import select
import socket
import threading
from collections.abc import Iterator

import pytest

from hunter.stream.resolver import (
    KEPT_NS_MAX,
    LOST_NS,
    PATIENCE_NS,
    Address,
    LookUpFailed,
    Resolver,
    is_loopback,
    look_up,
)
from hunter.stream.worker import QUEUED_MAX, Worker

HOST, PORT = "exchange.invalid", 443
NOW = 10**12


def addresses(last: int) -> list[Address]:
    return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (f"192.0.2.{last}", PORT))]


class Names:
    """A name server; `gate` holds its answers up."""

    def __init__(self) -> None:
        self.worker = Worker(thread_count=1)
        self.resolver = Resolver(self.worker, self._answer)
        self.gate = threading.Event()
        self.gate.set()
        self.answer: list[Address] | OSError = addresses(1)
        self.asked = 0

    def _answer(self, host: str, port: int) -> list[Address]:
        assert (host, port) == (HOST, PORT)
        self.asked += 1
        assert self.gate.wait(10)
        if isinstance(self.answer, OSError):
            raise self.answer
        return self.answer

    def collect(self) -> None:
        assert select.select([self.worker.fileno()], [], [], 10)[0]
        for result in self.worker.results():
            self.resolver.answered(result.key, result.value, result.error)

    def find(self, at_ns: int) -> list[Address] | None:
        """One connection's look-up from beginning to end."""
        self.resolver.ask(object(), HOST, PORT, at_ns)
        self.collect()
        return self.resolver.addresses(HOST, PORT, at_ns, at_ns)


@pytest.fixture
def names() -> Iterator[Names]:
    made = Names()
    yield made
    made.gate.set()


def test_every_connection_looks_up_anew(names: Names) -> None:
    assert names.find(NOW) == addresses(1)
    names.answer = addresses(2)
    assert names.find(NOW + 1) == addresses(2)


def test_until_the_answer_there_is_nothing(names: Names) -> None:
    names.gate.clear()
    names.resolver.ask(names, HOST, PORT, NOW)
    assert names.resolver.addresses(HOST, PORT, NOW, NOW + PATIENCE_NS - 1) is None
    with pytest.raises(LookUpFailed, match=f"cannot look up {HOST}: no answer within 3 s"):
        names.resolver.addresses(HOST, PORT, NOW, NOW + PATIENCE_NS)


def test_slow_name_server_leaves_the_last_good_addresses(names: Names) -> None:
    names.find(NOW)
    names.gate.clear()
    names.resolver.ask(names, HOST, PORT, NOW + 5)
    assert names.resolver.addresses(HOST, PORT, NOW + 5, NOW + PATIENCE_NS) is None
    assert names.resolver.addresses(HOST, PORT, NOW + 5, NOW + 5 + PATIENCE_NS) == addresses(1)


def test_failing_name_server_leaves_the_last_good_addresses_for_ten_minutes(names: Names) -> None:
    names.find(NOW)
    names.answer = socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
    assert names.find(NOW + KEPT_NS_MAX) == addresses(1)
    with pytest.raises(LookUpFailed, match="Temporary failure"):
        names.find(NOW + KEPT_NS_MAX + 1)
    names.answer = addresses(3)
    assert names.find(NOW + 2 * KEPT_NS_MAX) == addresses(3)


def test_name_without_addresses_is_a_failure(names: Names) -> None:
    names.answer = []
    with pytest.raises(LookUpFailed, match="no addresses"):
        names.find(NOW)


def test_those_who_ask_meanwhile_share_one_look_up(names: Names) -> None:
    names.gate.clear()
    for number in range(5):
        names.resolver.ask(("connection", number), HOST, PORT, NOW + number)
    names.gate.set()
    names.collect()
    assert names.asked == 1
    assert names.resolver.addresses(HOST, PORT, NOW + 4, NOW + 5) == addresses(1)


def test_look_up_that_hangs_for_a_minute_is_begun_anew(names: Names) -> None:
    names.gate.clear()
    names.resolver.ask("first", HOST, PORT, NOW)
    names.resolver.ask("second", HOST, PORT, NOW + LOST_NS)
    names.resolver.answered("first", addresses(9), None)
    assert names.resolver.addresses(HOST, PORT, NOW + LOST_NS, NOW + LOST_NS) is None
    names.resolver.answered("second", addresses(2), None)
    assert names.resolver.addresses(HOST, PORT, NOW + LOST_NS, NOW + LOST_NS) == addresses(2)


def test_full_worker_is_a_failure_that_passes(names: Names) -> None:
    names.gate.clear()
    entered = threading.Event()
    names.worker.submit("other", lambda: entered.set() or names.gate.wait(10))  # type: ignore[func-returns-value]
    assert entered.wait(10)
    while names.worker.submit("other", lambda: names.gate.wait(10)):
        pass
    names.resolver.ask(names, HOST, PORT, NOW)
    with pytest.raises(LookUpFailed, match="too many name look-ups"):
        names.resolver.addresses(HOST, PORT, NOW, NOW)
    names.gate.set()
    seen = 0
    while seen < QUEUED_MAX + 1:
        assert select.select([names.worker.fileno()], [], [], 10)[0]
        seen += len(names.worker.results())
    assert names.find(NOW) == addresses(1)


def test_look_up_of_an_address_needs_no_name_server() -> None:
    assert [item[4] for item in look_up("127.0.0.1", 80)] == [("127.0.0.1", 80)]


def test_look_up_of_what_cannot_be_a_name_is_an_os_error() -> None:
    """Anything else would end the worker's thread."""
    with pytest.raises(OSError, match="not a host name"):
        look_up(f"{'x' * 64}.invalid", 80)


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("127.0.0.1", True),
        ("127.8.8.8", True),
        ("::1", True),
        ("localhost", True),
        ("192.0.2.1", False),
        ("exchange.invalid", False),
        ("", False),
    ],
)
def test_loopback_is_told_by_its_name(host: str, expected: bool) -> None:
    assert is_loopback(host) is expected
