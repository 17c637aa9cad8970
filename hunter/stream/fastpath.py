"""Ordinary frames of live subscriptions, straight from a connection's buffer into the ring.

The compiled half (`native/fastpath.c`) takes such frames whole; everything else goes the long way:
session, line, feed, writer. What is ordinary is decided here, and here alone, before a frame comes:
a *route* (one channel of one instrument on one line) is *armed* while all that a good push of it
changes is what the compiled half changes too. Where that is not so, or not known to be so, it is
not armed, and nothing else follows from that.

Armed may be, of a line without a successor, whose connection is open:
  any        live, no silence of it reported, something received before, not silent
  trades     the chain has an end, and no hole, nothing held, no restart or jump in doubt, no former
             run to go on from, no loss to mark; one connection brings them
  bbo-tbt    nothing suspected of the book beside it
  books      valid, shown, not crossed, follows on by ids alone; nothing suspected
  books5     the same; as the book of the instrument, or as a second opinion beside it

Disarmed are
  one route       when it declines a frame (in the compiled half)
  an instrument   when a push of it goes the long way on a channel that has a route, and when REST
                  answers about it
  a line          when its session changes in any way, when it tells of anything but data and pongs,
                  from the beginning to the end of a handover, and when the role ends
Armed again are the routes of an instrument after a push of it has gone the long way, as soon as the
line takes frames again, if they are ordinary then.

So that every frame takes effect in its place, the compiled half stops at the first frame it does
not take; the connection hands that one and those behind it that nobody armed takes to the long way,
and only then goes on.

Only this module knows the kernel's FastPath. Without a kernel, and where there is nothing to gain
(a standby, a recorder, a successor that is not in charge yet), there is none of this.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from hunter.clock import Clock
from hunter.exchange.okx.requests import Subscription
from hunter.exchange.okx.session import OkxSession
from hunter.native import kernel
from hunter.ring.writer import RingWriter
from hunter.status.latency import Latencies, Stage
from hunter.stream.feed import InstrumentFeed
from hunter.stream.line import Line
from hunter.stream.reception import Reception


class _Armable:
    """A route and who knows whether it is ordinary."""

    __slots__ = ("feed", "line", "route", "subscription")

    def __init__(
        self, line: FastLine, feed: InstrumentFeed, subscription: Subscription, route: Any
    ) -> None:
        self.line = line
        self.feed = feed
        self.subscription = subscription
        self.route = route


class FastLine(Reception):
    """What one line receives. `row_count`: rows that were put and published so far."""

    def __init__(self, clock: Clock, latencies: Latencies, line: Line, writer: RingWriter) -> None:
        super().__init__(clock, latencies)
        assert kernel is not None
        self.row_count = 0
        self._line = line
        self._fast = kernel.FastPath(writer.lanes)
        self._frames_told = self._bytes_told = 0
        self._session: OkxSession | None = None
        self._change_count = 0
        self._armed: set[_Armable] = set()
        self._candidates: set[_Armable] = set()

    def add(self, feed: InstrumentFeed, subscription: Subscription, kind: int) -> _Armable:
        """One more route, not armed."""
        assert kernel is not None
        route = kernel.Route(subscription.channel, subscription.inst_id, kind, feed.index)
        self._fast.add(route)
        return _Armable(self, feed, subscription, route)

    def take(self, buffer: bytearray, start: int, end: int) -> tuple[int, int]:
        session = self._line.link.session
        if session is not self._session or session.change_count != self._change_count:
            self._session, self._change_count = session, session.change_count
            self.disarm_all()
        if self._candidates:
            self._arm(session)
        fast = self._fast
        taken: int
        others: int
        # Not kept: the page could not be unmapped.
        lags = self._latencies.counters(Stage.EXCHANGE_TO_RECEIVE)
        taken, others = fast.run(buffer, start, end, self.received_ts_ns, self.read_ns, lags)
        new_row_count = fast.row_count - self.row_count
        if new_row_count:
            self.row_count += new_row_count
            waited_ns = self._monotonic_ns() - self._since_ns
            self._latencies.record(Stage.RECEIVE_TO_RING, waited_ns, new_row_count)
        return taken, others

    def taken(self) -> tuple[int, int]:
        fast = self._fast
        frames, count = fast.frame_count - self._frames_told, fast.byte_count - self._bytes_told
        self._frames_told += frames
        self._bytes_told += count
        return frames, count

    def disarm_all(self) -> None:
        """Something has happened to this line."""
        for item in self._armed:
            item.route.disarm()
        self._armed.clear()

    def look_again(self, item: _Armable) -> None:
        """Not to be armed before it is known to be ordinary, which is looked at soon."""
        item.route.disarm()
        self._candidates.add(item)

    def _arm(self, session: OkxSession) -> None:
        line = self._line
        if line.handover is None and line.link.is_open:
            for item in self._candidates:
                heard = session.ordinary(item.subscription)
                if heard is None:
                    continue
                records = item.feed.ordinary_records(item.subscription.channel)
                if records is not None:
                    item.route.arm(heard, *records)
                    self._armed.add(item)
        self._candidates.clear()


class FastPaths:
    """Of the writing role: the receptions of its lines, and the routes by instrument."""

    def __init__(
        self,
        clock: Clock,
        latencies: Latencies,
        writer: RingWriter,
        lines: Iterable[Line],
        feeds: Mapping[str, InstrumentFeed],
    ) -> None:
        self._fast_lines: list[FastLine] = []
        self._routes: dict[str, list[_Armable]] = {}
        self._row_count = 0
        for line in lines:
            if kernel is None:
                line.receive_with(Reception(clock, latencies))
                continue
            fast = FastLine(clock, latencies, line, writer)
            self._fast_lines.append(fast)
            line.receive_with(fast)
            for subscription in line.socket.subscriptions:
                self._add(fast, feeds, subscription)

    def has_published(self) -> bool:
        """Whether any line has published rows since the last look."""
        row_count = sum([line.row_count for line in self._fast_lines])
        before, self._row_count = self._row_count, row_count
        return row_count != before

    def went_long(self, name: str, channel: str) -> None:
        """A push of this instrument took the long way."""
        items = self._routes.get(name)
        if items is not None and channel in _ROUTED:
            for item in items:
                item.line.look_again(item)

    def disarm_line(self, line: Line) -> None:
        """Something else than data has come on it."""
        if isinstance(line.reception, FastLine):
            line.reception.disarm_all()

    def disarm(self, name: str) -> None:
        """Something else has happened to this instrument."""
        for item in self._routes.get(name, ()):
            item.route.disarm()

    def _add(
        self, line: FastLine, feeds: Mapping[str, InstrumentFeed], subscription: Subscription
    ) -> None:
        feed = feeds.get(subscription.inst_id)
        kind = None if feed is None else _kind_of(feed, subscription.channel)
        if feed is not None and kind is not None:
            items = self._routes.setdefault(subscription.inst_id, [])
            items.append(line.add(feed, subscription, kind))


_ROUTED: Final = frozenset(("trades", "trades-all", "bbo-tbt", "tickers", "books", "books5"))


def _kind_of(feed: InstrumentFeed, channel: str) -> int | None:
    """What the frames of a channel are to this instrument; None: always the long way."""
    assert kernel is not None
    name = {
        feed.trade_channel: "ROUTE_TRADES",
        "bbo-tbt": "ROUTE_QUOTES",
        "tickers": "ROUTE_TICKERS",
        "books": "ROUTE_UPDATES",
        "books5": "ROUTE_SNAPSHOTS" if feed.book_channel == "books5" else "ROUTE_TOPS",
    }.get(channel)
    return None if name is None else getattr(kernel, name)
