"""The processes there are, by name and by descriptor, and what they leave behind.

Owns every Process from its spawn to its reaping, the reserve of descriptors, and the knowledge of
whose leftovers to sweep. Invariants: at most one process of a name; a descriptor is in the poll
exactly while something may be heard from it; after `end` no child and no child's child is left.
Decides nothing: what is heard becomes an event, and the runner, who alone uses this, says what to
do.
"""

from __future__ import annotations

import select
from collections.abc import Iterable, Iterator

from supervisor.errors import SpawnError
from supervisor.events import (
    ChildContinued,
    ChildExited,
    ChildSpawned,
    ChildStopped,
    Report,
    ReportKind,
    SpawnFailed,
)
from supervisor.limits import apply_limits
from supervisor.process import (
    Notification,
    Process,
    become_subreaper,
    own_children,
    process_entry,
    sweep,
)
from supervisor.spares import SpareDescriptors
from supervisor.spec import ChildSpec

SWEEP_ROUNDS_MAX = 100
SWEEP_PAUSE_MS = 10


class Children:
    """From `begin` to `end`, in the main thread."""

    def __init__(self, specs: Iterable[ChildSpec], poll: select.poll) -> None:
        self._specs = {spec.name: spec for spec in specs}
        self._poll = poll
        self._processes: dict[str, Process] = {}
        self._owners: dict[int, Process] = {}  # by pidfd and by notify_fd
        self._spared: frozenset[int] = frozenset()
        self._spares = SpareDescriptors(0)
        self._is_short = False
        self._sweep_due = False
        self._refused: set[tuple[str, str]] = set()
        self._reports: list[Report] = []

    def begin(self) -> None:
        """From now on orphans of ours come to us; what is a child of this process already is not
        ours to end."""
        become_subreaper()
        self._spared = own_children()
        self._spares = SpareDescriptors()

    def end(self) -> None:
        """The way out, orderly or by an error: no child and no child's child outlives it."""
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
                break
            pause.poll(SWEEP_PAUSE_MS)
        self._spares.close()

    def spawn(self, name: str) -> ChildSpawned | SpawnFailed:
        spec = self._specs[name]
        with self._spares.lent():
            try:
                process = Process(spec)
            except SpawnError as error:
                return SpawnFailed(name, str(error))
            self._limit(process, spec)
        self._processes[name] = process
        for descriptor in (process.pidfd, process.notify_fd):
            self._owners[descriptor] = process
            self._poll.register(descriptor, select.POLLIN)
        return ChildSpawned(name, process.pid)

    def _limit(self, process: Process, spec: ChildSpec) -> None:
        refused = [(spec.name, text) for text in apply_limits(process.pid, spec)]
        entry = process_entry(process.pid) if refused else None
        if entry is None or entry.is_zombie:
            return  # dead already, and nobody's but root's to change
        for name, text in refused:
            if (name, text) not in self._refused:  # once, and not with each restart
                self._refused.add((name, text))
                self._reports.append(Report(ReportKind.LIMIT_REFUSED, name, text, process.pid))

    def get(self, name: str) -> Process | None:
        """To be signalled; None if it could not be started."""
        return self._processes.get(name)

    def hear(self, ready: list[int]) -> Iterator[Notification | ChildExited]:
        """What children say, and that they are gone, from descriptors that are readable. Whoever
        asks may spawn between two events."""
        for descriptor in ready:
            process = self._owners.get(descriptor)
            if process is None:
                continue  # a signal, a request, or a descriptor closed earlier in this turn
            # also when only the pidfd woke us: the last words belong before the death
            yield from process.notifications()
            if descriptor != process.pidfd:
                if process.is_mute:  # else the end of file would wake us for ever
                    self._unwatch(descriptor)
                continue
            exited = process.reap()
            if exited is not None:
                self._forget(process)
                self._sweep_due = True
                yield exited

    def hear_stops(self) -> Iterator[ChildStopped | ChildContinued]:
        """Whom a signal has stopped or continued; to be asked after SIGCHLD."""
        self._sweep_due = True  # the same signal says that an orphan of ours has ended
        for process in list(self._processes.values()):
            event = process.job_control()
            if event is not None:
                yield event

    def sweep_if_due(self) -> None:
        """Look for leftovers, if something has ended since the last time."""
        if self._sweep_due:
            self._sweep_due = False
            self._sweep()

    def take_reports(self) -> list[Report]:
        """What people should know and the policy does not decide about, since the last call."""
        reports, self._reports = self._reports, []
        return reports

    def tend_reserve(self) -> None:
        """Take back what was lent and has become free; say so once if nothing has."""
        self._spares.take()
        if self._spares.is_whole:
            self._is_short = False
        elif not self._is_short:
            self._is_short = True
            text = "none but the reserve is left: raise `ulimit -n`, or find what leaks"
            self._reports.append(Report(ReportKind.SHORT_OF_DESCRIPTORS, "", text))

    def _forget(self, process: Process) -> None:
        for descriptor in (process.pidfd, process.notify_fd):
            if descriptor in self._owners:
                self._unwatch(descriptor)
        del self._processes[process.name]
        process.close()
        self._spares.take()  # before the host program gets what has just been given back

    def _unwatch(self, descriptor: int) -> None:
        self._poll.unregister(descriptor)
        del self._owners[descriptor]

    def _sweep(self) -> int:
        """Kill and reap what was left behind; how much was found, 1 if one could not look."""
        child_pids = {process.pid for process in self._processes.values()}
        try:
            with self._spares.lent():
                return sweep(child_pids, self._spared)
        except OSError:  # no descriptor to be had in the whole host: at the next turn, then
            self._sweep_due = True
            return 1
