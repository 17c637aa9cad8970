"""Every error the supervisor raises on purpose.

    SupervisorError
    +-- SpecError       the caller's: a specification that cannot be meant
    +-- SpawnError      the host's: a program that cannot be started (counted as a failed start)
    +-- LockHeld        nobody's: the instance is up already

A child at its restart limit is no exception but a state (parked) or an exit code of the tree.
"""

from __future__ import annotations


class SupervisorError(Exception):
    """Base of all."""


class SpecError(SupervisorError):
    """A child or tree specification is refused; nothing was started."""


class SpawnError(SupervisorError):
    """The program of one child could not be started."""


class LockHeld(SupervisorError):
    """Another process holds the instance lock; `pid` is 0 if it has not said who it is."""

    def __init__(self, path: str, pid: int) -> None:
        who = f"pid {pid}" if pid else "another process"
        super().__init__(f"{path} is held by {who}: stop that one first")
        self.path = path
        self.pid = pid
