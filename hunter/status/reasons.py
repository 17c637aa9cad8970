"""What is wrong, in sentences that say what to do next. The operator reads nothing else at night.

Pure, but for a look at /proc. At most one sentence for each fact, and none for its consequences.
"""

from __future__ import annotations

from typing import Final

from hunter.errors import ConfigError
from hunter.status.documents import (
    AlertsDocument,
    BrainDocument,
    ChildDocument,
    FactDocument,
    StoreDocument,
    SupervisorDocument,
)
from hunter.status.page import Beat, is_suspended
from hunter.status.shapes import ActorReport, FeedReport

BEAT_LATE_MS: Final = 1_000.0
_MS: Final = 1_000_000
_FEEDS_TOLD_MAX: Final = 8


def supervisor_reasons(beat: Beat, now_monotonic_ns: int) -> list[str]:
    """What keeps a live supervisor from its work."""
    reasons = []
    late_ms = elapsed_ms(beat.beat_monotonic_ns, now_monotonic_ns)
    if is_suspended(beat.pid):
        reasons.append(
            "the supervisor does not answer: it is stopped by a signal;"
            f" let it go on: kill -CONT {beat.pid}"
        )
    elif late_ms > 3 * BEAT_LATE_MS:
        reasons.append(f"the supervisor does not answer: no beat for {late_ms / 1000:.1f} s")
    return reasons


def supervisor_notices(tree: SupervisorDocument) -> list[str]:
    """What is worth knowing, but over: it must not keep the instance degraded."""
    if not tree.deaths_unwritten:
        return []
    return [f"{tree.deaths_unwritten} deaths could not be recorded: was the disk full?"]


def alerts_notices(alerts: AlertsDocument | None) -> list[str]:
    """That people cannot be told. The market's data are none the worse for it: no reason."""
    if alerts is None or not alerts.trouble:
        return []
    return [f"alerts cannot be told, {alerts.waiting} wait: {alerts.trouble}"]


def store_reasons(store: StoreDocument | None) -> list[str]:
    """Why nothing is stored: what waits is limited, and the ring forgets."""
    if store is None or not store.trouble:
        return []
    waiting = sum(table.waiting for table in store.tables)
    return [f"store: {store.trouble}; {waiting} rows wait; tried again until it can be"]


def brain_drifts(brain: BrainDocument) -> list[FactDocument]:
    """Markets that have left what the brain learnt. Notices, never reasons: the brain that asks for
    more confidence, or says nothing, does what it is there for, and nobody could repair a market.
    """
    return [FactDocument("drift", text.partition(": ")[0], text) for text in brain.drifts]


def actor_reasons(child: ChildDocument, actor: ActorReport, now_monotonic_ns: int) -> list[str]:
    """What there is to say about one actor: at most one sentence."""
    name = actor.name
    after = f" after {actor.last_exit}" if actor.last_exit else ""
    if not child.wanted:
        what = "is being stopped" if child.pid else "was stopped"
        return [f"{name} {what} by the operator; start it: hunter restart {name}"]
    if child.stopped_since_ns and actor.pid:
        age_s = elapsed_ms(child.stopped_since_ns, now_monotonic_ns) / 1000
        return [
            f"{name} has been stopped by a signal for {age_s:.1f} s:"
            f" kill -CONT {actor.pid}, or it is replaced soon"
        ]
    if actor.state == "ready" or actor.state == "degraded":
        late_ms = actor.heartbeat_age_ms
        return [f"{name}: no beat for {late_ms / 1000:.1f} s"] if late_ms > BEAT_LATE_MS else []
    return {
        "parked": [
            f"{name} is parked{after}, {_when_again(actor)};"
            f" see hunter deaths {name} and hunter logs {name}"
        ],
        "backoff": [f"{name} waits to be restarted{after}"],
        "starting": [f"{name} is starting{after}"],
        "stopped": [f"{name} is stopped{after}"],
    }[actor.state]


def _when_again(actor: ActorReport) -> str:
    if actor.last_exit == f"exit {ConfigError.exit_code}":
        return f"and not tried again until hunter restart {actor.name}"
    return "and tried again each minute"


def feed_reasons(feeds: list[FeedReport], tree_state: str) -> list[str]:
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
    if len(reasons) > _FEEDS_TOLD_MAX:
        reasons = [
            *reasons[: _FEEDS_TOLD_MAX - 1],
            f"and {len(reasons) - _FEEDS_TOLD_MAX + 1} more feeds that are not live",
        ]
    return reasons


def elapsed_ms(then_ns: int, now_ns: int) -> float:
    return max(0.0, (now_ns - then_ns) / _MS)
