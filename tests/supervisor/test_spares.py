"""Descriptors that are held back, lent, and taken back."""

from __future__ import annotations

import contextlib
import os
import resource
import subprocess

import pytest

from supervisor.spares import SPARE_COUNT, SpareDescriptors


@pytest.fixture
def all_taken():
    """Every descriptor that this process may have is in use; gives the ones that do it."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    highest = max(int(name) for name in os.listdir("/proc/self/fd"))
    resource.setrlimit(resource.RLIMIT_NOFILE, (highest + 30, before[1]))
    taken = []
    with contextlib.ExitStack() as undo:
        undo.callback(resource.setrlimit, resource.RLIMIT_NOFILE, before)

        def take():
            with contextlib.suppress(OSError):
                while True:
                    taken.append(os.open("/dev/null", os.O_RDONLY))

        undo.callback(lambda: [os.close(fd) for fd in taken])
        yield take


def open_count():
    return len(os.listdir("/proc/self/fd"))


def test_spares_are_held_and_given_back():
    before = open_count()
    spares = SpareDescriptors()
    assert spares.is_whole
    assert open_count() == before + SPARE_COUNT
    spares.take()
    assert open_count() == before + SPARE_COUNT
    spares.close()
    spares.close()
    assert open_count() == before
    assert not spares.is_whole


def test_spares_are_not_inherited():
    spares = SpareDescriptors(1)
    assert not os.get_inheritable(spares._held[0])
    spares.close()


def test_what_is_lent_can_be_used_when_there_is_nothing_else(all_taken):
    spares = SpareDescriptors()
    all_taken()
    with pytest.raises(OSError, match="Too many open files"):
        os.listdir("/proc")
    with spares.lent():
        assert os.listdir("/proc")
        taken = [os.dup(0) for _ in range(3)]
    assert not spares.is_whole
    for descriptor in taken:
        os.close(descriptor)
    spares.take()
    assert spares.is_whole
    spares.close()


def test_what_is_lent_is_taken_back_after_an_error_too():
    spares = SpareDescriptors()
    with pytest.raises(ValueError, match="on purpose"), spares.lent():
        raise ValueError("on purpose")
    assert spares.is_whole
    spares.close()


STARVED = """
import resource
from supervisor.commands import NoCommands
from supervisor.runner import Supervisor
from supervisor.spec import Backoff, ChildSpec, TreeSpec

LIMIT = 40
resource.setrlimit(resource.RLIMIT_NOFILE, (LIMIT, LIMIT))
leaked = []

def leak():
    try:
        while True:
            leaked.append(os.open("/dev/null", os.O_RDONLY))
    except OSError:
        pass

class Observer:
    killed = 0
    short = 0

    def changed(self, tree, reports):
        record = tree.records[0]
        self.short += sum(r.kind.name == "SHORT_OF_DESCRIPTORS" for r in reports)
        leak()
        if record.state.value != "ready":
            return
        if record.restarts == self.killed and self.killed < 5:
            self.killed += 1
            os.kill(record.pid, signal.SIGKILL)
        elif record.restarts == 5 and self.short:
            os.kill(os.getpid(), signal.SIGTERM)

    def tick(self):
        leak()

observer = Observer()
argv = {argv!r}
children = (ChildSpec(name="a", argv=argv, log_path={log!r}),)
tree = TreeSpec(children=children, backoff=Backoff(delay_min_ns=20_000_000))
supervisor = Supervisor(tree, NoCommands(), observer)
code = supervisor.run()
os.close(leaked.pop())
record = supervisor.tree.records[0]
left_pid = int(open({pids!r}).read())
is_left = os.path.exists("/proc/%d" % left_pid)
print(code, record.restarts, dict(record.exits), observer.short > 0, is_left)
"""
ORPHANING = """
if not os.path.exists({pids!r}):
    p = subprocess.Popen(["sleep", "60"], start_new_session=True)
    open({pids!r}, "w").write(str(p.pid))
child.protect(); child.notify_ready(); time.sleep(60)
"""


def test_r14_supervisor_without_a_descriptor_left_restarts_and_sweeps_all_the_same(
    program, tmp_path
):
    """The host program takes every descriptor, also those that a dead child has just given back;
    the child is killed five times, and the first one leaves a process behind."""
    pids = str(tmp_path / "pids")
    source = STARVED.format(
        argv=program(ORPHANING.format(pids=pids)),
        log=str(tmp_path / "log"),
        pids=pids,
    )
    done = subprocess.run(program(source), capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "0 5 {'signal': 5, 'asked': 1} True False\n", done.stderr
