from __future__ import annotations

from collections import Counter, defaultdict, deque
from typing import Any

import msgspec
import numpy as np
import pytest

from hunter.brain.adapters.structure import DEPTH_MAX, StructureError, capture, renew


class Part:
    def __init__(self) -> None:
        self.level = 0.0


class Learner:
    """A bit of everything that may be kept."""

    def __init__(self) -> None:
        self.part = Part()
        self.same = self.part
        self.loss = abs
        self.counts: Counter[str] = Counter()
        self.means: defaultdict[str, float] = defaultdict(float)
        self.parts = {"a": Part(), "b": Part()}
        self.recent: deque[float] = deque(maxlen=3)
        self.steps: list[Any] = [1, Part()]
        self.pair = (Part(), 2)
        self.weights = np.zeros(2)
        self.scale = np.float32(0.0)
        self.note: str | None = None

    def learn(self, value: float) -> None:
        self.part.level += value
        self.counts["seen"] += 1
        self.means[f"x{int(value)}"] += value
        self.parts["b"].level -= value
        self.recent.append(value)
        self.steps[1].level += 1
        self.steps.append(value)
        self.pair[0].level = value
        self.weights = self.weights + value
        self.scale = np.float32(value)
        self.note = f"{value}"


def through(data: Any) -> Any:
    """As a checkpoint keeps it."""
    return msgspec.msgpack.decode(msgspec.msgpack.encode(data))


def test_renewed_goes_on_as_the_old_one_does() -> None:
    old, new = Learner(), Learner()
    for value in (1.5, 2.25, -3.125, 0.1):
        old.learn(value)
    renew(new, through(capture(old)))
    assert new.same is new.part, "what was one thing in two places still is"
    assert new.recent == deque([2.25, -3.125, 0.1], 3)
    assert new.recent.maxlen == 3
    for value in (7.0, 0.3):
        old.learn(value)
        new.learn(value)
    assert capture(new) == capture(old)
    assert (new.weights.tolist(), new.scale, new.note) == (old.weights.tolist(), old.scale, "0.3")


def test_order_of_a_dictionary_is_kept() -> None:
    old, new = Learner(), Learner()
    for key in "zebra":
        old.counts[key] = ord(key)
    new.counts["a"] = 1  # is not where it was
    renew(new, through(capture(old)))
    assert list(new.counts) == list("zebra")


def test_part_that_a_new_one_lacks_is_refused() -> None:
    old = Learner()
    old.parts["grown"] = Part()
    with pytest.raises(
        StructureError, match=r"it.parts\['grown'\] is no Part in a new one: it grows"
    ):
        renew(Learner(), through(capture(old)))
    with pytest.raises(StructureError, match="it is no Learner in a new one"):
        renew(Part(), through(capture(Learner())))


def test_data_names_no_code() -> None:
    data = through(capture(Learner()))
    assert data[:2] == ["object", "Learner"]
    with pytest.raises(StructureError):
        renew(Learner(), ["object", "Popen", [["args", "ls"]]])
    with pytest.raises(StructureError):
        renew(Learner(), ["exec", "Learner", [["args", "ls"]]])


@pytest.mark.parametrize(
    "held", [{1, 2}, b"bytes", iter([]), np.array([object()]), {(1, 2): 3.0}, 1j], ids=repr
)
def test_what_is_no_plain_data_is_refused(held: Any) -> None:
    thing = Part()
    thing.level = held
    with pytest.raises(StructureError, match=r"it\.level"):
        capture(thing)


def test_what_has_no_end_is_refused() -> None:
    nested: list[Any] = []
    for _ in range(DEPTH_MAX + 2):
        nested = [nested]
    with pytest.raises(StructureError, match="too deep"):
        capture(nested)
    ring: list[Any] = []
    ring.append(ring)
    assert capture(ring) == ["items", "list", [["again", 0]]]
