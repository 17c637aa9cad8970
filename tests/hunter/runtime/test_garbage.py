from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest

from hunter.runtime.garbage import (
    BUSY_OBJECTS,
    FULL_AFTER_LOOKS,
    FULL_EVERY_NS,
    IDLE_OBJECTS,
    Garbage,
)


class Counted:
    """Python's counts, and what was asked of it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.counts = (0, 0, 0)
        self.looks: list[int] = []
        monkeypatch.setattr(gc, "get_count", lambda: self.counts)
        monkeypatch.setattr(gc, "collect", self._collect)

    def _collect(self, generation: int = 2) -> int:
        self.looks.append(generation)
        return 0


@pytest.fixture(autouse=True)
def as_it_was() -> Iterator[None]:
    yield
    gc.enable()
    gc.unfreeze()


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> Counted:
    return Counted(monkeypatch)


@pytest.fixture
def garbage(counted: Counted) -> Garbage:
    begun = Garbage()
    begun.begin(0)
    assert counted.looks == [2]
    counted.looks.clear()
    return begun


def test_what_was_built_is_not_looked_at_again_and_nothing_by_itself() -> None:
    Garbage().begin(0)
    assert not gc.isenabled()
    assert gc.get_freeze_count() > 1000


def test_cycles_made_since_are_freed_before_a_wait() -> None:
    class Linked:
        alive = 0

        def __init__(self) -> None:
            Linked.alive += 1
            self.itself = self

        def __del__(self) -> None:
            Linked.alive -= 1

    garbage = Garbage()
    garbage.begin(0)
    for _ in range(IDLE_OBJECTS):
        Linked()
    assert Linked.alive == IDLE_OBJECTS
    garbage.before_wait(1)
    assert Linked.alive == 0


@pytest.mark.parametrize(
    ("counts", "now_ns", "looks"),
    [
        ((IDLE_OBJECTS - 1, 99, 99), FULL_EVERY_NS, []),
        ((IDLE_OBJECTS, 0, 0), FULL_EVERY_NS, [1]),
        ((IDLE_OBJECTS, 0, FULL_AFTER_LOOKS), FULL_EVERY_NS - 1, [1]),
        ((IDLE_OBJECTS, 0, FULL_AFTER_LOOKS), FULL_EVERY_NS, [2]),
    ],
)
def test_look_before_a_wait_is_at_the_young_mostly(
    garbage: Garbage, counted: Counted, counts: tuple[int, int, int], now_ns: int, looks: list[int]
) -> None:
    counted.counts = counts
    garbage.before_wait(now_ns)
    assert counted.looks == looks


def test_full_looks_are_a_minute_apart(garbage: Garbage, counted: Counted) -> None:
    counted.counts = (IDLE_OBJECTS, 0, FULL_AFTER_LOOKS)
    garbage.before_wait(FULL_EVERY_NS)
    garbage.before_wait(2 * FULL_EVERY_NS - 1)
    garbage.before_wait(2 * FULL_EVERY_NS)
    assert counted.looks == [2, 1, 2]


@pytest.mark.parametrize(("made", "looks"), [(BUSY_OBJECTS - 1, []), (BUSY_OBJECTS, [1])])
def test_loop_that_never_waits_looks_when_there_is_much(
    garbage: Garbage, counted: Counted, made: int, looks: list[int]
) -> None:
    counted.counts = (made, 0, 50)
    garbage.now_and_then(0)
    assert counted.looks == looks


def test_loop_that_never_waits_looks_at_the_old_too_but_seldom(
    garbage: Garbage, counted: Counted
) -> None:
    """Cycles that outlive a look at the young, such as those of connections that were closed."""
    counted.counts = (BUSY_OBJECTS, 0, FULL_AFTER_LOOKS)
    for now_ns in (FULL_EVERY_NS - 1, FULL_EVERY_NS, 2 * FULL_EVERY_NS - 1, 2 * FULL_EVERY_NS):
        garbage.now_and_then(now_ns)
    assert counted.looks == [1, 2, 1, 2]
