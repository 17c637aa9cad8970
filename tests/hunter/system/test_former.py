from __future__ import annotations

import logging

import pytest
from fakes.actor_stage import HandClock, LogLines, Stage

from hunter.status.block import SUPERVISOR
from hunter.status.deaths import read_deaths
from hunter.status.page import ActorState
from hunter.system.former import tell_former_supervisor

SECOND_NS = 1_000_000_000


class Told:
    """What the next start says."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.clock = HandClock()
        self.log = LogLines()
        self.logger = logging.Logger("supervisor")
        self.logger.addHandler(self.log)
        stage.config.log_dir.mkdir(parents=True)

    def leave(self, state: ActorState = ActorState.STARTING, pid: int = 77) -> None:
        """The page of a supervisor that is gone."""
        page = self.stage.status.pages[SUPERVISOR]
        page.store("pid", pid)
        page.store("process_start", 1)
        page.store("state", state)
        page.store("beat_monotonic_ns", self.clock.monotonic_ns())
        page.store("started_wall_ns", self.clock.wall_ns() - 9 * SECOND_NS)
        page.store("rss_bytes", 5_000)
        page.store("cpu_permille", 12)

    def tell(self) -> list[str]:
        tell_former_supervisor(self.stage.config, self.logger, self.clock)
        return self.log.lines


@pytest.fixture
def told(stage: Stage) -> Told:
    return Told(stage)


def test_supervisor_that_was_killed_is_told_with_its_last_beat_and_recorded(told: Told) -> None:
    told.leave()
    (told.stage.config.log_dir / "supervisor.log").write_text("its last words\n")
    died_ns = told.clock.wall_ns()
    told.clock.skip(3_000)
    assert told.tell() == [
        "WARNING the former supervisor (pid 77) was killed; its last beat was 3.0 s ago"
    ]
    (record,) = read_deaths(told.stage.config.log_dir)
    assert (record.actor, record.pid, record.last_exit, record.cause, record.asked) == (
        "supervisor", 77, "killed", "killed", False,
    )  # fmt: skip
    assert (record.at_ns, record.at_monotonic_ns, record.uptime_s) == (died_ns, died_ns, 9.0)
    assert (record.rss_bytes, record.cpu_percent) == (5_000, 1.2)
    assert record.log == ("its last words",)


@pytest.mark.parametrize("kind", ["ended in order", "never signed", "no pages"])
def test_run_that_ended_in_order_or_never_began_is_no_death(told: Told, kind: str) -> None:
    if kind == "ended in order":
        told.leave(ActorState.STOPPED)
    elif kind == "no pages":
        told.leave()
        (told.stage.shared / "status").unlink()
    assert told.tell() == []
    assert read_deaths(told.stage.config.log_dir) == []
