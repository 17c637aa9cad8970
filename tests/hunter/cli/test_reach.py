"""The way to the exchange: real sockets, on this host."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from fakes.running_simulator import Running

from hunter.cli import reach
from hunter.cli.findings import ReachFact
from hunter.clock import SystemClock
from hunter.config import load
from hunter.simulator.options import SimOptions


@pytest.fixture(scope="module")
def simulator() -> Iterator[Any]:
    made = Running(SimOptions())
    yield made
    made.stop()


def config(port: int, *overrides: str) -> Any:
    return load(
        None,
        [
            f'okx.public_url="ws://127.0.0.1:{port}/ws/v5/public"',
            f'okx.rest_url="http://127.0.0.1:{port}"',
            *overrides,
        ],
    )


def attempt(url: str, proxy: str = "", limit_ns: int = reach.SOCKET_LIMIT_NS) -> ReachFact:
    return reach.reach_socket(url, proxy, SystemClock(), limit_ns)


def test_exchange_that_is_there_is_open_and_its_clock_is_ours(simulator: Any) -> None:
    found = reach.look(config(simulator.port, 'okx.channels=["trades", "candle1m"]'))
    assert [fact.phase for fact in found.sockets] == ["open", "open"]
    assert [fact.url.rpartition("/")[2] for fact in found.sockets] == ["public", "business"]
    assert found.sockets[0].took_ms > 0
    assert len(found.clock.samples) == reach.SAMPLES
    for sample in found.clock.samples:
        assert abs(sample.ahead_ms) < 1_000
        assert sample.round_trip_ms > 0
    assert found.clock.why == ""


def test_port_where_nobody_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    found = reach.look(config(port))
    (fact,) = found.sockets
    assert (fact.phase, fact.proxy) == ("connecting", "")
    assert fact.reason == f"cannot connect to 127.0.0.1:{port}: Connection refused"
    assert found.clock.samples == []
    assert "Connection refused" in found.clock.why


def test_server_that_never_answers_is_given_up() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"ws://127.0.0.1:{listener.getsockname()[1]}/x?token=secret"
        fact = attempt(url, limit_ns=200_000_000)
    assert fact.phase == "handshake"
    assert fact.reason == "no answer within 0.2 s"
    assert fact.url.endswith("/x?***")


def test_server_that_is_no_websocket_refuses_in_the_handshake(simulator: Any) -> None:
    fact = attempt(f"ws://127.0.0.1:{simulator.port}/nowhere")
    assert fact.phase == "handshake"
    assert fact.reason


def test_server_without_tls_fails_while_securing(simulator: Any) -> None:
    url = f"wss://127.0.0.1:{simulator.port}/ws/v5/public"
    assert attempt(url, limit_ns=500_000_000).phase == "securing"


def test_name_that_is_none_and_proxy_that_is_none() -> None:
    assert attempt("ws://" + "x" * 70 + ".invalid/").phase == "resolving"
    bad = attempt("ws://exchange.invalid/", "http://:secret@/")
    assert bad.phase == "resolving"
    assert "secret" not in bad.reason


def test_proxy_is_where_one_goes_and_its_password_is_not_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    fact = attempt("ws://exchange.invalid/", f"http://anna:secret@127.0.0.1:{port}")
    assert (fact.phase, fact.proxy) == ("connecting", f"http://127.0.0.1:{port}")
    assert "secret" not in str(fact)


def test_who_does_not_answer_in_time_is_left_behind() -> None:
    held = threading.Event()
    try:
        found = reach.together({"slow": held.wait, "quick": lambda: True}, 0.2)
    finally:
        held.set()
    assert found == {"slow": None, "quick": True}


def test_probes_that_are_late_are_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    held = threading.Event()
    monkeypatch.setattr(reach, "reach_socket", lambda *_: held.wait(10))
    monkeypatch.setattr(reach, "ask_clock", lambda _: held.wait(10))
    try:
        found = reach.look(config(1), wait_s=0.05)
    finally:
        held.set()
    assert found.sockets[0].phase == "resolving"
    assert found.sockets[0].reason == found.clock.why == "no answer within 0.05 s"
    assert found.clock.samples == []
