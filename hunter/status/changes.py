"""What has changed between two looks at an instance: the event log of the page, the time line, and
what alerts are made of.

Pure: reports go in, changes come out. There are two sorts. A *trouble* is a fact that lasts: it
begins with one change and ends with one more, whose `is_over` is true, and is known by its kind and
subject. An *event* is over when it is seen: it is told once and has no end. Invariants: nothing is
told of two equal reports; a trouble that has begun is told again only after it was over; counters
that fall belong to a new process and tell nothing. While an instance stops or is stopped, troubles
stay as they are: what cannot be seen is neither over nor new.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Final, Literal, NamedTuple

import msgspec

from hunter.status.reasons import BEAT_LATE_MS
from hunter.status.shapes import ActorReport, FeedReport, StatusReport

Kind = Literal[
    "instance", "degraded", "actor", "takeover", "gap", "lost", "parked", "disk", "memory", "drift",
    "feed", "signal_journal",
]  # fmt: skip
Severity = Literal["info", "warning", "critical"]

OTHERS: Final = "others"
"""Subject of the trouble that stands for all those of a kind beyond `SUBJECTS_MAX`."""
SUBJECTS_MAX: Final = 8
EVENTS_MAX: Final = 16
"""At one look: a hundred instruments that lost their socket are not a thousand lines."""
STARTING_S_MAX: Final = 30.0
"""Whoever is not there after so long is told of: the exchange may have been away from the start."""
_REASONS_TOLD_MAX: Final = 3
_UP: Final = frozenset(("ready", "degraded"))
_GOING: Final = frozenset(("stopping", "stopped"))


class Change(msgspec.Struct, frozen=True):
    """One thing that happened to one subject. `at_ns` is wall time; `is_over`: a trouble of this
    kind and subject that was told before has ended; `text` is a line that needs no other.
    """

    at_ns: int
    kind: Kind
    subject: str
    severity: Severity
    text: str
    is_over: bool = False


class _Key(NamedTuple):
    kind: Kind
    subject: str


class _Trouble(NamedTuple):
    severity: Severity
    text: str
    end: str
    """What is said when it is over."""
    at_ns: int = 0


class ChangeTracker:
    """Of one instance. Whoever asks it more seldom sees less: a trouble that comes and goes between
    two looks was not there, unless a counter tells of it.
    """

    def __init__(self) -> None:
        self._before: StatusReport | None = None
        self._open: dict[_Key, _Trouble] = {}

    def look(self, report: StatusReport, now_wall_ns: int) -> list[Change]:
        """What has changed since the report of the last call. Of the first report: the troubles
        that there are, and no events, for who knows how old its counters are.
        """
        before, self._before = self._before, report
        found = [] if before is None else list(_instance_events(before, report, now_wall_ns))
        if report.state in _GOING:
            return found
        died: set[str] = set()
        if before is not None and before.pid == report.pid:
            events = list(_events(before, report, now_wall_ns))
            found += _at_most(EVENTS_MAX, events, report.name, now_wall_ns)
            died = _died(before, report)
        found += self._compare(dict(_troubles(report, set(self._open))), died, report, now_wall_ns)
        return found

    @property
    def open_troubles(self) -> list[Change]:
        """Those that have begun and are not over, as they were told when they began."""
        return [_began(key, trouble, trouble.at_ns) for key, trouble in self._open.items()]

    def _compare(
        self, present: dict[_Key, _Trouble], died: set[str], report: StatusReport, now_ns: int
    ) -> Iterator[Change]:
        # An actor that is back before anybody looked was away all the same.
        for actor in report.actors:
            key = _Key("actor", actor.name)
            if actor.name in died and key not in self._open and key not in present:
                trouble = _actor_trouble(actor)
                yield _began(key, trouble, now_ns)
                yield _ended(key, trouble._replace(at_ns=now_ns), now_ns)
        for key in [key for key in self._open if key not in present]:
            yield _ended(key, self._open.pop(key), now_ns)
        for key, trouble in present.items():
            if key not in self._open:
                self._open[key] = trouble._replace(at_ns=now_ns)
                yield _began(key, trouble, now_ns)


def _began(key: _Key, trouble: _Trouble, now_ns: int) -> Change:
    return Change(now_ns, key.kind, key.subject, trouble.severity, trouble.text)


def _ended(key: _Key, trouble: _Trouble, now_ns: int) -> Change:
    lasted_s = max(0, now_ns - trouble.at_ns) / 1e9  # the wall clock may have been set back
    text = f"{trouble.end}, after {lasted_s:.1f} s" if lasted_s else trouble.end
    return Change(now_ns, key.kind, key.subject, "info", text, is_over=True)


# ---- troubles


def _troubles(report: StatusReport, known: set[_Key]) -> Iterator[tuple[_Key, _Trouble]]:
    """All that there are now, by what they are known by; `known` are those that had begun."""
    yield from _degraded(report)
    for actor in report.actors:
        if _is_away(actor):
            yield _Key("actor", actor.name), _actor_trouble(actor)
        parked = _Key("parked", actor.name)
        # It is tried now and then: parked is over when a try succeeds, not when it begins.
        if actor.state == "parked" or (parked in known and actor.state not in _UP):
            after = f" after {actor.last_exit}" if actor.last_exit else ""
            text = f"{actor.name} is parked{after}; see hunter deaths {actor.name}"
            yield parked, _Trouble("critical", text, f"{actor.name} is no longer parked")
    yield from _fewer(dict(_parked_instruments(report)), known, "parked", "instruments are parked")
    yield from _fewer(dict(_feed_troubles(report)), known, "feed", "instruments are not live")
    for fact in report.facts:
        severity: Severity = "warning" if fact.kind == "drift" else "critical"
        trouble = _Trouble(severity, fact.text, f"over: {fact.text}")
        yield _Key(fact.kind, fact.subject), trouble


def _degraded(report: StatusReport) -> Iterator[tuple[_Key, _Trouble]]:
    slow = report.state == "starting" and report.uptime_s > STARTING_S_MAX and report.reasons
    if report.state != "degraded" and not slow:
        return
    told = "; ".join(report.reasons[:_REASONS_TOLD_MAX])
    more = len(report.reasons) - _REASONS_TOLD_MAX
    text = f"{report.name} is {report.state}: {told}" + (f"; and {more} more" if more > 0 else "")
    yield _Key("degraded", report.name), _Trouble("warning", text, f"{report.name} is well again")


def _is_away(actor: ActorReport) -> bool:
    if actor.state == "starting":
        return actor.restarts > 0  # else it is only young
    return actor.state not in _UP or actor.heartbeat_age_ms > BEAT_LATE_MS


def _actor_trouble(actor: ActorReport) -> _Trouble:
    name, again = actor.name, f"{actor.name} is ready again"
    if actor.state == "stopped":
        return _Trouble("info", f"{name} was stopped; start it: hunter restart {name}", again)
    if actor.state in _UP and actor.heartbeat_age_ms > BEAT_LATE_MS:
        late_s = actor.heartbeat_age_ms / 1000
        return _Trouble("warning", f"{name}: no beat for {late_s:.1f} s", f"{name} beats again")
    why = f": {actor.last_exit}" if actor.last_exit else ""
    return _Trouble("warning", f"{name} ended{why}; see hunter logs {name}", again)


def _parked_instruments(report: StatusReport) -> Iterator[tuple[str, _Trouble]]:
    """By instrument: mostly all channels of one are parked for the same reason."""
    for feed in report.feeds:
        if feed.state == "parked" or feed.note:
            why = f": {feed.note}" if feed.note else ""
            end = f"{feed.instrument} is no longer parked"
            yield feed.instrument, _Trouble("critical", f"{feed.instrument} is parked{why}", end)


def _feed_troubles(report: StatusReport) -> Iterator[tuple[str, _Trouble]]:
    """By instrument. A feed that waits for its own stream process to come back is no news."""
    away = {actor.name.removesuffix("b") for actor in report.actors if _is_down(actor, report)}
    bad: dict[str, list[FeedReport]] = {}
    for feed in report.feeds:
        waits = feed.state == "connecting" and (report.state == "starting" or feed.actor in away)
        if feed.state not in ("live", "parked") and not feed.note and not waits:
            bad.setdefault(feed.instrument, []).append(feed)
    for name, feeds in bad.items():
        told = ", ".join(f"{feed.channel} {feed.state}" for feed in feeds)
        yield name, _Trouble("warning", f"{name}: {told}", f"{name} is live again")


def _is_down(actor: ActorReport, report: StatusReport) -> bool:
    """Whether nobody serves this stream's instruments: neither it nor its stand-by."""
    partners = {actor.name.removesuffix("b"), actor.name.removesuffix("b") + "b"}
    return actor.role == "stream" and not any(
        one.state in _UP and one.active for one in report.actors if one.name in partners
    )


def _fewer(
    troubles: dict[str, _Trouble], known: set[_Key], kind: Kind, what: str
) -> Iterator[tuple[_Key, _Trouble]]:
    """At most SUBJECTS_MAX by name, first those that have begun; the rest as one. The one stays
    as long as there are any that are not told by name, whoever they are.
    """
    begun = [name for name in troubles if _Key(kind, name) in known]
    fresh = [name for name in troubles if _Key(kind, name) not in known]
    if _Key(kind, OTHERS) in known:
        named = begun  # who is new may be one of the others
    else:
        named = [*begun, *fresh[: max(0, SUBJECTS_MAX - len(begun))]]
    for name in named:
        yield _Key(kind, name), troubles[name]
    rest = len(troubles) - len(named)
    if rest:
        text = f"{rest} more {what}; see hunter status"
        yield _Key(kind, OTHERS), _Trouble("warning", text, f"over: more {what}")


# ---- events


def _instance_events(before: StatusReport, now: StatusReport, at_ns: int) -> Iterator[Change]:
    """Starts, stops and ends of the whole."""
    was_gone, is_gone = before.state in _GOING, now.state in _GOING
    name = now.name
    if now.state == before.state and now.pid == before.pid:
        return
    if now.state == "stopped":
        killed = before.state != "stopping" and any("killed" in text for text in now.reasons)
        text = f"{name} was killed" if killed else f"{name} is stopped"
        yield Change(at_ns, "instance", name, "critical" if killed else "info", text)
    elif now.state == "stopping":
        yield Change(at_ns, "instance", name, "info", f"{name} is being stopped")
    elif before.pid != now.pid and not is_gone:
        text = f"{name} was started, pid {now.pid}"
        yield Change(at_ns, "instance", name, "info", text)
    elif before.state == "starting" or was_gone:
        yield Change(at_ns, "instance", name, "info", f"{name} is {now.state}")


def _events(before: StatusReport, now: StatusReport, at_ns: int) -> Iterator[Change]:
    """What counters tell, the gravest first."""
    known = {(feed.instrument, feed.channel): feed for feed in before.feeds}
    pairs = [
        (known[feed.instrument, feed.channel], feed)
        for feed in now.feeds
        if (feed.instrument, feed.channel) in known
    ]
    for old, new in pairs:
        if (count := new.lost - old.lost) > 0:
            text = f"{new.instrument} {new.channel}: {count} lost for good, {new.lost} so far"
            yield Change(at_ns, "lost", new.instrument, "critical", text)
    takeovers = {actor.name: actor.takeovers for actor in before.actors}
    for actor in now.actors:
        if actor.takeovers > takeovers.get(actor.name, actor.takeovers):
            age = f"the newest row was {actor.takeover_ms:.1f} ms old"
            text = f"{actor.name} took over the writing; {age}"
            yield Change(at_ns, "takeover", actor.name, "warning", text)
    for old, new in pairs:
        gaps, filled = new.gaps - old.gaps, new.backfilled - old.backfilled
        if gaps > 0 or filled > 0:
            parts = [f"{gaps} gap{'s' * (gaps > 1)} found"] * (gaps > 0)
            parts += [f"{filled} backfilled"] * (filled > 0)
            text = f"{new.instrument} {new.channel}: {', '.join(parts)}"
            yield Change(at_ns, "gap", new.instrument, "info", text)


def _at_most(limit: int, events: list[Change], name: str, at_ns: int) -> list[Change]:
    if len(events) <= limit:
        return events
    rest = Counter(event.kind for event in events[limit - 1 :])
    told = ", ".join(f"{count} of kind {kind}" for kind, count in rest.items())
    kind = next(iter(rest))  # the gravest
    severity = events[limit - 1].severity
    return [*events[: limit - 1], Change(at_ns, kind, name, severity, f"and more: {told}")]


def _died(before: StatusReport, now: StatusReport) -> set[str]:
    """Actors that ended since, whether or not they are back."""
    ends = {actor.name: sum(actor.exits.values()) for actor in before.actors}
    return {
        actor.name
        for actor in now.actors
        if sum(actor.exits.values()) > ends.get(actor.name, sum(actor.exits.values()))
    }
