"""Receives for the recorder: links of its own, whose frames go to the backlog as they come.

The sessions subscribe and keep the subscriptions alive as in a stream process, but nobody decodes
the data, and REST is not asked. A channel that is silent for longer than the exchange promises is
subscribed anew; one that is never answered is left alone while others are. A dead link is noticed
by its pings, a dead feed behind a live link by a silence that none of its channels keeps. After a
loss the recording has a hole, which a replay will tell. Binary frames are not recorded: OKX sends
none, and a line could not hold them.
"""

from __future__ import annotations

import random
import select
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Final

from hunter.clock import Clock
from hunter.config import Config
from hunter.errors import HunterError
from hunter.exchange.okx.endpoints import BOOK_KEEPALIVE_NS, channel_traits
from hunter.exchange.okx.events import Data, DataSilent, Event, ExchangeError, Notice, Refused
from hunter.exchange.okx.plan import make_plan
from hunter.exchange.okx.requests import Subscription
from hunter.exchange.okx.states import SubscriptionState
from hunter.recorder.backlog import Backlog
from hunter.stream.link import Closed, Link, Opened
from hunter.stream.linkmaker import LinkMaker
from hunter.stream.worker import Worker

_MS: Final = 1_000_000
# Every subscribed book repeats itself after a minute without change.
_SILENCE_NS_MAX: Final = BOOK_KEEPALIVE_NS * 5 // 4
# Where no channel promises anything, as candles in a market that rests.
_UNPROMISED_NS_MAX: Final = 600_000_000_000
_BRINGING: Final = {SubscriptionState.ACKED, SubscriptionState.LIVE, SubscriptionState.PARKED}


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
        self._silent: set[Link] = set()
        self._unanswered: set[Subscription] = set()
        self._worker = Worker(thread_count=1)
        generator = random.Random(f"recorder-{clock.wall_ns()}")
        self._maker = LinkMaker(config, self._worker, generator)
        plan = make_plan(config.okx.instruments, config.okx.channels)
        # No sentinels: they would be recorded, and nobody asked for them.
        self._links = [self._maker.new(socket._replace(sentinel=None)) for socket in plan.sockets]
        for link in self._links:
            link.tap = self._keep
        self._poller = select.poll()
        self._poller.register(self._worker.fileno(), select.POLLIN)

    @property
    def reconnects(self) -> int:
        """Connections begun after the first of each socket."""
        return sum(max(0, link.connects - 1) for link in self._links)

    @property
    def last_close(self) -> str:
        """Why a connection ended; "" when none has."""
        return next((link.last_close for link in self._links if link.last_close), "")

    @property
    def is_whole(self) -> bool:
        """Whether everything that was asked for is being recorded, but for what is refused."""
        states = {
            link.subscription_state(item)
            for link in self._links
            for item in link.target.subscriptions
        }
        return SubscriptionState.LIVE in states and states <= _BRINGING

    def step(self, now_ns: int) -> None:
        """Move on as far as the sockets allow. Raises HunterError when nothing can ever come."""
        for result in self._worker.results():
            self._maker.resolver.answered(result.key, result.value, result.error)
        for link in self._links:
            for event in link.step(now_ns):
                if isinstance(event, Data):
                    self.data_counts[event.channel] += 1
                    self._silent.discard(link)
                else:
                    self._on_event(link, event, now_ns)

    def wait(self, timeout_ms: int) -> None:
        """Until there may be something, at most `timeout_ms`."""
        now_ns = self._clock.monotonic_ns()
        due_ms = (min(link.next_deadline_ns() for link in self._links) - now_ns) // _MS + 1
        targets = [target for link in self._links if (target := link.poll_target()) is not None]
        for target in targets:
            self._poller.register(*target)
        self._poller.poll(max(0, min(timeout_ms, due_ms)))
        for descriptor, _ in targets:
            self._poller.unregister(descriptor)

    def close(self) -> None:
        for link in self._links:
            link.abort("stopped")
        self._maker.close()

    def _keep(self, frames: Sequence[bytes]) -> None:
        # Stamps never go back, also when the host's clock does: files are merged by them.
        self._received_ns = max(self._received_ns, self._clock.wall_ns())
        self._backlog.put(self._received_ns, frames)

    def _on_event(self, link: Link, event: Event | Opened | Closed, now_ns: int) -> None:
        match event:
            case Opened(url):
                self._say(f"connected to {url}")
            case Closed(reason, retry_in_ms):
                self._say(f"connection lost: {reason}; next attempt in {retry_in_ms:.0f} ms")
            case Refused(subscription, "", msg):
                if subscription not in self._unanswered:
                    self._unanswered.add(subscription)
                    self._say(f"{subscription.channel} {subscription.inst_id}: {msg}")
                if _is_parked(link):
                    link.abort("subscriptions are not answered")
            case Refused(subscription, code, msg):
                self._say(f"{subscription.channel} {subscription.inst_id} refused: {code} {msg}")
                if all(map(_is_parked, self._links)):
                    raise HunterError(
                        "the exchange refuses every subscription; see okx.instruments, okx.channels"
                    )
            case ExchangeError(code, msg):
                self._say(f"the exchange says {code}: {msg}")
            case Notice(code, msg):
                self._say(f"notice {code}: {msg}")
            case DataSilent(_, silence_ns, True):
                if silence_ns >= _silence_ns_max(link):
                    link.abort("no data, though the link answers")
                elif link not in self._silent:
                    self._silent.add(link)
                    self._say(f"no data for {silence_ns / 1e9:.0f} s, but the link answers")
            case DataSilent(subscriptions):
                link.resubscribe(subscriptions, now_ns)
            case _:
                pass  # what is recorded speaks for itself


def _is_parked(link: Link) -> bool:
    """Whether none of its subscriptions brings anything."""
    return all(
        link.subscription_state(item) is SubscriptionState.PARKED
        for item in link.target.subscriptions
    )


def _silence_ns_max(link: Link) -> int:
    """How long nothing may come over it before its feed is taken for dead."""
    promises = (channel_traits(item.channel).silence_ns_max for item in link.target.subscriptions)
    return _UNPROMISED_NS_MAX if not any(promises) else _SILENCE_NS_MAX
