from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hunter.alerts.policy import ITEMS_MAX, Message, Policy, PolicyState, Sight, seen, unexplained
from hunter.config import AlertsSection
from hunter.status.changes import Change, Kind, Severity
from hunter.status.documents import FactDocument
from hunter.status.report import stopped_report
from hunter.status.shapes import StatusReport

S = 1_000_000_000
T0_NS = 1_700_000_000 * S
AFTER_S, REPEAT_S = 10, 3_600


def change(
    kind: Kind = "disk", subject: str = "/d", text: str = "", severity: Severity = "critical"
) -> Change:
    return Change(T0_NS, kind, subject, severity, text or f"{kind} {subject}")


DISK, FEED, DEGRADED = change(), change("feed", "BTC"), change("degraded", "lab")


class Told:
    """A policy that is asked each second, and what it said."""

    def __init__(self, **section: Any) -> None:
        values = {"after_s": AFTER_S, "repeat_s": REPEAT_S, "per_hour_max": 30} | section
        self.section = AlertsSection(**values)
        self.policy = Policy(self.section, PolicyState())
        self.now_s = 0
        self.messages: list[tuple[int, Message]] = []

    def live(
        self,
        seconds: int,
        *troubles: Change,
        events: tuple[Change, ...] = (),
        is_settled: bool = True,
    ) -> list[str]:
        """Seconds during which these troubles last; the lines that were told meanwhile."""
        said = []
        for _ in range(seconds):
            self.now_s += 1
            message = self.policy.step(Sight(troubles, events, is_settled), T0_NS + self.now_s * S)
            events = ()
            if message is not None:
                self.messages.append((self.now_s, message))
                said += [f"{'over ' * item.is_over}{item.text}" for item in message.items]
        return said

    def restart(self) -> None:
        """The process is killed; another one reads what it has written."""
        raw = msgspec.json.encode(self.policy.state)
        self.policy = Policy(self.section, msgspec.json.decode(raw, type=PolicyState))


@pytest.fixture
def told() -> Told:
    return Told()


def test_trouble_that_lasts_is_told_once_and_once_when_it_is_over(told: Told) -> None:
    assert told.live(AFTER_S, DISK) == []
    assert told.live(600, DISK) == ["disk /d"]
    assert told.live(AFTER_S) == []
    assert told.live(60) == ["over disk /d"]
    (_, message), (_, resolved) = told.messages
    (item,) = resolved.items
    assert (message.severity, resolved.severity) == ("critical", "info")
    assert (item.is_over, item.lasted_s, item.began_ns) == (True, 610.0, T0_NS + S)
    assert message.id != resolved.id


def test_trouble_that_is_over_soon_is_not_told(told: Told) -> None:
    assert told.live(AFTER_S, DISK) + told.live(100) == []
    assert told.policy.state.troubles == []


def test_without_patience_it_is_told_at_once() -> None:
    told = Told(after_s=0)
    assert told.live(1, DISK) == ["disk /d"]
    assert told.live(1) == ["over disk /d"]


def test_trouble_that_lasts_is_told_again_now_and_then(told: Told) -> None:
    assert told.live(REPEAT_S + AFTER_S + 1, DISK) == ["disk /d"] * 2
    assert told.messages[1][1].items[0].lasted_s == REPEAT_S + AFTER_S


def test_what_is_back_before_it_was_told_over_goes_on(told: Told) -> None:
    told.live(20, DISK)
    assert told.live(AFTER_S - 1) + told.live(100, DISK) == []
    assert told.live(AFTER_S + 1) == ["over disk /d"]


def test_one_that_comes_back_has_to_last_longer_each_time(told: Told) -> None:
    waits = []
    for _ in range(4):
        began_s = told.now_s
        while told.live(1, DISK) != ["disk /d"]:
            pass
        waits.append(told.now_s - began_s - 1)
        told.live(AFTER_S + 1)
    assert waits == [AFTER_S, 4 * AFTER_S, 16 * AFTER_S, 64 * AFTER_S]
    told.live(REPEAT_S)
    assert told.live(AFTER_S + 1, DISK) == ["disk /d"], "and then it is forgotten"


def test_flap_that_was_held_back_is_counted_and_said_with_the_next_message(told: Told) -> None:
    told.live(20, DISK)
    told.live(AFTER_S + 1)
    for _ in range(3):
        assert told.live(15, DISK) + told.live(15) == []
    assert told.live(20, change("memory", "brain-0")) == ["memory brain-0"]
    assert told.messages[-1][1].held_back == 3
    assert told.policy.state.held_back_ever == 3
    assert told.live(11) == ["over memory brain-0"]
    assert told.messages[-1][1].held_back == 0


def test_kinds_that_are_for_the_log_alone_are_not_told(told: Told) -> None:
    quiet = (FEED, change("actor", "brain-0"))
    events = (change("gap", "BTC", severity="info"), change("instance", "lab", severity="info"))
    assert told.live(100, *quiet, events=events) == []


def test_what_is_due_together_is_one_message_the_gravest_first(told: Told) -> None:
    drift = change("drift", "BTC", severity="warning")
    assert told.live(20, drift, DISK) == ["disk /d", "drift BTC"]
    assert len(told.messages) == 1


def test_events_are_told_at_once_and_those_that_follow_are_added_up(told: Told) -> None:
    lost = (change("lost", "BTC"),)
    assert told.live(1, events=lost) == ["lost BTC"]
    assert told.live(10, events=lost) + told.live(10, events=lost) == []
    assert told.live(1, events=(change("lost", "ETH"),)) == ["lost ETH"]
    assert told.live(REPEAT_S) == ["lost BTC (and 1 more of this sort before)"]
    assert told.live(2 * REPEAT_S) == []
    assert told.policy.state.events == []


def test_above_so_many_an_hour_what_is_due_waits_and_what_ends_meanwhile_is_counted() -> None:
    told = Told(per_hour_max=2, after_s=0, repeat_s=100_000)
    first, second, third, fourth = (change("parked", name) for name in "abcd")
    assert told.live(1, first) == ["parked a"]
    assert told.live(1, first, second) == ["parked b"]
    assert told.live(60, first, second, third, fourth) == []
    assert told.live(60, first, fourth) == []
    said = told.live(3_600, first, fourth)
    assert said == ["parked d", "over parked b"], "that it is over waits too"
    assert told.messages[2][1].held_back == 1, "the third was over before there was room"


def test_a_message_has_an_end(told: Told) -> None:
    many = [change("parked", f"s{index}") for index in range(ITEMS_MAX + 5)]
    told.live(20, *many)
    ((_, message),) = told.messages
    assert (len(message.items), message.held_back) == (ITEMS_MAX, 5)


def test_killed_process_neither_repeats_nor_forgets(told: Told) -> None:
    told.live(AFTER_S + 1, DISK)
    told.restart()
    assert told.live(60, DISK) == []
    told.restart()
    assert told.live(60, is_settled=False) == [], "it cannot know yet"
    told.restart()
    assert told.live(AFTER_S + 1) == ["over disk /d"]
    told.live(5, change("memory", "x"))
    told.restart()
    assert told.live(6, change("memory", "x")) == ["memory x"]


def test_event_that_was_heard_and_not_told_outlives_the_process(told: Told) -> None:
    told.policy.hear(change("instance", "supervisor 7"))
    told.restart()
    assert told.live(1) == ["instance supervisor 7"]


def test_clock_that_is_set_back_mutes_nobody(told: Told) -> None:
    told.live(20, DISK)
    told.now_s -= 1_000_000
    assert told.live(REPEAT_S + 2, DISK) == ["disk /d"]
    assert told.live(AFTER_S + 2) == ["over disk /d"]
    told.live(1, change("memory", "x"))
    told.now_s -= 1_000_000
    assert told.live(AFTER_S + 2, change("memory", "x")) == ["memory x"]


def report(*reasons: str, **other: Any) -> StatusReport:
    made = stopped_report("lab", "1", "")
    made.state, made.reasons = "degraded", list(reasons)
    for name, value in other.items():
        setattr(made, name, value)
    return made


def test_degraded_is_told_with_the_reasons_of_now_that_no_other_kind_tells() -> None:
    facts = [FactDocument("disk", "/d", "the disk is full")]
    now = report("the disk is full", "a", "b", "c", "d", facts=facts)
    assert unexplained(now) == ["a", "b", "c", "d"]
    sight = seen([], [DEGRADED, DISK, FEED], now)
    assert [each.kind for each in sight.troubles] == ["disk", "degraded"]
    assert sight.troubles[1].text == "lab is degraded: a; b; c; and 1 more"
    assert sight.is_settled
    assert not seen([], [], report(state="starting")).is_settled


def test_degraded_with_nothing_of_its_own_is_not_told() -> None:
    facts = [FactDocument("disk", "/d", "the disk is full")]
    sight = seen([], [DEGRADED, DISK], report("the disk is full", facts=facts))
    assert [each.kind for each in sight.troubles] == ["disk"]


keys = st.tuples(st.sampled_from(("disk", "memory", "degraded")), st.sampled_from("ab"))
looks = st.lists(
    st.tuples(st.sets(keys, max_size=4), st.integers(1, 4_000), st.booleans()), max_size=12
)


@given(looks, st.integers(0, 20), st.integers(1, 4))
def test_each_resolved_follows_its_trouble_and_no_hour_has_too_many(
    seen_looks: list[tuple[set[tuple[Kind, str]], int, bool]], after_s: int, per_hour_max: int
) -> None:
    told = Told(after_s=after_s, per_hour_max=per_hour_max)
    open_keys: set[tuple[str, str]] = set()
    ended = [(set[tuple[Kind, str]](), 4_000, False)] * 12
    for present, seconds, kill in [*seen_looks, *ended]:
        if kill:
            told.restart()
        told.now_s += seconds - 1
        told.live(1, *[change(*key) for key in sorted(present)])
    for _, message in told.messages:
        for item in message.items:
            key = (item.kind, item.subject)
            if item.is_over:
                assert key in open_keys
                open_keys.remove(key)
            open_keys |= set() if item.is_over else {key}
    assert open_keys == set(), "everything that was told is told to be over"
    times = [at for at, _ in told.messages]
    assert all(b - a >= 3_600 for a, b in zip(times, times[per_hour_max:], strict=False))
