"""Who may start and who must go now: first to last, and last to first.

A child waits for those before it, or for those of them that its specification names, to be
*settled*: ready, parked, finished, or out of time. That holds for the first start and for a start
after its group went down; a restart of one child alone waits for nobody. A child that is to go is
asked when those behind it that are to go are gone.
"""

from __future__ import annotations

from supervisor.lifecycle import ChildState
from supervisor.tree import ChildRecord
from supervisor.turn import Turn


def stop_in_order(turn: Turn) -> None:
    """Ask the last one that is on its way out and still at work."""
    for i in reversed(range(len(turn.records))):
        record = turn.records[i]
        if record.leaving is not None:
            assert record.state.is_live
            if record.state in (ChildState.STARTING, ChildState.READY):
                turn.terminate(i)
            return


def start_in_order(turn: Turn) -> None:
    """Start whoever is due and need not wait for another."""
    if turn.stopping:
        return
    for i in range(len(turn.records)):
        if _is_due(turn.records[i], turn.now_ns) and not _must_wait(turn, i):
            turn.spawn(i)


def _is_due(record: ChildRecord, now_ns: int) -> bool:
    if record.state in (ChildState.BACKOFF, ChildState.PARKED):
        return record.deadline_ns is not None and record.deadline_ns <= now_ns
    return record.is_waiting_turn


def _must_wait(turn: Turn, i: int) -> bool:
    record = turn.records[i]
    if any(turn.records[j].leaving is not None for j in turn.group(i)):
        return True  # the old generation goes before the new one comes
    is_in_order = record.is_waiting_turn or record.unsettled_until_ns is not None
    return is_in_order and not all(
        other.is_settled(turn.now_ns)
        for other in turn.records[:i]
        if record.spec.after is None or other.name in record.spec.after
    )
