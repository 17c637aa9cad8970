"""All pages together: what `hunter status` says. Reads shared memory and /proc only; needs nobody
alive.

Pure apart from those reads: time is passed in. The fields are those of the public JSON, see
`StatusReport`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from hunter.ring.layout import RingLayout
from hunter.ring.rows import Kind
from hunter.ring.segment import Segment
from hunter.status.block import SUPERVISOR, StatusBlock
from hunter.status.documents import (
    AlertsDocument,
    BrainDocument,
    ChildDocument,
    FactDocument,
    LimitDocument,
    StoreDocument,
    StreamDocument,
    SupervisorDocument,
    WatchdogDocument,
    WebDocument,
    decode,
)
from hunter.status.latency import Stage, StageCounts, counts_by_stage
from hunter.status.page import ActorState, Beat, Page, is_alive
from hunter.status.reasons import (
    BEAT_LATE_MS,
    actor_reasons,
    alerts_notices,
    brain_drifts,
    elapsed_ms,
    feed_reasons,
    store_reasons,
    supervisor_notices,
    supervisor_reasons,
)
from hunter.status.shapes import (
    ActorReport,
    BrainReport,
    ConnectionReport,
    FeedReport,
    LatencyReport,
    MemoryReport,
    RingReport,
    StatusReport,
)
from hunter.status.usage import cpus_of

__all__ = ["ActorReport", "FeedReport", "StatusReport", "make_report", "stopped_report"]

SCHEMA: Final = 1

COMPANIONS: Final[dict[str, type[msgspec.Struct]]] = {
    "web": WebDocument,
    "alerts": AlertsDocument,
    "store": StoreDocument,
}

# The supervisor's view of a child wins where the child itself cannot speak.
_SPOKEN_FOR: Final = {"backoff", "parked", "stopped"}


def stopped_report(name: str, version: str, reason: str) -> StatusReport:
    """Of an instance that is not there."""
    return StatusReport(
        SCHEMA,
        "stopped",
        name,
        version,
        0,
        0.0,
        [reason],
        [],
        [],
        [],
        [],
        [],
        [],
        _brain(None),
        MemoryReport(0, 0),
        {stage.name.lower(): _latency(StageCounts([], [])) for stage in Stage},
    )


def make_report(
    status: StatusBlock,
    rings: Sequence[tuple[Segment, RingLayout]],
    now_wall_ns: int,
    now_monotonic_ns: int,
) -> StatusReport:
    """Read every page and head once and say what they add up to."""
    page = status.pages[SUPERVISOR]
    beat = page.beat()
    alive = is_alive(beat)
    said = decode(page.read_document(), SupervisorDocument)
    tree = said or SupervisorDocument("running" if alive else "stopped", "")
    reasons = _of_supervisor(beat, said, now_monotonic_ns)
    actors: list[ActorReport] = []
    streams = _Streams(tree, now_monotonic_ns)
    brain: BrainDocument | None = None
    facts: list[FactDocument] = []
    for child in tree.children:
        actor_page = status.pages[child.name]
        actor_beat, document = actor_page.beat(), actor_page.read_document()
        actors.append(_actor(child, actor_beat, alive, now_wall_ns, now_monotonic_ns))
        if child.role == "stream" and (stream := decode(document, StreamDocument)):
            streams.add(actors[-1], stream, fed=alive and is_alive(actor_beat))
        elif child.role == "brain":
            brain = decode(document, BrainDocument) or brain
        elif child.role == "watchdog" and alive and (watch := decode(document, WatchdogDocument)):
            reasons += watch.reasons
            facts += watch.facts
    feeds, companions = streams.feeds, _companions(status, tree)
    drifts = brain_drifts(brain) if brain is not None and alive else []
    if alive:
        explained: set[str] = set()
        for child, actor in zip(tree.children, actors, strict=True):
            if told := actor_reasons(child, actor, now_monotonic_ns):
                explained.add(actor.name)
                reasons += told
        reasons += feed_reasons(streams.feeds_to_tell(explained), tree.state)
        reasons += store_reasons(companions.get("store"))
    if not reasons:  # mostly a feed says better why its actor is degraded
        reasons += [f"{actor.name} is degraded" for actor in actors if actor.state == "degraded"]
    return StatusReport(
        schema=SCHEMA,
        state=_state(tree.state, alive, actors, reasons),
        name=status.instance,
        version=tree.version,
        pid=beat.pid if alive else 0,
        uptime_s=round((now_wall_ns - beat.started_wall_ns) / 1e9, 3) if alive else 0.0,
        reasons=list(dict.fromkeys(reasons)),
        notices=[
            *supervisor_notices(tree),
            *streams.notices,
            *alerts_notices(companions.get("alerts") if alive else None),
            *(fact.text for fact in drifts),
        ],
        actors=actors,
        feeds=feeds,
        connections=streams.connections,
        limits=list(streams.limits.values()),
        rings=_rings(rings),
        brain=_brain(brain),
        memory=MemoryReport(
            beat.rss_bytes * alive + sum(actor.rss_bytes for actor in actors),
            status.total_bytes + sum(layout.total_bytes for _, layout in rings),
        ),
        latency_us=_latencies(status, tree),
        **companions,
        facts=facts + drifts,
    )


def _of_supervisor(beat: Beat, said: SupervisorDocument | None, now_monotonic_ns: int) -> list[str]:
    """What is wrong with the supervisor itself."""
    if not beat.pid:
        return ["the supervisor is about to start"]
    if not is_alive(beat):
        return [
            f"the supervisor (pid {beat.pid}) was killed and took every process with it;"
            " the rings are kept: hunter start continues them"
        ]
    damaged = ["the supervisor's page is damaged; hunter stop, then hunter start"] * (said is None)
    return damaged + supervisor_reasons(beat, now_monotonic_ns)


def _companions(status: StatusBlock, tree: SupervisorDocument) -> dict[str, Any]:
    """What those say who only look on, by role."""
    return {
        child.role: decode(status.pages[child.name].read_document(), COMPANIONS[child.role])
        for child in tree.children
        if child.role in COMPANIONS
    }


def _latencies(status: StatusBlock, tree: SupervisorDocument) -> dict[str, LatencyReport]:
    """Of all processes together: a stand-by counts nothing while it waits."""
    pages: dict[str, list[Page]] = {}
    for child in tree.children:
        pages.setdefault(child.role, []).append(status.pages[child.name])
    return {stage.name.lower(): _latency(each) for stage, each in counts_by_stage(pages).items()}


def _latency(counts: StageCounts) -> LatencyReport:
    p50, p99, p999 = (round(ns / 1000, 3) for ns in counts.percentiles(0.5, 0.99, 0.999))
    return LatencyReport(
        p50, p99, p999, sum(counts.recent), sum(counts.every), round(counts.sum_ns / 1000, 3)
    )


class _Streams:
    """What the stream processes' documents add up to; `fed` below: its process is there."""

    def __init__(self, tree: SupervisorDocument, now_monotonic_ns: int) -> None:
        self._names = {child.name for child in tree.children}
        self._now_ns = now_monotonic_ns
        self._shards: dict[str, list[FeedReport]] = {}
        self._fed: dict[str, bool] = {}
        self.connections: list[ConnectionReport] = []
        # All processes share them; a notice comes to each.
        self.limits: dict[tuple[str, str], LimitDocument] = {}
        self.notices: dict[str, None] = {}

    @property
    def feeds(self) -> list[FeedReport]:
        return [feed for shard in self._shards.values() for feed in shard]

    def feeds_to_tell(self, explained: set[str]) -> list[FeedReport]:
        """Those that are not down with their process, about which a sentence says so already."""
        return [
            feed
            for shard, feeds in self._shards.items()
            if self._fed[shard] or explained.isdisjoint((shard, shard + "b"))
            for feed in feeds
        ]

    def add(self, actor: ActorReport, stream: StreamDocument, *, fed: bool) -> None:
        """Take in one process's document; completes its actor's report."""
        shard = actor.name.removesuffix("b")
        has_standby = {shard, shard + "b"} <= self._names
        # The page of a killed process still says what it was.
        actor.active = stream.active and (fed or not has_standby)
        actor.takeovers, actor.takeover_ms = stream.takeovers, stream.takeover_ms
        # Of a pair the active one speaks; while neither is, the first.
        if actor.active or shard not in self._shards:
            self._shards[shard] = [_feed(feed, fed, self._now_ns, shard) for feed in stream.feeds]
            self._fed[shard] = fed
        self.connections += [
            ConnectionReport(
                actor.name, c.url, c.state if fed else "closed", c.connects, c.last_close
            )
            for c in stream.connections
        ]
        if fed:
            self.limits |= {(item.server, item.name): item for item in stream.limits}
            self.notices |= dict.fromkeys(stream.maintenance)


def _state(tree_state: str, alive: bool, actors: list[ActorReport], reasons: list[str]) -> str:
    if not alive:
        return "stopped"
    if tree_state in ("stopping", "stopped"):
        return tree_state
    never_ready = tree_state == "starting" or any(
        actor.state == "starting" and actor.restarts == 0 for actor in actors
    )
    if never_ready:
        return "starting"
    return "degraded" if reasons else "running"


def _actor(
    child: ChildDocument, beat: Beat, supervised: bool, now_wall_ns: int, now_monotonic_ns: int
) -> ActorReport:
    alive = supervised and beat.pid == child.pid and is_alive(beat)
    if not supervised or not child.wanted:
        state = "stopped"
    elif child.state in _SPOKEN_FOR:
        state = child.state
    elif not alive or child.state != "ready":
        state = "starting"
    else:
        state = {ActorState.READY: "ready", ActorState.DEGRADED: "degraded"}.get(
            beat.state, "starting"
        )
    age_ms = elapsed_ms(beat.beat_monotonic_ns, now_monotonic_ns) if alive else 0.0
    if alive and state == "ready" and age_ms > BEAT_LATE_MS:
        state = "degraded"
    return ActorReport(
        name=child.name,
        role=child.role,
        pid=child.pid if supervised else 0,
        state=state,
        active=True,
        restarts=child.restarts,
        last_exit=child.last_exit,
        uptime_s=round((now_wall_ns - child.started_wall_ns) / 1e9, 3) if alive else 0.0,
        heartbeat_age_ms=round(age_ms, 1),
        rss_bytes=beat.rss_bytes if alive else 0,
        cpu_percent=beat.cpu_permille / 10 if alive else 0.0,
        errors=beat.errors,
        exits=child.exits,
        cpus=cpus_of(beat.pid) if alive else "",
    )


def _feed(feed: msgspec.Struct, fed: bool, now_monotonic_ns: int, shard: str) -> FeedReport:
    values = msgspec.structs.asdict(feed) | {"actor": shard}
    last = values.pop("last_data_ns")
    if not fed and values["state"] != "parked":
        values["state"] = "connecting"
    return FeedReport(
        age_ms=round(elapsed_ms(last, now_monotonic_ns), 1) if last else None, **values
    )


def _rings(rings: Sequence[tuple[Segment, RingLayout]]) -> list[RingReport]:
    return [
        RingReport(
            name,
            layout.capacities[Kind.TRADE],
            shared.words[layout.intent_word(index, Kind.TRADE) + 1],
            layout.instrument_bytes,
        )
        for shared, layout in rings
        for index, name in enumerate(layout.instruments)
    ]


def _brain(document: BrainDocument | None) -> BrainReport:
    known = document or BrainDocument()
    return BrainReport(
        inputs=msgspec.structs.asdict(known.inputs),
        decisions=known.decisions,
        signals=known.signals,
        lapped=known.lapped,
        warm=known.warm,
        latency_us=known.latency_us,
    )
