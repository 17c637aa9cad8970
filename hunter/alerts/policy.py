"""What is told to people, and when. Pure: what there is goes in, at most one message comes out.

A trouble is told when it has lasted `after_s`, again each `repeat_s` while it lasts, and as
resolved when it has been over for `after_s`, if it was told. One that comes back within `repeat_s`
of its end has to last four times longer each time, so that a link that flaps is not a message a
minute. An event (a takeover, a loss) is told at once; those of the same kind and subject that
follow within `repeat_s` are added up and told when that is over. What is due together is one
message. Above `per_hour_max` messages an hour what is due waits, and what ends meanwhile is counted
as held back.

Wall time throughout, because the state outlives the process; times of the future, after a clock was
set back, count as now.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

import msgspec

from hunter.config import AlertsSection
from hunter.status.changes import Change, Kind, Severity
from hunter.status.shapes import StatusReport

TOLD_KINDS: Final[frozenset[Kind]] = frozenset(
    ("degraded", "takeover", "lost", "parked", "disk", "memory", "drift", "signal_journal")
)
"""The others are told by `degraded` if they last, or are for the log (a gap that was refilled)."""
REMEMBERED_MAX: Final = 256
ITEMS_MAX: Final = 20
_S: Final = 1_000_000_000
_HOUR_NS: Final = 3_600 * _S
_FLAPS_MAX: Final = 20
_SEVERITIES: Final[tuple[Severity, ...]] = ("info", "warning", "critical")


class Item(msgspec.Struct, frozen=True):
    """One line of a message. `began_ns`: wall time; `lasted_s`: so far, or all in all."""

    kind: Kind
    subject: str
    severity: Severity
    text: str
    is_over: bool
    began_ns: int
    lasted_s: float


class Message(msgspec.Struct, frozen=True):
    """What is sent at once. `id` is the same each time it is tried; `held_back`: what was due since
    the message before and is over or was too much."""

    id: str
    at_ns: int
    severity: Severity
    items: tuple[Item, ...]
    held_back: int = 0


class TroubleMemory(msgspec.Struct):
    """Of one trouble: `told_ns` 0 is not yet, `ended_ns` 0 is not over."""

    kind: Kind
    subject: str
    severity: Severity
    text: str
    began_ns: int
    told_ns: int = 0
    ended_ns: int = 0
    waits: bool = False
    """It was due and had to wait for the next hour."""


class PastMemory(msgspec.Struct):
    """How often a trouble was told as resolved lately, and when the last time."""

    kind: Kind
    subject: str
    count: int
    ended_ns: int


class EventMemory(msgspec.Struct):
    """When an event was told last, and how many of its sort have come since."""

    kind: Kind
    subject: str
    severity: Severity
    text: str
    told_ns: int = 0
    more: int = 0


class PolicyState(msgspec.Struct):
    """All that the policy remembers."""

    troubles: list[TroubleMemory] = []
    past: list[PastMemory] = []
    events: list[EventMemory] = []
    sent_ns: list[int] = []
    held_back: int = 0
    """Since the last message."""
    held_back_ever: int = 0
    death_told_ns: int = 0
    """When the supervisor died of whose death was told last."""
    messages: int = 0


class Sight(NamedTuple):
    """What there is at one look: troubles that are open, events since the last. `is_settled`: the
    instance is up, so what is not there is over."""

    troubles: Sequence[Change]
    events: Sequence[Change]
    is_settled: bool


class Policy:
    """Owned by the alerts actor, which keeps `state` in a file."""

    def __init__(self, section: AlertsSection, state: PolicyState) -> None:
        self.state = state
        self._after_ns = section.after_s * _S
        self._repeat_ns = section.repeat_s * _S
        self._per_hour_max = section.per_hour_max

    def step(self, sight: Sight, now_ns: int) -> Message | None:
        """The message to send now, if there is one; it counts as told."""
        self._forget(now_ns)
        self._follow(sight, now_ns)
        for event in sight.events:
            self.hear(event)
        troubles = [each for each in self.state.troubles if self._is_due(each, now_ns)]
        events = [each for each in self.state.events if self._event_is_due(each, now_ns)]
        if not troubles and not events:
            return None
        if len(self.state.sent_ns) >= self._per_hour_max:
            for trouble in troubles:
                trouble.waits = True
            return None
        items = [_tell_event(each, now_ns) for each in events]
        items += [self._tell(each, now_ns) for each in troubles]
        items.sort(key=lambda item: -_SEVERITIES.index(item.severity))
        return self._message(tuple(items), now_ns)

    # ---- what there is

    def _forget(self, now_ns: int) -> None:
        """Times of the future, and what is too old to matter."""
        state = self.state
        for trouble in state.troubles:
            trouble.began_ns = min(trouble.began_ns, now_ns)
            trouble.told_ns = min(trouble.told_ns, now_ns)
            trouble.ended_ns = min(trouble.ended_ns, now_ns)
        for past in state.past:
            past.ended_ns = min(past.ended_ns, now_ns)
        for event in state.events:
            event.told_ns = min(event.told_ns, now_ns)
        state.sent_ns = [at for at in state.sent_ns if 0 <= now_ns - at < _HOUR_NS]
        state.past = [each for each in state.past if now_ns - each.ended_ns < self._repeat_ns]
        state.events = [
            each
            for each in state.events
            if each.more or not each.told_ns or now_ns - each.told_ns < self._repeat_ns
        ]
        del state.past[:-REMEMBERED_MAX], state.events[:-REMEMBERED_MAX]

    def _follow(self, sight: Sight, now_ns: int) -> None:
        known = {(each.kind, each.subject): each for each in self.state.troubles}
        present = {
            (each.kind, each.subject): each for each in sight.troubles if each.kind in TOLD_KINDS
        }
        for key, change in present.items():
            trouble = known.get(key)
            if trouble is None:
                fresh = TroubleMemory(*key, change.severity, change.text, now_ns)
                self.state.troubles.append(fresh)
                continue
            trouble.ended_ns = 0  # back before it was told that it is over
            if not trouble.told_ns or now_ns - trouble.told_ns >= self._repeat_ns:
                trouble.text, trouble.severity = change.text, change.severity
        if not sight.is_settled:
            return
        for key, trouble in known.items():
            if key in present or trouble.ended_ns:
                continue
            if trouble.told_ns:
                trouble.ended_ns = now_ns
                continue
            self.state.troubles.remove(trouble)
            if trouble.waits or now_ns - trouble.began_ns >= max(self._after_ns, _S):
                self._hold_back()  # only for what was told shortly before, or too often

    def hear(self, event: Change) -> None:
        """Of something that is over when it is seen; told with the next step."""
        if event.kind not in TOLD_KINDS and event.severity != "critical":
            return
        for known in self.state.events:
            if (known.kind, known.subject) == (event.kind, event.subject):
                known.more += 1
                known.text, known.severity = event.text, event.severity
                return
        self.state.events.append(
            EventMemory(event.kind, event.subject, event.severity, event.text, more=1)
        )

    # ---- what is due

    def _is_due(self, trouble: TroubleMemory, now_ns: int) -> bool:
        if trouble.ended_ns:
            return now_ns - trouble.ended_ns >= self._after_ns
        if trouble.told_ns:
            return now_ns - trouble.told_ns >= self._repeat_ns
        return now_ns - trouble.began_ns >= self._patience_ns(trouble)

    def _patience_ns(self, trouble: TroubleMemory) -> int:
        past = self._past(trouble)
        if past is None:
            return self._after_ns
        factor = 1 << 2 * min(past.count, _FLAPS_MAX)
        return min(max(self._after_ns, _S) * factor, self._repeat_ns)

    def _event_is_due(self, event: EventMemory, now_ns: int) -> bool:
        return event.more > 0 and (not event.told_ns or now_ns - event.told_ns >= self._repeat_ns)

    # ---- telling

    def _tell(self, trouble: TroubleMemory, now_ns: int) -> Item:
        end_ns = trouble.ended_ns or now_ns
        lasted_s = round((end_ns - trouble.began_ns) / _S, 1)
        is_over = bool(trouble.ended_ns)
        if is_over:
            self.state.troubles.remove(trouble)
            past = self._past(trouble)
            if past is None:
                past = PastMemory(trouble.kind, trouble.subject, 0, now_ns)
                self.state.past.append(past)
            past.count += 1
            past.ended_ns = now_ns
        trouble.told_ns, trouble.waits = now_ns, False
        severity: Severity = "info" if is_over else trouble.severity
        return Item(
            trouble.kind,
            trouble.subject,
            severity,
            trouble.text,
            is_over,
            trouble.began_ns,
            lasted_s,
        )

    def _message(self, items: tuple[Item, ...], now_ns: int) -> Message:
        state = self.state
        for _ in items[ITEMS_MAX:]:
            self._hold_back()
        held_back, state.held_back = state.held_back, 0
        state.sent_ns.append(now_ns)
        state.messages += 1
        severity = max((item.severity for item in items), key=_SEVERITIES.index)
        return Message(f"{now_ns}-{state.messages}", now_ns, severity, items[:ITEMS_MAX], held_back)

    def _hold_back(self) -> None:
        self.state.held_back += 1
        self.state.held_back_ever += 1

    def _past(self, trouble: TroubleMemory) -> PastMemory | None:
        key = (trouble.kind, trouble.subject)
        return next((each for each in self.state.past if (each.kind, each.subject) == key), None)


def _tell_event(event: EventMemory, now_ns: int) -> Item:
    more = event.more - 1
    text = f"{event.text} (and {more} more of this sort before)" if more else event.text
    event.told_ns, event.more = now_ns, 0
    return Item(event.kind, event.subject, event.severity, text, False, now_ns, 0.0)


def unexplained(report: StatusReport) -> list[str]:
    """Reasons that no trouble of a kind of its own tells: what is left for `degraded`. That alerts
    cannot be told, an alert need not tell.
    """
    facts = {fact.text for fact in report.facts}
    parked = {actor.name for actor in report.actors if actor.state == "parked"}
    parked |= {feed.instrument for feed in report.feeds if feed.note or feed.state == "parked"}
    return [
        text
        for text in report.reasons
        if text not in facts and text.partition(" is parked")[0] not in parked
    ]


def seen(changes: Iterable[Change], open_troubles: Iterable[Change], report: StatusReport) -> Sight:
    """What there is for the policy: `degraded` with the reasons of now, and only if something is
    left for it to tell.
    """
    troubles = [each for each in open_troubles if each.kind in TOLD_KINDS]
    degraded = next((each for each in troubles if each.kind == "degraded"), None)
    if degraded is not None:
        troubles.remove(degraded)
        if left := unexplained(report):
            more = f"; and {len(left) - 3} more" if len(left) > 3 else ""
            text = f"{report.name} is {report.state}: {'; '.join(left[:3])}{more}"
            troubles.append(msgspec.structs.replace(degraded, text=text))
    events = [each for each in changes if each.kind in ("instance", "takeover", "lost")]
    return Sight(troubles, events, is_settled=report.state in ("running", "degraded"))
