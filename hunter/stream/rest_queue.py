"""REST requests wait here until the exchange's limits and the worker have room for them.

Invariants: what is asked is never refused, only later; each limit has its own queue, so that one
that waits holds up no other; in a queue the urgent come first, else first come, first served. No
more requests are handed to the worker than it has threads, so that a request leaves when it is
counted and not when a slow one before it is done.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Final, NamedTuple, TypeVar

from hunter.exchange.okx.asks import NEVER_NS
from hunter.exchange.okx.rest import RateLimited, RestError
from hunter.stream import rest_client
from hunter.stream.limits import RateLimiter
from hunter.stream.rest_client import HttpAnswer
from hunter.stream.worker import Result, Worker

T = TypeVar("T")

# The limit of each endpoint; see `limits.LIMITS`.
LIMIT_OF: Final = {
    "/api/v5/market/trades": "trades",
    "/api/v5/market/history-trades": "history-trades",
    "/api/v5/market/books": "books",
    "/api/v5/public/instruments": "instruments",
    "/api/v5/public/time": "time",
}
WORKER_FULL_RETRY_NS: Final = 50_000_000
_FORBIDDEN: Final = 403  # what a firewall in front of the exchange says to those who ask too often


class Fetched(NamedTuple):
    """The worker's value: an answer, and the limit it was counted against."""

    limit: str
    answer: HttpAnswer


class _Request(NamedTuple):
    what: object
    path: str


class _Waiting:
    """Those who wait for one limit."""

    def __init__(self) -> None:
        self.urgent: deque[_Request] = deque()
        self.others: deque[_Request] = deque()
        self.due_ns = 0

    def __len__(self) -> int:
        return len(self.urgent) + len(self.others)

    def next(self) -> deque[_Request]:
        """Where the one whose turn it is waits."""
        return self.urgent or self.others


class RestQueue:
    """Of one process. `proxy` as in `okx.proxy`; `simulated`: the demo market is meant."""

    def __init__(
        self,
        base_url: str,
        worker: Worker,
        limiter: RateLimiter,
        *,
        proxy: str = "",
        simulated: bool = False,
    ) -> None:
        self._base_url = base_url
        self._worker = worker
        self._limiter = limiter
        self._proxy = proxy
        self._simulated = simulated
        self._lines = {name: _Waiting() for name in LIMIT_OF.values()}
        self._sent_count = 0
        # Appended to by the worker's threads, which is safe; it outlives answers nobody opens.
        self._ends: deque[None] = deque()

    @property
    def waiting_count(self) -> int:
        """Requests that have not been handed to the worker."""
        return sum(map(len, self._lines.values()))

    @property
    def in_flight_count(self) -> int:
        """Requests that the worker has and that are not answered."""
        while self._ends:
            self._ends.pop()
            self._sent_count -= 1
        return self._sent_count

    def ask(self, what: object, path: str, urgent: bool = False) -> None:
        """Queue a request; its answer comes from the worker with `what` as the key."""
        line = self._lines[LIMIT_OF[path.partition("?")[0]]]
        (line.urgent if urgent else line.others).append(_Request(what, path))

    def step(self, now_ns: int) -> None:
        """Hand to the worker what the limits allow."""
        room = self._worker.thread_count - self.in_flight_count
        # Urgent ones of any limit before the others of any limit.
        waiting = [item for item in self._lines.items() if item[1] and item[1].due_ns <= now_ns]
        for name, line in sorted(waiting, key=lambda item: not item[1].urgent):
            while line and room > 0:
                wait_ns = self._limiter.reserve(name, now_ns)
                if wait_ns:
                    line.due_ns = now_ns + wait_ns
                    break
                if not self._send(name, line, now_ns):
                    return
                room -= 1

    def next_deadline_ns(self) -> int:
        """When `step` has something to do; while the worker is busy its answer wakes the loop."""
        if self.in_flight_count >= self._worker.thread_count:
            return NEVER_NS
        return min((line.due_ns for line in self._lines.values() if line), default=NEVER_NS)

    def open(self, result: Result, parse: Callable[[int, bytes], T], now_ns: int) -> T:
        """What an answer says. Raises OSError, RestError or MalformedMessage; one that says "too
        many requests" slows this limit down, for all processes.
        """
        if result.error is not None:
            raise result.error
        fetched = result.value
        assert isinstance(fetched, Fetched)
        try:
            return parse(*fetched.answer)
        except RestError as error:
            if isinstance(error, RateLimited) or error.status == _FORBIDDEN:
                self._limiter.limited(fetched.limit, now_ns)
            raise

    def _send(self, name: str, line: _Waiting, now_ns: int) -> bool:
        waiting = line.next()
        asked = waiting[0]
        path, ends = asked.path, self._ends

        def fetch() -> Fetched:
            try:
                answer = rest_client.get(self._base_url, path, self._proxy, self._simulated)
                return Fetched(name, answer)
            finally:
                ends.append(None)

        if not self._worker.submit(asked.what, fetch):
            # Somebody else fills the worker; the token is spent, which is the safe side.
            line.due_ns = now_ns + WORKER_FULL_RETRY_NS
            return False
        waiting.popleft()
        self._sent_count += 1
        return True
