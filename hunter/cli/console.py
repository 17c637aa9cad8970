"""What `hunter start` shows in the foreground: log lines as they come, and the market every two
seconds.

A daemon thread of the supervisor's process that only reads files and shared memory: a terminal that
stands still holds up this thread and nothing else.
"""

from __future__ import annotations

import contextlib
import os
import threading
from pathlib import Path
from typing import Final

from hunter.access import Instance
from hunter.access.lane import BookNow
from hunter.cli.logs import LogFollower, painted
from hunter.cli.options import colour, duration
from hunter.clock import SystemClock, local_clock_text
from hunter.config import Config, shown_url
from hunter.errors import HunterError
from hunter.ring.rows import Kind, place_of
from hunter.signals.journal_reader import last_signals
from hunter.status.report import StatusReport

POLL_S: Final = 0.2
MARKET_EVERY_NS: Final = 2_000_000_000
INSTRUMENTS_SHOWN_MAX: Final = 6
JOIN_S: Final = 1.0
_PRICE: Final = place_of(Kind.TRADE, "price")


class Console:
    """`take_output` when the log file is known, `start` when status can be read, `finish` at the
    end.
    """

    def __init__(self, config: Config, *, demo: bool) -> None:
        self._config = config
        self._demo = demo
        self._out = -1
        self._saved: list[int] = []
        self._done = threading.Event()
        self._thread: threading.Thread | None = None
        self._instance: Instance | None = None
        self._ready = False
        self._market_due_ns = 0
        self._trades_seen: dict[str, tuple[int, int]] = {}
        self._clock = SystemClock()

    def take_output(self, log_file: Path) -> None:
        """Point descriptors 1 and 2 at the supervisor's log; the terminal stays ours."""
        self._saved = [os.dup(1), os.dup(2)]
        self._out = self._saved[0]
        fresh = os.open(log_file, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        os.dup2(fresh, 1)
        os.dup2(fresh, 2)
        os.close(fresh)

    def start(self) -> None:
        where = (
            "the embedded exchange, a synthetic market"
            if self._demo
            else shown_url(self._config.okx.public_url)
        )
        self._say(f'hunter "{self._config.hunter.name}" on {where}')
        self._say("Ctrl-C stops it.   Look at it from another terminal: hunter status")
        # Made here: what is logged before the thread gets its turn is to be shown too.
        follower = LogFollower(self._config)
        self._thread = threading.Thread(
            target=self._show, args=(follower,), name="console", daemon=True
        )
        self._thread.start()

    def finish(self) -> None:
        """Print what is left and give the terminal back."""
        self._done.set()
        if self._thread is not None:
            self._thread.join(JOIN_S)
            if not self._thread.is_alive():  # else the terminal stands still, and so would we
                self._say("stopped; nothing is left running")
        for number, saved in enumerate(self._saved, 1):
            os.dup2(saved, number)
            os.close(saved)
        self._saved = []

    def _say(self, text: str) -> None:
        with contextlib.suppress(OSError):
            os.write(self._out, text.encode("utf-8", "replace") + b"\n")

    def _show(self, follower: LogFollower) -> None:
        with contextlib.closing(follower):
            while True:
                last = self._done.wait(POLL_S)
                for line in follower.poll():
                    self._say("  " + painted(line))
                if last:
                    return
                with contextlib.suppress(HunterError):
                    self._show_market()

    def _show_market(self) -> None:
        now_ns = self._clock.monotonic_ns()
        if self._instance is None:
            self._instance = Instance(self._config)
        report = self._instance.status()
        if report.state == "running" and not self._ready:
            self._ready = True
            names = ", ".join(actor.name for actor in report.actors)
            page = f"   Page: {report.web.url}" if report.web and report.web.url else ""
            self._say(colour(f"Ready in {duration(report.uptime_s)}: {names}{page}", "green"))
        if now_ns < self._market_due_ns or report.state == "stopping":
            return
        self._market_due_ns = now_ns + MARKET_EVERY_NS
        stamp = local_clock_text(self._clock.wall_ns())
        if report.state != "running":
            reasons = "; ".join(report.reasons[:3])
            self._say(f"{stamp} {colour(report.state, 'yellow')}  {reasons}")
        instruments = self._instance.instruments
        for name in instruments[:INSTRUMENTS_SHOWN_MAX]:
            self._say(f"{stamp} {self._market_line(self._instance, name, now_ns)}")
        if len(instruments) > INSTRUMENTS_SHOWN_MAX:
            self._say(f"{stamp} and {len(instruments) - INSTRUMENTS_SHOWN_MAX} more: hunter status")
        self._say(f"{stamp} {_totals(report)}")

    def _market_line(self, instance: Instance, name: str, now_ns: int) -> str:
        lane = instance.trades(name)
        rows = lane.last_rows(1)
        if not rows:
            return f"{name}  no trades yet"
        count = lane.sequence
        before, before_ns = self._trades_seen.get(name, (count, now_ns))
        self._trades_seen[name] = (count, now_ns)
        rate = (count - before) * 1e9 / (now_ns - before_ns) if now_ns > before_ns else 0.0
        parts = [
            f"{name}  last {rows[0][_PRICE]:,}",
            f"{count:,} trades (+{rate:.0f}/s)",
            _book(instance.lane(name, Kind.BOOK).now(self._clock.wall_ns(), 1)),
        ]
        signals = last_signals(self._config.data_dir / "signals", 1, name)
        if signals:
            told = signals[0]
            parts.append(f"signal {told.direction} p(up) {told.probability_up:.2f}: {told.reason}")
        return "  ".join(parts)


def _book(book: BookNow | None) -> str:
    if book is None:
        return "no book"
    if not book.valid:
        return "book not valid"
    bid, ask = (side[0][0] if side else 0.0 for side in (book.bids, book.asks))
    return f"book {bid:,} x {ask:,} valid"


def _totals(report: StatusReport) -> str:
    messages = sum(feed.messages for feed in report.feeds)
    warming = "" if report.brain.warm else " (the brain is warming up)"
    lost = sum(feed.lost for feed in report.feeds)
    gaps = sum(feed.gaps for feed in report.feeds)
    restarts = sum(actor.restarts for actor in report.actors)
    return (
        f"{report.state}: {messages:,} messages, {gaps} gaps, {lost} lost, {restarts} restarts,"
        f" {report.brain.decisions:,} decisions, {report.brain.signals:,} signals{warming}"
    )
