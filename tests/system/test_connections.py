"""Connections that fail in every common way, against the real stream process."""

from __future__ import annotations

import signal
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from fakes.instance import HunterInstance, running, wait_until
from soak.kill_actors import INSTRUMENT, check

pytestmark = pytest.mark.system


def test_exchange_that_is_down_and_comes_back_needs_nobody(home: Path) -> None:
    ledger = home / "ledger"
    sim = ("--no-limits", "--rate", "100", "--ledger", str(ledger))
    with running(home, "stream.backoff_max_ms=2000", sim=sim) as (instance, simulator):
        wait_until("trades", lambda: instance.status()["rings"][0]["sequence"] > 20)
        stream_pid = instance.actor("stream-0")["pid"]
        simulator.restart(signal.SIGKILL)
        grown = instance.status()["rings"][0]["sequence"]
        wait_until("trades again", lambda: instance.status()["rings"][0]["sequence"] > grown)
        wait_until("running", lambda: instance.status()["state"] == "running")
        assert instance.actor("stream-0")["pid"] == stream_pid, "restarted for the exchange"
        assert instance.status()["connections"][0]["connects"] >= 2
        assert check(instance, simulator, {})["failures"] == []


def test_cut_connection_is_backfilled(home: Path) -> None:
    with running(home, sim=("--no-limits", "--rate", "200")) as (instance, simulator):
        wait_until("trades", lambda: instance.status()["rings"][0]["sequence"] > 20)
        for _ in range(3):
            connects = instance.status()["connections"][0]["connects"]
            simulator.control("/sim/fault?name=abort")
            wait_until(
                "another connection",
                lambda n=connects: instance.status()["connections"][0]["connects"] > n,
            )
            time.sleep(0.5)
        wait_until("running", lambda: instance.status()["state"] == "running")
        assert check(instance, simulator, {})["failures"] == []
        assert instance.book(INSTRUMENT)["valid"]


def test_silent_socket_is_noticed_while_the_market_trades(home: Path) -> None:
    settings = ("stream.stale_after_ms=1000", "stream.backoff_max_ms=1500")
    with running(home, *settings) as (instance, simulator):
        wait_until("trades", lambda: instance.status()["rings"][0]["sequence"] > 5)
        simulator.control("/sim/fault?name=mute")
        wait_until(
            "a new connection",
            lambda: instance.status()["connections"][0]["connects"] >= 2,
            15,
        )
        simulator.control("/sim/fault?clear=all")
        wait_until("running", lambda: instance.status()["state"] == "running")
        assert "no data while the market trades" in instance.log("stream-0")
        assert check(instance, simulator, {})["failures"] == []


@contextmanager
def accept_then_close() -> Iterator[tuple[int, list[float]]]:
    """A server that takes every connection and drops it at once; the times of all connections."""
    times: list[float] = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            while True:
                try:
                    client, _ = server.accept()
                except OSError:
                    return
                times.append(time.monotonic())
                client.close()

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield server.getsockname()[1], times
        server.shutdown(socket.SHUT_RDWR)
    thread.join(2)


def test_server_that_accepts_and_closes_is_not_hammered(home: Path) -> None:
    with accept_then_close() as (port, times):
        instance = HunterInstance(home, [], port)
        instance.start("--wait", "8", check=False)
    assert 2 <= len(times) <= 12
    busiest = max(sum(1 for other in times if 0 <= other - start < 1) for start in times)
    assert busiest <= 3
