from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import pytest

from hunter.config import cpus_text
from hunter.ring import segment
from hunter.ring.layout import RingLayout, capacities_of
from hunter.ring.rows import Kind
from hunter.ring.writer import RingWriter
from hunter.status import block, documents
from hunter.status.block import SUPERVISOR, StatusBlock
from hunter.status.documents import ChildDocument, FeedDocument, StreamDocument
from hunter.status.latency import Latencies, Stage
from hunter.status.page import ActorState, process_start_ticks
from hunter.status.report import StatusReport, make_report, stopped_report

NOW_WALL_NS = 1_700_000_000_000_000_000
NOW_NS = 500_000_000_000
SECOND_NS = 1_000_000_000
ROLES = {"stream-0": "stream", "brain-0": "brain", "watchdog": "watchdog"}


@dataclass
class Instance:
    """An instance as its pages tell it; every actor is this process unless said otherwise."""

    status: StatusBlock
    tree_state: str = "running"
    children: dict[str, ChildDocument] = field(default_factory=dict)
    rings: list[tuple[segment.Segment, RingLayout]] = field(default_factory=list)

    def live(self, name: str, state: ActorState = ActorState.READY, age_ns: int = 0) -> None:
        page = self.status.pages[name]
        page.store("pid", os.getpid())
        page.store("process_start", process_start_ticks(os.getpid()))
        page.store("state", state)
        page.store("beat_monotonic_ns", NOW_NS - age_ns)
        page.store("started_wall_ns", NOW_WALL_NS - 9 * SECOND_NS)
        page.store("rss_bytes", 1000)
        page.store("cpu_permille", 123)

    def say(self, name: str, document: msgspec.Struct) -> None:
        self.status.pages[name].write_document(documents.encode(document))

    def child(self, name: str, state: str = "ready", **other: Any) -> None:
        values = {"pid": os.getpid(), "started_wall_ns": NOW_WALL_NS - 5 * SECOND_NS} | other
        self.children[name] = ChildDocument(name, ROLES[name], state, **values)

    def report(self) -> StatusReport:
        children = tuple(self.children.values())
        self.say(SUPERVISOR, documents.SupervisorDocument(self.tree_state, "1.2", children))
        return make_report(self.status, self.rings, NOW_WALL_NS, NOW_NS)

    def actor(self, name: str) -> Any:
        return next(actor for actor in self.report().actors if actor.name == name)


@pytest.fixture
def instance(status: StatusBlock) -> Instance:
    """All is well."""
    made = Instance(status)
    made.live(SUPERVISOR)
    for name in ROLES:
        made.live(name)
        made.child(name)
    made.say("stream-0", StreamDocument(feeds=(feed(),)))
    return made


@pytest.fixture
def dead_pid() -> int:
    with subprocess.Popen([sys.executable, "-S", "-c", ""]) as process:
        pass
    return process.pid


def feed(state: str = "live", instrument: str = "BTC-USDT-SWAP", **other: Any) -> FeedDocument:
    values = {"last_data_ns": NOW_NS - 250_000_000} | other
    return FeedDocument(instrument, "trades", state, **values)


def test_running_instance(instance: Instance) -> None:
    report = instance.report()
    assert (report.schema, report.state, report.name, report.version) == (
        1,
        "running",
        "lab",
        "1.2",
    )
    assert report.reasons == []
    assert (report.pid, report.uptime_s) == (os.getpid(), 9.0)
    actor = report.actors[0]
    assert msgspec.structs.asdict(actor) == {
        "name": "stream-0", "role": "stream", "pid": os.getpid(), "state": "ready", "active": True,
        "restarts": 0, "last_exit": None, "uptime_s": 5.0, "heartbeat_age_ms": 0.0,
        "rss_bytes": 1000, "cpu_percent": 12.3, "errors": 0,
        "takeovers": 0, "takeover_ms": 0.0, "exits": {},
        "cpus": cpus_text(os.sched_getaffinity(0)),
    }  # fmt: skip
    assert report.memory.rss_bytes == 4000
    assert report.memory.shared_bytes == instance.status.total_bytes


def test_report_is_json(instance: Instance) -> None:
    raw = msgspec.json.encode(instance.report())
    assert msgspec.json.decode(raw, type=StatusReport) == instance.report()


def test_starting_tree(instance: Instance) -> None:
    instance.tree_state = "starting"
    instance.say("stream-0", StreamDocument(feeds=(feed("connecting"),)))
    report = instance.report()
    assert report.state == "starting"
    assert report.reasons == [], "a feed that connects at the start is no news"


def test_actor_that_was_never_ready_makes_the_instance_starting(instance: Instance) -> None:
    instance.child("brain-0", "starting")
    report = instance.report()
    assert report.state == "starting"
    assert report.reasons == ["brain-0 is starting"]


def test_actor_that_loops_but_is_not_subscribed_is_starting(instance: Instance) -> None:
    instance.live("stream-0", ActorState.STARTING)
    assert instance.actor("stream-0").state == "starting"
    assert instance.report().state == "starting"


def test_restarted_actor_makes_the_instance_degraded(instance: Instance) -> None:
    instance.child("brain-0", "starting", restarts=1, last_exit="signal 9")
    report = instance.report()
    assert report.state == "degraded"
    assert report.reasons == ["brain-0 is starting after signal 9"]


@pytest.mark.parametrize(
    ("state", "reason"),
    [
        (
            "parked",
            "brain-0 is parked after exit 1, and tried again each minute;"
            " see hunter deaths brain-0 and hunter logs brain-0",
        ),
        ("backoff", "brain-0 waits to be restarted after exit 1"),
        ("stopped", "brain-0 is stopped after exit 1"),
    ],
)
def test_supervisor_speaks_for_an_actor_that_is_not_there(
    instance: Instance, state: str, reason: str
) -> None:
    instance.child("brain-0", state, pid=0, restarts=5, last_exit="exit 1")
    report = instance.report()
    assert report.state == "degraded"
    assert report.reasons == [reason]
    actor = instance.actor("brain-0")
    assert (actor.state, actor.uptime_s, actor.rss_bytes) == (state, 0.0, 0)


def test_page_of_the_predecessor_does_not_count(instance: Instance, dead_pid: int) -> None:
    """The new process has said ready, its page still is the old one's."""
    instance.child("brain-0", pid=dead_pid, restarts=1)
    actor = instance.actor("brain-0")
    assert (actor.state, actor.heartbeat_age_ms) == ("starting", 0.0)


def test_actor_killed_before_the_supervisor_noticed_is_not_ready(
    instance: Instance, dead_pid: int
) -> None:
    instance.status.pages["brain-0"].store("pid", dead_pid)
    instance.child("brain-0", pid=dead_pid)
    assert instance.actor("brain-0").state == "starting"


def test_actor_with_a_stale_beat_is_degraded(instance: Instance) -> None:
    instance.live("brain-0", age_ns=2_500_000_000)
    report = instance.report()
    assert report.state == "degraded"
    assert report.reasons == ["brain-0: no beat for 2.5 s"]
    actor = instance.actor("brain-0")
    assert (actor.state, actor.heartbeat_age_ms) == ("degraded", 2500.0)


def test_beat_from_the_future_has_no_age(instance: Instance) -> None:
    instance.live("brain-0", age_ns=-SECOND_NS)
    assert instance.actor("brain-0").heartbeat_age_ms == 0.0


def test_degraded_actor_and_its_feed(instance: Instance) -> None:
    instance.live("stream-0", ActorState.DEGRADED)
    instance.say("stream-0", StreamDocument(feeds=(feed("stale"), feed("live", "ETH-USDT"))))
    report = instance.report()
    assert report.state == "degraded"
    assert report.reasons == ["BTC-USDT-SWAP trades: stale, 0.2 s without data"]
    assert instance.actor("stream-0").state == "degraded"


def test_degraded_actor_without_a_reason_of_its_own_is_named(instance: Instance) -> None:
    instance.live("brain-0", ActorState.DEGRADED)
    report = instance.report()
    assert report.state == "degraded"
    assert report.reasons == ["brain-0 is degraded"]


@pytest.mark.parametrize("state", ["stopping", "stopped"])
def test_stopping_tree(instance: Instance, state: str) -> None:
    instance.tree_state = state
    assert instance.report().state == state


def test_killed_supervisor(instance: Instance, dead_pid: int) -> None:
    instance.status.pages[SUPERVISOR].store("pid", dead_pid)
    instance.say("watchdog", documents.WatchdogDocument(("never mind",)))
    report = instance.report()
    assert report.state == "stopped"
    assert [f"pid {dead_pid}" in reason for reason in report.reasons] == [True]
    assert (report.pid, report.uptime_s, report.memory.rss_bytes) == (0, 0.0, 0)
    assert {actor.state for actor in report.actors} == {"stopped"}
    assert {actor.pid for actor in report.actors} == {0}
    assert [item.state for item in report.feeds] == ["connecting"]


def test_supervisor_that_has_not_signed_its_page_yet(status: StatusBlock) -> None:
    report = make_report(status, [], NOW_WALL_NS, NOW_NS)
    assert report.state == "stopped"
    assert report.reasons == ["the supervisor is about to start"]


def test_stopped_supervisor_is_told_at_once(instance: Instance) -> None:
    with subprocess.Popen([sys.executable, "-S", "-c", "input()"], stdin=subprocess.PIPE) as other:
        page = instance.status.pages[SUPERVISOR]
        page.store("pid", other.pid)
        page.store("process_start", process_start_ticks(other.pid))
        other.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, other.pid, os.WSTOPPED | os.WNOWAIT)
        report = instance.report()
        other.kill()
    assert report.state == "degraded"
    assert report.reasons == [
        "the supervisor does not answer: it is stopped by a signal;"
        f" let it go on: kill -CONT {other.pid}"
    ]


def test_deaths_that_could_not_be_recorded_are_told(instance: Instance) -> None:
    children = tuple(instance.children.values())
    document = documents.SupervisorDocument("running", "1", children, deaths_unwritten=3)
    instance.say(SUPERVISOR, document)
    report = make_report(instance.status, [], NOW_WALL_NS, NOW_NS)
    assert report.notices == ["3 deaths could not be recorded: was the disk full?"]
    assert report.reasons == []


def test_actor_stopped_by_the_operator_says_how_to_start_it(instance: Instance) -> None:
    instance.child("brain-0", "stopped", pid=0, wanted=False, last_exit="exit 0")
    report = instance.report()
    assert report.state == "degraded"
    assert report.actors[1].state == "stopped"
    assert report.reasons == [
        "brain-0 was stopped by the operator; start it: hunter restart brain-0"
    ]


def test_actor_on_its_way_down_for_the_operator_says_so(instance: Instance) -> None:
    instance.child("brain-0", "stopping", wanted=False)
    report = instance.report()
    assert report.actors[1].state == "stopped"
    assert report.reasons == [
        "brain-0 is being stopped by the operator; start it: hunter restart brain-0"
    ]


def test_actor_stopped_by_a_signal_is_told_instead_of_its_late_beat(instance: Instance) -> None:
    instance.live("stream-0", age_ns=1_400_000_000)
    instance.child("stream-0", stopped_since_ns=NOW_NS - 1_400_000_000)
    assert instance.report().reasons == [
        f"stream-0 has been stopped by a signal for 1.4 s: kill -CONT {os.getpid()},"
        " or it is replaced soon"
    ]


def test_ends_are_counted_by_cause(instance: Instance) -> None:
    instance.child("brain-0", restarts=3, exits={"signal": 2, "hang": 1})
    assert instance.actor("brain-0").exits == {"signal": 2, "hang": 1}


def test_wedged_supervisor_is_told(instance: Instance) -> None:
    instance.live(SUPERVISOR, age_ns=4 * SECOND_NS)
    report = instance.report()
    assert report.state == "degraded"
    assert report.reasons == ["the supervisor does not answer: no beat for 4.0 s"]


def test_feed_fields(instance: Instance) -> None:
    counts = {"messages": 9, "gaps": 1, "backfilled": 2, "duplicates": 3, "lost": 4, "malformed": 5}
    whole = feed(**counts, lag_ms_p99=7.5, mismatches=2, resync_ms=80.0)
    instance.say("stream-0", StreamDocument(feeds=(whole,)))
    assert msgspec.structs.asdict(instance.report().feeds[0]) == {
        "instrument": "BTC-USDT-SWAP", "channel": "trades", "state": "live", "messages": 9,
        "age_ms": 250.0, "gaps": 1, "backfilled": 2, "duplicates": 3, "lost": 4, "malformed": 5,
        "lag_ms_p50": 0.0, "lag_ms_p99": 7.5, "mismatches": 2, "resync_ms": 80.0, "note": "",
        "actor": "stream-0",
    }  # fmt: skip


def test_feed_without_data_yet_has_no_age(instance: Instance) -> None:
    instance.say("stream-0", StreamDocument(feeds=(feed("connecting", last_data_ns=0),)))
    report = instance.report()
    assert report.feeds[0].age_ms is None
    assert report.reasons == ["BTC-USDT-SWAP trades: connecting"]


def test_feeds_of_a_dead_stream_are_connecting_except_parked_ones(
    instance: Instance, dead_pid: int
) -> None:
    instance.say("stream-0", StreamDocument(feeds=(feed("live"), feed("parked", "XYZ-USDT"))))
    instance.status.pages["stream-0"].store("pid", dead_pid)
    assert [item.state for item in instance.report().feeds] == ["connecting", "parked"]


def test_many_feeds_in_trouble_are_few_lines(instance: Instance) -> None:
    feeds = tuple(feed("stale", f"A{number}-USDT") for number in range(100))
    instance.say("stream-0", StreamDocument(feeds=feeds))
    report = instance.report()
    assert len(report.feeds) == 100
    assert len(report.reasons) == 8
    assert report.reasons[-1] == "and 93 more feeds that are not live"


def test_stream_that_does_not_write_shows_its_feeds_while_nobody_does(instance: Instance) -> None:
    connection = documents.ConnectionDocument("wss://x", "open", 3, "1001")
    document = StreamDocument(active=False, feeds=(feed(),), connections=(connection,))
    instance.say("stream-0", document)
    report = instance.report()
    assert len(report.feeds) == 1
    assert not report.actors[0].active
    assert msgspec.structs.astuple(report.connections[0]) == (
        "stream-0", "wss://x", "open", 3, "1001",
    )  # fmt: skip


def test_connection_of_a_dead_stream_is_closed(instance: Instance, dead_pid: int) -> None:
    connection = documents.ConnectionDocument("wss://x", "open", 3)
    instance.say("stream-0", StreamDocument(connections=(connection,)))
    instance.status.pages["stream-0"].store("pid", dead_pid)
    assert instance.report().connections[0].state == "closed"


@pytest.mark.parametrize(
    ("state", "reason"),
    [
        ("backoff", ["stream-0 waits to be restarted after signal 9"]),
        ("starting", ["stream-0 is starting after signal 9"]),
    ],
)
def test_stream_that_is_down_is_one_fact_and_its_feeds_are_none(
    instance: Instance, dead_pid: int, state: str, reason: list[str]
) -> None:
    pid = 0 if state == "backoff" else os.getpid()
    instance.child("stream-0", state, pid=pid, restarts=1, last_exit="signal 9")
    instance.say("stream-0", StreamDocument(feeds=(feed("live"), feed("live", "ETH-USDT"))))
    instance.status.pages["stream-0"].store("pid", dead_pid)
    assert instance.report().reasons == reason
    assert [item.state for item in instance.report().feeds] == ["connecting"] * 2


def test_feeds_of_a_live_stream_or_of_a_death_that_nobody_told_yet_are_told(
    instance: Instance, dead_pid: int
) -> None:
    instance.say("stream-0", StreamDocument(feeds=(feed("stale"),)))
    told = ["BTC-USDT-SWAP trades: stale, 0.2 s without data"]
    assert instance.report().reasons == told
    instance.child("brain-0", "backoff", pid=0, last_exit="exit 1")
    assert instance.report().reasons == ["brain-0 waits to be restarted after exit 1", *told]
    instance.live("stream-0", age_ns=1_400_000_000)
    late = "stream-0: no beat for 1.4 s"
    assert instance.report().reasons[0] == late, "it is there: its feeds are facts of their own"
    assert told[0] in instance.report().reasons


def test_watchdogs_reasons_are_told_once(instance: Instance) -> None:
    instance.say("watchdog", documents.WatchdogDocument(("brain-0 falls behind",) * 2))
    report = instance.report()
    assert report.state == "degraded"
    assert report.reasons == ["brain-0 falls behind"]


def test_brain_is_told(instance: Instance) -> None:
    document = documents.BrainDocument(
        documents.BrainInputs(1, 2, 3, 4), 5, 6, 7, True, documents.Percentiles(1.0, 2.0, 3.0)
    )
    instance.say("brain-0", document)
    brain = instance.report().brain
    assert brain.inputs == {"trades": 1, "tickers": 2, "books": 3, "bbo": 4}
    assert (brain.decisions, brain.signals, brain.lapped, brain.warm) == (5, 6, 7, True)
    assert brain.latency_us.p999 == 3.0


def test_documents_of_another_shape_are_left_out(instance: Instance) -> None:
    for name in ROLES:
        instance.status.pages[name].write_document(b"not json")
    report = instance.report()
    assert report.state == "running"
    assert (report.feeds, report.brain.decisions) == ([], 0)


@pytest.fixture
def ring(shm_dir: Path, instance: Instance) -> Iterator[Callable[[], None]]:
    """A ring of the instance; call it to publish a trade of the second instrument."""
    capacities = capacities_of({Kind.TRADE: 64})
    layout = RingLayout(("BTC-USDT-SWAP", "ETH-USDT"), capacities, created_wall_ns=1)
    path = shm_dir / "ring-0"
    segment.create(path, layout.total_bytes, layout.write_header).close()
    writer = RingWriter(path, 1)
    shared = segment.attach(path)
    instance.rings.append((shared, layout))

    def trade() -> None:
        writer.put_trade(1, 1, (1, 1, 1.0, 1.0, 1, 1))
        writer.publish()

    yield trade
    shared.close()
    writer.close()


def test_companions_are_told_when_they_are_there(instance: Instance) -> None:
    said = documents.WebDocument(url="http://127.0.0.1:8787", viewers=2)
    instance.children["watchdog"] = ChildDocument("watchdog", "web", "ready")
    instance.say("watchdog", said)
    report = instance.report()
    assert report.web == said
    assert (report.alerts, report.store) == (None, None)


def test_rings_are_told(instance: Instance, ring: Callable[[], None]) -> None:
    ring()
    ring()
    rings = [msgspec.structs.astuple(item) for item in instance.report().rings]
    assert rings == [("BTC-USDT-SWAP", 64, 0, 4096), ("ETH-USDT", 64, 2, 4096)]
    assert instance.report().memory.shared_bytes > instance.status.total_bytes


def test_stopped_report_has_the_whole_shape() -> None:
    report = stopped_report("lab", "1.2", "not running")
    assert (report.state, report.name, report.pid) == ("stopped", "lab", 0)
    assert report.reasons == ["not running"]
    assert msgspec.json.decode(msgspec.json.encode(report), type=StatusReport) == report


def test_latencies_are_those_of_the_stages_pages_also_when_nobody_is_left(
    instance: Instance,
) -> None:
    streams = Latencies(instance.status.pages["stream-0"])
    brain = Latencies(instance.status.pages["brain-0"])
    streams.record(Stage.EXCHANGE_TO_RECEIVE, 3_000_000, 5)
    streams.record(Stage.RECEIVE_TO_RING, 15, 99)
    streams.record(Stage.RECEIVE_TO_RING, 900_000)
    brain.record(Stage.RECEIVE_TO_BRAIN, 40_000)
    brain.record(Stage.RECEIVE_TO_SIGNAL, 200_000)
    instance.status.pages["stream-0"].store("pid", 0)
    found = instance.report().latency_us
    assert {name: (item.recent, item.count) for name, item in found.items()} == {
        "exchange_to_receive": (5, 5),
        "receive_to_ring": (100, 100),
        "receive_to_brain": (1, 1),
        "receive_to_signal": (1, 1),
    }
    ring = found["receive_to_ring"]
    assert (ring.p50, ring.p99) == (0.015, 0.015)
    assert ring.p999 == pytest.approx(900, rel=1 / 16)
    assert ring.sum == pytest.approx(900 + 99 * 0.015, rel=1 / 32)


def test_latencies_of_shards_are_one(shm_dir: Path) -> None:
    with contextlib.closing(block.create(shm_dir, "x", ["stream-0", "stream-1"], 4000, 1)) as made:
        found = Instance(made)
        for name in ("stream-0", "stream-1"):
            found.children[name] = ChildDocument(name, "stream", "ready")
            Latencies(made.pages[name]).record(Stage.RECEIVE_TO_RING, 1_000, 3)
        assert found.report().latency_us["receive_to_ring"].count == 6
