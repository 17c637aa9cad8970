"""Which ends count as asked for: those of children that were told to go, and went."""

from __future__ import annotations

import pytest

from supervisor.commands import HANG, RestartChild, StopAll, StopChild
from supervisor.events import ReportKind

S = 1_000_000_000


@pytest.mark.parametrize("order", [StopChild("a"), RestartChild("a"), StopAll()], ids=str)
@pytest.mark.parametrize(
    ("how", "asked", "text", "cause"),
    [
        ({"code": 0}, True, "exit 0", "asked"),
        ({"signal": 15}, True, "signal 15", "asked"),
        ({}, True, "exit ?", "asked"),  # somebody else took the status: nothing speaks against it
        ({"code": 1}, False, "exit 1", "exit"),
        ({"signal": 11}, False, "signal 11", "signal"),
        ({"signal": 9}, False, "signal 9", "signal"),
        (
            {"signal": 9, "out_of_memory": True},
            False,
            "signal 9, perhaps out of memory",
            "out of memory",
        ),
    ],
)
def test_an_end_during_a_stop_was_asked_for_only_if_it_ended_as_asked(
    running_world, order, how, asked, text, cause
):
    world = running_world("a")
    world.ask(order)
    world.exit("a", **how)
    (report,) = world.reports(ReportKind.DIED)
    assert (report.asked, report.text, report.cause) == (asked, text, cause)
    assert world.record("a").failures_ns == (), "and is no failure of its own all the same"


@pytest.mark.parametrize("order", [StopChild("a"), RestartChild("a"), StopAll()], ids=str)
@pytest.mark.parametrize(
    ("how", "asked", "text"),
    [({"signal": 9}, False, "stop timeout"), ({"code": 0}, True, "exit 0")],
    ids=["killed", "just in time"],
)
def test_a_child_that_had_to_be_killed_at_a_stop_did_not_end_as_asked(
    running_world, order, how, asked, text
):
    world = running_world("a")
    world.ask(order)
    world.pass_ns(5 * S)
    assert world.states() == ["killing"]
    world.exit("a", **how)
    (report,) = world.reports(ReportKind.DIED)
    assert (report.asked, report.text) == (asked, text)
    assert report.cause == ("asked" if asked else "stop timeout")


def test_a_fast_stop_is_what_was_asked_for(running_world):
    world = running_world("ab")
    world.ask(StopAll())
    world.ask(StopAll(fast=True))
    for name in "ab":
        world.exit(name, signal=9, out_of_memory=True)
    died = world.reports(ReportKind.DIED)
    assert [(r.asked, r.text, r.cause) for r in died] == [(True, "signal 9", "asked")] * 2


def test_a_hang_that_a_stop_meets_is_still_told_as_a_hang(running_world):
    world = running_world("a")
    world.ask(RestartChild("a", HANG))
    world.ask(StopAll())
    world.pass_ns(S)
    world.exit("a", signal=9)
    (report,) = world.reports(ReportKind.DIED)
    assert (report.asked, report.text) == (False, "hang")
