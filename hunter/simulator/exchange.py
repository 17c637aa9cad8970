"""The exchange behind the sockets: pushes come in from a source and go out to subscribers.

Order within `dispatch`: state and ledger first, the ledger's file next, clients last, so that
nothing a client has seen can be unknown here after a kill. Each push is framed once for all its
subscribers. Owned by the server; single-threaded; only `room` waits.
"""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any, Protocol

from hunter.clock import Clock
from hunter.simulator.channels import Key, by_channel
from hunter.simulator.faults import FAULTS, Fault, Faults
from hunter.simulator.frames import Push, wire_text
from hunter.simulator.instruments import Listing, listing
from hunter.simulator.ledger import Ledger
from hunter.simulator.options import SimOptions
from hunter.simulator.state import InstrumentState

_PAST_CONNECTIONS_MAX = 256


class Subscriber(Protocol):
    """What the exchange needs of a connection."""

    conn_id: str
    is_behind: bool
    """The reader has not taken what was sent: its queue is over the high-water mark."""

    def push(self, push: Push, wire: bytes) -> None: ...
    def flush(self, now_ns: int) -> None: ...
    def describe(self) -> dict[str, Any]: ...
    def perform(self, fault: Fault) -> None: ...


class Exchange:
    def __init__(self, options: SimOptions, clock: Clock) -> None:
        self.options = options
        self.clock = clock
        bounds = options.bounds
        self.ledger = Ledger(
            options.ledger, bounds.ledger_matches_max, bounds.ledger_file_bytes_max
        )
        self.faults = Faults()
        self.instruments: dict[str, InstrumentState] = {}
        self.listings: dict[str, Listing] = {}
        self.connections: dict[str, Subscriber] = {}
        self.subscribed = asyncio.Event()  # set by the first subscription of this run
        self.is_playing = False  # a recording is being played
        self.source: dict[str, Any] = {}  # what the source says of itself, for /sim/counts
        self.sequence_resets: list[Callable[[], None]] = []  # one for each synthetic market
        self._past: deque[dict[str, Any]] = deque(maxlen=_PAST_CONNECTIONS_MAX)
        self._subscribers: dict[Key, dict[str, Subscriber]] = {}
        self._id_rng = random.Random(clock.wall_ns())
        self._connects: deque[int] = deque()
        self._room = asyncio.Event()
        for name in () if options.replay else options.instruments:
            self.list_instrument(name)

    def list_instrument(self, name: str) -> InstrumentState:
        state = self.instruments.get(name)
        if state is None:
            state = self.instruments[name] = InstrumentState(name)
            self.listings[name] = listing(name)
        return state

    def is_listed(self, name: str) -> bool:
        return name in self.instruments

    # connections

    def new_conn_id(self) -> str:
        """8 hex digits, as the exchange's; unlike those in use."""
        while (conn_id := f"{self._id_rng.getrandbits(32):08x}") in self.connections:
            pass
        return conn_id

    def may_connect(self, now_ns: int) -> bool:
        """3 connection requests a second and IP; here everybody is one IP."""
        if not self.options.limits:
            return True
        while self._connects and now_ns - self._connects[0] >= 1_000_000_000:
            self._connects.popleft()
        if len(self._connects) >= self.options.bounds.connects_per_s_max:
            return False
        self._connects.append(now_ns)
        return True

    def attach(self, connection: Subscriber) -> None:
        self.connections[connection.conn_id] = connection

    def detach(self, connection: Subscriber) -> None:
        if self.connections.pop(connection.conn_id, None) is None:
            return
        for key in list(self._subscribers):
            self.unsubscribe(connection, key)
        self._past.append(connection.describe())
        self.reader_moved()

    def subscribe(self, connection: Subscriber, key: Key) -> None:
        self._subscribers.setdefault(key, {})[connection.conn_id] = connection
        self.subscribed.set()
        self.reader_moved()

    def unsubscribe(self, connection: Subscriber, key: Key) -> None:
        members = self._subscribers.get(key)
        if members is not None:
            members.pop(connection.conn_id, None)
            if not members:
                del self._subscribers[key]

    def initial(self, keys: Iterable[Key]) -> list[Push]:
        """Initial pushes of new subscriptions, one a stream that has something to say."""
        pushes = []
        for channel, inst_id in keys:
            text = self.instruments[inst_id].initial(channel)
            if text is not None:
                pushes.append(Push(channel, inst_id, text, None))
        return pushes

    # data

    def dispatch(self, pushes: Iterable[Push]) -> None:
        """Take in `pushes` in order and send them to whoever subscribed."""
        now_ns = self.clock.monotonic_ns()
        targets: list[tuple[Subscriber, Push, bytes]] = []
        for push in pushes:
            self.list_instrument(push.inst_id).apply(push, now_ns)
            self.ledger.record(push)
            members = self._subscribers.get((push.channel, push.inst_id))
            if members:
                wire = wire_text(push.text)
                targets += [(member, push, wire) for member in members.values()]
        self.ledger.flush()
        touched = {}
        for member, push, wire in targets:
            member.push(push, wire)
            touched[member.conn_id] = member
        for member in touched.values():
            member.flush(now_ns)

    def reader_moved(self) -> None:
        """A reader came, went or caught up: `room` looks again."""
        self._room.set()

    async def room(self) -> None:
        """Wait until somebody reads and every subscriber has taken what it was sent."""
        while not self._subscribers or self._anybody_behind():
            self._room.clear()
            await self._room.wait()

    def _anybody_behind(self) -> bool:
        return any(
            member.is_behind
            for members in self._subscribers.values()
            for member in members.values()
        )

    def keep_alive(self) -> None:
        """Repeat quiet books; a recording that is being played brings its own."""
        if self.is_playing:
            return
        now_ns = self.clock.monotonic_ns()
        after_ns = int(self.options.bounds.book_keepalive_s * 1e9)
        self.dispatch(
            [
                push
                for state in self.instruments.values()
                for push in state.keep_alives(now_ns, after_ns)
            ]
        )

    # faults and figures

    def arm(self, fault: Fault) -> int:
        """Arm a fault, or perform it at once; returns the number of connections it was done to."""
        if FAULTS[fault.name][0] == "market":
            for reset in self.sequence_resets:
                reset()
            return 0
        if FAULTS[fault.name][0] != "now":
            self.faults.arm(fault)
            return 0
        targets = [
            connection
            for connection in list(self.connections.values())
            if fault.conn_id in ("*", connection.conn_id)
        ]
        for connection in targets:
            connection.perform(fault)
        return len(targets)

    def counts(self) -> dict[str, Any]:
        """`/sim/counts`: what was produced, and what each connection was sent."""
        return {
            "produced": by_channel(self.ledger.produced),
            "matches": {name: self.ledger.match_total(name) for name in self.instruments},
            "source": self.source,
            "connections": [item.describe() for item in self.connections.values()],
            "past_connections": list(self._past),
            "faults_fired": self.faults.fired,
        }
