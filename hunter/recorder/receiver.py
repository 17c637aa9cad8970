"""Receives for the recorder: a link of its own, whose frames go to the backlog as they come.

The session subscribes and keeps the subscriptions alive as in a stream process, but nobody decodes
the data, and REST is not asked. A channel that is silent for longer than the exchange promises is
subscribed anew; a dead link is noticed by its pings, a dead feed behind a live link by a silence
that no book channel keeps. After a loss the recording has a hole, which a replay will tell.
"""

from __future__ import annotations

import random
import select
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Final

from hunter.clock import Clock
from hunter.config import Config, host_runtime_dir
from hunter.errors import HunterError
from hunter.exchange.okx.endpoints import BOOK_KEEPALIVE_NS
from hunter.exchange.okx.events import Data, DataSilent, Event, ExchangeError, Notice, Refused
from hunter.exchange.okx.requests import Subscription
from hunter.exchange.okx.states import SubscriptionState
from hunter.recorder.backlog import Backlog
from hunter.stream.budget import ConnectBudget, budget_path
from hunter.stream.connection import Connection
from hunter.stream.link import Closed, Link, Opened
from hunter.stream.worker import Worker

_MS: Final = 1_000_000
# Every subscribed book repeats itself after a minute without change.
_SILENCE_NS_MAX: Final = BOOK_KEEPALIVE_NS * 5 // 4


class Receiver:
    """`step` and `wait` in turn, then `close`. What there is to tell a person goes to `say`."""

    def __init__(
        self, config: Config, backlog: Backlog, clock: Clock, say: Callable[[str], None]
    ) -> None:
        self.data_counts: Counter[str] = Counter()  # data frames by channel
        self._backlog = backlog
        self._clock = clock
        self._say = say
        self._received_ns = 0
        self._is_silent = False
        self._subscriptions = tuple(
            Subscription(channel, instrument)
            for instrument in config.okx.instruments
            for channel in dict.fromkeys(config.okx.channels)
        )
        url = config.okx.public_url
        self._budget = ConnectBudget(budget_path(url, config.runtime_dir, host_runtime_dir()))
        self._worker = Worker()
        generator = random.Random(f"recorder-{clock.wall_ns()}")
        self._link = Link(
            url, self._subscriptions, config.stream, self._worker, generator, self._budget
        )
        self._link.tap = self._keep
        self._poller = select.poll()
        self._poller.register(self._worker.fileno(), select.POLLIN)

    @property
    def connects(self) -> int:
        return self._link.connects

    @property
    def last_close(self) -> str:
        """Why the last connection ended; "" when none has."""
        return self._link.last_close

    def step(self, now_ns: int) -> None:
        """Move on as far as the socket allows. Raises HunterError when nothing can ever come."""
        for result in self._worker.results():
            assert isinstance(result.key, Connection)
            self._link.resolved(result.key, result.value, result.error)
        for event in self._link.step(now_ns):
            if isinstance(event, Data):
                self.data_counts[event.channel] += 1
                self._is_silent = False
            else:
                self._on_event(event, now_ns)

    def wait(self, timeout_ms: int) -> None:
        """Until there may be something, at most `timeout_ms`."""
        now_ns = self._clock.monotonic_ns()
        due_ms = (self._link.next_deadline_ns() - now_ns) // _MS + 1
        target = self._link.poll_target()
        if target is not None:
            self._poller.register(*target)
        self._poller.poll(max(0, min(timeout_ms, due_ms)))
        if target is not None:
            self._poller.unregister(target[0])

    def close(self) -> None:
        self._link.abort("stopped")
        self._budget.close()

    def _keep(self, frames: Sequence[bytes]) -> None:
        # Stamps never go back, also when the host's clock does: files are merged by them.
        self._received_ns = max(self._received_ns, self._clock.wall_ns())
        self._backlog.put(self._received_ns, frames)

    def _on_event(self, event: Event | Opened | Closed, now_ns: int) -> None:
        match event:
            case Opened(url):
                self._say(f"connected to {url}")
            case Closed(reason, retry_in_ms):
                self._say(f"connection lost: {reason}; next attempt in {retry_in_ms:.0f} ms")
            case Refused(subscription, code, msg):
                self._say(f"{subscription.channel} {subscription.inst_id} refused: {code} {msg}")
                if not code:
                    self._link.abort("subscriptions are not answered")
                elif self._is_hopeless():
                    raise HunterError(
                        "the exchange refuses every subscription; see okx.instruments, okx.channels"
                    )
            case ExchangeError(code, msg):
                self._say(f"the exchange says {code}: {msg}")
            case Notice(code, msg):
                self._say(f"notice {code}: {msg}")
            case DataSilent(_, silence_ns, True):
                if silence_ns >= _SILENCE_NS_MAX:
                    self._link.abort("no data, though the link answers")
                elif not self._is_silent:
                    self._is_silent = True
                    self._say(f"no data for {silence_ns / 1e9:.0f} s, but the link answers")
            case DataSilent(subscriptions):
                self._link.resubscribe(subscriptions, now_ns)
            case _:
                pass  # what is recorded speaks for itself

    def _is_hopeless(self) -> bool:
        states = map(self._link.subscription_state, self._subscriptions)
        return all(state is SubscriptionState.PARKED for state in states)
