from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hunter.status.changes import (
    EVENTS_MAX,
    OTHERS,
    STARTING_S_MAX,
    SUBJECTS_MAX,
    Change,
    ChangeTracker,
)
from hunter.status.documents import FactDocument
from hunter.status.report import stopped_report
from hunter.status.shapes import ActorReport, FeedReport, StatusReport

T0_NS = 1_700_000_000_000_000_000
SECOND_NS = 1_000_000_000
BTC = "BTC-USDT-SWAP"


def actor(name: str, state: str = "ready", **other: Any) -> ActorReport:
    values: dict[str, Any] = {
        "role": name.partition("-")[0], "pid": 7, "active": True, "restarts": 0, "last_exit": None,
        "uptime_s": 9.0, "heartbeat_age_ms": 5.0, "rss_bytes": 1, "cpu_percent": 0.0, "errors": 0,
    }  # fmt: skip
    return ActorReport(name=name, state=state, **(values | other))


def feed(state: str = "live", instrument: str = BTC, **other: Any) -> FeedReport:
    values: dict[str, Any] = {
        "messages": 5, "age_ms": 1.0, "gaps": 0, "backfilled": 0, "duplicates": 0, "lost": 0,
        "malformed": 0, "lag_ms_p50": 1.0, "lag_ms_p99": 2.0, "mismatches": 0, "resync_ms": 0.0,
        "note": "", "channel": "trades", "actor": "stream-0",
    }  # fmt: skip
    return FeedReport(instrument=instrument, state=state, **(values | other))


def report(
    actors: Sequence[ActorReport] | None = None,
    feeds: Sequence[FeedReport] | None = None,
    **other: Any,
) -> StatusReport:
    made = stopped_report("lab", "1", "")
    made.state, made.pid, made.reasons = "running", 1, []
    made.actors = list(actors or (actor("stream-0"), actor("brain-0")))
    made.feeds = list((feed(),) if feeds is None else feeds)
    for name, value in other.items():
        setattr(made, name, value)
    if made.reasons and made.state == "running":
        made.state = "degraded"
    return made


WELL = report()


def told(*reports: StatusReport, after: StatusReport = WELL) -> list[Change]:
    """What is told of these, a second apart, by one who has seen `after`."""
    tracker = ChangeTracker()
    assert tracker.look(after, T0_NS) == []
    return [
        change
        for index, one in enumerate(reports)
        for change in tracker.look(one, T0_NS + (index + 1) * SECOND_NS)
    ]


def brief(changes: list[Change]) -> list[tuple[str, str, bool]]:
    return [(change.kind, change.subject, change.is_over) for change in changes]


def test_nothing_is_told_of_an_instance_that_is_well() -> None:
    assert told(WELL, report()) == []


def test_degraded_begins_with_its_reasons_and_ends_with_how_long_it_was() -> None:
    bad = report(reasons=["a is wrong", "b is wrong", "c is wrong", "d is wrong"])
    began, ended = told(bad, bad, WELL)
    assert began == Change(
        T0_NS + SECOND_NS,
        "degraded",
        "lab",
        "warning",
        "lab is degraded: a is wrong; b is wrong; c is wrong; and 1 more",
    )
    assert (ended.is_over, ended.text) == (True, "lab is well again, after 2.0 s")


def test_instance_that_does_not_get_started_is_told_of_after_a_while() -> None:
    young = report(state="starting", reasons=["no exchange"], uptime_s=STARTING_S_MAX)
    old = msgspec.structs.replace(young, uptime_s=STARTING_S_MAX + 1)
    assert told(young, after=young) == []
    (began,) = told(old, after=young)
    assert (began.kind, began.text) == ("degraded", "lab is starting: no exchange")


def test_trouble_that_is_there_at_the_first_look_is_told() -> None:
    assert [change.kind for change in ChangeTracker().look(report(reasons=["x"]), T0_NS)] == [
        "degraded"
    ]


def test_death_that_lasts_is_told_once_and_over_when_it_is_ready_again() -> None:
    exits = {"signal 9": 1}
    dead = actor("stream-0", "backoff", last_exit="signal 9", exits=exits)
    young = actor("stream-0", "starting", last_exit="signal 9", exits=exits, restarts=1)
    back = actor("stream-0", last_exit="signal 9", exits=exits, restarts=1)
    waits = [feed("connecting")]
    changes = told(report([dead], waits), report([young], waits), report([back]), report([back]))
    assert brief(changes) == [("actor", "stream-0", False), ("actor", "stream-0", True)]
    assert changes[0].text == "stream-0 ended: signal 9; see hunter logs stream-0"
    assert changes[1].text == "stream-0 is ready again, after 2.0 s"


def test_death_between_two_looks_is_told_with_its_end() -> None:
    back = actor("brain-0", restarts=1, last_exit="hang", exits={"hang": 1})
    changes = told(report([back]), after=report([actor("brain-0")]))
    assert brief(changes) == [("actor", "brain-0", False), ("actor", "brain-0", True)]
    assert changes[0].text == "brain-0 ended: hang; see hunter logs brain-0"


def test_actor_that_starts_for_the_first_time_is_no_trouble() -> None:
    young = report([actor("brain-0", "starting")], state="starting")
    assert told(young, after=young) == []


@pytest.mark.parametrize(
    ("state", "other", "text"),
    [
        ("stopped", {}, "brain-0 was stopped; start it: hunter restart brain-0"),
        ("degraded", {"heartbeat_age_ms": 2_500.0}, "brain-0: no beat for 2.5 s"),
    ],
)
def test_actor_away_for_other_reasons(state: str, other: dict[str, Any], text: str) -> None:
    (change,) = told(report([actor("brain-0", state, **other)]))
    assert change.text == text


def test_parked_actor_stays_parked_while_it_is_tried() -> None:
    parked = report([actor("brain-0", "parked", last_exit="exit 1", restarts=6)])
    tried = report([actor("brain-0", "starting", last_exit="exit 1", restarts=7)])
    changes = told(parked, tried, parked, WELL)
    assert brief(changes) == [
        ("actor", "brain-0", False),
        ("parked", "brain-0", False),
        ("actor", "brain-0", True),
        ("parked", "brain-0", True),
    ]
    assert changes[1].severity == "critical"
    assert changes[1].text == "brain-0 is parked after exit 1; see hunter deaths brain-0"


def test_instrument_that_is_parked_is_one_trouble_for_all_its_channels() -> None:
    feeds = [feed("parked", channel=channel, note="delisted") for channel in ("trades", "books")]
    changes = told(report(feeds=feeds), WELL)
    assert brief(changes) == [("parked", BTC, False), ("parked", BTC, True)]
    assert changes[0].text == f"{BTC} is parked: delisted"


def test_stale_feed() -> None:
    stale = report(feeds=[feed("stale"), feed("resync", channel="books")])
    changes = told(stale, report(feeds=[feed("stale")]), WELL)
    assert brief(changes) == [("feed", BTC, False), ("feed", BTC, True)]
    assert changes[0].text == f"{BTC}: trades stale, books resync"


def test_feed_that_waits_for_its_own_process_is_no_news_and_another_is() -> None:
    dead = actor("stream-0", "backoff", last_exit="hang", exits={"hang": 1})
    actors = [dead, actor("stream-1")]
    own = feed("connecting")
    other = feed("connecting", "ETH-USDT-SWAP", actor="stream-1")
    changes = told(report(actors, [own, other]), after=report([actor("stream-0")], []))
    assert brief(changes) == [("actor", "stream-0", False), ("feed", "ETH-USDT-SWAP", False)]


def test_feed_of_a_pair_is_news_while_the_stand_by_serves() -> None:
    dead = actor("stream-0", "backoff", active=False)
    changes = told(report([dead, actor("stream-0b")], [feed("stale")]))
    assert ("feed", BTC, False) in brief(changes)


def test_a_hundred_dead_feeds_are_a_few_changes() -> None:
    names = [f"C{index}-USDT" for index in range(100)]
    bad = [feed("connecting", name) for name in names]
    changes = told(report(feeds=bad), report(feeds=bad[1:]), report(feeds=bad[:1]), WELL)
    begun = [change for change in changes if not change.is_over]
    assert [change.subject for change in begun] == [*names[:SUBJECTS_MAX], OTHERS]
    assert begun[SUBJECTS_MAX].text == "92 more instruments are not live; see hunter status"
    assert len(changes) == 2 * len(begun)


def test_events_that_counters_tell() -> None:
    now = report(
        [actor("stream-0", active=False), actor("stream-0b", takeovers=1, takeover_ms=12.34)],
        [feed(gaps=2, backfilled=30, lost=4)],
    )
    changes = told(now, now, after=report([actor("stream-0"), actor("stream-0b")]))
    assert [(change.kind, change.subject, change.text) for change in changes] == [
        ("lost", BTC, f"{BTC} trades: 4 lost for good, 4 so far"),
        (
            "takeover",
            "stream-0b",
            "stream-0b took over the writing; the newest row was 12.3 ms old",
        ),
        ("gap", BTC, f"{BTC} trades: 2 gaps found, 30 backfilled"),
    ]


def test_counters_that_fall_or_begin_tell_nothing() -> None:
    before = report([actor("stream-0", takeovers=3)], [feed(gaps=5, lost=5)])
    assert told(report([actor("stream-0")], [feed()]), after=before) == []
    fresh = report([actor("stream-9", takeovers=3)], [feed(instrument="X-Y", lost=5)])
    assert told(fresh, after=before) == []


def test_many_events_are_few_lines_and_the_gravest_come_first() -> None:
    names = [f"C{index}-USDT" for index in range(50)]
    before = report(feeds=[feed(instrument=name) for name in names])
    now = report(feeds=[feed(instrument=name, gaps=1, lost=1) for name in names])
    changes = told(now, after=before)
    assert len(changes) == EVENTS_MAX
    assert {change.kind for change in changes} == {"lost"}
    assert changes[-1].text == "and more: 35 of kind lost, 50 of kind gap"


def test_facts_of_a_kind_are_troubles() -> None:
    disk = FactDocument("disk", "/data", "/data has 3 MB left")
    drift = FactDocument("drift", BTC, f"{BTC}: drift")
    changes = told(report(facts=[disk, drift]), WELL)
    assert [(one.kind, one.subject, one.severity, one.is_over) for one in changes] == [
        ("disk", "/data", "critical", False),
        ("drift", BTC, "warning", False),
        ("disk", "/data", "info", True),
        ("drift", BTC, "info", True),
    ]


def test_a_stop_is_told_and_leaves_troubles_as_they_are() -> None:
    bad = report(reasons=["x"])
    stopping = report([actor("brain-0", "stopped")], [], state="stopping")
    changes = told(bad, stopping, stopped_report("lab", "1", "it is not running"))
    assert [change.text for change in changes] == [
        "lab is degraded: x",
        "lab is being stopped",
        "lab is stopped",
    ]
    assert not any(change.is_over for change in changes)


def test_a_killed_instance_and_its_next_start() -> None:
    killed = stopped_report("lab", "1", "the supervisor (pid 1) was killed and took all with it")
    again = report(pid=2, state="starting", feeds=[feed(lost=9)])
    changes = told(killed, again, report(pid=2, feeds=[feed(lost=9)]))
    assert [(change.severity, change.text) for change in changes] == [
        ("critical", "lab was killed"),
        ("info", "lab was started, pid 2"),
        ("info", "lab is running"),
    ]


def test_wall_clock_set_back_gives_no_negative_time() -> None:
    tracker = ChangeTracker()
    tracker.look(report(reasons=["x"]), T0_NS)
    (ended,) = tracker.look(WELL, T0_NS - SECOND_NS)
    assert ended.text == "lab is well again"


actors = st.builds(
    actor,
    st.sampled_from(("stream-0", "stream-0b", "brain-0")),
    st.sampled_from(("ready", "degraded", "starting", "backoff", "parked", "stopped")),
    restarts=st.integers(0, 2),
    exits=st.dictionaries(st.just("hang"), st.integers(1, 3)),
    takeovers=st.integers(0, 2),
    heartbeat_age_ms=st.sampled_from((0.0, 5_000.0)),
)
feeds = st.builds(
    feed,
    st.sampled_from(("live", "stale", "resync", "connecting", "parked")),
    st.sampled_from([f"C{index}-USDT" for index in range(SUBJECTS_MAX + 3)]),
    gaps=st.integers(0, 2),
    lost=st.integers(0, 2),
)
facts = st.builds(
    FactDocument, st.sampled_from(("disk", "memory")), st.sampled_from("ab"), st.just("full")
)
reports = st.builds(
    report,
    st.lists(actors, min_size=1, max_size=3, unique_by=lambda one: one.name),
    st.lists(feeds, max_size=14, unique_by=lambda one: one.instrument),
    state=st.sampled_from(("starting", "running", "degraded", "stopping", "stopped")),
    pid=st.integers(1, 2),
    uptime_s=st.sampled_from((1.0, 100.0)),
    reasons=st.lists(st.just("x"), max_size=5),
    facts=st.lists(facts, max_size=4),
)


@given(st.lists(reports, max_size=8))
def test_every_trouble_that_began_ends_exactly_once(seen: list[StatusReport]) -> None:
    tracker = ChangeTracker()
    begun: set[tuple[str, str]] = set()
    for index, one in enumerate([*seen, WELL]):
        for change in tracker.look(one, T0_NS + index * SECOND_NS):
            key = (change.kind, change.subject)
            if change.is_over:
                assert key in begun, change
                begun.remove(key)
            elif change.kind not in ("instance", "takeover", "gap", "lost"):
                assert key not in begun, change
                begun.add(key)
        assert begun == {(one.kind, one.subject) for one in tracker.open_troubles}
    assert begun == set()


@given(reports)
def test_equal_reports_tell_nothing(one: StatusReport) -> None:
    tracker = ChangeTracker()
    tracker.look(one, T0_NS)
    again = msgspec.json.decode(msgspec.json.encode(one), type=StatusReport)
    assert tracker.look(again, T0_NS + SECOND_NS) == []
