"""Whether the kernel has just killed a process for memory.

A process that the kernel kills when memory runs out ends by SIGKILL like one that an operator
kills; the kernel says no more to the parent, but it counts. Looked at are the counts of our own
control group where there is one (children are in it, other containers are not), else that of the
whole host. A count that grew shortly before a death is a hint and no proof: hence "perhaps".
Invariant: never raises; what cannot be read gives no hint. The runner asks; time is given.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

from supervisor.spec import SECOND_NS

# The kernel counts when it decides; until the process is gone, and seen to be, a big one takes up
# to a second on a host that is short of memory.
WINDOW_NS = 2 * SECOND_NS


def count_paths(proc: str = "/proc", cgroup_root: str = "/sys/fs/cgroup") -> tuple[str, ...]:
    """Where the count may stand, the most specific first: see cgroups(7) and cgroup_namespaces(7).

    The first that holds a count is the one to use. In a container the path of the group may be told
    as the host sees it, while its files lie at the root of what is mounted.
    """
    paths = []
    try:
        with open(f"{proc}/self/cgroup", encoding="utf-8", errors="replace") as file:
            lines = file.read().splitlines()
    except OSError:
        lines = []
    for line in lines:
        _, _, rest = line.partition(":")
        controllers, _, group = rest.partition(":")
        if not group.startswith("/"):
            continue
        if controllers == "":
            paths += [f"{cgroup_root}{group}/memory.events", f"{cgroup_root}/memory.events"]
        elif "memory" in controllers.split(","):
            root = f"{cgroup_root}/memory"
            paths += [f"{root}{group}/memory.oom_control", f"{root}/memory.oom_control"]
    return (*(os.path.normpath(path) for path in paths), f"{proc}/vmstat")


class OomKills:
    """The kernel's count, watched for growth."""

    def __init__(self, paths: Sequence[str] | None = None) -> None:
        """`paths` are the files that may hold the count, in order of preference."""
        candidates = count_paths() if paths is None else paths
        self._path = next((path for path in candidates if _count(path) is not None), None)
        self._seen_count = self._count()
        self._grew_ns: int | None = None

    def look(self, now_ns: int) -> None:
        """Notice growth; regularly, so that growth is dated."""
        count = self._count()
        if count is not None and self._seen_count is not None and count > self._seen_count:
            self._grew_ns = now_ns
        if count is not None:
            self._seen_count = count

    def killed_lately(self, now_ns: int) -> bool:
        """Whether a process that is found dead by SIGKILL now may have been killed for memory."""
        self.look(now_ns)
        return self._grew_ns is not None and now_ns - self._grew_ns <= WINDOW_NS

    def _count(self) -> int | None:
        return None if self._path is None else _count(self._path)


def _count(path: str) -> int | None:
    """The number behind `oom_kill`, which all three kinds of file write alike."""
    try:
        with open(path, "rb") as file:
            for line in file:
                key, _, value = line.strip().partition(b" ")
                if key == b"oom_kill" and value.isdigit():
                    return int(value)
    except OSError:
        pass
    return None
