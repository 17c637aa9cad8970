"""The shapes of `hunter status --json`, which others rely on: a name that is here stays. Every
number's unit is in its name. Filled by `report`.
"""

from __future__ import annotations

import msgspec

from hunter.status.documents import (
    AlertsDocument,
    FactDocument,
    LimitDocument,
    Percentiles,
    StoreDocument,
    WebDocument,
)


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
    exits: dict[str, int] = {}
    """How often it ended, by cause."""
    cpus: str = ""
    """The cores it may run on, as "0,2-3"; empty when it is not there."""


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
    actor: str = ""
    """The stream process that it belongs to; of a pair the first."""


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


class LatencyReport(msgspec.Struct):
    """One stage of the data path, in the unit of the key that holds it. The percentiles are of the
    `recent` values of the last minute or two; `count` and `sum` are of all since the start, and
    never fall. `sum` is right to within 1/32.
    """

    p50: float
    p99: float
    p999: float
    recent: int
    count: int
    sum: float


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
    """What is worth knowing and asks for nothing: the exchange's announcements, what is over."""
    actors: list[ActorReport]
    feeds: list[FeedReport]
    connections: list[ConnectionReport]
    limits: list[LimitDocument]
    rings: list[RingReport]
    brain: BrainReport
    memory: MemoryReport
    latency_us: dict[str, LatencyReport]
    """By stage, see `hunter.status.latency.Stage`: exchange_to_receive, receive_to_ring,
    receive_to_brain, receive_to_signal; one that has counted nothing is all zeros.
    """
    web: WebDocument | None = None
    """Of the companions that are switched on, what they say; a dead one's last words stay."""
    alerts: AlertsDocument | None = None
    store: StoreDocument | None = None
    facts: list[FactDocument] = []
    """Reasons and notices of a kind that others look for: disk, memory, signal_journal, drift."""
