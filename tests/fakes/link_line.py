"""A link with its peer in the test's own thread: what it says, and what is said to it."""

from __future__ import annotations

import json
import random
import select
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fakes.actor_stage import SkippingClock
from fakes.websocket_peer import Peer, agreement, frame

from hunter.clock import SystemClock
from hunter.config import StreamSection
from hunter.exchange.okx.requests import Subscription
from hunter.stream.limits import RateLimiter
from hunter.stream.link import Link, Opened, Target
from hunter.stream.resolver import Address, Resolver, look_up
from hunter.stream.worker import Worker

TRADES = Subscription("trades", "BTC-USDT-SWAP")
ARG = {"channel": "trades", "instId": "BTC-USDT-SWAP"}
ACK = frame(json.dumps({"event": "subscribe", "arg": ARG, "connId": "a4d3ae55"}).encode())
DATA = frame(json.dumps({"arg": ARG, "data": []}).encode())


class Line:
    """A link, its peer and its events."""

    def __init__(self, peer: Peer, home: Path) -> None:
        self.peer = peer
        self.worker = Worker()
        self.clock = SkippingClock()
        self.limiter = RateLimiter(home / "run" / "server.limits")
        self.names: Callable[[str, int], list[Address]] = look_up
        self.link = self.to(peer.url)
        self.events: list[Any] = []

    def to(self, url: str, sentinel: Subscription | None = None, proxy: str = "") -> Link:
        self.resolver = Resolver(self.worker, lambda host, port: self.names(host, port))
        target = Target(url, (TRADES,), sentinel, proxy)
        self.link = Link(
            target, StreamSection(), self.worker, random.Random(1), self.limiter, self.resolver
        )
        return self.link

    def turn(self) -> None:
        for result in self.worker.results():
            self.resolver.answered(result.key, result.value, result.error)
        self.events += self.link.step(self.clock.monotonic_ns())
        poller = select.poll()
        poller.register(self.worker.fileno(), select.POLLIN)
        target = self.link.poll_target()
        if target is not None:
            poller.register(*target)
        poller.poll(5)

    def until(self, what: str, condition: Callable[[], Any]) -> Any:
        end_ns = SystemClock().monotonic_ns() + 10_000_000_000
        while not (value := condition()):
            assert SystemClock().monotonic_ns() < end_ns, f"not in time: {what}"
            self.turn()
        return value

    def seen(self, kind: type) -> list[Any]:
        return [event for event in self.events if isinstance(event, kind)]

    def until_seen(self, kind: type, count: int = 1) -> Any:
        self.until(kind.__name__, lambda: len(self.seen(kind)) >= count)
        return self.seen(kind)[-1]

    def open(self) -> bytes:
        """Accept the next connection; the frame it subscribes with."""
        count = len(self.seen(Opened))
        self.until("the call", lambda: self.peer.is_called)
        self.peer.accept()
        self.peer.send(agreement(self.until("the request", self.peer.request)))
        self.until_seen(Opened, count + 1)
        request: bytes = self.until("the subscription", self.peer.request)
        return request


def unmasked(request: bytes) -> bytes:
    length, start = request[1] & 0x7F, 2
    if length == 126:
        length, start = int.from_bytes(request[2:4], "big"), 4
    mask, payload = request[start : start + 4], request[start + 4 : start + 4 + length]
    return bytes(byte ^ mask[index % 4] for index, byte in enumerate(payload))
