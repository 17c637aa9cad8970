"""Lines of the fault table that need an instance of their own: another configuration, another kind
of exchange, a network in between, or an end that cannot be undone.
"""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fakes import tls
from fakes.actor_stage import Stage
from fakes.audit import FAST, Audit, SecureSimulator, audited, check_all, urls
from fakes.fault_proxy import FaultProxy
from fakes.faulty_exchange import Exchange
from fakes.instance import HunterInstance
from fakes.stream_rig import Rig

from hunter.simulator.options import SimOptions
from hunter.status.report import ActorReport

pytestmark = pytest.mark.system

SWAP, OTHER = "BTC-USDT-SWAP", "ETH-USDT-SWAP"
NEVER_LISTED = "BTC-USDC-SWAP"


def words(feed: Audit, instrument: str) -> set[str]:
    """The states of its feeds."""
    return {each.state for each in feed.report().feeds if each.instrument == instrument}


def test_x7_unanswered_subscriptions_are_asked_for_again() -> None:
    with audited() as feed:
        for name, options in (
            ("partial_ack", {}),
            ("no_ack", {}),
            ("error", {"code": 64007}),
        ):
            before = feed.connects
            feed.arm(name, count=1, **options)
            feed.arm("abort")
            feed.until("another connection", lambda n=before: feed.connects > n)
            feed.until_running(12)
            assert feed.fired(name) == 1
            assert feed.connects == before + 1, name
        check_all(feed)


def test_x8_too_frequent_requests_wait_and_are_sent_again() -> None:
    with audited("stream.stale_after_ms=8000") as feed:
        before = feed.connects
        feed.arm("error", count=2, code=60014)
        began = time.monotonic()
        feed.arm("abort")
        feed.until("another connection", lambda: feed.connects > before)
        feed.until_running(12)
        assert time.monotonic() - began > 2, "asked again without a pause"
        assert feed.fired("error") == 2
        assert feed.connects == before + 1
        check_all(feed)


def test_x7_x27_instrument_that_is_not_listed_is_parked_alone_and_explained() -> None:
    listed = f'okx.instruments=["{SWAP}","{NEVER_LISTED}"]'
    with audited(listed, instruments=(SWAP,)) as feed:
        feed.until("parked", lambda: words(feed, NEVER_LISTED) == {"parked"})
        feed.until("live", lambda: words(feed, SWAP) == {"live"})
        feed.settle(SWAP)
        assert feed.connects == 1
        feed.until("the hint", lambda: "did you mean" in " ".join(feed.report().reasons))
        feed.check_actors()
        assert feed.failures == []


def test_x27_suspended_instrument_is_parked_alone_and_comes_back_by_itself() -> None:
    channels = 'okx.channels=["trades","tickers","books","bbo-tbt","instruments"]'
    with audited(channels, instruments=(SWAP, OTHER)) as feed:
        connects = feed.connects
        feed.arm("suspend", instId=OTHER)
        feed.until("parked", lambda: words(feed, OTHER) == {"parked"})
        feed.until("live", lambda: words(feed, SWAP) == {"live"})
        feed.arm("resume", instId=OTHER)
        feed.until("live again", lambda: words(feed, OTHER) == {"live"})
        assert feed.connects == connects
        check_all(feed)


def test_x27_delisted_instrument_is_parked_and_the_others_run_on() -> None:
    channels = 'okx.channels=["trades","tickers","books","bbo-tbt","instruments"]'
    with audited(channels, instruments=(SWAP, OTHER)) as feed:
        feed.arm("delist", instId=OTHER)
        feed.until("parked", lambda: words(feed, OTHER) == {"parked"})
        before = feed.connects
        feed.arm("abort")
        feed.until("another connection", lambda: feed.connects > before)
        feed.until("live", lambda: words(feed, SWAP) == {"live"})
        feed.until("still parked", lambda: words(feed, OTHER) == {"parked"})
        feed.settle(SWAP)
        feed.check_actors()
        assert feed.failures == []


@pytest.mark.parametrize("kind", ["crc", "absent"])
def test_x21_checksum_of_any_kind_is_no_break(kind: str) -> None:
    with audited(sim=("--checksum", kind)) as feed:
        first = feed.books(SWAP)[0][0]
        feed.until("books", lambda: feed.books(SWAP)[-1][0] > first + 20)
        assert feed.total("gaps") == 0
        if kind == "crc":
            feed.arm("wrong_checksum", count=1, instId=SWAP)
            feed.until("the break", lambda: feed.feed("books", SWAP).gaps == 1)
            feed.until_running()
        check_all(feed)


def test_x24_book_that_other_channels_contradict_is_fetched_anew() -> None:
    """A wrong level is proved by two comparisons; one that is gone before needs no cure."""
    channels = 'okx.channels=["trades","books","books5","bbo-tbt"]'
    with audited(channels, instruments=(SWAP,), rate=10) as feed:
        since = feed.books(SWAP)[-1][0]

        def is_hidden() -> bool:
            if not feed.armed_count("wrong_book"):
                feed.arm("wrong_book", count=1)
            return any(not row[5] for row in feed.books(SWAP) if row[0] > since)

        feed.until("the book hidden", is_hidden)
        feed.heal()
        feed.until_running()
        assert feed.total("mismatches") >= 2
        feed.reconnect()
        check_all(feed)


def test_x23_what_nobody_has_is_counted_and_marked_as_lost() -> None:
    with audited() as feed:
        feed.settle()
        feed.arm("drop_trades", instId=SWAP)
        feed.until("dropped", lambda: feed.fired("drop_trades") >= 3)
        feed.arm("rest_missing", instId=SWAP, code=2)
        feed.heal("drop_trades")
        feed.until("lost", lambda: feed.feed("trades", SWAP).lost > 0, 15)
        feed.settle()
        assert feed.lost == 2
        check_all(feed)


def test_x5_x17_slow_sliced_and_dark_networks_lose_nothing() -> None:
    with audited(proxied=True) as feed:
        feed.proxy.set("down", slice_bytes=64, latency_ms=20, jitter_ms=20)
        feed.settle()
        connects = feed.connects
        feed.proxy.set(black_hole=True)
        feed.until("the connection given up", lambda: feed.report().state == "degraded")
        feed.proxy.heal()
        feed.until("another connection", lambda: feed.connects > connects)
        check_all(feed)


@pytest.mark.parametrize("leg", [0, 1])
def test_x25_one_of_two_legs_late_or_dead_changes_nothing(leg: int) -> None:
    with audited("stream.standby=true", proxied=True) as feed:
        feed.until("both legs", lambda: feed.proxy.accepted >= 2)
        feed.until_running()
        feed.proxy.set("down", connection=leg, latency_ms=300)
        feed.settle()
        accepted = feed.proxy.accepted
        feed.proxy.set(connection=leg, black_hole=True)
        feed.until("the dead leg replaced", lambda: feed.proxy.accepted > accepted)
        feed.settle()
        assert feed.result()["rows_backfilled"] == 0
        check_all(feed)


def writer_of(feed: Audit) -> ActorReport | None:
    """The stream process that holds the lease, if that is clear."""
    found = [a for a in feed.report().actors if a.role == "stream" and a.active and a.pid]
    return found[0] if len(found) == 1 else None


def test_x25_writer_dies_and_the_late_leg_goes_on() -> None:
    with audited("stream.standby=true", proxied=True) as feed:
        feed.until("both legs", lambda: feed.proxy.accepted >= 2)
        feed.until_running()
        for leg in (0, 1):
            feed.proxy.set("down", connection=leg, latency_ms=300)
        former = feed.until("a writer", lambda: writer_of(feed))
        os.kill(former.pid, signal.SIGKILL)
        feed.until("the other one", lambda: (w := writer_of(feed)) and w.name != former.name)
        feed.until_running()
        feed.settle()
        assert feed.lost == 0
        assert feed.result()["rows_backfilled"] == 0
        assert feed.failures == []


@pytest.fixture
def rig() -> Iterator[tuple[Rig, Exchange]]:
    """A stream actor in this process, whose exchange has a name."""
    with contextlib.ExitStack() as stack:
        exchange = Exchange(SimOptions(rate=100.0))
        stack.callback(exchange.stop)
        stage = Stage(
            f'okx.public_url="ws://localhost:{exchange.port}/ws/v5/public"',
            f'okx.rest_url="http://127.0.0.1:{exchange.port}"',
        )
        stack.callback(stage.close)
        stage.make_rings()
        made = Rig(stage)
        stack.callback(lambda: made.actor.on_stop())
        yield made, exchange


@pytest.mark.parametrize("kind", ["fails", "hangs"])
def test_x12_name_server_that_fails_or_hangs_is_survived(
    rig: tuple[Rig, Exchange], kind: str
) -> None:
    stream, exchange = rig
    stream.until_ready()
    asked, answered = threading.Event(), threading.Event()

    def look_up(host: str, port: int) -> list[Any]:
        asked.set()
        if kind == "hangs":
            answered.wait(10)
        raise OSError(f"no name server for {host}:{port}")

    stream.actor._maker.resolver._function = look_up
    connects = stream.connection.connects
    exchange.arm("abort")
    stream.until("the question", asked.is_set)
    stream.until("the attempt", lambda: stream.connection.connects > connects)
    if kind == "hangs":
        stream.clock.skip(3_100)  # the patience with a name server
    stream.until_ready()
    answered.set()
    assert stream.connection.connects == connects + 1
    stream.until_trades(20)
    stream.until_complete()
    stream.check(exchange)


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[Path, Path]:
    tls.server_context(tmp_path)
    return tmp_path / "certificate.pem", tmp_path / "key.pem"


def test_x13_certificate_that_is_not_trusted_is_refused_seldom_and_aloud(
    certificate: tuple[Path, Path], home: Path
) -> None:
    simulator = SecureSimulator(*certificate)
    try:
        with FaultProxy(simulator.port) as sockets, FaultProxy(simulator.port) as rest:
            where = urls(sockets.port, rest.port, secure=True)
            instance = HunterInstance(home, [*FAST, *where], None)
            instance.start("--wait", "4", check=False)
            log = instance.log("stream-0")
            assert sockets.accepted == 1, "asked again within 60 s"
    finally:
        simulator.stop()
    refusals = [line for line in log.splitlines() if "certificate" in line and " ERROR " in line]
    assert len(refusals) == 1, log


def test_x13_broken_tls_handshakes_and_records_are_ordinary_losses(
    certificate: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate[0]))
    with audited(proxied=True, certificate=certificate) as feed:
        connects = feed.connects
        feed.proxy.refusing = True
        feed.proxy.reset()
        feed.until("two attempts that fail", lambda: feed.connects >= connects + 2)
        feed.proxy.refusing = False
        feed.until_running()
        connects = feed.connects
        feed.proxy.set("down", flip_every_bytes=10_007)
        feed.until("a record that does not verify", lambda: feed.connects > connects)
        feed.proxy.heal()
        check_all(feed)
