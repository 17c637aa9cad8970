from __future__ import annotations

import os
from typing import Any

import pytest

from hunter.status.documents import (
    AlertsDocument,
    BrainDocument,
    ChildDocument,
    FactDocument,
    StoreDocument,
    StoreTableDocument,
    SupervisorDocument,
)
from hunter.status.page import ActorState, Beat
from hunter.status.reasons import (
    actor_reasons,
    alerts_notices,
    brain_drifts,
    elapsed_ms,
    feed_reasons,
    store_reasons,
    supervisor_notices,
    supervisor_reasons,
)
from hunter.status.shapes import ActorReport, FeedReport

NOW_NS = 500_000_000_000
SECOND_NS = 1_000_000_000


def beat(age_ns: int) -> Beat:
    """This process's, which nobody has stopped."""
    return Beat(os.getpid(), 1, ActorState.READY, NOW_NS - age_ns, 0, 0, 0, 0, 0, 0)


def actor(state: str, last_exit: str | None = None, late_ms: float = 0.0) -> ActorReport:
    return ActorReport(
        "brain-0", "brain", 7, state, True, 0, last_exit, 1.0, late_ms, 0, 0.0, 0
    )  # fmt: skip


def child(**other: Any) -> ChildDocument:
    return ChildDocument("brain-0", "brain", "ready", 7, **other)


def feed(name: str, state: str = "stale", note: str = "", age_ms: float = 4_000.0) -> FeedReport:
    return FeedReport(name, "trades", state, 0, age_ms, 0, 0, 0, 0, 0, 0.0, 0.0, 0, 0.0, note)


@pytest.mark.parametrize(
    ("report", "told"),
    [
        (actor("ready"), []),
        (actor("ready", late_ms=1_600.0), ["brain-0: no beat for 1.6 s"]),
        (actor("degraded", late_ms=1_600.0), ["brain-0: no beat for 1.6 s"]),
        (actor("degraded"), []),
        (actor("starting"), ["brain-0 is starting"]),
        (actor("starting", "hang"), ["brain-0 is starting after hang"]),
        (actor("backoff", "exit 1"), ["brain-0 waits to be restarted after exit 1"]),
        (
            actor("parked", "exit 78"),
            [
                "brain-0 is parked after exit 78, and not tried again until hunter restart brain-0;"
                " see hunter deaths brain-0 and hunter logs brain-0"
            ],
        ),
        (
            actor("parked", "exit 1"),
            [
                "brain-0 is parked after exit 1, and tried again each minute;"
                " see hunter deaths brain-0 and hunter logs brain-0"
            ],
        ),
        (actor("stopped"), ["brain-0 is stopped"]),
    ],
)
def test_actor_has_one_sentence_for_its_state(report: ActorReport, told: list[str]) -> None:
    assert actor_reasons(child(), report, NOW_NS) == told


def test_operators_stop_and_a_signals_stop_are_told_before_everything_else() -> None:
    late = actor("ready", late_ms=9_000.0)
    stopped = child(stopped_since_ns=NOW_NS - 400_000_000)
    assert actor_reasons(stopped, late, NOW_NS) == [
        "brain-0 has been stopped by a signal for 0.4 s: kill -CONT 7, or it is replaced soon"
    ]
    (told,) = actor_reasons(child(wanted=False, stopped_since_ns=1), late, NOW_NS)
    assert told.endswith("by the operator; start it: hunter restart brain-0")


def test_supervisor_that_is_late_says_so() -> None:
    assert supervisor_reasons(beat(3 * SECOND_NS), NOW_NS) == []
    assert supervisor_reasons(beat(4 * SECOND_NS), NOW_NS) == [
        "the supervisor does not answer: no beat for 4.0 s"
    ]


def test_deaths_that_were_not_recorded_are_a_notice() -> None:
    assert supervisor_notices(SupervisorDocument("running", "1")) == []
    full = SupervisorDocument("running", "1", deaths_unwritten=2)
    assert supervisor_notices(full) == ["2 deaths could not be recorded: was the disk full?"]


def test_alerts_that_do_not_arrive_are_a_notice() -> None:
    assert alerts_notices(None) == alerts_notices(AlertsDocument(sent=3)) == []
    assert alerts_notices(AlertsDocument(trouble="webhook: HTTP 500", waiting=2)) == [
        "alerts cannot be told, 2 wait: webhook: HTTP 500"
    ]


def test_drifts_are_facts_of_their_instruments() -> None:
    brain = BrainDocument(drifts=("A-B: drift: x", "others: 3 more"))
    assert brain_drifts(brain) == [
        FactDocument("drift", "A-B", "A-B: drift: x"),
        FactDocument("drift", "others", "others: 3 more"),
    ]


def test_a_store_that_cannot_write_says_why_and_how_much_waits() -> None:
    tables = (StoreTableDocument("trades", waiting=3), StoreTableDocument("books", waiting=4))
    full = StoreDocument(tables, trouble="/d: No space left on device")
    assert store_reasons(full) == [
        "store: /d: No space left on device; 7 rows wait; tried again until it can be"
    ]
    assert store_reasons(StoreDocument(tables)) == store_reasons(None) == []


def test_feeds_are_told_unless_they_live_or_the_tree_is_starting() -> None:
    assert feed_reasons([feed("A"), feed("B", "live"), feed("C", "connecting", age_ms=0)], "x") == [
        "A trades: stale, 4.0 s without data",
        "C trades: connecting",
    ]
    assert feed_reasons([feed("A")], "starting") == []


def test_parked_instrument_is_one_fact() -> None:
    parked = [feed("A", "parked", "not listed")] * 3
    assert feed_reasons(parked, "running") == ["A is parked: not listed"]


@pytest.mark.parametrize(("count", "lines"), [(8, 8), (9, 8), (300, 8)])
def test_many_feeds_are_few_lines(count: int, lines: int) -> None:
    told = feed_reasons([feed(f"I{number}") for number in range(count)], "running")
    assert len(told) == lines
    if count > lines:
        assert told[-1] == f"and {count - 7} more feeds that are not live"


def test_time_does_not_run_backwards() -> None:
    assert elapsed_ms(5, 5 + 2_500_000) == 2.5
    assert elapsed_ms(10, 5) == 0.0
