"""Scenarios for a real supervisor with real processes: a scripted operator and observer.

A scenario is a generator: it yields a condition to wait for (looked at a hundred times a second) or
a command to give, whose answer it gets back. A scenario that does not come to its end within
SCENARIO_LIMIT_S is a failure; a supervisor that has not been stopped is stopped after it.
"""

from __future__ import annotations

import os
import signal
import threading
from collections import deque

from supervisor.commands import Answer, StopAll
from supervisor.runner import Supervisor
from supervisor.spec import Backoff, ChildSpec, TreeSpec
from supervisor.wakeup import SIGNALS

MS = 1_000_000
S = 1000 * MS
SCENARIO_LIMIT_S = 15
FAST = {
    "backoff": Backoff(delay_min_ns=5 * MS, delay_max_ns=20 * MS),
    "parked_retry_ns": 300 * MS,
}

WORK = "child.protect(); child.notify_ready(); time.sleep(60)"
BEATS = """
child.protect(); child.notify_ready()
while True:
    child.beat(); time.sleep(0.02)
"""
POLITE = """
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
child.notify_ready(); time.sleep(60)
"""
DEAF = "signal.signal(signal.SIGTERM, signal.SIG_IGN); child.notify_ready(); time.sleep(60)"
MUTE = "time.sleep(60)"


class Scripted:
    """A command source and observer in one: plays a scenario against the supervisor it serves."""

    def __init__(self, scenario):
        self.scenario = scenario
        self.supervisor = None
        self.waiting_for = None
        self.reports = []
        self.states = []
        self.ticks = 0
        self.turns = 0
        self.error = None
        self.is_over = False
        self.turn_limit = SCENARIO_LIMIT_S * 100
        self.sent = deque()
        self.read_fd, self.write_fd = os.pipe2(os.O_NONBLOCK)
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self.drive)
        self.thread.start()

    def drive(self):
        while not self.ended.wait(0.01):
            os.write(self.write_fd, b".")

    def close(self):
        self.ended.set()
        self.thread.join()
        os.close(self.read_fd)
        os.close(self.write_fd)

    # CommandSource

    def fileno(self):
        return self.read_fd

    def receive(self):
        self.turns += 1
        try:
            self.turn_limit -= len(os.read(self.read_fd, 4096))
        except BlockingIOError:
            return []
        if self.turn_limit < 0 and not self.is_over:
            self.error = AssertionError(f"waited in vain; {self.supervisor.tree}")
        if self.error is not None or self.is_over:
            return [Asked(self, StopAll(fast=self.error is not None))]
        if self.waiting_for is None or self.waiting_for():
            self.step(None)
        return [self.sent.popleft()] if self.sent else []

    def step(self, value):
        try:
            wish = self.scenario.send(value)
        except StopIteration:
            self.is_over = True
            return
        except AssertionError as error:
            self.error = error
            return
        if callable(wish):
            self.waiting_for = wish
        else:
            self.waiting_for = lambda: False
            self.sent.append(Asked(self, wish))

    # Observer

    def changed(self, tree, reports):
        self.reports += reports
        self.states.append({record.name: record.state.value for record in tree.records})

    def tick(self):
        self.ticks += 1


class Asked:
    """One request of the scenario; its answer is what the yield gives back."""

    def __init__(self, script, command):
        self.script = script
        self.command = command

    def answer(self, answer):
        assert isinstance(answer, Answer)
        if self.script.error is None and not self.script.is_over:
            self.script.step(answer)


class Stage:
    """What a scenario sees of the supervisor."""

    def __init__(self):
        self.supervisor = None
        self.script = None

    def record(self, name):
        return self.supervisor.tree.record(name)

    def is_in(self, **states):
        return lambda: all(self.record(n).state.value == s for n, s in states.items())

    def kinds(self, kind):
        return [report for report in self.script.reports if report.kind is kind]


def play(program, codes, scenario, *, each=None, limits=None, oom_kills=None, **tree):
    """Run a tree of {name: code} and a scenario until both are over."""
    children = tuple(
        ChildSpec(name=n, argv=program(c), **(each or {}), **((limits or {}).get(n, {})))
        for n, c in codes.items()
    )
    stage = Stage()
    script = Scripted(scenario(stage))
    supervisor = Supervisor(
        TreeSpec(children=children, **tree), script, script, seed=1, oom_kills=oom_kills
    )
    stage.supervisor = script.supervisor = supervisor
    stage.script = script
    handlers = [signal.getsignal(number) for number in SIGNALS]
    try:
        stage.exit_code = supervisor.run()
    finally:
        script.close()
    assert [signal.getsignal(number) for number in SIGNALS] == handlers
    assert script.error is None, script.error
    assert script.is_over, "the tree ended before the scenario"
    return stage
