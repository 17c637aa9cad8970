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
    elif isinstance(command, StopChild):
        _stop(turn, i)
    elif isinstance(command, StartChild):
        _start(turn, i)
    else:
        _restart(turn, i, command)


def _stop(turn: Turn, i: int) -> None:
    record = turn.set(i, wanted=False, unsettled_until_ns=None)
    if not record.state.is_live:
        turn.rest(i)
        turn.reply(True, f"{record.name} is stopped")
        return
    turn.set(i, leaving=Leaving.DOWN)
    if record.state in (ChildState.STARTING, ChildState.READY):
        turn.terminate(i)
    turn.reply(True, f"{record.name} is being stopped")


def _start(turn: Turn, i: int) -> None:
    record = turn.records[i]
    if record.leaving is Leaving.DOWN:
        turn.set(i, wanted=True, leaving=Leaving.RESTART)
        turn.reply(True, f"{record.name} will start again when it is gone")
    elif record.state.is_live:
        turn.reply(True, f"{record.name} is {record.state.value} already")
    else:
        turn.rest(i)
        turn.set(i, wanted=True, failures_ns=(), attempts=0, half_open=False)
        turn.reply(True, f"{record.name} is being started")


def _restart(turn: Turn, i: int, command: RestartChild) -> None:
    record = turn.records[i]
    by_operator = command.reason == OPERATOR
    if command.pid and command.pid != record.pid:
        turn.reply(True, f"{record.name} with pid {command.pid} has been replaced already")
    elif by_operator and record.state is not ChildState.READY:
        _start(turn, i)
    elif record.state is not ChildState.READY or record.leaving is not None:
        turn.reply(True, f"{record.name} is {record.state.value} already; nothing to do")
    elif command.reason == HANG:
        turn.hang(i, HANG)
        turn.reply(True, f"{record.name} is being killed and restarted")
    else:
        turn.report(ReportKind.RESTARTING, i, command.reason)
        if by_operator:
            turn.set(i, leaving=Leaving.RESTART)
        else:
            turn.set(i, leaving=Leaving.FAILURE, blame=command.reason)
        turn.terminate(i)
        turn.reply(True, f"{record.name} is being restarted")
