"""What actors write into their pages: frozen, typed, JSON. Read by `report.py` and by a restarted
actor, which goes on counting where the one before it was killed.
"""

from __future__ import annotations

from typing import Literal, TypeVar

import msgspec

Document = TypeVar("Document", bound=msgspec.Struct)
FactKind = Literal["disk", "memory", "drift", "signal_journal"]


class Percentiles(msgspec.Struct, frozen=True):
    """Of a latency; the unit is in the name of the field that holds it."""

    p50: float = 0.0
    p99: float = 0.0
    p999: float = 0.0


class FeedDocument(msgspec.Struct, frozen=True):
    """One instrument and channel. `last_data_ns` is monotonic time, 0 before the first data."""

    instrument: str
    channel: str
    state: str
    messages: int = 0
    last_data_ns: int = 0
    gaps: int = 0
    backfilled: int = 0
    duplicates: int = 0
    lost: int = 0
    malformed: int = 0
    lag_ms_p50: float = 0.0
    lag_ms_p99: float = 0.0
    mismatches: int = 0
    """Books that another channel contradicted at the same sequence id."""
    resync_ms: float = 0.0
    """How long the book was not to be believed, the last time it broke."""
    note: str = ""
    """Why it is parked, in words."""


class LimitDocument(msgspec.Struct, frozen=True):
    """One rate limit of the exchange as this host keeps to it. `waits`: requests held back;
    `limited`: times that the exchange said "too many" all the same.
    """

    server: str
    name: str
    rate_per_s: float
    rate_per_s_max: float
    tokens: float = 0.0
    waits: int = 0
    limited: int = 0


class ConnectionDocument(msgspec.Struct, frozen=True):
    """One WebSocket. `state`: resolving, waiting, connecting, tunnelling, securing, handshake,
    open, backoff; and closed when its process is gone.
    """

    url: str
    state: str
    connects: int = 0
    last_close: str = ""


class StreamDocument(msgspec.Struct, frozen=True):
    """A stream process: its feeds, connections and what it last complained about."""

    active: bool = True
    feeds: tuple[FeedDocument, ...] = ()
    connections: tuple[ConnectionDocument, ...] = ()
    limits: tuple[LimitDocument, ...] = ()
    maintenance: tuple[str, ...] = ()
    """What the exchange announces on its status channel."""
    unknown_messages: int = 0
    exchange_errors: int = 0
    note: str = ""
    takeovers: int = 0
    takeover_ms: float = 0.0
    """How old the newest row was when this process last took the writing over."""


class BrainInputs(msgspec.Struct, frozen=True):
    """Rows consumed, by kind."""

    trades: int = 0
    tickers: int = 0
    books: int = 0
    bbo: int = 0


class BrainDocument(msgspec.Struct, frozen=True):
    """The brain's counters; `latency_us` from the frame's arrival to the decision."""

    inputs: BrainInputs = BrainInputs()
    decisions: int = 0
    signals: int = 0
    lapped: int = 0
    warm: bool = False
    latency_us: Percentiles = Percentiles()
    journal_errors: int = 0
    """Signals that the disk refused when they came; most of them only have to wait."""
    journal_waiting: int = 0
    journal_lost: int = 0
    """Signals that waited for the disk until there were too many."""
    journal_trouble: str = ""
    """Why the journal cannot be written now."""
    checkpoint_trouble: str = ""
    failures: int = 0
    """Calls of plug-ins (a user's brain, experts) that raised an error or made no sense."""
    note: str = ""
    damaged: int = 0
    """Rows of the rings that are not as they were put, and were left out."""
    write_through_trouble: str = ""
    """Why the journal is not written through to the disk now; a host that crashes would show it."""
    overruns: int = 0
    """Calls of plug-ins that took longer than brain.budget_us."""
    plugin_troubles: tuple[str, ...] = ()
    """Which plug-ins are in shadow or keep taking too long now, and why, in words."""
    drifts: tuple[str, ...] = ()
    """Instruments whose market has left what the brain learnt, and what it does about it; each
    begins with the instrument and ": "."""


class FactDocument(msgspec.Struct, frozen=True):
    """A trouble of a kind that others look for: of which sort it is, whose it is (a directory, an
    actor, an instrument), and the sentence that says so to people.
    """

    kind: FactKind
    subject: str
    text: str


class WebDocument(msgspec.Struct, frozen=True):
    """The page's process. `url`: where it listens, "" before it does; `viewers`: pages that are
    open now; `refused`: requests of a wrong host, origin or token.
    """

    url: str = ""
    viewers: int = 0
    requests: int = 0
    refused: int = 0


class AlertsDocument(msgspec.Struct, frozen=True):
    """What was told to whom it concerns. `held_back`: the same again too soon, or too many in an
    hour; `dropped`: the queue of those that wait was full; `failed`: attempts that failed.
    """

    sent: int = 0
    failed: int = 0
    held_back: int = 0
    dropped: int = 0
    waiting: int = 0
    trouble: str = ""
    """Why the last attempt failed, without what is secret; "" after one that did not."""


class StoreTableDocument(msgspec.Struct, frozen=True):
    """One table of the store. `lapped`: rows that the ring had overwritten before they were read;
    `dropped`: rows that a disk which refuses them made us give up.
    """

    table: str
    rows: int = 0
    waiting: int = 0
    lapped: int = 0
    dropped: int = 0


class StoreDocument(msgspec.Struct, frozen=True):
    """The store's process. `bytes` and `files` are of all that is kept now."""

    tables: tuple[StoreTableDocument, ...] = ()
    files: int = 0
    bytes: int = 0
    removed_files: int = 0
    written_ns: int = 0
    """Wall time of the last file; 0: none yet."""
    trouble: str = ""


class ChildDocument(msgspec.Struct, frozen=True):
    """An actor as the supervisor sees it; `state` in the supervisor's words."""

    name: str
    role: str
    state: str
    pid: int = 0
    restarts: int = 0
    last_exit: str | None = None
    started_wall_ns: int = 0
    exits: dict[str, int] = {}
    """How often it ended, by cause."""
    wanted: bool = True
    """False: stopped by the operator, until it is restarted by name."""
    stopped_since_ns: int = 0
    """Monotonic time since which a signal keeps it from running; 0: it runs."""


class SupervisorDocument(msgspec.Struct, frozen=True):
    """The whole tree. `state`: starting|running|stopping|stopped."""

    state: str
    version: str
    children: tuple[ChildDocument, ...] = ()
    ring_ids: tuple[str, ...] = ()
    deaths_unwritten: int = 0
    """Records of deaths that the disk refused."""


class WatchdogDocument(msgspec.Struct, frozen=True):
    """Why the watchdog is not content, in words, and what it has asked for."""

    reasons: tuple[str, ...] = ()
    restarts_asked: int = 0
    facts: tuple[FactDocument, ...] = ()
    """Those of the reasons that are of a kind others look for."""


def encode(document: msgspec.Struct) -> bytes:
    return msgspec.json.encode(document)


def decode(raw: bytes | None, kind: type[Document]) -> Document | None:
    """A page's document, or None when it is absent or of another shape."""
    if raw is None:
        return None
    try:
        return msgspec.json.decode(raw, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None  # the latter two: bytes that are no text, absurd nesting
