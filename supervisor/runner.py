"""The loop: wait for what happens, ask the policy, perform what it says. Holds no rule.

Owns the signal handlers and the time; `children` has the processes. One thread, the main one; one
poll over the pidfds, the children's pipes, the command descriptor and the wake-up descriptor of our
signals. Invariants: events reach the policy one at a time, each with the actions of the one before
it performed; a Spawn is answered before the next event; when `run` returns or raises, no child is
left.

The host program brings a CommandSource and an Observer. What they raise is printed and survived:
supervision must not end because somebody's status page cannot be written.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import sys
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from typing import Protocol

from supervisor.children import Children
from supervisor.commands import Answer, Command, CommandSource, Request, StopAll
from supervisor.events import (
    Action,
    ChildBeat,
    ChildExited,
    Diagnose,
    Event,
    Finished,
    Kill,
    Reply,
    Report,
    Spawn,
    Terminate,
    Tick,
)
from supervisor.notifier import Notifier
from supervisor.oom import OomKills
from supervisor.policy import decide, next_deadline_ns
from supervisor.spec import MILLISECOND_NS, TreeSpec
from supervisor.tree import Tree, initial_tree
from supervisor.wakeup import signal_descriptor

TICK_NS = 500 * MILLISECOND_NS  # the observer is promised one tick a second, whatever the load
REQUEST_ROUNDS_MAX = 100  # so that a flood of requests cannot keep us from the children
COMPLAINTS_MAX = 20


class Observer(Protocol):
    """Who is told: writes the status page, the log, the crash records."""

    def changed(self, tree: Tree, reports: tuple[Report, ...]) -> None:
        """After each change, with what led to it; a death is a Report of kind DIED."""

    def tick(self) -> None:
        """At least once a second."""


class Supervisor:
    """Runs one tree, once."""

    def __init__(
        self,
        tree_spec: TreeSpec,
        command_source: CommandSource,
        observer: Observer,
        seed: int | None = None,
        oom_kills: OomKills | None = None,
    ) -> None:
        """`seed` fixes the jitter of the delays; by default each supervisor has its own."""
        self._tree = initial_tree(tree_spec, os.getpid() if seed is None else seed)
        self._commands = command_source
        self._observer = observer
        self._poll = select.poll()
        self._children = Children(tree_spec.children, self._poll)
        self._reports: list[Report] = []
        self._changed = False
        self._exit_code: int | None = None
        self._stop_signal_count = 0
        self._stops_due = False
        self._notifier = Notifier({})
        self._oom_kills = oom_kills or OomKills()
        self._complaint_count = 0

    @property
    def tree(self) -> Tree:
        """The tree as of the last decision."""
        return self._tree

    def run(self, was_stopped: Callable[[], bool] = lambda: False) -> int:
        """Start the tree and keep it until it is stopped; the exit code for the whole program.

        `was_stopped` is asked once, after our signal handlers stand: whether the host program's own
        had been told to stop before. Between the two no request is lost.
        """
        assert threading.current_thread() is threading.main_thread(), "run on the main thread"
        with contextlib.ExitStack() as at_the_end:
            self._notifier = Notifier()
            at_the_end.callback(self._notifier.close)
            signal_fd = at_the_end.enter_context(signal_descriptor())
            self._poll.register(signal_fd, select.POLLIN)
            if self._commands.fileno() >= 0:
                self._poll.register(self._commands.fileno(), select.POLLIN)
            self._children.begin()
            at_the_end.callback(self._children.end)
            if was_stopped():
                self._hear_stop()
            self._loop(signal_fd)
        assert self._exit_code is not None
        return self._exit_code

    # -- the loop -------------------------------------------------------------------------------

    def _loop(self, signal_fd: int) -> None:
        asked_ns = ticked_ns = time.monotonic_ns()
        while True:
            timeout_ns = max(0, asked_ns - time.monotonic_ns())
            ready = [fd for fd, _ in self._poll.poll(-(-timeout_ns // MILLISECOND_NS))]
            now_ns = time.monotonic_ns()
            self._hear_signals(signal_fd)
            self._hear_children(ready)
            self._hear_requests()
            # Last, so that no beat which is there is overlooked. Late against what was asked for a
            # turn ago: it does not matter where in the turn we were stopped.
            self._decide(Tick(late_ns=max(0, now_ns - asked_ns)))
            self._children.sweep_if_due()
            self._reports += self._children.take_reports()
            if self._changed or self._reports:
                self._changed = False
                self._tell_change()
            if now_ns - ticked_ns >= TICK_NS:
                ticked_ns = now_ns
                self._tick(now_ns)
            self._notifier.beat(now_ns)
            if self._exit_code is not None:
                return
            due = (
                ticked_ns + TICK_NS,
                next_deadline_ns(self._tree),
                self._notifier.next_beat_ns(),
            )
            asked_ns = min(at_ns for at_ns in due if at_ns is not None)

    def _tick(self, now_ns: int) -> None:
        self._oom_kills.look(now_ns)
        self._children.tend_reserve()
        self._notifier.tell(self._tree)
        self._survive(self._observer.tick)

    def _tell_change(self) -> None:
        reports = tuple(self._reports)
        self._reports.clear()
        self._notifier.tell(self._tree)
        self._survive(lambda: self._observer.changed(self._tree, reports))

    def _survive(self, call: Callable[[], None]) -> None:
        """Run what the host program brought; its errors are its own."""
        try:
            call()
        except Exception:
            self._complaint_count += 1
            if self._complaint_count <= COMPLAINTS_MAX:
                with contextlib.suppress(OSError, ValueError):  # nobody left to complain to
                    traceback.print_exc(file=sys.stderr)

    # -- what happens ---------------------------------------------------------------------------

    def _hear_signals(self, signal_fd: int) -> None:
        try:
            numbers = os.read(signal_fd, 4096)
        except BlockingIOError:
            return
        for number in numbers:
            if number == signal.SIGCHLD:
                self._stops_due = True
            elif number in (signal.SIGTERM, signal.SIGINT):
                self._hear_stop()
            elif number == signal.SIGHUP:
                self._decide(StopAll())

    def _hear_stop(self) -> None:
        self._stop_signal_count += 1
        self._decide(StopAll(fast=self._stop_signal_count > 1))

    def _hear_children(self, ready: list[int]) -> None:
        for event in self._children.hear(ready):
            self._decide(self._with_hint(event) if isinstance(event, ChildExited) else event)
        if self._stops_due:
            self._stops_due = False
            for change in self._children.hear_stops():
                self._decide(change)

    def _with_hint(self, exited: ChildExited) -> ChildExited:
        if exited.signal != signal.SIGKILL:
            return exited
        is_likely = self._oom_kills.killed_lately(time.monotonic_ns())
        return replace(exited, out_of_memory=is_likely)

    def _hear_requests(self) -> None:
        # On each turn, not only when the descriptor says so: some (ZeroMQ's) are edge-triggered,
        # and an answer that is sent may swallow the edge of the next request.
        for _ in range(REQUEST_ROUNDS_MAX):
            requests: list[Request] = []
            self._survive(lambda: requests.extend(self._commands.receive()))  # noqa: B023
            if not requests:
                return
            for request in requests:
                self._survive(lambda: self._serve(request))  # noqa: B023

    def _serve(self, request: Request) -> None:
        replies = self._decide(request.command)
        for reply in replies:
            request.answer(Answer(reply.ok, reply.text, reply.leaving_pid))

    # -- what is done ---------------------------------------------------------------------------

    def _decide(self, event: Event | Command) -> list[Reply]:
        """Give the event to the policy and perform; what Spawn brings about, too."""
        replies: list[Reply] = []
        events = deque([event])
        while events:
            event = events.popleft()
            self._tree, actions = decide(self._tree, event, time.monotonic_ns())
            if actions or not isinstance(event, Tick | ChildBeat):
                self._changed = True
            for action in actions:
                if isinstance(action, Reply):
                    replies.append(action)
                answer = self._perform(action)
                if answer is not None:
                    events.append(answer)
        return replies

    def _perform(self, action: Action) -> Event | None:
        match action:
            case Spawn(name=name):
                return self._children.spawn(name)
            case Terminate() | Diagnose() | Kill():
                self._signal(action)
            case Report():
                self._reports.append(action)
            case Finished(exit_code=exit_code):
                self._exit_code = exit_code
            case Reply():
                pass  # given to whoever asked, when all is performed
        return None

    def _signal(self, action: Terminate | Diagnose | Kill) -> None:
        process = self._children.get(action.name)
        if process is None:
            return  # it could not be started
        match action:
            case Terminate():
                process.terminate()
            case Diagnose():
                process.diagnose()
            case Kill():
                process.kill()
