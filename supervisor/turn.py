"""One decision in the making: a private, mutable copy of a tree, and the verbs that change it.

Owns the moves that every rule is made of; each keeps a record consistent (state, deadline and
action change together). Only the policy and its parts use it, and it does not live longer than
one call.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from supervisor.events import Action, Diagnose, Kill, Reply, Report, ReportKind, Spawn, Terminate
from supervisor.lifecycle import ChildState, Trigger, advance
from supervisor.spec import MILLISECOND_NS, SECOND_NS, Strategy
from supervisor.tree import ChildRecord, Leaving, Tree

DIAGNOSE_GRACE_NS = 200 * MILLISECOND_NS  # a traceback of all threads takes a few milliseconds
STUCK_AFTER_NS = 5 * SECOND_NS  # after SIGKILL only uninterruptible sleep keeps a process


class Turn:
    """The tree while it is being decided about."""

    def __init__(self, tree: Tree, now_ns: int) -> None:
        self.before = tree
        self.spec = tree.spec
        self.now_ns = now_ns
        self.records = list(tree.records)
        self.stopping = tree.stopping
        self.finished = tree.finished
        self.exit_code = tree.exit_code
        self.actions: list[Action] = []

    def tree(self) -> Tree:
        """The tree as it is now."""
        return replace(
            self.before,
            records=tuple(self.records),
            decided_ns=self.now_ns,
            stopping=self.stopping,
            finished=self.finished,
            exit_code=self.exit_code,
        )

    def index(self, name: str) -> int | None:
        return next((i for i, record in enumerate(self.records) if record.name == name), None)

    def group(self, i: int) -> list[int]:
        """Those who are restarted when child i is, itself excepted."""
        match self.spec.strategy:
            case Strategy.ONE_FOR_ONE:
                return []
            case Strategy.REST_FOR_ONE:
                return list(range(i + 1, len(self.records)))
            case Strategy.ONE_FOR_ALL:
                return [j for j in range(len(self.records)) if j != i]

    def set(self, i: int, **changes: Any) -> ChildRecord:
        """Change fields other than the state."""
        assert "state" not in changes
        self.records[i] = replace(self.records[i], **changes)
        return self.records[i]

    def move(self, i: int, trigger: Trigger, **changes: Any) -> None:
        """Change the state as the table says, and fields with it."""
        state = advance(self.records[i].state, trigger)
        self.records[i] = replace(self.records[i], state=state, **changes)

    def report(
        self,
        kind: ReportKind,
        i: int,
        text: str = "",
        *,
        asked: bool = False,
        cause: str | None = None,
    ) -> None:
        record = self.records[i]
        uptime_ns = None if record.started_ns is None else self.now_ns - record.started_ns
        about = (record.name, text, record.pid, uptime_ns, asked, cause)
        self.actions.append(Report(kind, *about, at_ns=self.now_ns))

    def reply(self, ok: bool, text: str, leaving_pid: int = 0) -> None:
        self.actions.append(Reply(ok, text, leaving_pid))

    def spawn(self, i: int) -> None:
        record = self.records[i]
        ready_by_ns = self.now_ns + record.spec.ready_timeout_ns
        if record.state is ChildState.STOPPED:
            self.set(i, unsettled_until_ns=ready_by_ns)
        elif record.state is ChildState.PARKED:
            self.set(i, half_open=True)
        self.move(i, Trigger.SPAWN, deadline_ns=ready_by_ns)
        self.actions.append(Spawn(record.name))

    def terminate(self, i: int) -> None:
        record = self.records[i]
        self.actions.append(Terminate(record.name))
        self.move(i, Trigger.TERMINATE, deadline_ns=self.now_ns + record.spec.stop_timeout_ns)

    def kill(self, i: int) -> None:
        self.actions.append(Kill(self.records[i].name))
        self.move(i, Trigger.KILL, deadline_ns=self.now_ns + STUCK_AFTER_NS)

    def hang(self, i: int, reason: str) -> None:
        """Have it write down where it is, then kill it: SIGTERM would be in vain. One that a signal
        has stopped would not take the request either, and there is nothing to find out."""
        record = self.set(i, leaving=Leaving.FAILURE, blame=reason)
        if record.stopped_since_ns is not None:
            stopped_s = (self.now_ns - record.stopped_since_ns) / SECOND_NS
            text = f"stopped by signal {record.stop_signal} for {stopped_s:.1f} s"
            self.report(ReportKind.HUNG, i, text)
            self.kill(i)
            return
        self.report(ReportKind.HUNG, i, reason)
        self.actions.append(Diagnose(self.records[i].name))
        self.move(i, Trigger.TERMINATE, deadline_ns=self.now_ns + DIAGNOSE_GRACE_NS)

    def rest(self, i: int) -> None:
        """A child without a process waits for no time any more."""
        self.move(i, Trigger.REST, deadline_ns=None, unsettled_until_ns=None)

    def begin_stop(self) -> None:
        """From now on nothing is started, and what lives is to go in its turn."""
        self.stopping = True
        for i, record in enumerate(self.records):
            if record.state.is_live:
                self.set(i, leaving=Leaving.DOWN)
            else:
                self.rest(i)
