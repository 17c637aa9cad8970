"""The next command for each reason."""

from __future__ import annotations

from typing import Any

import pytest
from fakes.actor_stage import SWAP

from hunter.cli.advice import next_step, with_step
from hunter.cli.status import read


@pytest.mark.parametrize(
    ("reason", "step"),
    [
        ("stream-0 is parked after exit 1; see hunter deaths stream-0", ""),
        ("brain-0 has been stopped by a signal for 1.0 s: kill -CONT 7, or it is replaced", ""),
        ("the supervisor is about to start", ""),
        ("the supervisor does not answer: no beat for 4.0 s", "hunter logs supervisor"),
        ("brain-0: no beat for 1.5 s", "hunter logs brain-0"),
        ("watchdog waits to be restarted after signal 9", "hunter logs --around watchdog"),
        (f"{SWAP} trades: stale, 9.0 s without data", "hunter logs stream-0"),
        ("and 4 more feeds that are not live", "hunter logs --level warning"),
        ("stream-01 is odd", "hunter logs --level warning"),
    ],
)
def test_reason_gets_a_step_unless_it_has_one(shown: Any, reason: str, step: str) -> None:
    shown.up()
    report = read(shown.config)
    report.actors[2].last_exit = "signal 9"
    assert next_step(reason, report) == step


def test_reason_is_told_with_its_step(shown: Any) -> None:
    shown.up()
    report = read(shown.config)
    assert with_step("brain-0: odd", report) == "brain-0: odd; see: hunter logs brain-0"
    assert with_step("start it: hunter start", report) == "start it: hunter start"


def test_feed_of_many_streams_names_none(shown: Any) -> None:
    shown.up()
    report = read(shown.config)
    for actor in report.actors:
        actor.role = "stream"
    assert next_step(f"{SWAP} trades: stale", report) == "hunter logs"


def test_name_of_the_instance_is_no_command(shown: Any) -> None:
    shown.up()
    report = read(shown.config)
    assert next_step('hunter "default" is odd', report) == "hunter logs --level warning"
