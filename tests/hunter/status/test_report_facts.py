"""Facts in the report: those of the watchdog are reasons too, those of the brain are notices."""

from __future__ import annotations

import os

import pytest

from hunter.status.block import SUPERVISOR, StatusBlock
from hunter.status.documents import (
    BrainDocument,
    ChildDocument,
    FactDocument,
    FeedDocument,
    StreamDocument,
    SupervisorDocument,
    WatchdogDocument,
    encode,
)
from hunter.status.page import ActorState, process_start_ticks
from hunter.status.report import StatusReport, make_report

NOW_NS = 500_000_000_000
ROLES = {"stream-0": "stream", "brain-0": "brain", "watchdog": "watchdog"}


@pytest.fixture
def status_of_all(status: StatusBlock) -> StatusBlock:
    """Everybody is this process, and well."""
    for name in (SUPERVISOR, *ROLES):
        page = status.pages[name]
        page.store("pid", os.getpid())
        page.store("process_start", process_start_ticks(os.getpid()))
        page.store("state", ActorState.READY)
        page.store("beat_monotonic_ns", NOW_NS)
    children = tuple(
        ChildDocument(name, role, "ready", pid=os.getpid()) for name, role in ROLES.items()
    )
    status.pages[SUPERVISOR].write_document(encode(SupervisorDocument("running", "1", children)))
    return status


def look(status: StatusBlock) -> StatusReport:
    return make_report(status, [], NOW_NS, NOW_NS)


def test_drift_is_a_notice_and_no_reason(status_of_all: StatusBlock) -> None:
    text = "BTC-USDT-SWAP: drift: more confidence is asked for"
    status_of_all.pages["brain-0"].write_document(encode(BrainDocument(drifts=(text,))))
    report = look(status_of_all)
    assert (report.state, report.reasons, report.notices) == ("running", [], [text])
    assert report.facts == [FactDocument("drift", "BTC-USDT-SWAP", text)]


def test_facts_of_the_watchdog_come_with_its_reasons(status_of_all: StatusBlock) -> None:
    fact = FactDocument("disk", "/data", "/data is full")
    document = WatchdogDocument((fact.text,), facts=(fact,))
    status_of_all.pages["watchdog"].write_document(encode(document))
    report = look(status_of_all)
    assert (report.state, report.reasons, report.facts) == ("degraded", [fact.text], [fact])


def test_feed_names_its_stream_process(status_of_all: StatusBlock) -> None:
    document = StreamDocument(feeds=(FeedDocument("BTC-USDT-SWAP", "trades", "live"),))
    status_of_all.pages["stream-0"].write_document(encode(document))
    assert [each.actor for each in look(status_of_all).feeds] == ["stream-0"]
