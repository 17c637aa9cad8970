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
from hunter.market.instrument import instrument_type
from hunter.simulator.channels import CHANNELS, Key, Subject, by_channel, index_of, is_by_instrument
from hunter.simulator.faults import FAULTS, Fault, Faults
from hunter.simulator.frames import Push, wire_text
from hunter.simulator.instruments import DELISTED, Listing, listing
from hunter.simulator.ledger import Ledger
from hunter.simulator.market_faults import MarketFaults
from hunter.simulator.options import SimOptions
from hunter.simulator.publicdata import PublicData
from hunter.simulator.state import InstrumentState, SimulatedBook
from hunter.simulator.tampering import Outgoing, Tampering
from hunter.simulator.usage import Meter

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
    def heal(self) -> None: ...


class Exchange:
    def __init__(self, options: SimOptions, clock: Clock) -> None:
        self.options = options
        self.clock = clock
        bounds = options.bounds
        self.ledger = Ledger(
            options.ledger, bounds.ledger_matches_max, bounds.ledger_file_bytes_max
        )
        self.faults = Faults()
        self.tampering = Tampering(self.faults)
        self.market_faults = MarketFaults(self.ledger, clock, self.dispatch)
        self.instruments: dict[str, InstrumentState] = {}
        self.listings: dict[str, Listing] = self.market_faults.listings
        self.connections: dict[str, Subscriber] = {}
        self.subscribed = asyncio.Event()  # set by the first subscription of this run
        self.is_playing = False  # a recording is being played
        self.source: dict[str, Any] = {}  # what the source says of itself, for /sim/counts
        self.public_data: PublicData | None = None  # of synthetic markets
        self.reports: dict[str, Callable[[], Any]] = {}  # further parts of /sim/counts
        self._latest = {("status", ""): self.market_faults.past_status().text}
        self._numbers: dict[str, str] = {}  # `#2` -> connId
        self._number = 0
        self._requests_most = 0  # in any hour, of the connections that are gone
        self._handshakes = Meter(1_000_000_000)
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
            options = self.options
            # Remembering costs more than all the rest of a replay at full speed.
            remembers = options.speed is not None or not options.replay
            state = InstrumentState(name, options.checksum, remembers)
            self.instruments[name] = state
            self.listings[name] = listing(name)
        return state

    def is_listed(self, name: str) -> bool:
        return name in self.instruments and self.market_faults.states.get(name) != DELISTED

    def serves(self, key: Key) -> bool:
        """Whether a subscription of `key` exists here."""
        channel, subject = CHANNELS.get(key[0]), key[1]
        if channel is None:
            return False
        if channel.subject is Subject.INSTRUMENT:
            return self.is_listed(subject) and instrument_type(subject) in channel.types
        if channel.subject is Subject.INDEX:
            return any(index_of(name) == subject for name in self.instruments)
        return channel.subject is Subject.NOTHING or subject in channel.types

    # connections

    def new_conn_id(self) -> str:
        """8 hex digits, as the exchange's; unlike those in use."""
        while (conn_id := f"{self._id_rng.getrandbits(32):08x}") in self.connections:
            pass
        return conn_id

    def number(self, conn_id: str) -> None:
        """A WebSocket asks to be opened: it is the next, and faults may be meant for it."""
        self._handshakes.note(self.clock.monotonic_ns())
        self._number += 1
        name = f"#{self._number}"
        self._numbers[name] = conn_id
        if len(self._numbers) > _PAST_CONNECTIONS_MAX:
            del self._numbers[next(iter(self._numbers))]
        for fault in self.faults.armed:
            if fault.conn_id == name:
                fault.conn_id = conn_id

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
        self.tampering.forget(connection.conn_id)
        past = connection.describe()
        self._past.append(past)
        self._requests_most = max(self._requests_most, past.get("requests_per_hour_max", 0))
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

    def wanted(self) -> list[Key]:
        """What somebody has subscribed to."""
        return list(self._subscribers)

    def initial(self, keys: Iterable[Key]) -> list[Push]:
        """Initial pushes of new subscriptions, one a stream that has something to say."""
        pushes = []
        for key in keys:
            channel, subject = key
            if self.public_data is not None and self.public_data.makes(channel):
                text = self.public_data.current(key, self.clock.wall_ns())
            elif CHANNELS[channel].subject is Subject.INSTRUMENT:
                text = self.instruments[subject].initial(channel)
            else:
                text = self._latest.get(key)
            if text is not None:
                pushes.append(Push(channel, subject, text, None))
        return pushes

    # data

    def dispatch(self, pushes: Iterable[Push]) -> None:
        """Take in `pushes` in order and send them to whoever subscribed."""
        now_ns = self.clock.monotonic_ns()
        targets: list[tuple[Subscriber, Push, bytes]] = []
        for push in pushes:
            self._take_in(push, now_ns)
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

    def _take_in(self, push: Push, now_ns: int) -> None:
        if is_by_instrument(push.channel):
            self.list_instrument(push.inst_id).apply(push, now_ns)
        elif (
            CHANNELS[push.channel].subject is not Subject.TYPE
        ):  # by type, nothing is said to who comes later
            self._latest[push.channel, push.inst_id] = push.text

    def alter(self, conn_id: str, push: Push, wire: bytes) -> list[Outgoing]:
        """What the armed faults leave of a push to one connection."""
        state = self.instruments.get(push.inst_id)
        return self.tampering.alter(conn_id, push, wire, state.book if state else SimulatedBook())

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
                for name, state in self.instruments.items()
                if name not in self.market_faults.states
                for push in state.keep_alives(now_ns, after_ns)
            ]
        )

    # faults and figures

    def arm(self, fault: Fault) -> int:
        """Arm a fault, or perform it at once; returns to how many connections or instruments it
        was done.
        """
        moment = FAULTS[fault.name].moment
        fault.conn_id = self._resolve(fault.conn_id)
        if moment == "market" or fault.name == "rest_missing":
            done_to = self.market_faults.perform(fault)
        elif moment == "now":
            targets = [
                c for c in list(self.connections.values()) if fault.conn_id in ("*", c.conn_id)
            ]
            done_to = len(targets)
            for connection in targets:
                connection.perform(fault)
        else:
            self.faults.arm(fault, self.clock.monotonic_ns())
            return 0
        if done_to:
            self.faults.note(fault.name)
        return done_to

    def heal(self) -> None:
        """Clear all that is armed, and what faults have left behind."""
        self.faults.clear()
        self.market_faults.heal()
        for connection in list(self.connections.values()):
            connection.heal()

    def _resolve(self, conn_id: str) -> str:
        if conn_id in ("first", "last"):
            open_ids = list(self.connections)
            return open_ids[0 if conn_id == "first" else -1] if open_ids else "*"
        return self._numbers.get(conn_id, conn_id)

    def counts(self) -> dict[str, Any]:
        """`/sim/counts`: what was produced, what each connection was sent, how much of each limit
        was used.
        """
        connections = [item.describe() for item in self.connections.values()]
        requests = [item.get("requests_per_hour_max", 0) for item in connections]
        return {
            "produced": by_channel(self.ledger.produced),
            "matches": {name: self.ledger.match_total(name) for name in self.instruments},
            "source": self.source,
            "connections": connections,
            "past_connections": list(self._past),
            "faults_fired": self.faults.fired,
            "handshakes": {"total": self._handshakes.total, "most_in_1_s": self._handshakes.most},
            "requests_most_in_1_h": max([self._requests_most, *requests]),
            **{name: report() for name, report in self.reports.items()},
        }
