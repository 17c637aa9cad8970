"""A world for the policy: fake processes and fake time, played by the runner's rules; and helpers
for real processes at the end.

Every decision made in it is checked against what must always hold, so that each test of a rule is a
test of the invariants as well.
"""

from __future__ import annotations

import functools
import os
import select
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fakes import supervised
from fakes.supervised import Stage

from supervisor.commands import Command
from supervisor.events import (
    Action,
    ChildExited,
    ChildReady,
    ChildSpawned,
    Diagnose,
    Event,
    Finished,
    Kill,
    Reply,
    Report,
    ReportKind,
    Spawn,
    SpawnFailed,
    Terminate,
    Tick,
)
from supervisor.policy import decide, next_deadline_ns
from supervisor.spec import ChildSpec, TreeSpec
from supervisor.tree import ChildRecord, Tree, initial_tree

MS = 1_000_000
S = 1000 * MS
ENDS = (ReportKind.DIED, ReportKind.START_ERROR)


class World:
    """Fake processes under a real policy."""

    def __init__(self, spec: TreeSpec, seed: int = 7) -> None:
        self.tree: Tree = initial_tree(spec, seed)
        self.now_ns = 1_000 * S
        self.pids: dict[str, int] = {}
        self.unspawnable: set[str] = set()
        self.spawn_counts: Counter[str] = Counter()
        self.end_counts: Counter[str] = Counter()
        self.actions: list[Action] = []
        self.next_pid = 100
        self.feed(Tick())

    def feed(self, event: Event | Command) -> list[Action]:
        """Give one event, as the runner does: a Spawn is answered before anything else."""
        before = len(self.actions)
        queue = [event]
        while queue:
            was_stopping = self.tree.stopping
            self.tree, actions = decide(self.tree, queue.pop(0), self.now_ns)
            for action in actions:
                self._count_end(action)
                assert not (was_stopping and isinstance(action, Spawn)), "spawned while stopping"
                assert not self.tree.finished or not isinstance(action, Spawn)
                queue += self._perform(action)
            self.actions += actions
        self._check()
        return self.actions[before:]

    def _perform(self, action: Action) -> list[Event]:
        match action:
            case Spawn(name=name):
                assert name not in self.pids, f"two processes called {name}"
                if name in self.unspawnable:
                    return [SpawnFailed(name, "no such file")]
                self.next_pid += 1
                self.pids[name] = self.next_pid
                self.spawn_counts[name] += 1
                return [ChildSpawned(name, self.next_pid)]
            case Terminate(name=name) | Kill(name=name) | Diagnose(name=name):
                assert name in self.pids, f"a signal to {name}, which has no process"
            case Finished():
                assert not self.pids, f"finished, but {sorted(self.pids)} live"
        return []

    def _count_end(self, action: Action) -> None:
        is_end = isinstance(action, Report) and action.kind in ENDS
        assert is_end == (isinstance(action, Report) and action.cause is not None)
        if isinstance(action, Report) and is_end:
            self.end_counts[action.name] += 1

    def _check(self) -> None:
        for record in self.tree.records:
            assert record.starts == self.spawn_counts[record.name]
            assert record.restarts == max(0, self.spawn_counts[record.name] - 1)
            assert sum(record.exits.values()) == self.end_counts[record.name]
            assert (record.stopped_since_ns is None) == (record.stop_signal is None)
            assert record.stopped_since_ns is None or record.state.is_live
            assert record.pid == self.pids.get(record.name)
            assert record.state.is_live == (record.name in self.pids)
            assert len(record.failures_ns) <= self.tree.spec.intensity.max_restarts + 1

    def ready(self, *names: str) -> None:
        for name in names:
            self.feed(ChildReady(name))

    def exit(
        self,
        name: str,
        code: int | None = None,
        signal: int | None = None,
        out_of_memory: bool = False,
    ) -> list[Action]:
        """The process ends: by itself, or because it was told to."""
        del self.pids[name]
        return self.feed(ChildExited(name, code, signal, out_of_memory))

    def crash(self, name: str) -> list[Action]:
        return self.exit(name, signal=11)

    def pass_ns(self, duration_ns: int) -> list[Action]:
        """Time passes; the policy is woken at the moments it asked for, and no others."""
        before = len(self.actions)
        until_ns = self.now_ns + duration_ns
        for _ in range(10_000):
            at_ns = next_deadline_ns(self.tree)
            if at_ns is None or at_ns > until_ns:
                break
            self.now_ns = max(self.now_ns, at_ns)
            self.feed(Tick())
        else:
            raise AssertionError("the policy asks to be woken without an end")
        self.now_ns = until_ns
        self.feed(Tick())
        return self.actions[before:]

    def record(self, name: str) -> ChildRecord:
        record = self.tree.record(name)
        assert record is not None
        return record

    def states(self) -> list[str]:
        return [record.state.value for record in self.tree.records]

    def reports(self, kind: ReportKind) -> list[Report]:
        return [a for a in self.actions if isinstance(a, Report) and a.kind is kind]

    def starts(self) -> list[str]:
        return [action.name for action in self.actions if isinstance(action, Spawn)]

    def ask(self, command: Command) -> Reply:
        """The reply to a command."""
        (reply,) = [action for action in self.feed(command) if isinstance(action, Reply)]
        return reply


def spec_of(name: str, **changes: Any) -> ChildSpec:
    return ChildSpec(name=name, argv=("true",), **changes)


@pytest.fixture
def make_world():
    """World of the children a, b, c (or `names`); keywords of a child are `child=`, of a, `a=`."""

    def make(names: str = "abc", *, child: Any = None, first: Any = None, **tree: Any) -> World:
        specs = [spec_of(name, **(child or {})) for name in names]
        if first is not None:
            specs[0] = spec_of(names[0], **(child or {}), **first)
        return World(TreeSpec(children=tuple(specs), **tree))

    return make


@pytest.fixture
def make_linked_world():
    """World of the children that are named, each with the names that it waits for; keywords of the
    tree are `tree=`.
    """

    def make(*, tree: Any = None, **after: str | None) -> World:
        children = tuple(
            spec_of(name, after=None if names is None else frozenset(names))
            for name, names in after.items()
        )
        return World(TreeSpec(children=children, **(tree or {})))

    return make


@pytest.fixture
def running_world(make_world):
    """The same, with every child ready and what led to it forgotten."""

    def make(names: str = "abc", **kwargs: Any) -> World:
        world = make_world(names, **kwargs)
        world.ready(*names)
        assert set(world.states()) == {"ready"}
        world.actions.clear()
        return world

    return make


@pytest.fixture(scope="session")
def world_class():
    return World


# -- real processes -------------------------------------------------------------------------------

PRELUDE = """
import os, signal, subprocess, sys, time
sys.path.insert(0, {root!r})
from supervisor import child
"""


@pytest.fixture(scope="session")
def program() -> Callable[[str], tuple[str, ...]]:
    """The argv of a tiny Python program that can import supervisor; -S, because it starts fast."""
    root = str(Path(__file__).resolve().parents[2])

    def make(code: str) -> tuple[str, ...]:
        return (sys.executable, "-S", "-c", PRELUDE.format(root=root) + code)

    return make


def is_readable(descriptor: int, timeout_s: float = 10.0) -> bool:
    """Wait for it; a generous limit, because it only matters when the test fails anyway."""
    return bool(select.select([descriptor], [], [], timeout_s)[0])


def is_gone(pid: int, timeout_s: float = 10.0) -> bool:
    """Whether the process ends within the time; also of one that is not our child."""
    try:
        pidfd = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return is_readable(pidfd, timeout_s)
    finally:
        os.close(pidfd)


@pytest.fixture(scope="session", name="is_gone")
def is_gone_fixture() -> Callable[..., bool]:
    return is_gone


@pytest.fixture(scope="session", name="is_readable")
def is_readable_fixture() -> Callable[..., bool]:
    return is_readable


@pytest.fixture(autouse=True)
def no_descriptor_left() -> Iterator[None]:
    """A supervisor runs for months: what it opens it closes."""
    before = len(os.listdir("/proc/self/fd"))
    yield
    assert len(os.listdir("/proc/self/fd")) <= before


@pytest.fixture
def play(program: Callable[[str], tuple[str, ...]]) -> Callable[..., Stage]:
    """`play(codes, scenario, ...)`: see fakes.supervised."""
    return functools.partial(supervised.play, program)
