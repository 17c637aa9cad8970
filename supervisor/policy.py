"""The rules of supervision: decide(tree, event, now_ns) -> (tree, actions). Pure.

Owns every decision and does nothing: no clock, no process, no chance but what the tree's seed
gives. The runner calls it with one event at a time and performs what it returns before the next;
a Spawn is answered (ChildSpawned or SpawnFailed) before anything else.

The rules lie in four parts: what follows a death (`exit_rules`), what a command does
(`command_rules`), who may start and who must go now (`order_rules`), and, here, what a child says
and what time brings. After each event the order is looked at again, so that whatever it made
possible happens in the same decision.
"""

from __future__ import annotations

from dataclasses import replace

from supervisor.command_rules import obey
from supervisor.commands import (
    HANG,
    Command,
    Describe,
    RestartChild,
    StartChild,
    StopAll,
    StopChild,
)
from supervisor.events import (
    ASKED,
    SPAWN_ERROR,
    START_TIMEOUT,
    STOP_TIMEOUT,
    Action,
    ChildBeat,
    ChildContinued,
    ChildEvent,
    ChildExited,
    ChildReady,
    ChildSpawned,
    ChildStopped,
    Event,
    Finished,
    Report,
    ReportKind,
    SpawnFailed,
    StartExtended,
    Tick,
)
from supervisor.exit_rules import settle, verdict
from supervisor.lifecycle import ChildState, Trigger
from supervisor.order_rules import start_in_order, stop_in_order
from supervisor.spec import SECOND_NS
from supervisor.tree import ChildRecord, Leaving, Tree, describe
from supervisor.turn import Turn


def decide(tree: Tree, event: Event | Command, now_ns: int) -> tuple[Tree, tuple[Action, ...]]:
    """The tree after the event, and what is to be done, in order."""
    turn = Turn(tree, now_ns)
    match event:
        case Tick(late_ns=late_ns):
            _forgive(turn, late_ns)
            for i in range(len(turn.records)):
                _pass_deadline(turn, i)
        case StopAll(fast=fast):
            _stop_all(turn, fast)
        case Describe():
            turn.reply(True, describe(tree))
        case RestartChild() | StopChild() | StartChild():
            obey(turn, event)
        case _:
            child = turn.index(event.name)
            assert child is not None, f"an event about no child of this tree: {event}"
            if turn.records[child].state.is_live:  # else the last words of one that is settled
                _notice(turn, child, event)
    stop_in_order(turn)
    start_in_order(turn)
    if turn.stopping and not turn.finished and not any(r.state.is_live for r in turn.records):
        turn.finished = True
        turn.actions.append(Finished(turn.exit_code))
    return turn.tree(), tuple(turn.actions)


def next_deadline_ns(tree: Tree) -> int | None:
    """When the next Tick is due for something to happen, if nothing else happens before."""
    due: list[int | None] = []
    for record in tree.records:
        # A start that was due and did not happen waits for an event of another child, not for
        # time: naming its moment again would make the runner spin.
        due.append(_if_ahead(record.unsettled_until_ns, tree))
        if record.state in (ChildState.BACKOFF, ChildState.PARKED):
            due.append(_if_ahead(record.deadline_ns, tree))
        else:
            due.append(_deadline_ns(record))
    return min((at_ns for at_ns in due if at_ns is not None), default=None)


def _if_ahead(at_ns: int | None, tree: Tree) -> int | None:
    return at_ns if at_ns is not None and at_ns > tree.decided_ns else None


def _deadline_ns(record: ChildRecord) -> int | None:
    """When this child's process has been silent, slow or deaf for too long."""
    match record.state:
        case ChildState.STARTING | ChildState.READY if record.leaving is not None:
            return None  # it is not asked for anything any more but to wait for its turn to go
        case ChildState.STARTING | ChildState.STOPPING | ChildState.KILLING:
            return record.deadline_ns
        case ChildState.READY:
            if record.beat_ns is None or record.spec.hang_after_ns is None:
                return None
            return record.beat_ns + record.spec.hang_after_ns
        case _:
            return None


def _notice(turn: Turn, i: int, event: ChildEvent) -> None:
    """What a child, or the kernel about it, says."""
    record = turn.records[i]
    is_starting = record.state is ChildState.STARTING
    match event:
        case ChildSpawned(pid=pid):
            turn.set(i, pid=pid, starts=record.starts + 1, started_ns=turn.now_ns)
            turn.report(ReportKind.STARTED, i)
        case SpawnFailed(text=text):
            turn.report(ReportKind.START_ERROR, i, text, cause=SPAWN_ERROR)
            settle(turn, i, SPAWN_ERROR, SPAWN_ERROR, None)
        case ChildReady():
            turn.move(i, Trigger.BECAME_READY)
            if is_starting:
                turn.set(i, ready_ns=turn.now_ns, beat_ns=turn.now_ns)
                turn.set(i, deadline_ns=None, unsettled_until_ns=None)
                turn.report(ReportKind.READY, i)
        case ChildBeat():
            turn.set(i, beat_ns=turn.now_ns)
        case StartExtended(extra_ns=extra_ns):
            if is_starting:
                _extend_start(turn, i, turn.now_ns + extra_ns)
        case ChildStopped(signal=signal):
            stopped = {"stopped_since_ns": turn.now_ns, "stop_signal": signal}
            turn.move(i, Trigger.SUSPEND, **stopped)
            turn.report(ReportKind.SUSPENDED, i, f"stopped by signal {signal}")
        case ChildContinued():
            _resume(turn, i)
        case ChildExited():
            if record.state is ChildState.KILLING:
                event = replace(event, out_of_memory=False)  # the SIGKILL was ours
            text, cause = verdict(record, event)
            turn.report(ReportKind.DIED, i, text, asked=cause == ASKED, cause=cause)
            settle(turn, i, text, cause, event)


def _resume(turn: Turn, i: int) -> None:
    since_ns = turn.records[i].stopped_since_ns
    if since_ns is not None:  # else it was stopped and continued before we could look
        turn.move(i, Trigger.SUSPEND, stopped_since_ns=None, stop_signal=None)
        stopped_s = (turn.now_ns - since_ns) / SECOND_NS
        turn.report(ReportKind.RESUMED, i, f"was stopped for {stopped_s:.1f} s")


def _extend_start(turn: Turn, i: int, until_ns: int) -> None:
    record = turn.records[i]
    until_ns = max(until_ns, record.deadline_ns or 0)
    turn.set(i, deadline_ns=until_ns)
    if record.unsettled_until_ns is not None:
        turn.set(i, unsettled_until_ns=until_ns)


def _forgive(turn: Turn, late_ns: int) -> None:
    """Nobody is blamed for the time in which we were not looking.

    A supervisor that was stopped, or got no processor, comes back to deadlines that it has missed
    itself. After an absence as long as a child's whole allowance the child begins anew: it may have
    been stopped with us, and needs a moment to beat again.
    """
    for i, record in enumerate(turn.records):
        if record.beat_ns is not None and record.spec.hang_after_ns is not None:
            was_away = late_ns >= record.spec.hang_after_ns
            seen_ns = turn.now_ns if was_away else record.beat_ns + late_ns
            turn.set(i, beat_ns=min(turn.now_ns, seen_ns))
        if record.state is ChildState.STARTING and record.deadline_ns is not None:
            turn.set(i, deadline_ns=record.deadline_ns + late_ns)


def _pass_deadline(turn: Turn, i: int) -> None:
    record = turn.records[i]
    at_ns = _deadline_ns(record)
    if at_ns is None or at_ns > turn.now_ns:
        return
    match record.state:
        case ChildState.STARTING:
            turn.set(i, leaving=Leaving.FAILURE, blame=START_TIMEOUT, unsettled_until_ns=None)
            turn.kill(i)
        case ChildState.READY:
            turn.hang(i, HANG)
        case ChildState.STOPPING:
            turn.set(i, blame=record.blame or STOP_TIMEOUT)
            turn.kill(i)
        case _:
            turn.report(ReportKind.STUCK, i, "not gone after SIGKILL: see /proc/PID/wchan")
            turn.kill(i)


def _stop_all(turn: Turn, fast: bool) -> None:
    if not turn.stopping:
        turn.actions.append(Report(ReportKind.STOPPING, ""))
        turn.begin_stop()
    if fast:
        for i, record in enumerate(turn.records):
            if record.state.is_live and record.state is not ChildState.KILLING:
                turn.kill(i)
    turn.reply(True, "stopping")
