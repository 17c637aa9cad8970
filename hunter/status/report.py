"""All pages together: what `hunter status` says. Reads shared memory and /proc only; needs nobody
alive.

Pure apart from those reads: time is passed in. The fields are those of the public JSON, see
`StatusReport`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

from hunter.ring.layout import RingLayout
from hunter.ring.rows import Kind
from hunter.ring.segment import Segment
from hunter.status.block import SUPERVISOR, StatusBlock
from hunter.status.documents import (
    BrainDocument,
    ChildDocument,
    LimitDocument,
    Percentiles,
    StreamDocument,
    SupervisorDocument,
    WatchdogDocument,
    decode,
)
from hunter.status.page import ActorState, Beat, is_alive

SCHEMA: Final = 1
BEAT_LATE_MS: Final = 1_000.0
_MS: Final = 1_000_000

# The supervisor's view of a child wins where the child itself cannot speak.
_SPOKEN_FOR: Final = {"backoff", "parked", "stopped"}


class ActorReport(msgspec.Struct):
    name: str
    role: str
    pid: int
    state: str
    active: bool
    restarts: int
    last_exit: str | None
    uptime_s: float
    heartbeat_age_ms: float
    rss_bytes: int
    cpu_percent: float
    errors: int
    takeovers: int = 0
    """How often this process took the writing over from another, and how old the newest row was."""
    takeover_ms: float = 0.0


class FeedReport(msgspec.Struct):
    instrument: str
    channel: str
    state: str
    messages: int
    age_ms: float | None
    gaps: int
    backfilled: int
    duplicates: int
    lost: int
    malformed: int
    lag_ms_p50: float
    lag_ms_p99: float
    mismatches: int
    resync_ms: float
    note: str


class ConnectionReport(msgspec.Struct):
    actor: str
    url: str
    state: str
    connects: int
    last_close: str


class RingReport(msgspec.Struct):
    instrument: str
    capacity: int
    sequence: int
    bytes: int


class BrainReport(msgspec.Struct):
    inputs: dict[str, int]
    decisions: int
    signals: int
    lapped: int
    warm: bool
    latency_us: Percentiles


class MemoryReport(msgspec.Struct):
    rss_bytes: int
    shared_bytes: int


class StatusReport(msgspec.Struct):
    """`hunter status --json`; every number's unit is in its name."""

    schema: int
    state: str
    name: str
    version: str
    pid: int
    uptime_s: float
    reasons: list[str]
    notices: list[str]
    """What the exchange announces, and no fault of anybody."""
    actors: list[ActorReport]
    feeds: list[FeedReport]
    connections: list[ConnectionReport]
    limits: list[LimitDocument]
    rings: list[RingReport]
    brain: BrainReport
    memory: MemoryReport


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
    tree = decode(page.read_document(), SupervisorDocument) or SupervisorDocument("stopped", "")
    alive = is_alive(beat)
    reasons: list[str] = []
    if not beat.pid:
        reasons.append("the supervisor is about to start")
    elif not alive:
        reasons.append(
            f"the supervisor (pid {beat.pid}) was killed and took every process with it;"
            " the rings are kept: hunter start continues them"
        )
    elif (late_ms := _age_ms(beat.beat_monotonic_ns, now_monotonic_ns)) > 3 * BEAT_LATE_MS:
        reasons.append(f"supervisor: no beat for {late_ms / 1000:.1f} s (stopped or wedged)")
    actors: list[ActorReport] = []
    streams = _Streams(tree, now_monotonic_ns)
    brain: BrainDocument | None = None
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
    feeds = streams.feeds
    reasons += _actor_reasons(actors) if alive else []
    reasons += _feed_reasons(feeds, tree.state) if alive else []
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
        notices=list(streams.notices),
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
    )


class _Streams:
    """What the stream processes' documents add up to; `fed` below: its process is there."""

    def __init__(self, tree: SupervisorDocument, now_monotonic_ns: int) -> None:
        self._names = {child.name for child in tree.children}
        self._now_ns = now_monotonic_ns
        self._shards: dict[str, list[FeedReport]] = {}
        self.connections: list[ConnectionReport] = []
        # All processes share them; a notice comes to each.
        self.limits: dict[tuple[str, str], LimitDocument] = {}
        self.notices: dict[str, None] = {}

    @property
    def feeds(self) -> list[FeedReport]:
        return [feed for shard in self._shards.values() for feed in shard]

    def add(self, actor: ActorReport, stream: StreamDocument, *, fed: bool) -> None:
        """Take in one process's document; completes its actor's report."""
        shard = actor.name.removesuffix("b")
        has_standby = {shard, shard + "b"} <= self._names
        # The page of a killed process still says what it was.
        actor.active = stream.active and (fed or not has_standby)
        actor.takeovers, actor.takeover_ms = stream.takeovers, stream.takeover_ms
        # Of a pair the active one speaks; while neither is, the first.
        if actor.active or shard not in self._shards:
            self._shards[shard] = [_feed(feed, fed, self._now_ns) for feed in stream.feeds]
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
    if not supervised:
        state = "stopped"
    elif child.state in _SPOKEN_FOR:
        state = child.state
    elif not alive or child.state != "ready":
        state = "starting"
    else:
        state = {ActorState.READY: "ready", ActorState.DEGRADED: "degraded"}.get(
            beat.state, "starting"
        )
    age_ms = _age_ms(beat.beat_monotonic_ns, now_monotonic_ns) if alive else 0.0
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
    )


def _actor_reasons(actors: list[ActorReport]) -> list[str]:
    reasons = []
    for actor in actors:
        after = f" after {actor.last_exit}" if actor.last_exit else ""
        if actor.state == "parked":
            reasons.append(f"{actor.name} is parked{after}: see hunter logs {actor.name}")
        elif actor.state == "backoff":
            reasons.append(f"{actor.name} waits to be restarted{after}")
        elif actor.state == "starting":
            reasons.append(f"{actor.name} is starting{after}")
        elif actor.state == "stopped":
            reasons.append(f"{actor.name} is stopped{after}")
        elif actor.heartbeat_age_ms > BEAT_LATE_MS:
            reasons.append(f"{actor.name}: no beat for {actor.heartbeat_age_ms / 1000:.1f} s")
    return reasons


def _feed(feed: msgspec.Struct, fed: bool, now_monotonic_ns: int) -> FeedReport:
    values = msgspec.structs.asdict(feed)
    last = values.pop("last_data_ns")
    if not fed and values["state"] != "parked":
        values["state"] = "connecting"
    return FeedReport(age_ms=round(_age_ms(last, now_monotonic_ns), 1) if last else None, **values)


def _feed_reasons(feeds: list[FeedReport], tree_state: str) -> list[str]:
    if tree_state == "starting":
        return []
    reasons = []
    for feed in feeds:
        if feed.note:
            # mostly the same of all channels of an instrument: then it is one fact
            reasons.append(f"{feed.instrument} is parked: {feed.note}")
        elif feed.state != "live":
            age = f", {feed.age_ms / 1000:.1f} s without data" if feed.age_ms else ""
            reasons.append(f"{feed.instrument} {feed.channel}: {feed.state}{age}")
    reasons = list(dict.fromkeys(reasons))
    # One line for each is right for a few; a hundred instruments on one dead socket are one fact.
    if len(reasons) > 8:
        reasons = [*reasons[:7], f"and {len(reasons) - 7} more feeds that are not live"]
    return reasons


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


def _age_ms(then_ns: int, now_ns: int) -> float:
    return max(0.0, (now_ns - then_ns) / _MS)
