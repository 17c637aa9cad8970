"""What a command about one child does.

Whatever is asked at whatever moment has an answer, and asking twice is fine: a wish that is being
fulfilled is not begun again. An operator's wish overrides delays and limits, and holds: a child
that was stopped by name stays down until it is started by name.
"""

from __future__ import annotations

from supervisor.commands import HANG, OPERATOR, RestartChild, StartChild, StopChild
from supervisor.events import ReportKind
from supervisor.lifecycle import ChildState
from supervisor.tree import Leaving
from supervisor.turn import Turn


def obey(turn: Turn, command: RestartChild | StopChild | StartChild) -> None:
    """Do what it says and reply."""
    i = turn.index(command.name)
    if i is None:
        names = ", ".join(record.name for record in turn.records)
        turn.reply(False, f"no child is called {command.name!r}; there are: {names}")
    elif turn.stopping:
        turn.reply(False, "everything is being stopped; start it again")
    else:
        text = _fulfil(turn, i, command)
        record = turn.records[i]
        turn.reply(True, text, (record.pid or 0) if record.leaving is not None else 0)


def _fulfil(turn: Turn, i: int, command: RestartChild | StopChild | StartChild) -> str:
    """Do it; what to say about it."""
    if isinstance(command, StopChild):
        return _stop(turn, i)
    if isinstance(command, StartChild):
        return _start(turn, i)
    return _restart(turn, i, command)


def _stop(turn: Turn, i: int) -> str:
    if turn.records[i].wanted:
        turn.report(ReportKind.STOPPING, i, OPERATOR)
    record = turn.set(i, wanted=False, unsettled_until_ns=None)
    if not record.state.is_live:
        turn.rest(i)
        return f"{record.name} is stopped"
    turn.set(i, leaving=Leaving.DOWN)
    if record.state in (ChildState.STARTING, ChildState.READY):
        turn.terminate(i)
    return f"{record.name} is being stopped"


def _start(turn: Turn, i: int) -> str:
    record = turn.records[i]
    if record.leaving is Leaving.DOWN:
        turn.set(i, wanted=True, leaving=Leaving.RESTART)
        return f"{record.name} will start again when it is gone"
    if record.state.is_live:
        return f"{record.name} is {record.state.value} already"
    turn.rest(i)
    turn.set(i, wanted=True, failures_ns=(), attempts=0, half_open=False)
    return f"{record.name} is being started"


def _restart(turn: Turn, i: int, command: RestartChild) -> str:
    record = turn.records[i]
    by_operator = command.reason == OPERATOR
    if command.pid and command.pid != record.pid:
        return f"{record.name} with pid {command.pid} has been replaced already"
    if by_operator and record.state is not ChildState.READY:
        return _start(turn, i)
    if record.state is not ChildState.READY or record.leaving is not None:
        return f"{record.name} is {record.state.value} already; nothing to do"
    if command.reason == HANG:
        turn.hang(i, HANG)
        return f"{record.name} is being killed and restarted"
    turn.report(ReportKind.RESTARTING, i, command.reason)
    if by_operator:
        turn.set(i, leaving=Leaving.RESTART)
    else:
        turn.set(i, leaving=Leaving.FAILURE, blame=command.reason)
    turn.terminate(i)
    return f"{record.name} is being restarted"
