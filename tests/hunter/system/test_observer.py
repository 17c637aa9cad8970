from __future__ import annotations

import dataclasses
import logging
import os

import pytest
from fakes.actor_stage import LogLines

from hunter.config import load_effective
from hunter.runtime.runner import EFFECTIVE_CONFIG
from hunter.status import usage
from hunter.status.block import PAGES_MAX, SUPERVISOR
from hunter.status.documents import SupervisorDocument, decode
from hunter.status.page import ActorState, is_alive
from hunter.system import observer
from hunter.system.observer import StatusWriter, hunter_version
from hunter.system.shared import Prepared
from hunter.system.wishes import STOPPED_FILE, stopped_actors
from supervisor.events import Report, ReportKind
from supervisor.lifecycle import ChildState
from supervisor.spec import TreeSpec
from supervisor.tree import Tree, initial_tree


def test_version_is_a_text() -> None:
    assert hunter_version()


def test_version_of_a_bare_source_tree_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> str:
        raise observer.PackageNotFoundError(name)

    monkeypatch.setattr(observer, "version", missing)
    assert hunter_version() == "0+source"


class Observed:
    """The supervisor's page and log as its observer writes them."""

    def __init__(self, prepared: Prepared) -> None:
        self.config = prepared.config
        self.effective = prepared.config.runtime_dir / EFFECTIVE_CONFIG
        self.log = LogLines()
        logger = logging.Logger("supervisor")
        logger.addHandler(self.log)
        self.page = prepared.status.pages[SUPERVISOR]
        self.tree: Tree = initial_tree(TreeSpec(children=prepared.children))
        self.writer = StatusWriter(prepared, logger)

    @property
    def document(self) -> SupervisorDocument:
        found = decode(self.page.read_document(), SupervisorDocument)
        assert found is not None
        return found

    def change(self, *reports: Report, stopping: bool = False, **states: ChildState) -> None:
        records = [
            dataclasses.replace(
                record, state=states.get(record.name.replace("-", "_"), record.state)
            )
            for record in self.tree.records
        ]
        self.tree = dataclasses.replace(self.tree, records=tuple(records), stopping=stopping)
        self.writer.changed(self.tree, reports)

    def want(self, **wanted: bool) -> None:
        records = [
            dataclasses.replace(
                record, wanted=wanted.get(record.name.replace("-", "_"), record.wanted)
            )
            for record in self.tree.records
        ]
        self.tree = dataclasses.replace(self.tree, records=tuple(records))
        self.writer.changed(self.tree, ())

    def give_pids(self, **pids: int) -> None:
        records = [
            dataclasses.replace(record, pid=pids.get(record.name.replace("-", "_"), record.pid))
            for record in self.tree.records
        ]
        self.tree = dataclasses.replace(self.tree, records=tuple(records))
        self.writer.changed(self.tree, ())


@pytest.fixture
def observed(prepared: Prepared) -> Observed:
    return Observed(prepared)


def test_status_page_is_ours_from_the_start(observed: Observed) -> None:
    beat = observed.page.beat()
    assert is_alive(beat)
    assert beat.pid == os.getpid()
    assert beat.rss_bytes > 0
    assert observed.document.state == "starting"
    assert {child.state for child in observed.document.children} == {"starting"}
    assert observed.document.version == hunter_version()


def test_status_is_running_once_every_child_was_ready(observed: Observed) -> None:
    ready = ChildState.READY
    observed.change(stream_0=ready, brain_0=ready)
    assert observed.document.state == "starting"
    observed.change(watchdog=ready)
    assert observed.document.state == "running"
    observed.change(stream_0=ChildState.BACKOFF)
    assert observed.document.state == "running", "a restart is told by the child's own state"
    assert observed.document.children[0].state == "backoff"
    observed.change(stopping=True)
    assert observed.document.state == "stopping"
    observed.writer.finish()
    assert observed.page.beat().state is ActorState.STOPPED


def test_status_keeps_each_process_start_however_many_there_were(observed: Observed) -> None:
    observed.give_pids(stream_0=10, brain_0=100)
    started = observed.document.children[0].started_wall_ns
    assert started > 0
    for pid in range(101, 101 + 2 * PAGES_MAX):
        observed.give_pids(brain_0=pid)
    assert observed.document.children[0].started_wall_ns == started
    assert observed.document.children[1].started_wall_ns > started
    assert observed.document.children[2].started_wall_ns == 0


def test_status_tick_beats_and_measures(
    observed: Observed, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = observed.page.beat().beat_monotonic_ns
    cpu_ns = usage.clock.process_cpu_ns()
    monkeypatch.setattr(usage.clock, "process_cpu_ns", lambda: cpu_ns + 1_000_000_000)
    monkeypatch.setattr(
        observed.writer._clock, "monotonic_ns", lambda: before + 2_000_000_000, raising=False
    )
    observed.writer.tick()
    beat = observed.page.beat()
    assert beat.beat_monotonic_ns == before + 2_000_000_000
    assert 450 <= beat.cpu_permille <= 550


def test_effective_configuration_that_a_cleaner_removed_is_written_again(
    observed: Observed,
) -> None:
    before = observed.effective.stat().st_ino
    observed.writer.tick()
    assert observed.effective.stat().st_ino == before, "what is there is left alone"
    assert observed.log.lines == []
    observed.effective.unlink()
    observed.writer.tick()
    assert load_effective(observed.effective) == observed.config
    assert observed.effective.stat().st_mode & 0o777 == 0o600
    assert observed.log.lines == [
        f"WARNING {observed.effective} was removed by somebody, and is written again"
    ]


def test_effective_configuration_that_cannot_be_written_is_told_once_and_tried_again(
    observed: Observed,
) -> None:
    observed.effective.unlink()
    aside = observed.config.runtime_dir.with_name("aside")
    observed.config.runtime_dir.rename(aside)
    for _ in range(3):
        observed.writer.tick()
    (told,) = observed.log.lines
    assert told.startswith(f"WARNING {observed.effective} is gone, no actor can start without it")
    aside.rename(observed.config.runtime_dir)
    observed.writer.tick()
    assert load_effective(observed.effective) == observed.config


def test_wish_of_an_operator_is_kept_before_the_page_tells_of_it(
    observed: Observed, monkeypatch: pytest.MonkeyPatch
) -> None:
    observed.change()
    assert not (observed.config.runtime_dir / STOPPED_FILE).exists(), "nobody wished anything"
    observed.want(brain_0=False)
    assert stopped_actors(observed.config) == {"brain-0"}
    with monkeypatch.context() as patch:
        patch.setattr(observer, "keep_stopped", lambda *_: pytest.fail("written again"))
        observed.change()
    observed.want(brain_0=True)
    assert stopped_actors(observed.config) == frozenset()


def test_wish_that_cannot_be_kept_is_told_and_the_page_written(
    observed: Observed, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(observer, "keep_stopped", refuse)
    observed.want(brain_0=False)
    (told,) = observed.log.lines
    assert told.startswith("WARNING who is stopped by name will be forgotten if the supervisor")
    assert not observed.document.children[1].wanted


def test_log_tells_what_happened_and_how_bad_it_is(observed: Observed) -> None:
    reports = (
        Report(ReportKind.READY, "stream-0", pid=5),
        Report(ReportKind.DIED, "stream-0", "signal 9", pid=5, uptime_ns=1_500_000_000),
        Report(ReportKind.DIED, "brain-0", "exit 0", pid=6, asked=True),
        Report(ReportKind.STOPPING, "brain-0", "operator", pid=6),
        Report(ReportKind.STOPPING, ""),
    )
    observed.change(*reports)
    assert observed.log.lines == [
        "INFO stream-0 ready (pid 5)",
        "WARNING stream-0 died (pid 5) after 1.5 s: signal 9",
        "INFO brain-0 ended (pid 6): exit 0",
        "INFO brain-0 stopping (pid 6): operator",
        "INFO tree stopping",
    ]
