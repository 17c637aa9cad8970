"""`StatusReport` as Prometheus metrics: made of shared memory, so a dead process's counters stay.

`FAMILIES` is the whole table of names, of which documentation and dashboards are made and checked;
`samples` gives the values, `exposition` the text that is scraped. Names and units follow
https://prometheus.io/docs/practices/naming/: seconds, bytes, and `_total` for what only grows. An
instance that was stopped says that it is, and nothing of what it was; of one that was killed there
is what its pages still say.

Pure. The page serves them at /metrics, `hunter check --format prometheus` prints them.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import Final, Literal, NamedTuple

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    Metric,
    SummaryMetricFamily,
)
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

from hunter.status.shapes import ActorReport, FeedReport, StatusReport

CONTENT_TYPE: Final = CONTENT_TYPE_PLAIN_0_0_4
STATES: Final = ("running", "starting", "degraded", "stopping", "stopped")
ACTOR_STATES: Final = ("starting", "ready", "degraded", "backoff", "parked", "stopped")
_UP: Final = frozenset(("ready", "degraded"))
_QUANTILES: Final = {"0.5": "p50", "0.99": "p99", "0.999": "p999"}


class Family(NamedTuple):
    """One metric. A counter's name ends in `_total`; a summary has the label `quantile`, and the
    series `_count` and `_sum`, besides its labels.
    """

    name: str
    kind: Literal["gauge", "counter", "summary"]
    help: str
    labels: tuple[str, ...] = ()


_ACTOR: Final = ("actor", "role")
_FEED: Final = ("instrument", "channel")
_TABLE: Final = (
    ("up", "gauge", "1 while the instance runs, 0 when it is stopped"),
    ("info", "gauge", "1; what runs is in the labels", "name", "version"),
    ("state", "gauge", "1 for the state that the instance is in, 0 for the others", "state"),
    ("uptime_seconds", "gauge", "Since the instance was started"),
    ("reasons", "gauge", "Sentences of hunter status that say what is wrong"),
    ("notices", "gauge", "Sentences of hunter status that are worth knowing"),
    ("facts", "gauge", "Troubles of a kind: disk, memory, drift, signal_journal", "kind"),
    ("memory_resident_bytes", "gauge", "Memory of all processes that is in RAM"),
    ("memory_shared_bytes", "gauge", "Shared memory of rings and status"),
    ("actor_up", "gauge", "1 while the process does its work (ready or degraded)", *_ACTOR),
    ("actor_state", "gauge", "1 for the state that it is in, 0 for others", *_ACTOR, "state"),
    ("actor_active", "gauge", "0 for a stand-by that is ready to take over", *_ACTOR),
    ("actor_restarts_total", "counter", "How often it was started again", *_ACTOR),
    ("actor_exits_total", "counter", "How often it ended, by cause", *_ACTOR, "cause"),
    ("actor_errors_total", "counter", "Errors that the process has logged", *_ACTOR),
    ("actor_takeovers_total", "counter", "How often it took over the writing", *_ACTOR),
    ("actor_resident_bytes", "gauge", "Memory of the process that is in RAM", *_ACTOR),
    ("actor_cpu_ratio", "gauge", "Processor time it takes; 1 is a whole core", *_ACTOR),
    ("actor_heartbeat_age_seconds", "gauge", "Since its last beat, while it lives", *_ACTOR),
    ("feed_live", "gauge", "1 while the channel gives data that can be believed", *_FEED),
    ("feed_messages_total", "counter", "Messages taken in", *_FEED),
    ("feed_gaps_total", "counter", "Holes found", *_FEED),
    ("feed_backfilled_total", "counter", "Matches that the feed missed and REST supplied", *_FEED),
    ("feed_lost_total", "counter", "Matches that nobody could supply", *_FEED),
    ("feed_duplicates_total", "counter", "What came twice and was put once", *_FEED),
    ("feed_malformed_total", "counter", "Messages that made no sense", *_FEED),
    ("feed_mismatches_total", "counter", "Books that another channel contradicted", *_FEED),
    ("feed_age_seconds", "gauge", "Since the last data; none before the first", *_FEED),
    ("feed_lag_seconds", "gauge", "Reception behind the exchange's stamp", *_FEED, "quantile"),
    ("connections", "gauge", "WebSockets by state", "actor", "state"),
    ("connection_connects_total", "counter", "Times that they were opened", "actor", "url"),
    ("limit_rate_per_second", "gauge", "What we keep to now", "server", "limit"),
    ("limit_waits_total", "counter", "Requests that we held back", "server", "limit"),
    ("limit_refusals_total", "counter", "Times the exchange said: too many", "server", "limit"),
    ("ring_rows_total", "counter", "Trades put into the ring", "instrument"),
    ("ring_capacity_rows", "gauge", "Trades that the ring keeps", "instrument"),
    ("brain_inputs_total", "counter", "Rows that the brain has read", "kind"),
    ("brain_decisions_total", "counter", "Decisions made"),
    ("brain_signals_total", "counter", "Signals told"),
    ("brain_lapped_total", "counter", "Rows overwritten before the brain had read them"),
    ("brain_warm", "gauge", "1 when it has seen enough to speak"),
    ("latency_seconds", "summary", "How long a stage takes; quantiles: last minutes", "stage"),
    ("web_viewers", "gauge", "Pages that are open"),
    ("web_requests_total", "counter", "Requests to the page's process"),
    ("web_refused_total", "counter", "Requests of a wrong host, origin or token"),
    ("alerts_sent_total", "counter", "Alerts that have arrived"),
    ("alerts_failed_total", "counter", "Attempts that failed"),
    ("alerts_held_back_total", "counter", "Alerts not told: the same again, or too many"),
    ("alerts_dropped_total", "counter", "Alerts given up: too many were waiting"),
    ("alerts_waiting", "gauge", "Alerts that wait to be told"),
    ("alerts_trouble", "gauge", "1 when the last attempt failed"),
    ("store_rows_total", "counter", "Rows written to files", "table"),
    ("store_lapped_total", "counter", "Rows overwritten before the store had read them", "table"),
    ("store_dropped_total", "counter", "Rows given up because of the disk", "table"),
    ("store_waiting_rows", "gauge", "Rows that wait to be written", "table"),
    ("store_files", "gauge", "Files that are kept"),
    ("store_bytes", "gauge", "Size of all that is kept"),
    ("store_removed_files_total", "counter", "Files removed for their age or the budget"),
    ("store_written_timestamp_seconds", "gauge", "When the last file was written; none before"),
    ("store_trouble", "gauge", "1 when files cannot be written"),
)


def _family(name: str, kind: str, text: str, *labels: str) -> Family:
    assert kind in ("gauge", "counter", "summary"), kind
    assert (kind == "counter") == name.endswith("_total"), name
    return Family(f"hunter_{name}", kind, text, labels)  # type: ignore[arg-type]


FAMILIES: Final = tuple(_family(*row) for row in _TABLE)


class MetricValue(NamedTuple):
    """`name` is a family's, or a summary's with `_count` or `_sum`; `labels` in its order."""

    name: str
    labels: tuple[str, ...]
    value: float


def samples(report: StatusReport) -> Iterator[MetricValue]:
    """All values of a report."""
    for name, labels, value in _facts(report):
        yield MetricValue(f"hunter_{name}", labels, float(value))


_Fact = tuple[str, tuple[str, ...], float]


def _facts(report: StatusReport) -> Iterator[_Fact]:
    yield "up", (), report.state != "stopped"
    yield "info", (report.name, report.version), 1
    for state in STATES:
        yield "state", (state,), report.state == state
    yield "reasons", (), len(report.reasons)
    if not report.actors:
        return
    yield "uptime_seconds", (), report.uptime_s
    yield "notices", (), len(report.notices)
    for kind in ("disk", "memory", "drift", "signal_journal"):
        yield "facts", (kind,), sum(fact.kind == kind for fact in report.facts)
    yield "memory_resident_bytes", (), report.memory.rss_bytes
    yield "memory_shared_bytes", (), report.memory.shared_bytes
    for actor in report.actors:
        yield from _of_actor(actor)
    for feed in report.feeds:
        yield from _of_feed(feed)
    yield from _of_the_line(report)
    yield from _of_the_brain(report)
    yield from _of_companions(report)


def _of_actor(actor: ActorReport) -> Iterator[_Fact]:
    who = (actor.name, actor.role)
    yield "actor_up", who, actor.state in _UP
    for state in ACTOR_STATES:
        yield "actor_state", (*who, state), actor.state == state
    yield "actor_active", who, actor.active
    yield "actor_restarts_total", who, actor.restarts
    for cause, count in actor.exits.items():
        yield "actor_exits_total", (*who, cause), count
    yield "actor_errors_total", who, actor.errors
    yield "actor_takeovers_total", who, actor.takeovers
    yield "actor_resident_bytes", who, actor.rss_bytes
    yield "actor_cpu_ratio", who, actor.cpu_percent / 100
    if actor.state in _UP:
        yield "actor_heartbeat_age_seconds", who, actor.heartbeat_age_ms / 1e3


def _of_feed(feed: FeedReport) -> Iterator[_Fact]:
    what = (feed.instrument, feed.channel)
    yield "feed_live", what, feed.state == "live"
    yield "feed_messages_total", what, feed.messages
    yield "feed_gaps_total", what, feed.gaps
    yield "feed_backfilled_total", what, feed.backfilled
    yield "feed_lost_total", what, feed.lost
    yield "feed_duplicates_total", what, feed.duplicates
    yield "feed_malformed_total", what, feed.malformed
    yield "feed_mismatches_total", what, feed.mismatches
    if feed.age_ms is not None:
        yield "feed_age_seconds", what, feed.age_ms / 1e3
    yield "feed_lag_seconds", (*what, "0.5"), feed.lag_ms_p50 / 1e3
    yield "feed_lag_seconds", (*what, "0.99"), feed.lag_ms_p99 / 1e3


def _of_the_line(report: StatusReport) -> Iterator[_Fact]:
    """Connections, added up, for two of one process may go to the same address; limits; rings."""
    states: dict[tuple[str, ...], int] = {}
    connects: dict[tuple[str, ...], int] = {}
    for one in report.connections:
        states[one.actor, one.state] = states.get((one.actor, one.state), 0) + 1
        connects[one.actor, one.url] = connects.get((one.actor, one.url), 0) + one.connects
    for labels, count in states.items():
        yield "connections", labels, count
    for labels, count in connects.items():
        yield "connection_connects_total", labels, count
    for limit in report.limits:
        which = (limit.server, limit.name)
        yield "limit_rate_per_second", which, limit.rate_per_s
        yield "limit_waits_total", which, limit.waits
        yield "limit_refusals_total", which, limit.limited
    for ring in report.rings:
        yield "ring_rows_total", (ring.instrument,), ring.sequence
        yield "ring_capacity_rows", (ring.instrument,), ring.capacity


def _of_the_brain(report: StatusReport) -> Iterator[_Fact]:
    brain = report.brain
    for kind, count in brain.inputs.items():
        yield "brain_inputs_total", (kind,), count
    yield "brain_decisions_total", (), brain.decisions
    yield "brain_signals_total", (), brain.signals
    yield "brain_lapped_total", (), brain.lapped
    yield "brain_warm", (), brain.warm
    for stage, found in report.latency_us.items():
        for quantile, field in _QUANTILES.items():
            us = getattr(found, field) if found.recent else math.nan
            yield "latency_seconds", (stage, quantile), us / 1e6
        yield "latency_seconds_count", (stage,), found.count
        yield "latency_seconds_sum", (stage,), found.sum / 1e6


def _of_companions(report: StatusReport) -> Iterator[_Fact]:
    if (web := report.web) is not None:
        yield "web_viewers", (), web.viewers
        yield "web_requests_total", (), web.requests
        yield "web_refused_total", (), web.refused
    if (alerts := report.alerts) is not None:
        yield "alerts_sent_total", (), alerts.sent
        yield "alerts_failed_total", (), alerts.failed
        yield "alerts_held_back_total", (), alerts.held_back
        yield "alerts_dropped_total", (), alerts.dropped
        yield "alerts_waiting", (), alerts.waiting
        yield "alerts_trouble", (), bool(alerts.trouble)
    if (store := report.store) is not None:
        for table in store.tables:
            yield "store_rows_total", (table.table,), table.rows
            yield "store_lapped_total", (table.table,), table.lapped
            yield "store_dropped_total", (table.table,), table.dropped
            yield "store_waiting_rows", (table.table,), table.waiting
        yield "store_files", (), store.files
        yield "store_bytes", (), store.bytes
        yield "store_removed_files_total", (), store.removed_files
        if store.written_ns:
            yield "store_written_timestamp_seconds", (), store.written_ns / 1e9
        yield "store_trouble", (), bool(store.trouble)


_MAKERS: Final = {
    "gauge": GaugeMetricFamily,
    "counter": CounterMetricFamily,
    "summary": SummaryMetricFamily,
}


class StatusCollector:
    """One report as metric families, in the order of the table, for prometheus_client."""

    def __init__(self, report: StatusReport) -> None:
        self._report = report

    def collect(self) -> Iterator[Metric]:
        return _metrics(samples(self._report))

    def describe(self) -> Iterable[Metric]:
        """None: else a registry would collect once for nothing to learn the names."""
        return ()


def _metrics(found: Iterable[MetricValue]) -> Iterator[Metric]:
    by_name: dict[str, list[MetricValue]] = {}
    for sample in found:
        by_name.setdefault(sample.name, []).append(sample)
    for family in FAMILIES:
        metric = _MAKERS[family.kind](family.name, family.help, labels=family.labels)
        names = [*family.labels, "quantile"] if family.kind == "summary" else family.labels
        series = [family.name]
        if family.kind == "summary":
            series += [f"{family.name}_count", f"{family.name}_sum"]
        for name in series:
            for sample in by_name.get(name, ()):
                labels = dict(zip(names, sample.labels, strict=False))
                metric.add_sample(name, labels, sample.value)
        if metric.samples:
            yield metric


def exposition(report: StatusReport) -> bytes:
    """The text that Prometheus scrapes."""
    registry = CollectorRegistry()
    registry.register(StatusCollector(report))
    return generate_latest(registry)
