"""What the policy knows: the frozen state of a tree and of each child in it.

Owns the values and the questions about them; `policy.decide` makes the next ones, observers read
them. Invariants: as many records as children, in start order; a record has a pid exactly while its
state is live (but for the moment between Spawn and its answer).
"""

from __future__ import annotations

import enum
import json
from dataclasses import dataclass

from supervisor.lifecycle import ChildState
from supervisor.spec import ChildSpec, TreeSpec


class Leaving(enum.Enum):
    """Why a live child is on its way out, which decides what comes after its exit."""

    RESTART = "restart"  # back at once, no blame: an operator's wish, or a restart with its group
    DOWN = "down"  # stays down
    FAILURE = "failure"  # it hung or never got ready: as if it had crashed


@dataclass(frozen=True, slots=True, kw_only=True)
class ChildRecord:
    """One child now. Times are monotonic; None where there is nothing to tell."""

    spec: ChildSpec
    state: ChildState = ChildState.STOPPED
    wanted: bool = True  # False: finished for good, or told to stay down
    pid: int | None = None
    starts: int = 0
    last_exit: str | None = None  # "exit 1", "signal 9", "hang", "start timeout", ...
    started_ns: int | None = None
    ready_ns: int | None = None
    beat_ns: int | None = None
    # STARTING: ready by; STOPPING: killed at; KILLING: seen to again; BACKOFF, PARKED: next try
    deadline_ns: int | None = None
    # those behind it in the start order wait for it until then; None: they need not
    unsettled_until_ns: int | None = None
    leaving: Leaving | None = None
    blame: str | None = None  # what to tell as last_exit in place of the signal that we sent
    failures_ns: tuple[int, ...] = ()  # when, within the intensity's period
    attempts: int = 0  # exits since it was last healthy: the place on the back-off curve
    half_open: bool = False  # on its one try after having been parked

    @property
    def name(self) -> str:
        return self.spec.name

    @property
    def restarts(self) -> int:
        """Respawns after the first start."""
        return max(0, self.starts - 1)

    @property
    def is_waiting_turn(self) -> bool:
        """Down, and to be started as soon as those before it in the order allow."""
        return self.state is ChildState.STOPPED and self.wanted


@dataclass(frozen=True, slots=True, kw_only=True)
class Tree:
    """The whole tree now. `decided_ns` is when it was last decided about."""

    spec: TreeSpec
    records: tuple[ChildRecord, ...]
    seed: int = 0  # of the jitter: the same seed and events give the same decisions
    decided_ns: int = 0
    stopping: bool = False
    finished: bool = False
    exit_code: int = 0

    def record(self, name: str) -> ChildRecord | None:
        """The child of that name."""
        return next((record for record in self.records if record.name == name), None)


def initial_tree(spec: TreeSpec, seed: int = 0) -> Tree:
    """A tree of which nothing has been started; the first Tick starts it."""
    records = tuple(ChildRecord(spec=child) for child in spec.children)
    return Tree(spec=spec, records=records, seed=seed)


def describe(tree: Tree) -> str:
    """The tree as one JSON object, ages in nanoseconds as of `decided_ns`."""
    return json.dumps(
        {
            "stopping": tree.stopping,
            "children": [
                {
                    "name": record.name,
                    "role": record.spec.role,
                    "state": record.state.value,
                    "wanted": record.wanted,
                    "pid": record.pid,
                    "restarts": record.restarts,
                    "last_exit": record.last_exit,
                    "uptime_ns": None
                    if record.started_ns is None
                    else tree.decided_ns - record.started_ns,
                }
                for record in tree.records
            ],
        }
    )
