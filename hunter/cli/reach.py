"""Whether the exchange can be reached, and how its clock differs from ours: the connection, proxy
and TLS of the stream itself, so that what works here works there.

Each probe runs on a thread of its own, because a name server may keep one waiting for long; what
has not answered in time is told so, and its thread left behind.
"""

from __future__ import annotations

import select
import threading
from collections.abc import Callable, Mapping
from typing import Final, NamedTuple, TypeVar

from hunter.cli.findings import ReachFact, SkewSample
from hunter.clock import Clock, SystemClock
from hunter.config import Config, shown_url
from hunter.errors import HunterError
from hunter.exchange.okx.rest import parse_time_answer, time_path
from hunter.stream.connection import Connection
from hunter.stream.phases import Phase
from hunter.stream.proxy import find_proxy
from hunter.stream.resolver import is_loopback, look_up
from hunter.stream.rest_client import get

WAIT_S: Final = 8.0
SOCKET_LIMIT_NS: Final = 7_000_000_000
SAMPLES: Final = 3
_POLL_MS: Final = 50
_MS: Final = 1_000_000
# Served by the other address of the exchange.
_OF_BUSINESS: Final = ("candle", "trades-all")
_CLOCK: Final = "clock"

Answer = TypeVar("Answer")


class ClockLook(NamedTuple):
    """`why`: no samples."""

    samples: list[SkewSample]
    why: str


class Reach(NamedTuple):
    sockets: list[ReachFact]
    clock: ClockLook


def together(jobs: Mapping[str, Callable[[], Answer]], wait_s: float) -> dict[str, Answer | None]:
    """Results of all jobs, which run at the same time; None of what did not end within `wait_s`."""
    found: dict[str, Answer | None] = dict.fromkeys(jobs)

    def run(key: str, job: Callable[[], Answer]) -> None:
        found[key] = job()

    threads = [
        threading.Thread(target=run, args=(key, job), name=f"probe {key}", daemon=True)
        for key, job in jobs.items()
    ]
    for thread in threads:
        thread.start()
    clock = SystemClock()
    end_ns = clock.monotonic_ns() + int(wait_s * 1e9)
    for thread in threads:
        thread.join(max(0.0, (end_ns - clock.monotonic_ns()) / 1e9))
    return dict(found)


def socket_urls(config: Config) -> list[str]:
    """The addresses that the configured channels need."""
    urls = [config.okx.public_url]
    if any(channel.startswith(_OF_BUSINESS) for channel in config.okx.channels):
        urls.append(config.okx.business_url)
    return list(dict.fromkeys(urls))


def look(config: Config, wait_s: float = WAIT_S) -> Reach:
    """Sockets and clock at the same time."""
    jobs: dict[str, Callable[[], ReachFact | ClockLook]]
    jobs = {url: _job(url, config.okx.proxy) for url in socket_urls(config)}
    jobs[_CLOCK] = lambda: ask_clock(config)
    found = together(jobs, wait_s)
    late = f"no answer within {wait_s:g} s"
    told = found.pop(_CLOCK)
    sockets = [
        fact if isinstance(fact, ReachFact) else ReachFact(shown_url(url), "resolving", late)
        for url, fact in found.items()
    ]
    return Reach(sockets, told if isinstance(told, ClockLook) else ClockLook([], late))


def _job(url: str, proxy: str) -> Callable[[], ReachFact]:
    return lambda: reach_socket(url, proxy, SystemClock())


def reach_socket(
    url: str, proxy_text: str, clock: Clock, limit_ns: int = SOCKET_LIMIT_NS
) -> ReachFact:
    """Open a WebSocket, as the stream would, and drop it."""
    started_ns, shown = clock.monotonic_ns(), shown_url(url)
    try:
        proxy = find_proxy(url, proxy_text)
        way = "" if proxy is None else repr(proxy)
        connection = Connection(url, proxy)
        addresses = look_up(connection.host, connection.port)
    except OSError as error:
        return ReachFact(shown, "resolving", error.strerror or str(error))
    connection.resolved(addresses)
    while connection.phase not in (Phase.OPEN, Phase.CLOSED):
        now_ns = clock.monotonic_ns()
        if now_ns - started_ns > limit_ns:
            connection.abort(f"no answer within {limit_ns / 1e9:g} s")
            break
        if connection.phase is Phase.WAITING:
            connection.connect_next(now_ns)
        if connection.fileno() >= 0:
            poller = select.poll()
            poller.register(connection.fileno(), connection.poll_events())
            poller.poll(_POLL_MS)
        connection.step(clock.monotonic_ns())
    took_ms = (clock.monotonic_ns() - started_ns) / _MS
    if connection.phase is Phase.OPEN:
        connection.abort("seen")
        return ReachFact(shown, "open", "", way, _told(connection.host, len(addresses)), took_ms)
    closed_in = connection.closed_in
    phase = Phase.CONNECTING if closed_in is Phase.WAITING else closed_in
    return ReachFact(shown, phase.value, connection.reason, way, len(addresses), took_ms)


def _told(host: str, count: int) -> int:
    return 0 if is_loopback(host) else count


def ask_clock(config: Config) -> ClockLook:
    """What the exchange's clock says, asked three times."""
    samples: list[SkewSample] = []
    try:
        samples += [_sample(config, SystemClock()) for _ in range(SAMPLES)]
    except (OSError, HunterError) as error:
        reason = getattr(error, "reason", None) or error  # urllib wraps the socket's words
        return ClockLook([], f"{shown_url(config.okx.rest_url)}: {reason}")
    return ClockLook(samples, "")


def _sample(config: Config, clock: Clock) -> SkewSample:
    asked_ns, wall_ns = clock.monotonic_ns(), clock.wall_ns()
    answer = get(config.okx.rest_url, time_path(), config.okx.proxy, config.okx.is_simulated)
    took_ns = clock.monotonic_ns() - asked_ns
    theirs_ns = parse_time_answer(answer.status, answer.body)
    return SkewSample((theirs_ns - wall_ns - took_ns / 2) / _MS, took_ns / _MS)
