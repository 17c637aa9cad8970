"""The loop: wait for what happens, ask the policy, perform what it says. Holds no rule.

Owns the process objects, the signal handlers and the time. One thread, the main one; one poll
over the pidfds, the children's pipes, the command descriptor and the wake-up descriptor of our
signals. Invariants: events reach the policy one at a time, each with the actions of the one
before it performed; a Spawn is answered before the next event; when `run` returns or raises, no
child is left.

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
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Protocol

from supervisor.commands import Answer, Command, CommandSource, Request, StopAll
from supervisor.errors import SpawnError
from supervisor.events import (
    Action,
    ChildBeat,
    ChildSpawned,
    Diagnose,
    Event,
    Finished,
    Kill,
    Reply,
    Report,
    Spawn,
    SpawnFailed,
    Terminate,
    Tick,
)
from supervisor.policy import decide, next_deadline_ns
from supervisor.process import Process, become_subreaper, own_children, sweep
from supervisor.spec import MILLISECOND_NS, TreeSpec
from supervisor.tree import Tree, initial_tree

TICK_NS = 500 * MILLISECOND_NS  # the observer is promised one tick a second, whatever the load
SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD)
REQUEST_ROUNDS_MAX = 100  # so that a flood of requests cannot keep us from the children
SWEEP_ROUNDS_MAX = 100
SWEEP_PAUSE_MS = 10
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
    ) -> None:
        """`seed` fixes the jitter of the delays; by default each supervisor has its own."""
        self._tree = initial_tree(tree_spec, os.getpid() if seed is None else seed)
        self._specs = {spec.name: spec for spec in tree_spec.children}
        self._commands = command_source
        self._observer = observer
        self._processes: dict[str, Process] = {}
        self._owners: dict[int, Process] = {}  # by pidfd and by notify_fd
        self._poll = select.poll()
        self._reports: list[Report] = []
        self._changed = False
        self._exit_code: int | None = None
        self._stop_signal_count = 0
        self._sweep_due = False
        self._spared: frozenset[int] = frozenset()
        self._complaint_count = 0

    @property
    def tree(self) -> Tree:
        """The tree as of the last decision."""
        return self._tree

    def run(self) -> int:
        """Start the tree and keep it until it is stopped; the exit code for the whole program."""
        assert threading.current_thread() is threading.main_thread(), "run on the main thread"
        become_subreaper()
        self._spared = own_children()
        with _signal_descriptor() as signal_fd:
            self._poll.register(signal_fd, select.POLLIN)
            if self._commands.fileno() >= 0:
                self._poll.register(self._commands.fileno(), select.POLLIN)
            try:
                self._loop(signal_fd)
            finally:
                self._leave_nothing()
        assert self._exit_code is not None
        return self._exit_code

    # -- the loop -------------------------------------------------------------------------------

    def _loop(self, signal_fd: int) -> None:
        asked_ns = ticked_ns = time.monotonic_ns()
        while self._exit_code is None:
            timeout_ns = max(0, asked_ns - time.monotonic_ns())
            ready = [fd for fd, _ in self._poll.poll(-(-timeout_ns // MILLISECOND_NS))]
            now_ns = time.monotonic_ns()
            self._hear_signals(signal_fd)
            self._hear_children(ready)
            self._hear_requests()
            # Last, so that no beat which is there is overlooked. Late against what was asked for a
            # turn ago: it does not matter where in the turn we were stopped.
            self._decide(Tick(late_ns=max(0, now_ns - asked_ns)))
            if self._sweep_due:
                self._sweep_due = False
                self._sweep()
            if self._changed:
                self._changed = False
                self._tell_change()
            if now_ns - ticked_ns >= TICK_NS:
                ticked_ns = now_ns
                self._survive(self._observer.tick)
            asked_ns = ticked_ns + TICK_NS
            deadline_ns = next_deadline_ns(self._tree)
            if deadline_ns is not None:
                asked_ns = min(asked_ns, deadline_ns)

    def _tell_change(self) -> None:
        reports = tuple(self._reports)
        self._reports.clear()
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
                self._sweep_due = True
            elif number in (signal.SIGTERM, signal.SIGINT):
                self._stop_signal_count += 1
                self._decide(StopAll(fast=self._stop_signal_count > 1))
            elif number == signal.SIGHUP:
                self._decide(StopAll())

    def _hear_children(self, ready: list[int]) -> None:
        for descriptor in ready:
            process = self._owners.get(descriptor)
            if process is None:
                continue  # a signal, a request, or a descriptor closed earlier in this turn
            # also when only the pidfd woke us: the last words belong before the death
            for event in process.notifications():
                self._decide(event)
            if descriptor != process.pidfd:
                if process.is_mute:  # else the end of file would wake us for ever
                    self._unwatch(descriptor)
                continue
            exited = process.reap()
            if exited is not None:
                self._forget(process)
                self._sweep_due = True
                self._decide(exited)

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
            request.answer(Answer(reply.ok, reply.text))

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
                return self._spawn(name)
            case Terminate(name=name) if name in self._processes:
                self._processes[name].terminate()
            case Diagnose(name=name) if name in self._processes:
                self._processes[name].diagnose()
            case Kill(name=name) if name in self._processes:
                self._processes[name].kill()
            case Report():
                self._reports.append(action)
            case Finished(exit_code=exit_code):
                self._exit_code = exit_code
            case _:
                pass  # a Reply; or a signal to a process that could not be started
        return None

    def _spawn(self, name: str) -> Event:
        try:
            process = Process(self._specs[name])
        except SpawnError as error:
            return SpawnFailed(name, str(error))
        self._processes[name] = process
        for descriptor in (process.pidfd, process.notify_fd):
            self._owners[descriptor] = process
            self._poll.register(descriptor, select.POLLIN)
        return ChildSpawned(name, process.pid)

    def _forget(self, process: Process) -> None:
        for descriptor in (process.pidfd, process.notify_fd):
            if descriptor in self._owners:
                self._unwatch(descriptor)
        del self._processes[process.name]
        process.close()

    def _unwatch(self, descriptor: int) -> None:
        self._poll.unregister(descriptor)
        del self._owners[descriptor]

    def _sweep(self) -> int:
        return sweep({process.pid for process in self._processes.values()}, self._spared)

    def _leave_nothing(self) -> None:
        """The way out, orderly or by an error: no child and no child's child outlives the loop."""
        for process in self._processes.values():
            process.kill()
        while self._processes:
            self._poll.poll(SWEEP_PAUSE_MS)
            for process in list(self._processes.values()):
                if process.reap() is not None:
                    self._forget(process)
        pause = select.poll()
        for _ in range(SWEEP_ROUNDS_MAX):
            if self._sweep() == 0:
                return
            pause.poll(SWEEP_PAUSE_MS)


def _take_no_action(_number: int, _frame: FrameType | None) -> None:
    """The wake-up descriptor tells the loop; a handler must exist for that to happen."""


@contextlib.contextmanager
def _signal_descriptor() -> Iterator[int]:
    """A descriptor from which the numbers of SIGNALS can be read, while the context lasts."""
    read_fd, write_fd = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
    before = {number: signal.getsignal(number) for number in SIGNALS}
    wakeup_before = signal.set_wakeup_fd(write_fd, warn_on_full_buffer=False)
    try:
        for number in SIGNALS:
            # nohup has the terminal's end ignored, and means it
            if not (number == signal.SIGHUP and before[number] is signal.SIG_IGN):
                signal.signal(number, _take_no_action)
        yield read_fd
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(wakeup_before)
        os.close(read_fd)
        os.close(write_fd)
