"""A brain actor on a stage of its own, as many as a test wants."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from fakes.brain_stage import Head


@pytest.fixture
def head() -> Iterator[Callable[..., Head]]:
    made: list[Head] = []

    def make(*settings: str) -> Head:
        made.append(Head(*settings))
        return made[-1]

    yield make
    for item in made:
        item.close()
