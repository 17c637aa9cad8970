from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from fakes.ring_rows import Feeder, make_ring, ring_layout

from hunter.ring import segment
from hunter.ring.layout import RingLayout


@pytest.fixture
def shm_dir() -> Iterator[Path]:
    """A directory of its own where rings really live."""
    directory = Path(tempfile.mkdtemp(prefix="hunter-test-", dir=segment.SHARED_ROOT))
    yield directory
    shutil.rmtree(directory)


@pytest.fixture
def layout() -> RingLayout:
    return ring_layout()


@pytest.fixture
def ring_path(shm_dir: Path, layout: RingLayout) -> Path:
    """A fresh ring of `layout`."""
    return make_ring(shm_dir / "ring-0", layout)


@pytest.fixture
def shared(ring_path: Path) -> Iterator[segment.Segment]:
    """The ring as a reader maps it."""
    with segment.attach(ring_path) as found:
        yield found


@pytest.fixture
def make_feeder(ring_path: Path) -> Iterator[Callable[[], Feeder]]:
    made: list[Feeder] = []

    def make() -> Feeder:
        made.append(Feeder(ring_path))
        return made[-1]

    yield make
    for feeder in made:
        feeder.close()


@pytest.fixture
def feeder(make_feeder: Callable[[], Feeder]) -> Feeder:
    return make_feeder()
