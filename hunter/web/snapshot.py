"""What the page is told, as JSON texts made of one status report, the rings and the journal.

Messages to a page: `history` when it opens or chooses an instrument, `now` five times a second,
`latency` once a second; their fields are the structs below. One snapshot of an instrument serves
all who look at it. Without anybody who looks, the report is read once a second for the story, and
nothing else is done.

Called by the actor, and for the report by who answers requests. Time is passed in.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from hunter.access import Instance
from hunter.access.lane import BookNow
from hunter.clock import Clock, process_cpu_ns
from hunter.config import Config
from hunter.status import block
from hunter.status.histogram import lowest
from hunter.status.latency import StageCounts, counts_by_stage
from hunter.status.page import Page
from hunter.status.shapes import FeedReport, LatencyReport, StatusReport
from hunter.web.market_view import CvdLine, MarketView, PriceLine, QuoteView
from hunter.web.signal_shelf import SignalShelf, SignalView
from hunter.web.story import EventView, Story, TurnView

BUCKETS_MAX: Final = 40
FEEDS_SHOWN_MAX: Final = 64
REPORT_AGE_NS_MIN: Final = 100_000_000
REPORT_AGE_NS_MAX: Final = 1_000_000_000
# Of 300 instruments a report costs milliseconds: then it is made less often.
_REPORT_SHARE: Final = 30
_MS_NS: Final = 1_000_000
_NOT_SHOWN: Final = frozenset(("schema", "pid", "limits", "latency_us"))


class History(msgspec.Struct, tag_field="type", tag="history"):
    at_ms: int
    instruments: list[str]
    instrument: str
    version: str
    name: str
    cvd_unit: str
    price: PriceLine
    cvd: CvdLine
    signals: list[SignalView]
    events: list[EventView]
    timeline: list[TurnView]


class Now(msgspec.Struct, tag_field="type", tag="now"):
    """`status` as `hunter status --json`; of many feeds, those that matter to who looks."""

    at_ms: int
    instrument: str
    status: dict[str, Any]
    price: PriceLine
    cvd: CvdLine
    quote: QuoteView | None
    book: BookNow | None
    imbalance: float | None
    signals: list[SignalView]
    events: list[EventView]
    timeline: list[TurnView]


class StageView(msgspec.Struct):
    """`counts[i]` recent values were at most `upper_us[i]`, and above the one before."""

    upper_us: list[float]
    counts: list[int]
    p50: float
    p99: float
    p999: float


class LatencyNow(msgspec.Struct, tag_field="type", tag="latency"):
    stages: dict[str, StageView]


class Snapshots:
    """One instance seen for all who look at it."""

    def __init__(self, config: Config, shared_dir: Path, clock: Clock) -> None:
        self._instance = Instance(config)
        self._block = block.attach(shared_dir)
        self._clock = clock
        self._report: StatusReport | None = None
        self._report_due_ns = 0
        self._views: dict[str, MarketView] = {}
        self._shelf = SignalShelf(config.data_dir / "signals")
        self._story = Story(config.log_dir)

    @property
    def instruments(self) -> list[str]:
        return self._instance.instruments

    def report(self) -> StatusReport:
        """As `hunter status` says now, or a moment ago: who asks often does not cost more."""
        now_ns = self._clock.monotonic_ns()
        if self._report is None or now_ns >= self._report_due_ns:
            cpu_ns = process_cpu_ns()
            self._report = self._instance.status()
            age_ns = _REPORT_SHARE * (process_cpu_ns() - cpu_ns)
            self._report_due_ns = now_ns + min(max(age_ns, REPORT_AGE_NS_MIN), REPORT_AGE_NS_MAX)
        return self._report

    def look(self) -> None:
        """Note what has happened; once a second also when nobody is there."""
        self._story.look(self.report(), self._clock.wall_ns())

    def forget_news(self) -> None:
        """Nobody is there to be told: who comes finds it in the history."""
        self._story.forget_new()

    def news(self, instruments: Iterable[str]) -> dict[str, str]:
        """A `now` message for each of these, and on to the next: what it told is news no more."""
        wanted = set(instruments)
        self._views = {name: view for name, view in self._views.items() if name in wanted}
        self._shelf.poll()
        messages = {name: self._now(self._view(name)) for name in wanted}
        self._story.forget_new()
        return messages

    def history(self, instrument: str) -> str:
        """All up to where the last `news` of this instrument ended."""
        view, report = self._view(instrument), self.report()
        lines = view.history()
        message = History(
            at_ms=self._clock.wall_ns() // _MS_NS,
            instruments=self.instruments,
            instrument=instrument,
            version=report.version,
            name=report.name,
            cvd_unit=view.cvd_unit,
            price=lines.price,
            cvd=lines.cvd,
            signals=self._shelf.newest(view),
            events=self._story.events.told,
            timeline=self._story.turns.told,
        )
        return _text(message)

    def latency(self) -> str:
        """Recent latencies of all stages."""
        report = self.report()
        pages: dict[str, list[Page]] = {}
        for actor in report.actors:
            pages.setdefault(actor.role, []).append(self._block.pages[actor.name])
        stages = {
            stage.name.lower(): stage_view(counts, report.latency_us[stage.name.lower()])
            for stage, counts in counts_by_stage(pages).items()
        }
        return _text(LatencyNow(stages))

    def close(self) -> None:
        self._instance.close()
        self._block.close()

    def _view(self, instrument: str) -> MarketView:
        view = self._views.get(instrument)
        if view is None:
            view = self._views[instrument] = MarketView(self._instance, instrument)
        return view

    def _now(self, view: MarketView) -> str:
        now_ns = self._clock.wall_ns()
        lines, quote = view.advance(), view.quote(now_ns)
        message = Now(
            at_ms=now_ns // _MS_NS,
            instrument=view.instrument,
            status=shown_status(self.report(), view.instrument),
            price=lines.price,
            cvd=lines.cvd,
            quote=quote,
            book=view.book(now_ns),
            imbalance=quote.imbalance if quote else None,
            signals=self._shelf.news(view),
            events=self._story.events.new,
            timeline=self._story.turns.new,
        )
        return _text(message)


def shown_status(report: StatusReport, instrument: str) -> dict[str, Any]:
    """What the page shows of a report. `feeds_count`, `_live` and `_lost` are of all feeds."""
    shown = {
        name: getattr(report, name) for name in report.__struct_fields__ if name not in _NOT_SHOWN
    }
    shown["feeds"] = shown_feeds(report.feeds, instrument)
    shown["feeds_count"] = len(report.feeds)
    shown["feeds_live"] = sum(feed.state == "live" for feed in report.feeds)
    shown["feeds_lost"] = sum(feed.lost for feed in report.feeds)
    if len(report.rings) > FEEDS_SHOWN_MAX:
        shown["rings"] = [ring for ring in report.rings if ring.instrument == instrument]
    return shown


def shown_feeds(feeds: Sequence[FeedReport], instrument: str) -> Sequence[FeedReport]:
    """All, if there are not too many; else this instrument's, those in trouble, and the first of
    the others, in the order they were.
    """
    if len(feeds) <= FEEDS_SHOWN_MAX:
        return feeds

    def rank(feed: FeedReport) -> int:
        if feed.instrument == instrument:
            return 0
        return 1 if feed.state != "live" or feed.lost else 2

    ranked = sorted(range(len(feeds)), key=lambda place: rank(feeds[place]))
    return [feeds[place] for place in sorted(ranked[:FEEDS_SHOWN_MAX])]


def stage_view(counts: StageCounts, report: LatencyReport) -> StageView:
    """At most BUCKETS_MAX buckets, each as wide as the next on a scale of logarithms, of those
    counters between the first and the last that has counted something.
    """
    recent = counts.recent
    used = [index for index, count in enumerate(recent) if count]
    view = StageView([], [], report.p50, report.p99, report.p999)
    if not used:
        return view
    width = -(-(used[-1] - used[0] + 1) // BUCKETS_MAX)
    for start in range(used[0], used[-1] + 1, width):
        view.upper_us.append(round(lowest(start + width) / 1000, 3))
        view.counts.append(sum(recent[start : start + width]))
    return view


def _text(message: msgspec.Struct) -> str:
    return msgspec.json.encode(message).decode()
