"""Makes the links of a process: all share its name look-ups and the host's rate limits."""

from __future__ import annotations

import random
from pathlib import Path
from urllib.parse import urlsplit

from hunter.config import Config
from hunter.exchange.okx.endpoints import Endpoint
from hunter.exchange.okx.plan import Socket
from hunter.status import documents
from hunter.stream.limits import RateLimiter, limiter_path
from hunter.stream.link import Link, Target
from hunter.stream.resolver import Resolver
from hunter.stream.worker import Worker


class LinkMaker:
    """Of one process. `generator`: each process has its own jitter, so that those which lost the
    same server do not come back in step. `lookups`: bring its results to `resolver`.
    """

    def __init__(self, config: Config, lookups: Worker, generator: random.Random) -> None:
        self.resolver = Resolver(lookups)
        self._config = config
        self._lookups = lookups
        self._random = generator
        self._limiters: dict[Path, RateLimiter] = {}
        self._hosts: dict[Path, str] = {}

    def new(self, socket: Socket) -> Link:
        """A link for one socket of the plan; it connects when it is stepped."""
        okx = self._config.okx
        url = okx.public_url if socket.endpoint is Endpoint.PUBLIC else okx.business_url
        return Link(
            Target(url, socket.subscriptions, socket.sentinel, okx.proxy),
            self._config.stream,
            self._lookups,
            self._random,
            self.limiter(url),
            self.resolver,
        )

    def limiter(self, url: str) -> RateLimiter:
        """The limits of the server behind `url`, shared with every process of the host."""
        path = limiter_path(url, self._config.runtime_dir)
        if path not in self._limiters:
            self._limiters[path] = RateLimiter(path)
            self._hosts[path] = urlsplit(url).netloc.rpartition("@")[2]
        return self._limiters[path]

    def limits(self, now_ns: int) -> tuple[documents.LimitDocument, ...]:
        """For the status page."""
        return tuple(
            documents.LimitDocument(self._hosts[path], *state)
            for path, limiter in self._limiters.items()
            for state in limiter.states(now_ns)
        )

    def close(self) -> None:
        for limiter in self._limiters.values():
            limiter.close()
