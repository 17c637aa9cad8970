"""Watches an instance that plays a recording, and ends it when everything has been read.

A daemon thread of the supervisor's process, like the console of `hunter start`: it only reads
shared memory, shows how far things are, and at the end sends its own process the polite signal.
"""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections import Counter
from dataclasses import dataclass
from typing import Final

from hunter.access import Instance
from hunter.cli.progress import Progress
from hunter.clock import SystemClock
from hunter.config import Config
from hunter.errors import HunterError
from hunter.ring.rows import Kind
from hunter.ring.segment import shared_dir
from hunter.signals.journal_reader import JournalFollower
from hunter.simulator.actor import ExchangeDocument
from hunter.status import block, documents
from hunter.status.report import StatusReport

POLL_S: Final = 0.1
JOIN_S: Final = 2.0
# Longer than anything the stream does about a hole without a sign of it.
SETTLED_AFTER_NS: Final = 10_000_000_000
_LANES: Final = {
    "trades": Kind.TRADE,
    "trades-all": Kind.TRADE,
    "bbo-tbt": Kind.BBO,
    "tickers": Kind.TICKER,
    "books": Kind.BOOK,
    "books5": Kind.BOOK,
}


@dataclass(frozen=True, slots=True)
class Standing:
    """How far a replay is. Equal standings over time mean that nothing moves any more."""

    sent: int  # by the exchange, all channels of the recording
    is_over: bool
    received: int  # data frames, by the stream
    written: int  # rows in all rings
    read: int  # rows the brain has seen or was lapped by
    lost: int  # matches
    is_filling: bool  # a hole of a trade chain is still being asked for

    def is_complete(self, expected: int) -> bool:
        """Whether everything that was sent has been received, written and read."""
        return (
            self.is_over
            and self.received >= expected
            and self.read >= self.written
            and not self.is_filling
        )


def standing(report: StatusReport, exchange: ExchangeDocument | None, written: int) -> Standing:
    """From one look at the instance; `written` must not be older than the report."""
    known = exchange or ExchangeDocument(0)
    return Standing(
        sent=known.frames,
        is_over=known.is_over,
        received=sum(feed.messages for feed in report.feeds),
        written=written,
        read=sum(report.brain.inputs.values()) + report.brain.lapped,
        lost=sum(feed.lost for feed in report.feeds),
        is_filling=any(
            feed.channel == "trades" and feed.state == "resync" for feed in report.feeds
        ),
    )


class ReplayWatch:
    """`start` when status can be read; `finish` after the instance has ended."""

    def __init__(self, config: Config, expected: int, progress: Progress) -> None:
        self.last: Standing | None = None
        self.report: StatusReport | None = None
        self.is_settled = False  # complete, or as complete as it will ever be
        self.directions: Counter[str] = Counter()
        self.took_s = 0.0
        self._config = config
        self._expected = expected
        self._progress = progress
        self._clock = SystemClock()
        self._done = threading.Event()
        self._thread: threading.Thread | None = None
        # What the brain reads; rows of other channels are written for others.
        self._kinds = {_LANES[channel] for channel in config.okx.channels if channel in _LANES}
        self._follower = JournalFollower(config.data_dir / "signals")
        self._moved_ns = self._started_ns = self._clock.monotonic_ns()
        self._seen = (self._started_ns, 0)

    def start(self) -> None:
        self._thread = threading.Thread(target=self._watch, name="replay", daemon=True)
        self._thread.start()

    def finish(self) -> None:
        self._done.set()
        if self._thread is not None:
            self._thread.join(JOIN_S)
        self._count_signals()
        self._progress.finish()

    def _watch(self) -> None:
        instance: Instance | None = None
        while not self._done.wait(POLL_S):
            with contextlib.suppress(HunterError):
                instance = instance or Instance(self._config)
                if self._look(instance):
                    self.is_settled = True
                    os.kill(os.getpid(), signal.SIGTERM)
                    break
        if instance is not None:
            instance.close()

    def _look(self, instance: Instance) -> bool:
        """Whether it is time to end."""
        report = instance.status()
        written = sum(
            instance.lane(name, kind).sequence
            for name in self._config.okx.instruments
            for kind in self._kinds
        )
        now = standing(report, self._exchange(), written)
        now_ns = self._clock.monotonic_ns()
        if now != self.last:
            self._moved_ns = now_ns
        self.last, self.report = now, report
        self.took_s = (self._moved_ns - self._started_ns) / 1e9
        self._count_signals()
        share = now.received / self._expected if self._expected else 1.0
        self._progress.show_bar(now_ns, share, lambda: self._line(now, now_ns))
        if now.is_complete(self._expected):
            return True
        return now.is_over and now_ns - self._moved_ns >= SETTLED_AFTER_NS

    def _exchange(self) -> ExchangeDocument | None:
        config = self._config
        pages = block.attach(shared_dir(config.hunter.name, config.runtime_dir))
        try:
            document = pages.pages["exchange"].read_document()
        finally:
            pages.close()
        return documents.decode(document, ExchangeDocument)

    def _count_signals(self) -> None:
        while found := self._follower.poll():
            self.directions.update(told.direction for told in found)

    def _line(self, now: Standing, now_ns: int) -> str:
        before_ns, before = self._seen
        self._seen = (now_ns, now.received)
        rate = (now.received - before) * 1e9 / max(1, now_ns - before_ns)
        return (
            f"{now.received:,} of {self._expected:,} frames ({rate:,.0f}/s)"
            f"  {self.directions.total():,} signals"
        )
