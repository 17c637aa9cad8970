"""Read-only access and the writer beside it; each module makes the `stage` that it needs."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from fakes.actor_stage import Stage

from hunter.access import Instance
from hunter.ring.writer import RingWriter

NOW_NS = 1_790_000_000_000_000_000


@pytest.fixture
def writer(stage: Stage) -> Iterator[RingWriter]:
    made = RingWriter(stage.ring_path(), NOW_NS)
    yield made
    made.close()


@pytest.fixture
def instance(stage: Stage) -> Iterator[Instance]:
    with Instance(stage.config) as made:
        yield made
