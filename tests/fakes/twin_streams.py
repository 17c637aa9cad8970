"""Two writing roles over one stream of bytes: one with the compiled half, one in Python alone.

The exchange's end is a socket in the test's own thread, time moves when told to, and REST is a list
of what was asked for; so the two may differ in nothing but how they got there.
"""

from __future__ import annotations

import contextlib
import fcntl
import random
import select
import sys
import termios
from collections.abc import Iterator
from typing import Any

from fakes.actor_stage import MS, HandClock, Stage
from fakes.websocket_peer import Peer, agreement

from hunter.config import StreamSection
from hunter.exchange.okx.plan import make_plan
from hunter.ring.reader import LaneReader
from hunter.ring.rows import Kind
from hunter.ring.writer import RingWriter
from hunter.status.latency import Stage as LatencyStage
from hunter.stream import frames
from hunter.stream.link import Link, Target
from hunter.stream.parts import Parts
from hunter.stream.worker import Result
from hunter.stream.writing import Writing

INSTRUMENTS = ("BTC-USDT-SWAP", "BTC-USDT")


# Less than a socket holds, and than one read brings.
PIECE_BYTES = 60_000


@contextlib.contextmanager
def without_kernel() -> Iterator[None]:
    """What is made and done meanwhile is made and done in Python."""
    connection = sys.modules["hunter.stream.connection"]
    before: list[tuple[Any, str, Any]] = [(connection, "split", connection.split)]
    before += [
        (module, "kernel", module.kernel)
        for name, module in list(sys.modules.items())
        if name.startswith("hunter.") and getattr(module, "kernel", None) is not None
    ]
    try:
        for module, name, _ in before:
            setattr(module, name, None)
        connection.split = frames._split
        yield
    finally:
        for module, name, value in before:
            setattr(module, name, value)


class _Rest:
    """Keeps the questions; the test answers."""

    def __init__(self) -> None:
        self.asked: list[tuple[Any, str]] = []

    def ask(self, what: Any, path: str, urgent: bool = False) -> None:
        self.asked.append((what, path))

    def open(self, result: Result, parse: Any, now_ns: int) -> Any:
        if result.error is not None:
            raise result.error
        return result.value


class _Wake:
    def __init__(self) -> None:
        self.count = 0

    def wake(self) -> None:
        self.count += 1


class _Resolver:
    def __init__(self, port: int) -> None:
        self._port = port

    def ask(self, key: object, host: str, port: int, now_ns: int) -> None:
        """The answer is known."""

    def addresses(self, host: str, port: int, asked_ns: int, now_ns: int) -> list[Any]:
        return [(2, 1, 6, "", ("127.0.0.1", self._port))]


class _Limiter:
    def reserve(self, name: str, now_ns: int) -> int:
        return 0

    def limited(self, name: str, now_ns: int) -> None:
        """Never in these tests."""


class Side:
    """One of the two."""

    def __init__(self, channels: tuple[str, ...], native: bool, capacity: int = 256) -> None:
        self.native = native
        names = ", ".join(f'"{name}"' for name in INSTRUMENTS)
        listed = ", ".join(f'"{name}"' for name in channels)
        self.stage = Stage(
            f"okx.instruments=[{names}]", f"okx.channels=[{listed}]", f"ring.capacity={capacity}"
        )
        self.stage.make_rings()
        self.clock = HandClock()
        self.peer = Peer()
        self.rest = _Rest()
        self.wake = _Wake()
        context = self.stage.context("stream-0", self.clock)
        plan = make_plan(INSTRUMENTS, channels)
        self.parts = Parts(
            context=context,
            rest=self.rest,  # type: ignore[arg-type]
            wake=self.wake,  # type: ignore[arg-type]
            instruments=INSTRUMENTS,
            channels=channels,
            plan=plan,
            new_link=self._new_link,
        )
        with self.half():
            self.writer = RingWriter(self.stage.ring_path(), self.clock.wall_ns())
            links = [self._new_link(socket) for socket in plan.sockets]
            assert len(links) == 1, "one connection is what this is about"
            self.writing = Writing(self.parts, links, self.writer, ())
        self.expected = self.read = 0
        reception = self.writing.lines[0].reception
        assert reception is not None
        was_read = reception.was_read

        def count(byte_count: int, *, drained: bool) -> None:
            self.read += byte_count
            was_read(byte_count, drained=drained)

        reception.was_read = count  # type: ignore[method-assign]

    def half(self) -> contextlib.AbstractContextManager[None]:
        return contextlib.nullcontext() if self.native else without_kernel()

    def _new_link(self, socket: Any) -> Link:
        return Link(
            Target(self.peer.url, socket.subscriptions, socket.sentinel),
            StreamSection(),
            None,  # type: ignore[arg-type]
            random.Random(1),
            _Limiter(),  # type: ignore[arg-type]
            _Resolver(self.peer.port),  # type: ignore[arg-type]
        )

    @property
    def link(self) -> Link:
        return self.writing.lines[0].link

    def connect(self) -> None:
        """The next connection of the line, up to its subscriptions; time passes until it is made,
        the same on both sides.
        """
        # What was under way has nobody to answer it any more.
        if self.link._connection is not None:
            self.link.abort("anew")
            self.step()
        while self.peer.is_called:
            self.peer.accept()
        self.clock.skip(60_000)
        request = b""
        for _ in range(2_000):
            self.step()
            if self.peer.is_called:  # the newest; another one has been given up
                self.peer.accept()
                request = b""
            if self.peer.link is not None:
                with contextlib.suppress(OSError):
                    request += self.peer.request()
            if b"\r\n\r\n" in request:
                break
            select.select([], [], [], 0.001)
        self.read = 0
        self.expected = len(agreement(request))
        self.peer.send(agreement(request))
        self.drain()
        assert self.link.is_open

    def step(self) -> int:
        with self.half():
            return self.writing.step(self.clock.monotonic_ns())

    def drain(self) -> None:
        """Work on all that has been sent, however long the host takes to bring it."""
        connection = self.link._connection
        for _ in range(2_000):
            target = self.link.poll_target()
            if self.expected <= self.read or target is None or self.link._connection != connection:
                break
            select.select([target[0]], [], [], 0.005)
            self.step()
        else:
            raise AssertionError(f"{self.expected - self.read} bytes did not come")
        while self.step():
            pass

    def send(self, data: bytes) -> None:
        if self.peer.link is None or not self.link.is_open:
            return
        for start in range(0, len(data), PIECE_BYTES):
            piece = data[start : start + PIECE_BYTES]
            self.expected += len(piece)
            with contextlib.suppress(OSError):  # this side has given the connection up
                self.peer.send(piece)
            self._await_bytes(len(piece))
            self.drain()

    def _await_bytes(self, byte_count: int) -> None:
        """All of a piece is there before any of it is read: what a turn brings is the same on both
        sides then, and so is what a turn ends with.
        """
        target = self.link.poll_target()
        for _ in range(2_000):
            if target is None:
                return
            there = fcntl.ioctl(target[0], termios.FIONREAD, bytes(4))
            if int.from_bytes(there, "little") >= byte_count:
                return
            select.select([], [], [], 0.001)

    def hang_up(self, reset: bool) -> None:
        """The exchange ends the connection."""
        if self.peer.link is not None and self.link.is_open:
            self.peer.hang_up(reset=reset)
            for _ in range(2_000):
                if not self.link.is_open:
                    return
                select.select([], [], [], 0.001)
                self.step()
            raise AssertionError("the end did not come")

    def skip(self, milliseconds: float) -> None:
        self.clock.skip(milliseconds)
        self.step()

    def answer(self, value: Any) -> None:
        """What REST says to the oldest question, an OSError or what the parser would give."""
        if self.rest.asked:
            what, _ = self.rest.asked.pop(0)
            error = value if isinstance(value, OSError) else None
            with self.half():
                self.writing.on_result(Result(what, value, error), self.clock.monotonic_ns())

    @property
    def taken(self) -> int:
        """Frames that the compiled half took."""
        reception = self.writing.lines[0].reception
        return getattr(getattr(reception, "_fast", None), "frame_count", 0)

    def picture(self) -> dict[str, Any]:
        """All that the outside can see, and what decides what it will see."""
        writing = self.writing
        layout = self.writer.layout
        with self.half():
            writing.publish()
            rows = {}
            for index, name in enumerate(INSTRUMENTS):
                for kind in Kind:
                    if layout.capacities[kind]:
                        rows[name, kind] = self.stage.rows(kind, name)
                rows[name, "arrival"] = self.writer._segment.words[layout.arrival_word(index)]
            writing._documents = None
            feeds = writing.feed_documents()
        session = self.link.session
        counted = writing._parts.context.latencies.counts(LatencyStage.EXCHANGE_TO_RECEIVE)
        return {
            "rows": rows,
            "feeds": feeds,
            "state": writing.state(),
            "log": [text.replace(f":{self.peer.port}/", "/") for text in self.stage.log.lines],
            "asked": list(self.rest.asked),
            "session": session.statistics(),
            "subscriptions": session.subscription_states(),
            "heard": {item: session.heard_ns(item) for item in session.subscription_states()},
            "last_data_ns": session.last_data_ns,
            "deadline": self.link.next_deadline_ns(),
            "chains": {name: feed.chain.statistics() for name, feed in writing.feeds.items()},
            "ends": {name: feed.chain.newest_known_id for name, feed in writing.feeds.items()},
            "books": {name: self._book(feed) for name, feed in writing.feeds.items()},
            "tails": {name: _fields(feed.chain.tail) for name, feed in writing.feeds.items()},
            "news": {
                (name, channel): counters.last_exchange_ts_ns
                for name, feed in writing.feeds.items()
                for channel, counters in feed.counters.items()
            },
            "lags": counted.every,
            "open": self.link.is_open,
        }

    def _book(self, feed: Any) -> Any:
        kept = feed._book
        if kept is None:
            return None
        book, check, shown = kept._book, kept._check, kept._shown
        return (
            (book.valid, book.seq_id, book.exchange_ts_ns, book.top(1_000), book.statistics()),
            (check.broken, check.distrusted, check.compared_count, check.mismatch_count),
            (shown.valid, shown.seq_id, shown.exchange_ts_ns),
            _fields(check.calm),
            [len(kept) for kept in check.kept],
        )

    def close(self) -> None:
        with self.half():
            self.writing.close()
        for link in self.writing.links:
            link.abort("the test is over")
        self.peer.close()
        self.stage.close()


def _fields(record: Any) -> dict[str, Any]:
    """Of either hand."""
    names = [name for name in dir(record) if not name.startswith("_")]
    return {name: getattr(record, name) for name in names}


class Twins:
    """Both, given the same."""

    def __init__(self, *channels: str, capacity: int = 256) -> None:
        self.sides = [Side(channels, native, capacity) for native in (True, False)]

    def __enter__(self) -> Twins:
        return self

    def __exit__(self, *_: object) -> None:
        for side in self.sides:
            side.close()

    def each(self, method: str, *arguments: Any) -> None:
        for side in self.sides:
            getattr(side, method)(*arguments)

    def reconnect_if_lost(self) -> bool:
        """Connections that ended are made anew, on both or on none."""
        lost = [not side.link.is_open for side in self.sides]
        assert lost[0] == lost[1], "one has lost its connection, and the other has not"
        if lost[0]:
            self.each("connect")
        return lost[0]

    def compare(self) -> None:
        one, other = (side.picture() for side in self.sides)
        for name, seen in one.items():
            # By their text: a NaN equals no other.
            if repr(seen) != repr(other[name]):
                assert seen == other[name], f"they differ in {name}"

    @property
    def taken(self) -> int:
        return self.sides[0].taken


__all__ = ["INSTRUMENTS", "MS", "LaneReader", "Side", "Twins", "without_kernel"]
