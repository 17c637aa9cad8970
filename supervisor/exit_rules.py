"""What follows a death: back at once, later, parked, or not at all; and who goes with it.

Restart types and strategies as in Erlang/OTP, with three differences. The intensity is each
child's own, and at the limit a child is parked and tried again rarely, so that one that cannot
run costs the others nothing. A delay comes before each restart but the first. And with an exit
code that says "trying again cannot help" it stays parked until somebody asks. A ready child that
somebody else killed is back at once, as often as it takes; if that was probably the kernel, for
memory, it is the child's own failure like any other, because what eats all memory does it again.
"""

from __future__ import annotations

import random
from signal import SIGKILL, SIGTERM
from typing import Final

from supervisor.events import (
    ASKED,
    EXIT,
    OUT_OF_MEMORY,
    SIGNAL,
    STOP_TIMEOUT,
    ChildExited,
    ReportKind,
)
from supervisor.lifecycle import ChildState, Trigger
from supervisor.spec import MILLISECOND_NS, Restart
from supervisor.tree import ChildRecord, Leaving, counted
from supervisor.turn import Turn

GIVE_UP_EXIT_CODE = 1
# Below this a ready child's death by SIGKILL looks like a program that is killed for what it does
# (out of memory at the first work), and must be paced like any other crash.
KILLED_BY_OTHERS_AFTER_NS: Final = 500 * MILLISECOND_NS
_FROM_OUTSIDE: Final = (SIGKILL, SIGTERM)


def verdict(record: ChildRecord, event: ChildExited) -> tuple[str, str]:
    """How the end of this child's process is told, and under what cause it is counted: ASKED, if it
    was told to go and did. One that crashed instead, or had to be killed, did not."""
    if record.leaving in (Leaving.RESTART, Leaving.DOWN) and _went_as_asked(record, event):
        return event.text, ASKED
    if record.blame is not None:
        return record.blame, record.blame
    if event.signal is None:
        return event.text, EXIT
    return event.text, OUT_OF_MEMORY if event.out_of_memory else SIGNAL


def _went_as_asked(record: ChildRecord, event: ChildExited) -> bool:
    if record.blame not in (None, STOP_TIMEOUT):
        return False  # it hung, say, before somebody asked
    if event.signal is None:
        return not event.exit_code
    is_fast_stop = record.state is ChildState.KILLING and record.blame is None
    return event.signal == SIGTERM or (event.signal == SIGKILL and is_fast_stop)


def settle(turn: Turn, i: int, last_exit: str, cause: str, event: ChildExited | None) -> None:
    """Child i has no process any more; `event` is None if it never had one."""
    record = turn.records[i]
    exit_code = None if event is None else event.exit_code
    was_ready = record.ready_ns is not None
    ready_for_ns = 0 if record.ready_ns is None else turn.now_ns - record.ready_ns
    turn.set(
        i,
        last_exit=last_exit,
        exits=counted(record.exits, cause),
        pid=None,
        started_ns=None,
        ready_ns=None,
        beat_ns=None,
        stopped_since_ns=None,
        stop_signal=None,
        deadline_ns=None,
        leaving=None,
        blame=None,
    )
    if ready_for_ns >= turn.spec.backoff.reset_after_ns:
        turn.set(i, failures_ns=(), attempts=0, half_open=False)
    if turn.stopping or record.leaving in (Leaving.DOWN, Leaving.RESTART):
        turn.move(i, Trigger.GONE_DOWN, unsettled_until_ns=None)
        return
    by_itself = record.leaving is None
    normal = by_itself and exit_code == 0
    if _is_finished(record.spec.restart, normal):
        turn.move(i, Trigger.GONE_DOWN, wanted=False, unsettled_until_ns=None)
        return
    if by_itself and exit_code in record.spec.no_retry_exit_codes:
        _park(turn, i, f"{last_exit}: not tried again until asked", None, exit_code)
    elif by_itself and _is_killed_by_others(event, ready_for_ns):
        # Nobody's fault but the killer's: back at once, and no step towards being parked.
        turn.move(i, Trigger.GONE_BACKOFF, deadline_ns=turn.now_ns)
    elif normal and was_ready:
        _back_off(turn, i)
    else:
        _count_failure(turn, i)
    if was_ready:
        _restart_group(turn, i)


def _is_finished(restart: Restart, normal: bool) -> bool:
    return restart is Restart.TEMPORARY or (restart is Restart.TRANSIENT and normal)


def _is_killed_by_others(event: ChildExited | None, ready_for_ns: int) -> bool:
    """Whether somebody else's signal ended a child that did its work. A program does not send these
    two to itself; what it does wrong ends in another signal, an exit code, a hang, or in the
    kernel's own SIGKILL, which is told from a foreign one by the kernel's count."""
    return (
        event is not None
        and event.signal in _FROM_OUTSIDE
        and not event.out_of_memory
        and ready_for_ns >= KILLED_BY_OTHERS_AFTER_NS
    )


def _count_failure(turn: Turn, i: int) -> None:
    """One more in the window: a place on the back-off curve, or the parking place."""
    since_ns = turn.now_ns - turn.spec.intensity.period_ns
    recent = [at_ns for at_ns in turn.records[i].failures_ns if at_ns > since_ns]
    record = turn.set(i, failures_ns=(*recent, turn.now_ns))
    failure_count = len(record.failures_ns)
    if record.half_open:
        _park(turn, i, f"{record.last_exit} on its one try", turn.spec.parked_retry_ns)
    elif failure_count > turn.spec.intensity.max_restarts:
        text = f"{failure_count} failures, the last: {record.last_exit}"
        _park(turn, i, text, turn.spec.parked_retry_ns)
    else:
        _back_off(turn, i)


def _back_off(turn: Turn, i: int) -> None:
    record = turn.records[i]
    # text as the seed: the same draw for the same child and start, whatever the others do
    draw = random.Random(f"{turn.before.seed} {record.name} {record.starts}").random()
    restart_at_ns = turn.now_ns + turn.spec.backoff.delay_ns(record.attempts, draw)
    turn.move(i, Trigger.GONE_BACKOFF, deadline_ns=restart_at_ns, attempts=record.attempts + 1)


def _park(
    turn: Turn, i: int, text: str, retry_after_ns: int | None, exit_code: int | None = None
) -> None:
    retry_at_ns = None if retry_after_ns is None else turn.now_ns + retry_after_ns
    turn.move(i, Trigger.GONE_PARK, deadline_ns=retry_at_ns, unsettled_until_ns=None)
    turn.report(ReportKind.PARKED, i, text)
    if turn.records[i].spec.critical:
        turn.exit_code = GIVE_UP_EXIT_CODE if exit_code is None else exit_code
        turn.report(ReportKind.GAVE_UP, i, text)
        turn.begin_stop()


def _restart_group(turn: Turn, i: int) -> None:
    """Child i was ready and is gone: those who depended on it start again, after it.

    Only then: a start that failed took nothing away from anybody.
    """
    for j in turn.group(i):
        other = turn.records[j]
        if other.state in (ChildState.STARTING, ChildState.READY) and other.leaving is None:
            turn.set(j, leaving=Leaving.RESTART)
        elif other.state is ChildState.BACKOFF:
            turn.rest(j)
    record = turn.records[i]
    if turn.group(i) and record.state is ChildState.BACKOFF:
        assert record.deadline_ns is not None
        turn.set(i, unsettled_until_ns=record.deadline_ns + record.spec.ready_timeout_ns)
