"""The bus as the supervisor's CommandSource: each message becomes a command of the tree."""

from __future__ import annotations

from hunter.bus.messages import Answer, Command, RestartActor, StopActor, StopAll
from hunter.bus.sockets import ControlServer
from supervisor import commands as tree_commands
from supervisor.commands import Answer as TreeAnswer
from supervisor.commands import Request


class ControlSource:
    """What the supervisor asks for requests."""

    def __init__(self, control: ControlServer) -> None:
        self._control = control

    def fileno(self) -> int:
        return self._control.fileno()

    def receive(self) -> list[Request]:
        return [
            BusRequest(self._control, address, tree_command(command))
            for address, command in self._control.receive()
        ]


class BusRequest:
    """One command of the bus, as the supervisor package wants it."""

    def __init__(
        self, control: ControlServer, address: bytes, command: tree_commands.Command
    ) -> None:
        self._control = control
        self._address = address
        self._command = command

    @property
    def command(self) -> tree_commands.Command:
        return self._command

    def answer(self, answer: TreeAnswer) -> None:
        self._control.answer(
            self._address, Answer(ok=answer.ok, text=answer.text, leaving_pid=answer.leaving_pid)
        )


def tree_command(command: Command) -> tree_commands.Command:
    """The supervisor's own form of a command."""
    if isinstance(command, RestartActor):
        return tree_commands.RestartChild(command.actor, command.reason, command.pid)
    if isinstance(command, StopActor):
        return tree_commands.StopChild(command.actor)
    return tree_commands.StopAll() if isinstance(command, StopAll) else tree_commands.Describe()
