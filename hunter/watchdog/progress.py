"""Does an actor that beats also get on with its work? Pure, from what it takes and makes.

A loop may turn for ever without doing anything: the beat proves life, not work. An actor is stalled
when it was given work throughout a whole window and none of it came out.
"""

from __future__ import annotations

from typing import NamedTuple

WINDOW_NS = 10_000_000_000
TAKEN_MIN = 20


class _Since(NamedTuple):
    pid: int
    at_ns: int
    taken: int
    made: int


class ProgressTracker:
    """Of all actors by name. `stalled` is asked at each look."""

    def __init__(self, window_ns: int = WINDOW_NS) -> None:
        self._window_ns = window_ns
        self._since: dict[str, _Since] = {}

    def stalled(self, name: str, pid: int, taken: int, made: int, now_ns: int) -> bool:
        """`taken`: what the actor was given so far; `made`: what it made of it. Both only grow
        within one incarnation (`pid`). Fewer than TAKEN_MIN new pieces prove nothing."""
        since = self._since.get(name)
        idle = since is not None and taken - since.taken < TAKEN_MIN
        if since is None or since.pid != pid or made != since.made:
            self._since[name] = _Since(pid, now_ns, taken, made)
            return False
        if idle and now_ns - since.at_ns > self._window_ns:
            # a quiet market: begin again, so that its trickle does not add up to an accusation
            self._since[name] = _Since(pid, now_ns, taken, made)
        return not idle and now_ns - since.at_ns > self._window_ns

    def forget(self, name: str) -> None:
        """The actor has reason to make nothing now, such as a hole that is being refilled."""
        self._since.pop(name, None)
