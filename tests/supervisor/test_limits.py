"""What a child may use is set from outside; what the kernel refuses is a sentence."""

from __future__ import annotations

import os
import resource
import subprocess
from pathlib import Path

import pytest
from fakes.supervised import WORK

from supervisor import limits as limits_module
from supervisor.events import ReportKind
from supervisor.limits import apply_limits
from supervisor.spec import ChildSpec


@pytest.fixture
def sleeper():
    process = subprocess.Popen(("sleep", "60"))
    yield process.pid
    process.kill()
    process.wait()


def spec_of(**changes):
    return ChildSpec(name="a", argv=("true",), **changes)


def oom_score_adj(pid):
    return int(Path(f"/proc/{pid}/oom_score_adj").read_text())


def test_limits_that_are_not_asked_for_are_inherited(sleeper):
    assert apply_limits(sleeper, spec_of()) == []
    own = resource.getrlimit(resource.RLIMIT_NOFILE)
    assert resource.prlimit(sleeper, resource.RLIMIT_NOFILE) == own
    assert oom_score_adj(sleeper) == oom_score_adj("self")


def test_limits_are_set_on_the_child_alone(sleeper):
    own = resource.getrlimit(resource.RLIMIT_NOFILE), oom_score_adj("self")
    wanted = min(1000, oom_score_adj("self") + 300)
    assert apply_limits(sleeper, spec_of(oom_score_adj=wanted, open_files_max=64)) == []
    assert resource.prlimit(sleeper, resource.RLIMIT_NOFILE) == (64, 64)
    assert oom_score_adj(sleeper) == wanted
    assert (resource.getrlimit(resource.RLIMIT_NOFILE), oom_score_adj("self")) == own


def test_what_the_kernel_refuses_is_said(sleeper):
    """More files than the host has for anybody: refused to root, too."""
    too_many = int(Path("/proc/sys/fs/nr_open").read_text()) + 1
    (text,) = apply_limits(sleeper, spec_of(open_files_max=too_many))
    assert str(too_many) in text


def test_a_score_that_may_not_be_set_is_said(sleeper, monkeypatch):
    def refusing(*args, **kwargs):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(limits_module, "open", refusing, raising=False)
    refused = apply_limits(sleeper, spec_of(oom_score_adj=-500))
    assert refused == ["oom_score_adj -500: Permission denied"]


def test_a_process_that_is_gone_refuses_nothing():
    process = subprocess.Popen(("true",))
    spec = spec_of(oom_score_adj=1000, open_files_max=64)
    process.wait()
    assert apply_limits(process.pid, spec) == []


def test_a_refusal_is_reported_once_and_each_incarnation_has_its_limits(play):
    too_many = int(Path("/proc/sys/fs/nr_open").read_text()) + 1
    wanted = min(1000, oom_score_adj("self") + 10)

    def scenario(stage):
        for restarts in range(3):
            yield stage.is_in(a="ready", b="ready")
            pid, other_pid = stage.record("a").pid, stage.record("b").pid
            assert resource.prlimit(pid, resource.RLIMIT_NOFILE) == (99, 99)
            assert oom_score_adj(pid) == wanted
            os.kill(pid, 9)
            os.kill(other_pid, 9)
            yield lambda: all(stage.record(n).restarts > restarts for n in "ab")  # noqa: B023

    limits = {
        "a": {"open_files_max": 99, "oom_score_adj": wanted},
        "b": {"open_files_max": too_many},
    }
    stage = play({"a": WORK, "b": WORK}, scenario, limits=limits)
    (report,) = stage.kinds(ReportKind.LIMIT_REFUSED)
    assert report.name == "b"
    assert report.pid
    assert str(too_many) in report.text
