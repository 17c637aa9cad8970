"""What a tree can be asked to do while it runs, and how the questions get in.

The host program brings the transport: it implements CommandSource over whatever it likes. A command
names a child; a `pid` in it is a fence, not an address.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

OPERATOR = "operator"
HANG = "hang"


@dataclass(frozen=True, slots=True)
class RestartChild:
    """End the child and start it again.

    Reason OPERATOR is polite and free; it also starts what is parked or stopped. Any other reason
    is a failure of the child, counts towards its limit and becomes its `last_exit`; HANG asks for
    a dump and kills. `pid`, if not 0, limits the request to that incarnation: a verdict about a
    process that has been replaced in the meantime must not hit its successor.
    """

    name: str
    reason: str = OPERATOR
    pid: int = 0


@dataclass(frozen=True, slots=True)
class StopChild:
    """End the child; it stays down until it is started or restarted by name."""

    name: str


@dataclass(frozen=True, slots=True)
class StartChild:
    """Start a child that is down, without waiting for any delay."""

    name: str


@dataclass(frozen=True, slots=True)
class StopAll:
    """Stop the children in reverse order and end; `fast` kills them all at once."""

    fast: bool = False


@dataclass(frozen=True, slots=True)
class Describe:
    """Answered by the whole tree as one JSON object."""


Command = RestartChild | StopChild | StartChild | StopAll | Describe


@dataclass(frozen=True, slots=True)
class Answer:
    """`ok` says that the wish is, or will be, fulfilled; a wish already fulfilled is fine.

    `leaving_pid` is the process of the child that goes before the wish is fulfilled; 0: none goes,
    whichever is there, or comes, is the right one.
    """

    ok: bool
    text: str
    leaving_pid: int = 0


class Request(Protocol):
    """A command, and the way back to whoever sent it."""

    @property
    def command(self) -> Command: ...

    def answer(self, answer: Answer) -> None:
        """Must not block; whoever asked may be gone."""


class CommandSource(Protocol):
    """Where requests come from."""

    def fileno(self) -> int:
        """A descriptor that becomes readable with a request, or -1."""

    def receive(self) -> list[Request]:
        """All requests there are, without blocking; called on each turn of the loop."""


class NoCommands:
    """The source of a tree that takes no orders but signals."""

    def fileno(self) -> int:
        return -1

    def receive(self) -> list[Request]:
        return []
