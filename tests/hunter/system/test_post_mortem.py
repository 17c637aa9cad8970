from __future__ import annotations

import os
import struct
from pathlib import Path

import pytest
from fakes.actor_stage import HandClock, Stage

from hunter.ring.layout import RingLayout
from hunter.ring.rows import Kind
from hunter.ring.writer import RingWriter
from hunter.runtime.logs import log_path
from hunter.status.deaths import DeathLog, DeathRecord, RingPosition, read_deaths
from hunter.system.post_mortem import PostMortem, row_count
from hunter.system.shared import Prepared
from supervisor.events import Report, ReportKind

DIED = Report(ReportKind.DIED, "brain-0", "signal 9", 77, 1_500_000_000, False, "signal")
STARTED = Report(ReportKind.STARTED, "brain-0", pid=77)


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def post_mortem(stage: Stage, prepared: Prepared, clock: HandClock) -> PostMortem:
    stage.config.log_dir.mkdir(parents=True)
    return PostMortem(prepared, DeathLog(stage.config.log_dir), clock)


def only(stage: Stage) -> DeathRecord:
    (record,) = read_deaths(stage.config.log_dir)
    return record


def test_record_says_what_the_dead_left(
    stage: Stage, prepared: Prepared, clock: HandClock, post_mortem: PostMortem
) -> None:
    log = log_path(stage.config.log_dir, "brain-0")
    log.write_text("of another life\n")
    post_mortem.hear(STARTED, stopping=False)
    post_mortem.hear(STARTED, stopping=False)
    with log.open("a") as file:
        file.write("the last words\n")
    page = prepared.status.pages["brain-0"]
    for name, value in (("pid", 77), ("rss_bytes", 5000), ("cpu_permille", 12), ("progress", 9)):
        page.store(name, value)
    writer = RingWriter(stage.ring_path(), 1)
    for instrument in (0, 0, 1):
        writer.put_trade(instrument, 1, (5, 1, 1.0, 1.0, 1, 1))
    writer.publish()
    writer.close()
    post_mortem.hear(DIED, stopping=False)
    assert only(stage) == DeathRecord(
        actor="brain-0",
        role="brain",
        pid=77,
        restarts=1,
        last_exit="signal 9",
        cause="signal",
        asked=False,
        at_ns=clock.wall_ns(),
        at_monotonic_ns=clock.monotonic_ns(),
        uptime_s=1.5,
        rss_bytes=5000,
        cpu_percent=1.2,
        progress=9,
        rings=(RingPosition("ring-0", 3),),
        log=("the last words",),
    )


@pytest.mark.parametrize(
    ("before", "died", "detail"),
    [
        (
            Report(ReportKind.HUNG, "brain-0", "stopped by signal 19 for 1.0 s"),
            Report(ReportKind.DIED, "brain-0", "hang", 77, 1, False, "hang"),
            "stopped by signal 19 for 1.0 s",
        ),
        (
            Report(ReportKind.HUNG, "brain-0", "hang"),
            Report(ReportKind.DIED, "brain-0", "hang", 77, 1, False, "hang"),
            "",
        ),
        (
            Report(ReportKind.RESTARTING, "brain-0", "memory"),
            Report(ReportKind.DIED, "brain-0", "signal 11", 77, 1, False, "signal"),
            "memory",
        ),
        (
            Report(ReportKind.RESTARTING, "brain-0", "operator"),
            Report(ReportKind.DIED, "brain-0", "exit 0", 77, 1, True, "asked"),
            "",
        ),
        (Report(ReportKind.HUNG, "stream-0", "stopped by signal 19 for 1.0 s"), DIED, ""),
    ],
)
def test_record_keeps_what_the_exit_does_not_say(
    stage: Stage, post_mortem: PostMortem, before: Report, died: Report, detail: str
) -> None:
    for report in (STARTED, before, died):
        post_mortem.hear(report, stopping=False)
    assert only(stage).detail == detail
    post_mortem.hear(STARTED, stopping=False)
    post_mortem.hear(DIED, stopping=False)
    assert read_deaths(stage.config.log_dir)[-1].detail == "", "of one life only"


def test_page_of_a_successor_is_nothing_of_the_dead(
    stage: Stage, prepared: Prepared, post_mortem: PostMortem
) -> None:
    page = prepared.status.pages["brain-0"]
    page.store("pid", 78)
    page.store("rss_bytes", 5000)
    post_mortem.hear(DIED, stopping=False)
    assert (only(stage).rss_bytes, only(stage).restarts) == (0, 0)


def test_start_that_failed_is_a_death_without_a_process(
    stage: Stage, post_mortem: PostMortem
) -> None:
    report = Report(ReportKind.START_ERROR, "brain-0", "no such program", cause="spawn error")
    post_mortem.hear(report, stopping=False)
    record = only(stage)
    assert (record.pid, record.cause, record.last_exit) == (0, "spawn error", "no such program")


@pytest.mark.parametrize(
    ("asked", "stopping", "count"), [(True, True, 0), (True, False, 1), (False, True, 1)]
)
def test_orderly_stop_of_everything_leaves_no_record(
    stage: Stage, post_mortem: PostMortem, asked: bool, stopping: bool, count: int
) -> None:
    report = Report(ReportKind.DIED, "brain-0", "exit 0", 77, 1, asked, "asked")
    post_mortem.hear(report, stopping=stopping)
    assert len(read_deaths(stage.config.log_dir)) == count


def test_other_news_are_no_deaths(stage: Stage, post_mortem: PostMortem) -> None:
    for kind in set(ReportKind) - {ReportKind.DIED, ReportKind.START_ERROR}:
        post_mortem.hear(Report(kind, "brain-0"), stopping=False)
    assert read_deaths(stage.config.log_dir) == []


def test_ring_that_cannot_be_read_stands_at_nothing(stage: Stage, prepared: Prepared) -> None:
    path, layout = prepared.rings[0]
    assert row_count(path, layout) == 0
    assert row_count(path.with_name("ring-9"), layout) == 0
    os.truncate(path, layout.lane_table_offset + 3)
    assert row_count(path, layout) == 0, "cut short under us"
    assert row_count(Path("/dev/shm"), layout) == 0, "not even a file"


def test_ring_of_many_instruments_counts_them_all(tmp_path: Path) -> None:
    layout = RingLayout(("A", "B", "C"), (8, *(0,) * 10))
    path = tmp_path / "ring-0"
    raw = bytearray(layout.lanes_offset)
    for index, kind, value in ((0, Kind.TRADE, 1), (1, Kind.BOOK, 10), (2, Kind.BBO, 100)):
        struct.pack_into("<Q", raw, 8 * layout.intent_word(index, kind) + 8, value)
    struct.pack_into("<Q", raw, 8 * layout.intent_word(0, Kind.MARK) + 8, 1_000)  # not the market's
    path.write_bytes(raw)
    assert row_count(path, layout) == 111
