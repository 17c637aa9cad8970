"""The loop with real processes: whom it works for, and its own end."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import threading

import pytest
from fakes.supervised import BEATS, MS, POLITE, WORK

from supervisor import runner as runner_module
from supervisor.commands import (
    Describe,
    NoCommands,
)
from supervisor.events import ReportKind
from supervisor.process import process_entry
from supervisor.runner import Supervisor
from supervisor.spec import ChildSpec, TreeSpec

# -- those we work for ----------------------------------------------------------------------------


def test_an_observer_that_fails_is_complained_about_and_survived(play, capfd):
    def scenario(stage):
        def broken(*_):
            raise OSError("the disk is full")

        stage.script.changed = stage.script.tick = broken
        yield stage.is_in(a="ready")
        for _ in range(2 * runner_module.COMPLAINTS_MAX):
            yield Describe()

    stage = play({"a": POLITE}, scenario)
    assert stage.exit_code == 0
    complaints = capfd.readouterr().err.count("OSError: the disk is full")
    assert complaints == runner_module.COMPLAINTS_MAX, "told, but not without an end"


def test_a_command_source_that_fails_is_survived(play, capfd):
    def scenario(stage):
        yield stage.is_in(a="ready")
        receive = stage.script.receive

        def broken():
            stage.script.receive = receive
            raise OSError("no more sockets")

        stage.script.receive = broken
        yield lambda: stage.script.receive == receive

    play({"a": POLITE}, scenario)
    assert "no more sockets" in capfd.readouterr().err


def test_a_flood_of_requests_does_not_keep_it_from_its_children(program):
    class Flood(NoCommands):
        def __init__(self):
            self.request_count = 0

        command = Describe()

        def answer(self, answer):
            self.request_count += 1

        def receive(self):
            return [self]

    class Observer:
        ready = False

        def changed(self, tree, reports):
            if any(report.kind is ReportKind.READY for report in reports):
                os.kill(os.getpid(), signal.SIGTERM)

        def tick(self):
            pass

    flood = Flood()
    tree = TreeSpec(children=(ChildSpec(name="a", argv=program(WORK)),))
    assert Supervisor(tree, flood, Observer()).run() == 0
    assert flood.request_count >= runner_module.REQUEST_ROUNDS_MAX


def test_the_observer_is_ticked_at_least_once_a_second(play):
    def scenario(stage):
        yield stage.is_in(a="ready")
        limit = stage.script.turn_limit
        ticks = stage.script.ticks
        yield lambda: stage.script.ticks == ticks + 2
        assert limit - stage.script.turn_limit <= 200, "two ticks within two seconds of steps"

    play({"a": POLITE}, scenario)


# -- the end of the supervisor itself -------------------------------------------------------------

SUPERVISOR = """
from supervisor.commands import NoCommands
from supervisor.runner import Supervisor
from supervisor.spec import ChildSpec, TreeSpec

class Observer:
    pids = None

    def changed(self, tree, reports):
        pids = [record.pid for record in tree.records]
        ready = all(record.state.value == "ready" for record in tree.records)
        if ready and pids != self.pids:
            self.pids = pids
            print(*pids, flush=True)

    def tick(self):
        pass

argv = {argv!r}
children = tuple(ChildSpec(name=name, argv=argv, hang_after_ns={hang_after_ns}) for name in "abc")
sys.exit(Supervisor(TreeSpec(children=children), NoCommands(), Observer()).run())
"""


@pytest.fixture
def supervisor_process(program):
    """A supervisor in a process of its own, and the pids of its three children, all ready."""
    started = []

    def start(code, hang_after_ns=None):
        source = SUPERVISOR.format(argv=program(code), hang_after_ns=hang_after_ns)
        process = subprocess.Popen(program(source), stdout=subprocess.PIPE, text=True)
        started.append(process)
        return process, [int(word) for word in process.stdout.readline().split()]

    yield start
    for process in started:
        process.kill()
        process.wait()
        process.stdout.close()


def test_a_killed_supervisor_leaves_no_child_not_even_a_stopped_one(supervisor_process, is_gone):
    process, pids = supervisor_process(WORK)
    assert len(pids) == 3
    os.kill(pids[1], signal.SIGSTOP)
    process.kill()
    assert all(is_gone(pid, timeout_s=2) for pid in pids)


def test_a_killed_supervisor_is_noticed_on_the_life_line(supervisor_process, is_gone):
    code = "child.notify_ready(); os.read(child.life_fd(), 1)"
    process, pids = supervisor_process(code)
    process.kill()
    assert all(is_gone(pid, timeout_s=2) for pid in pids)


def test_a_supervisor_that_was_stopped_kills_nobody_when_it_goes_on(supervisor_process):
    process, pids = supervisor_process(BEATS, hang_after_ns=300 * MS)
    together = [*pids[:2], process.pid]  # as when a laptop or a container is paused
    for pid in together:
        os.kill(pid, signal.SIGSTOP)
    select.select([], [], [], 1.0)
    os.kill(process.pid, signal.SIGCONT)
    select.select([], [], [], 0.1)  # it looks, and the children have not said a word yet
    for pid in pids[:2]:
        os.kill(pid, signal.SIGCONT)
    # any restart within two ticks would print a line of pids
    assert not select.select([process.stdout], [], [], 1.0)[0]
    assert all(process_entry(pid) is not None for pid in pids)
    process.terminate()
    assert process.wait(timeout=10) == 0


def test_a_supervisor_must_run_on_the_main_thread(program):
    refused = []

    def attempt():
        tree = TreeSpec(children=(ChildSpec(name="a", argv=program(WORK)),))
        try:
            Supervisor(tree, NoCommands(), None).run()
        except AssertionError as error:
            refused.append(error)

    thread = threading.Thread(target=attempt)
    thread.start()
    thread.join()
    assert refused
