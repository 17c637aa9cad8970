from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def bus_dir() -> Iterator[Path]:
    """A runtime directory whose name is short: a socket's path has at most 107 bytes."""
    directory = Path(tempfile.mkdtemp(prefix="hunter-test-", dir="/tmp"))
    yield directory
    shutil.rmtree(directory)
