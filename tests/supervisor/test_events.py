"""How an exit is told."""

from __future__ import annotations

import dataclasses

import pytest

from supervisor.events import ChildExited, Report, ReportKind, Tick


@pytest.mark.parametrize(
    ("exited", "text"),
    [
        (ChildExited("a", 0), "exit 0"),
        (ChildExited("a", 1), "exit 1"),
        (ChildExited("a", None, 9), "signal 9"),
        (ChildExited("a", None, 9, out_of_memory=True), "signal 9, perhaps out of memory"),
        (ChildExited("a", None), "exit ?"),
    ],
)
def test_an_exit_is_told_by_its_code_or_signal(exited, text):
    assert exited.text == text


def test_events_are_values():
    assert Tick() == Tick(late_ns=0)
    report = Report(ReportKind.DIED, "a", "signal 9", 4, 5)
    assert dataclasses.replace(report, asked=True) != report
