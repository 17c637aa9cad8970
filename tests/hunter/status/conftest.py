from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from hunter.ring import segment
from hunter.status import block
from hunter.status.block import StatusBlock

NOW_NS = 1_700_000_000_000_000_000


@pytest.fixture
def shm_dir() -> Iterator[Path]:
    """A directory of its own where status blocks really live."""
    directory = Path(tempfile.mkdtemp(prefix="hunter-test-", dir=segment.SHARED_ROOT))
    yield directory
    shutil.rmtree(directory)


@pytest.fixture
def status(shm_dir: Path) -> Iterator[StatusBlock]:
    actors = ["stream-0", "brain-0", "watchdog"]
    made = block.create(shm_dir, "lab", actors, 40_000, NOW_NS)
    yield made
    made.close()
