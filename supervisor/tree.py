"""What the policy knows: the frozen state of a tree and of each child in it.

Owns the values and the questions about them; `policy.decide` makes the next ones, observers read
them. Invariants: as many records as children, in start order; a record has a pid exactly while its
state is live (but for the moment between Spawn and its answer).
"""

from __future__ import annotations

import enum
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from supervisor.lifecycle import ChildState
from supervisor.spec import ChildSpec, TreeSpec

CAUSES_MAX = 16  # reasons come from outside: what is counted by them must not grow for ever
OTHER_CAUSES = "other"


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
    exits: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))  # by cause
    started_ns: int | None = None
    ready_ns: int | None = None
    beat_ns: int | None = None
    stopped_since_ns: int | None = None  # while a signal keeps it from running
    stop_signal: int | None = None
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

    def is_settled(self, now_ns: int) -> bool:
        """Ready, parked, finished or out of time: nobody behind it in the order waits for it."""
        until_ns = self.unsettled_until_ns
        return not self.is_waiting_turn and (until_ns is None or until_ns <= now_ns)


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

    @property
    def is_settled(self) -> bool:
        """Whether the start has been gone through, to its end or to the end of patience."""
        return all(record.is_settled(self.decided_ns) for record in self.records)

    def record(self, name: str) -> ChildRecord | None:
        """The child of that name."""
        return next((record for record in self.records if record.name == name), None)


def counted(exits: Mapping[str, int], cause: str) -> Mapping[str, int]:
    """The counts with one more of this cause."""
    key = cause if cause in exits or len(exits) < CAUSES_MAX else OTHER_CAUSES
    return MappingProxyType({**exits, key: exits.get(key, 0) + 1})


def initial_tree(spec: TreeSpec, seed: int = 0) -> Tree:
    """A tree of which nothing has been started; the first Tick starts what is wanted."""
    records = tuple(
        ChildRecord(spec=child, wanted=child.name not in spec.down) for child in spec.children
    )
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
                    "exits": dict(record.exits),
                    "uptime_ns": _age_ns(tree, record.started_ns),
                    "stopped_for_ns": _age_ns(tree, record.stopped_since_ns),
                }
                for record in tree.records
            ],
        }
    )


def _age_ns(tree: Tree, since_ns: int | None) -> int | None:
    return None if since_ns is None else tree.decided_ns - since_ns
