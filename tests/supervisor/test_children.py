"""The processes of a tree as the loop sees them: events, leftovers, refusals, and an end of all."""

from __future__ import annotations

import os
import select
import signal
from pathlib import Path

import pytest
from fakes.supervised import WORK

from supervisor import children as children_module
from supervisor.children import Children
from supervisor.events import (
    ChildContinued,
    ChildExited,
    ChildReady,
    ChildSpawned,
    ChildStopped,
    ReportKind,
    SpawnFailed,
)
from supervisor.process import process_entry
from supervisor.spec import ChildSpec

WAIT_MS = 10_000


@pytest.fixture
def make_children(program):
    """Children of these {name: code}, begun; ended afterwards."""
    made = []

    def make(codes, **changes):
        specs = [
            ChildSpec(name=name, argv=program(code) if isinstance(code, str) else code, **changes)
            for name, code in codes.items()
        ]
        children = Children(specs, select.poll())
        children.begin()
        made.append(children)
        return children

    yield make
    for children in made:
        children.end()


def heard(children, count):
    """The next events, as many as that."""
    events = []
    while len(events) < count:
        ready = [fd for fd, _ in children._poll.poll(WAIT_MS)]
        assert ready, events
        events += children.hear(ready)
    return events


def test_a_childs_life_is_told_in_order(make_children):
    children = make_children({"a": "child.notify_ready(); sys.exit(3)"})
    spawned = children.spawn("a")
    assert spawned == ChildSpawned("a", children.get("a").pid)
    assert heard(children, 2) == [ChildReady("a"), ChildExited("a", 3)]
    assert children.get("a") is None
    assert not children._owners


def test_one_that_cannot_be_started_is_an_event(make_children):
    children = make_children({"a": ("/no/such/program",)})
    answer = children.spawn("a")
    assert isinstance(answer, SpawnFailed)
    assert "No such file" in answer.text
    assert children.get("a") is None


def test_a_descriptor_that_is_nobodys_is_passed_over(make_children):
    assert list(make_children({"a": WORK}).hear([0, 1])) == []


def test_stops_and_continuations_are_events_of_those_concerned(make_children):
    children = make_children({"a": WORK, "b": WORK})
    for name in "ab":
        children.spawn(name)
    heard(children, 2)
    assert list(children.hear_stops()) == []
    pid = children.get("b").pid
    os.kill(pid, signal.SIGSTOP)
    os.waitid(os.P_PID, pid, os.WSTOPPED | os.WNOWAIT)
    assert list(children.hear_stops()) == [ChildStopped("b", 19)]
    os.kill(pid, signal.SIGCONT)
    os.waitid(os.P_PID, pid, os.WCONTINUED | os.WNOWAIT)
    assert list(children.hear_stops()) == [ChildContinued("b")]


def test_at_the_end_nothing_is_left_of_anybody(make_children, tmp_path):
    pids = tmp_path / "pids"
    code = (
        "p = subprocess.Popen(['sleep', '60'], start_new_session=True)\n"
        f"open({str(pids)!r}, 'w').write(str(p.pid))\n" + WORK
    )
    children = make_children({"a": code, "b": WORK})
    own = [children.spawn(name).pid for name in "ab"]
    heard(children, 2)
    children.end()
    grandchild = int(Path(pids).read_text())
    assert [process_entry(pid) for pid in [*own, grandchild]] == [None] * 3


def test_a_sweep_comes_after_a_death_and_is_tried_again_when_one_could_not_look(
    make_children, monkeypatch
):
    swept = []

    def failing(child_pids, spared_pids):
        swept.append(set(child_pids))
        raise OSError(23, "Too many open files in system")

    children = make_children({"a": "pass", "b": WORK})
    pid = children.spawn("b").pid
    heard(children, 1)
    with monkeypatch.context() as patch:
        patch.setattr(children_module, "sweep", failing)
        children.sweep_if_due()
        assert swept == [], "nothing has ended"
        children.spawn("a")
        heard(children, 1)
        children.sweep_if_due()
        children.sweep_if_due()
        assert swept == [{pid}, {pid}]
    children.sweep_if_due()
    assert not children._sweep_due


def test_a_refused_limit_is_told_once_and_a_shortage_once_while_it_lasts(
    make_children, monkeypatch
):
    monkeypatch.setattr(children_module, "apply_limits", lambda pid, spec: ["no"])
    children = make_children({"a": WORK})
    for _ in range(2):
        children.spawn("a")
        children.get("a").kill()
        while children.get("a") is not None:  # what wakes first may be the end of its pipe
            heard(children, 1)
    (report,) = children.take_reports()
    assert children.take_reports() == []
    assert (report.kind, report.name, report.text) == (ReportKind.LIMIT_REFUSED, "a", "no")
    for _ in range(2):
        children._spares.close()
        with monkeypatch.context() as patch:
            patch.setattr(children._spares, "take", lambda: None)
            children.tend_reserve()
            children.tend_reserve()
        (report,) = children.take_reports()
        assert report.kind is ReportKind.SHORT_OF_DESCRIPTORS
        children.tend_reserve()
        assert children.take_reports() == []


def test_what_a_dead_child_gives_back_goes_to_the_reserve_first(make_children):
    children = make_children({"a": WORK})
    children.spawn("a")
    children._spares.close()
    children.get("a").kill()
    while children.get("a") is not None:
        heard(children, 1)
    assert children._spares.is_whole


def test_what_is_refused_about_one_that_is_dead_already_is_no_news(make_children, monkeypatch):
    """Its files in /proc belong to root by then."""

    def too_late(pid, spec):
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
        return ["Permission denied"]

    monkeypatch.setattr(children_module, "apply_limits", too_late)
    children = make_children({"a": ("true",)})
    children.spawn("a")
    assert children.take_reports() == []
