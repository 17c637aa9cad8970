"""What can happen to a tree, and what is to be done about it: the two sides of the policy.

Frozen values without behaviour. The runner makes events and performs actions; the policy takes the
ones and returns the others. Requests of operators are in `commands` and reach the policy as they
are. Children are named, never numbered: a process id may be another process by the time it is used.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, field

# Why a process ended, as it is counted: one of these, "hang", or the reason given in RestartChild.
EXIT = "exit"
SIGNAL = "signal"
OUT_OF_MEMORY = "out of memory"
START_TIMEOUT = "start timeout"
STOP_TIMEOUT = "stop timeout"
SPAWN_ERROR = "spawn error"
ASKED = "asked"


@dataclass(frozen=True, slots=True)
class ChildSpawned:
    """The answer to Spawn: a process exists."""

    name: str
    pid: int


@dataclass(frozen=True, slots=True)
class SpawnFailed:
    """The other answer to Spawn: no process came to be."""

    name: str
    text: str


@dataclass(frozen=True, slots=True)
class ChildReady:
    name: str


@dataclass(frozen=True, slots=True)
class ChildBeat:
    """A sign of life; many in one read are one event."""

    name: str


@dataclass(frozen=True, slots=True)
class StartExtended:
    """The child needs this much longer, from now, to get ready."""

    name: str
    extra_ns: int


@dataclass(frozen=True, slots=True)
class ChildStopped:
    """A signal (SIGSTOP, a terminal's Ctrl-Z) stopped it: it exists and does not run."""

    name: str
    signal: int


@dataclass(frozen=True, slots=True)
class ChildContinued:
    """It runs again after having been stopped."""

    name: str


@dataclass(frozen=True, slots=True)
class ChildExited:
    """Exactly one of code and signal is set; neither, if somebody else took the exit status.

    `out_of_memory` says that it ended by SIGKILL just when the kernel killed somebody for memory:
    the kernel does not tell whom.
    """

    name: str
    exit_code: int | None
    signal: int | None = None
    out_of_memory: bool = False

    @property
    def text(self) -> str:
        if self.signal is not None:
            hint = ", perhaps out of memory" if self.out_of_memory else ""
            return f"signal {self.signal}{hint}"
        return f"exit {'?' if self.exit_code is None else self.exit_code}"


@dataclass(frozen=True, slots=True)
class Tick:
    """Time has passed; after all other events of a turn, so that no beat is overlooked.

    `late_ns` is how much later than asked for the runner woke. A supervisor that was itself
    stopped, or starved, cannot tell a silent child from its own absence.
    """

    late_ns: int = 0


ChildEvent = (
    ChildSpawned
    | SpawnFailed
    | ChildReady
    | ChildBeat
    | StartExtended
    | ChildStopped
    | ChildContinued
    | ChildExited
)
Event = ChildEvent | Tick


@dataclass(frozen=True, slots=True)
class Spawn:
    """Start the process; answered by ChildSpawned or SpawnFailed before anything else."""

    name: str


@dataclass(frozen=True, slots=True)
class Terminate:
    """SIGTERM, and SIGCONT so that a stopped process can take it."""

    name: str


@dataclass(frozen=True, slots=True)
class Diagnose:
    """SIGUSR1: the child writes down where it hangs. Kill follows."""

    name: str


@dataclass(frozen=True, slots=True)
class Kill:
    name: str


class ReportKind(enum.Enum):
    STARTED = "started"
    READY = "ready"
    DIED = "died"  # a process ended, asked for or not: the crash record
    START_ERROR = "start error"
    HUNG = "hung"
    SUSPENDED = "suspended"  # a signal stopped it; if it stays so, the hang rule replaces it
    RESUMED = "resumed"
    LIMIT_REFUSED = "limit refused"  # it runs without a limit of its specification
    SHORT_OF_DESCRIPTORS = "short of descriptors"  # our own process; about the tree
    PARKED = "parked"
    RESTARTING = "restarting"
    STUCK = "stuck"  # not gone long after SIGKILL
    STOPPING = "stopping"  # the whole tree, or one child at an operator's wish
    GAVE_UP = "gave up"  # a critical child is at its limit


@dataclass(frozen=True, slots=True)
class Report:
    """One fact for people and logs. `name` is empty when it is about the tree.

    `pid` and `uptime_ns` belong to the incarnation it is about; `asked` says that a death was
    wanted (a stop, an operator's restart), came as it was to, and is nothing to worry about.
    `cause` is set for DIED and START_ERROR: the key under which ChildRecord.exits counts it.
    `at_ns`: when the policy noticed, monotonic; whoever is told hears of it only when everything
    has been performed.
    """

    kind: ReportKind
    name: str
    text: str = ""
    pid: int | None = None
    uptime_ns: int | None = None
    asked: bool = False
    cause: str | None = None
    at_ns: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Reply:
    """The answer to the command that was given to the policy; see commands.Answer."""

    ok: bool
    text: str
    leaving_pid: int = 0


@dataclass(frozen=True, slots=True)
class Finished:
    """Every child is gone and the tree was told to stop."""

    exit_code: int


Action = Spawn | Terminate | Diagnose | Kill | Report | Reply | Finished
