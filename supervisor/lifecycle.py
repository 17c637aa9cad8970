"""The states of a child, and the one table that says how it goes from one to the other.

Owns nothing but the table. Invariants: every (state, trigger) pair is decided; a pair decided as
IMPOSSIBLE is an error of the policy, never of a child, because whatever a child or the kernel may
do at a bad moment leads somewhere. Only the policy advances a state; anybody may look at it:
`python -m supervisor.lifecycle` prints the picture and the table.
"""

from __future__ import annotations

import enum
from types import MappingProxyType


class ChildState(enum.Enum):
    STOPPED = "stopped"  # no process: finished, told to stay down, or waiting for its turn
    STARTING = "starting"  # a process that has not said it is ready
    READY = "ready"
    STOPPING = "stopping"  # asked to end, politely or by the request for a dump
    KILLING = "killing"  # SIGKILL sent, not yet gone
    BACKOFF = "backoff"  # no process: restarted when the delay is over
    PARKED = "parked"  # no process: at its restart limit, tried again rarely or on request

    @property
    def is_live(self) -> bool:
        """Whether there is a process behind it."""
        return self in LIVE


LIVE = frozenset({ChildState.STARTING, ChildState.READY, ChildState.STOPPING, ChildState.KILLING})


class Trigger(enum.Enum):
    """What moves a child: BECAME_READY, GONE_* and SUSPEND come from outside, of which the policy
    chooses the GONE that follows; the rest are its decisions."""

    BECAME_READY = "ready"
    GONE_DOWN = "gone, stays down or starts in turn"
    GONE_BACKOFF = "gone, restart later"
    GONE_PARK = "gone, at its limit"
    SPAWN = "spawn"
    TERMINATE = "terminate or diagnose"
    KILL = "kill"
    REST = "wait no longer"
    SUSPEND = "stopped or continued by a signal"


IMPOSSIBLE = None

_S = ChildState
_T = Trigger

# One row a state, one column a trigger, so that a missing decision is a visible hole.
_COLUMNS = (
    _T.BECAME_READY,
    _T.GONE_DOWN,
    _T.GONE_BACKOFF,
    _T.GONE_PARK,
    _T.SPAWN,
    _T.TERMINATE,
    _T.KILL,
    _T.REST,
    _T.SUSPEND,
)
_ROWS: dict[ChildState, tuple[ChildState | None, ...]] = {
    # a word from, or the death of, an incarnation that is already settled changes nothing
    _S.STOPPED: (
        _S.STOPPED, _S.STOPPED, _S.STOPPED, _S.STOPPED,
        _S.STARTING, IMPOSSIBLE, IMPOSSIBLE, _S.STOPPED, _S.STOPPED,
    ),
    # a signal that stops or continues it is written into its record: the state it was in, and the
    # deadline of that state, go on
    _S.STARTING: (
        _S.READY, _S.STOPPED, _S.BACKOFF, _S.PARKED,
        IMPOSSIBLE, _S.STOPPING, _S.KILLING, IMPOSSIBLE, _S.STARTING,
    ),
    _S.READY: (
        _S.READY, _S.STOPPED, _S.BACKOFF, _S.PARKED,
        IMPOSSIBLE, _S.STOPPING, _S.KILLING, IMPOSSIBLE, _S.READY,
    ),
    # ready too late: it was asked to go, and goes
    _S.STOPPING: (
        _S.STOPPING, _S.STOPPED, _S.BACKOFF, _S.PARKED,
        IMPOSSIBLE, _S.STOPPING, _S.KILLING, IMPOSSIBLE, _S.STOPPING,
    ),
    _S.KILLING: (
        _S.KILLING, _S.STOPPED, _S.BACKOFF, _S.PARKED,
        IMPOSSIBLE, IMPOSSIBLE, _S.KILLING, IMPOSSIBLE, _S.KILLING,
    ),
    _S.BACKOFF: (
        _S.BACKOFF, _S.BACKOFF, _S.BACKOFF, _S.BACKOFF,
        _S.STARTING, IMPOSSIBLE, IMPOSSIBLE, _S.STOPPED, _S.BACKOFF,
    ),
    _S.PARKED: (
        _S.PARKED, _S.PARKED, _S.PARKED, _S.PARKED,
        _S.STARTING, IMPOSSIBLE, IMPOSSIBLE, _S.STOPPED, _S.PARKED,
    ),
}  # fmt: skip

TABLE: MappingProxyType[tuple[ChildState, Trigger], ChildState | None] = MappingProxyType(
    {
        (state, trigger): target
        for state, row in _ROWS.items()
        for trigger, target in zip(_COLUMNS, row, strict=True)
    }
)


def advance(state: ChildState, trigger: Trigger) -> ChildState:
    """The state after the trigger."""
    target = TABLE[state, trigger]
    assert target is not IMPOSSIBLE, f"{trigger.name} makes no sense in {state.name}"
    return target


def table() -> str:
    """Every state with every trigger, as a Markdown table: the next state, "." for no change and
    "-" for what the policy never does."""
    rows = [["", *(trigger.value for trigger in _COLUMNS)], ["---"] * (len(_COLUMNS) + 1)]
    for state in ChildState:
        targets = (TABLE[state, trigger] for trigger in _COLUMNS)
        cells = ("-" if to is IMPOSSIBLE else "." if to is state else to.value for to in targets)
        rows.append([state.value, *cells])
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def diagram() -> str:
    """The table as a Mermaid state diagram: the edges that lead to another state."""
    lines = ["stateDiagram-v2", "    [*] --> stopped"]
    lines += [
        f"    {state.value} --> {target.value}: {trigger.value}"
        for (state, trigger), target in TABLE.items()
        if target is not IMPOSSIBLE and target is not state
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    print(diagram(), table(), sep="\n\n")
