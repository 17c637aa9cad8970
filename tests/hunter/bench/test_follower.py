from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from hunter.bench import follower


class RisingLane:
    def __init__(self) -> None:
        self.sequences = [5, 5, 8, 8]
        self.copied: list[int] = []

    @property
    def sequence(self) -> int:
        return self.sequences.pop(0)

    def last(self, count: int) -> None:
        self.copied.append(count)


def test_follower_copies_what_is_new_and_ends_with_its_parent(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lane = RisingLane()

    class Attached(SimpleNamespace):
        def __enter__(self) -> Any:
            return self

        def __exit__(self, *_: Any) -> None:
            pass

    found = Attached(instruments=["A"], trades=lambda name: lane)
    parents = iter([1, 1, 1, 1, 2])
    monkeypatch.setattr("hunter.attach", lambda file: found)
    monkeypatch.setattr("os.getppid", lambda: next(parents))
    follower.follow("hunter.toml")
    assert lane.copied == [3]
