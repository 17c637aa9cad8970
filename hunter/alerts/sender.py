"""Sends messages from a thread of its own: the loop that looks at the instance never waits for it.

Each channel has a lane, in order: a "resolved" must not overtake the trouble it ends. Only the head
of a lane is tried, again and again with growing pauses, until it is delivered, refused for good or
too old; a lane that is full loses its oldest. One thread serves all lanes in turn, so a channel
that hangs costs the others one limit of time, not their turn. Owned by the alerts actor.
"""

from __future__ import annotations

import contextlib
import os
import random
import threading
from collections import deque
from collections.abc import Sequence
from typing import Final, NamedTuple

from hunter.alerts.channels import AlertChannel, NotDelivered, Redactor
from hunter.alerts.policy import Message
from hunter.clock import Clock

LANE_MESSAGES_MAX: Final = 100
AGE_NS_MAX: Final = 24 * 3_600_000_000_000
PAUSE_S_MIN: Final = 1.0
PAUSE_S_MAX: Final = 60.0
RETRY_AFTER_S_MAX: Final = 600.0
_S: Final = 1_000_000_000


class Delivery(NamedTuple):
    """What became of a message on a channel; `words` say why, or what the other side said."""

    message_id: str
    channel: str
    delivered: bool
    words: str


class _Way:
    def __init__(self, channel: AlertChannel) -> None:
        self.channel = channel
        self.messages: deque[Message] = deque()
        self.attempts = 0
        self.due_ns = 0
        self.trouble = ""


class Sender:
    """`put` and `outcomes` from the loop, `close` at its end. Figures only grow."""

    def __init__(self, channels: Sequence[AlertChannel], redactor: Redactor, clock: Clock) -> None:
        self.sent = 0
        self.failed = 0
        self.dropped = 0
        self._lanes = {channel.name: _Way(channel) for channel in channels}
        self._redactor = redactor
        self._clock = clock
        self._random = random.Random()
        self._news = threading.Condition()
        self._outcomes: list[Delivery] = []
        self._bell = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._ended = False
        self._thread = threading.Thread(target=self._run, name="alerts-sender", daemon=True)
        self._thread.start()

    @property
    def channel_names(self) -> list[str]:
        return list(self._lanes)

    @property
    def waiting(self) -> int:
        with self._news:
            return sum(len(lane.messages) for lane in self._lanes.values())

    @property
    def trouble(self) -> str:
        """Why the last attempts failed, of the channels that are in trouble now."""
        with self._news:
            found = [
                f"{name}: {lane.trouble}" for name, lane in self._lanes.items() if lane.trouble
            ]
        return "; ".join(found)

    @property
    def is_alive(self) -> bool:
        return self._thread.is_alive()

    def put(self, message: Message, channels: Sequence[str]) -> None:
        """Have it sent by these channels; one that is not configured any more counts as dropped."""
        with self._news:
            for name in channels:
                lane = self._lanes.get(name)
                if lane is None:
                    self._drop(message, name, "not configured any more")
                    continue
                if len(lane.messages) >= LANE_MESSAGES_MAX:
                    oldest = lane.messages[1]  # the head may be on its way
                    del lane.messages[1]
                    self._drop(oldest, name, "too many wait")
                lane.messages.append(message)
            self._news.notify()

    def fileno(self) -> int:
        """Readable while there are outcomes that nobody has asked for."""
        return self._bell

    def outcomes(self) -> list[Delivery]:
        """What has been settled since the last call."""
        with contextlib.suppress(BlockingIOError):
            os.eventfd_read(self._bell)
        with self._news:
            found, self._outcomes = self._outcomes, []
        return found

    def close(self, timeout_s: float) -> None:
        """Let what is due be tried for so long; the rest is for whoever reads the checkpoint."""
        with self._news:
            self._ended = True
            self._news.notify()
        self._thread.join(timeout_s)

    def _run(self) -> None:
        while (found := self._next()) is not None:
            lane, message = found
            try:
                words = lane.channel.send(message)
            except NotDelivered as error:
                self._missed(lane, message, error)
            else:
                self._delivered(lane, message, words)

    def _next(self) -> tuple[_Way, Message] | None:
        """The next one to try, when its time has come; None at the end."""
        with self._news:
            while True:
                now_ns = self._clock.monotonic_ns()
                busy = [lane for lane in self._lanes.values() if lane.messages]
                lane = min(busy, key=lambda each: each.due_ns, default=None)
                if lane is not None and lane.due_ns <= now_ns:
                    lane.due_ns = now_ns  # behind those that have waited longer
                    return lane, lane.messages[0]
                if self._ended:
                    return None
                self._news.wait(None if lane is None else (lane.due_ns - now_ns) / _S)

    def _delivered(self, lane: _Way, message: Message, words: str) -> None:
        with self._news:
            self.sent += 1
            lane.attempts, lane.trouble = 0, ""
            lane.messages.popleft()
            name = lane.channel.name
            self._settled(Delivery(message.id, name, True, self._redactor.clean(words)))

    def _missed(self, lane: _Way, message: Message, error: NotDelivered) -> None:
        with self._news:
            self.failed += 1
            lane.attempts += 1
            lane.trouble = self._redactor.clean(str(error))
            too_old = self._clock.wall_ns() - message.at_ns > AGE_NS_MAX
            if error.is_final or too_old:
                lane.messages.popleft()
                lane.attempts = 0
                self._drop(message, lane.channel.name, lane.trouble)
                return
            pause_s = min(PAUSE_S_MAX, PAUSE_S_MIN * 2.0 ** min(lane.attempts - 1, 10))
            pause_s *= self._random.uniform(0.5, 1.0)  # many instances may miss one server
            pause_s = max(pause_s, min(error.retry_after_s, RETRY_AFTER_S_MAX))
            lane.due_ns = self._clock.monotonic_ns() + int(pause_s * _S)

    def _drop(self, message: Message, channel: str, words: str) -> None:
        self.dropped += 1
        self._settled(Delivery(message.id, channel, False, words))

    def _settled(self, outcome: Delivery) -> None:
        self._outcomes.append(outcome)
        os.eventfd_write(self._bell, 1)
