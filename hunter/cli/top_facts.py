"""What `hunter top` shows, read in one go and as plain cells: the report, prices, signals, logs.

Watcher.look runs in a thread of its own, because a look may wait: the logs and the journal are on a
disk. All it keeps is bounded: one tail of each log, the newest signal of each instrument. What is
well and what is not is the report's business, as everywhere; nothing is judged here.
"""

from __future__ import annotations

import contextlib
import os
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

from hunter.access import Instance, Lane
from hunter.access.lane import BookLane
from hunter.cli.logfilter import split_stamp
from hunter.cli.market_lines import PACE_NS
from hunter.cli.options import duration, size
from hunter.cli.status import read
from hunter.clock import Clock, SystemClock
from hunter.config import Config
from hunter.errors import HunterError
from hunter.ring.rows import Kind, place_of
from hunter.signals.journal_reader import JournalFollower, last_signals
from hunter.signals.signal import Signal
from hunter.status.report import FeedReport, StatusReport
from hunter.text import printable

LOG_TAIL_BYTES: Final = 32 << 10
LOG_LINES_MAX: Final = 500
SIGNALS_AT_FIRST: Final = 200
_PRICE: Final = place_of(Kind.TRADE, "price")


class TopCell(NamedTuple):
    """One cell of a table; `colour` is "" or a terminal's name for one."""

    text: str
    colour: str = ""


@dataclass(frozen=True)
class InstrumentFacts:
    """One instrument now. None and 0: not known, or never."""

    name: str
    state: str = "-"
    price: float | None = None
    trades_per_s: float = 0.0
    age_ms: float | None = None
    book: str = "-"
    bid: float | None = None
    ask: float | None = None
    lost: int = 0
    signal: Signal | None = None


class LogLine(NamedTuple):
    """A line of an actor's log; the lines of a traceback have the stamp of the line they follow."""

    stamp: str
    actor: str
    text: str


@dataclass(frozen=True)
class TopLook:
    """Everything of one moment."""

    at_wall_ns: int
    report: StatusReport
    instruments: tuple[InstrumentFacts, ...] = ()
    log: tuple[LogLine, ...] = ()


class Watcher:
    """Looks at an instance again and again, whether it runs or not. `close` when done."""

    def __init__(self, config: Config, clock: Clock | None = None) -> None:
        self._config = config
        self._clock: Clock = clock or SystemClock()
        self._instance: Instance | None = None
        self._lanes: dict[str, tuple[Lane, BookLane]] = {}
        self._counts: dict[str, deque[tuple[int, int]]] = {}
        self._logs = LogTails(config.log_dir)
        self._signals: dict[str, Signal] = {}
        self._follower: JournalFollower | None = None

    def look(self) -> TopLook:
        """Everything as it is now. Raises HunterError for what `hunter status` refuses to do."""
        report = read(self._config)
        self._read_signals()
        instruments = tuple(self._instruments(report)) if report.state != "stopped" else ()
        return TopLook(self._clock.wall_ns(), report, instruments, tuple(self._logs.read()))

    def close(self) -> None:
        if self._instance is not None:
            self._instance.close()

    def _read_signals(self) -> None:
        directory = self._config.data_dir / "signals"
        fresh: list[Signal] = []
        with contextlib.suppress(OSError):  # no journal to be read: no signals to be shown
            if self._follower is None:
                self._follower = JournalFollower(directory)
                fresh = last_signals(directory, SIGNALS_AT_FIRST)
            fresh += self._follower.poll()
        self._signals |= {signal.instrument: signal for signal in fresh}

    def _instruments(self, report: StatusReport) -> list[InstrumentFacts]:
        found: dict[str, InstrumentFacts] = {}
        try:
            if self._instance is None:
                self._instance = Instance(self._config)
            names = self._instance.instruments
        except HunterError:
            return []  # it has just been stopped
        feeds: dict[str, list[FeedReport]] = {name: [] for name in names}
        for feed in report.feeds:
            feeds.setdefault(feed.instrument, []).append(feed)
        for name in names:
            with contextlib.suppress(HunterError):  # a damaged ring: the report says which
                found[name] = self._facts(self._instance, name, feeds[name])
        return list(found.values())

    def _facts(self, instance: Instance, name: str, feeds: list[FeedReport]) -> InstrumentFacts:
        if name not in self._lanes:
            lanes = instance.lane(name, Kind.TRADE), instance.lane(name, Kind.BOOK)
            self._lanes[name] = lanes
        trades, books = self._lanes[name]
        newest, book = trades.last_rows(1), books.now(self._clock.wall_ns(), 1)
        ages = [feed.age_ms for feed in feeds if feed.age_ms is not None]
        unwell = [feed.state for feed in feeds if feed.state != "live"]
        is_valid = book is not None and book.valid
        return InstrumentFacts(
            name=name,
            state=unwell[0] if unwell else "live" if feeds else "-",
            price=newest[0][_PRICE] if newest else None,
            trades_per_s=self._rate(name, trades.sequence),
            age_ms=min(ages, default=None),
            book="-" if book is None else "valid" if is_valid else "not valid",
            bid=book.bids[0][0] if book and is_valid and book.bids else None,
            ask=book.asks[0][0] if book and is_valid and book.asks else None,
            lost=sum(feed.lost for feed in feeds),
            signal=self._signals.get(name),
        )

    def _rate(self, name: str, count: int) -> float:
        """Trades a second, over as long as in `hunter status`; that one looks once and has to read
        rows, which would be too much here for 300 instruments twice a second.
        """
        now_ns = self._clock.monotonic_ns()
        seen = self._counts.setdefault(name, deque(maxlen=64))
        if seen and count < seen[-1][1]:
            seen.clear()  # the ring is a new one
        seen.append((now_ns, count))
        while len(seen) > 2 and now_ns - seen[0][0] > PACE_NS:
            seen.popleft()
        since_ns, before = seen[0]
        return (count - before) * 1e9 / (now_ns - since_ns) if now_ns > since_ns else 0.0


class LogTails:
    """The last lines of all log files by time; a file that has not changed is not read again."""

    def __init__(self, log_dir: Path) -> None:
        self._log_dir = log_dir
        self._known: dict[Path, tuple[tuple[int, int], list[LogLine]]] = {}

    def read(self) -> list[LogLine]:
        """The newest LOG_LINES_MAX, oldest first."""
        now: dict[Path, tuple[tuple[int, int], list[LogLine]]] = {}
        for path in sorted(self._log_dir.glob("*.log")):
            with contextlib.suppress(OSError):  # rotated away at this moment
                info = path.stat()
                mark = (info.st_ino, info.st_size)
                before = self._known.get(path)
                same = before is not None and before[0] == mark
                now[path] = before if before and same else (mark, _tail(path))
        self._known = now
        lines = [line for _, tail in now.values() for line in tail]
        lines.sort(key=lambda line: line.stamp)
        return lines[-LOG_LINES_MAX:]


def _tail(path: Path) -> list[LogLine]:
    with path.open("rb") as file:
        start = max(0, file.seek(0, os.SEEK_END) - LOG_TAIL_BYTES)
        file.seek(start)
        raw = file.read(LOG_TAIL_BYTES)
    whole = raw[: raw.rfind(b"\n") + 1].splitlines()
    lines, stamp = [], ""
    for line in whole[1 if start else 0 :]:  # the first one is cut
        found, text = split_stamp(printable(line.decode("utf-8", "replace")))
        stamp = found or stamp
        lines.append(LogLine(stamp, path.stem, text))
    return lines[-LOG_LINES_MAX:]


def matches(wanted: str, *texts: str) -> bool:
    """Whether a filter lets something by: all of its words are somewhere in it."""
    whole = " ".join(texts).lower()
    return all(word in whole for word in wanted.lower().split())


STATE_COLOURS: Final = {
    "running": "green",
    "ready": "green",
    "standby": "green",
    "live": "green",
    "valid": "green",
    "stopped": "red",
    "parked": "red",
    "-": "",
}


def state_cell(state: str) -> TopCell:
    """A state by its word and its colour; all that is neither good nor over is yellow."""
    return TopCell(state, STATE_COLOURS.get(state, "yellow"))


ACTOR_COLUMNS: Final = ("ACTOR", "STATE", "PID", "UP", "RST", "BEAT", "CPU", "RSS", "LAST EXIT")
INSTRUMENT_COLUMNS: Final = ("INSTRUMENT", "LAST", "TR/S", "AGE", "BOOK", "LOST", "SIGNAL")
WIDE_COLUMNS: Final = ("INSTRUMENT", "FEEDS", "LAST", "TR/S", "AGE", "BOOK", "BID", "ASK", "LOST",
                       "SIGNAL", "BECAUSE")  # fmt: skip
RIGHT_COLUMNS: Final = {"PID", "UP", "RST", "BEAT", "CPU", "RSS", "LAST", "TR/S", "AGE", "BID",
                        "ASK", "LOST"}  # fmt: skip


def actor_rows(report: StatusReport) -> dict[str, list[TopCell]]:
    """By actor, the cells of ACTOR_COLUMNS."""
    return {
        actor.name: [
            TopCell(actor.name),
            state_cell(actor.state if actor.active or actor.state != "ready" else "standby"),
            TopCell(str(actor.pid or "-")),
            TopCell(duration(actor.uptime_s) if actor.pid else "-"),
            TopCell(str(actor.restarts), "yellow" if actor.restarts else ""),
            TopCell(f"{actor.heartbeat_age_ms:.0f} ms" if actor.pid else "-"),
            TopCell(f"{actor.cpu_percent:.0f} %" if actor.pid else "-"),
            TopCell(size(actor.rss_bytes) if actor.pid else "-"),
            TopCell(actor.last_exit or "-"),
        ]
        for actor in report.actors
    }


def instrument_rows(look: TopLook, columns: Sequence[str]) -> dict[str, list[TopCell]]:
    """By instrument, the cells of these columns."""
    return {
        facts.name: [_instrument_cells(facts, look.at_wall_ns)[name] for name in columns]
        for facts in look.instruments
    }


def _instrument_cells(facts: InstrumentFacts, now_wall_ns: int) -> dict[str, TopCell]:
    told = facts.signal
    signal, because = TopCell("-"), TopCell("")
    if told is not None:
        ago = duration(max(0.0, (now_wall_ns - told.decided_ts_ns) / 1e9))
        colour = {"up": "green", "down": "red"}.get(told.direction, "")
        signal = TopCell(f"{told.direction} {told.probability_up:.2f} {ago} ago", colour)
        because = TopCell(told.reason)
    return {
        "INSTRUMENT": TopCell(facts.name, "" if facts.state in ("live", "-") else "yellow"),
        "FEEDS": state_cell(facts.state),
        "LAST": _price(facts.price),
        "TR/S": TopCell(f"{facts.trades_per_s:.1f}"),
        "AGE": TopCell("-" if facts.age_ms is None else duration(facts.age_ms / 1000)),
        "BOOK": state_cell(facts.book),
        "BID": _price(facts.bid),
        "ASK": _price(facts.ask),
        "LOST": TopCell(str(facts.lost), "red" if facts.lost else ""),
        "SIGNAL": signal,
        "BECAUSE": because,
    }


def _price(price: float | None) -> TopCell:
    return TopCell("-" if price is None else f"{price:,}")


def head_texts(report: StatusReport) -> list[str]:
    """What stands beside the state, the most important first; as many as there is room for."""
    restarts = sum(actor.restarts for actor in report.actors)
    return [
        f'"{report.name}"',
        *([f"up {duration(report.uptime_s)}"] if report.pid else []),
        f"restarts {restarts}",
        f"signals {report.brain.signals:,}",
        f"memory {size(report.memory.rss_bytes)} + {size(report.memory.shared_bytes)} shared",
        f"pid {report.pid}" if report.pid else "no supervisor",
    ]
