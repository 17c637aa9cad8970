"""An instance's directories and pages, for who runs an actor in them."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from hunter.config import Config, HunterSection, save_effective
from hunter.ring import segment
from hunter.runtime.runner import EFFECTIVE_CONFIG
from hunter.status import block
from hunter.status.block import StatusBlock
from hunter.status.page import Page


@pytest.fixture
def instance() -> Iterator[tuple[Config, StatusBlock]]:
    """Directories, configuration and status block of an instance, as `hunter start` makes them."""
    home = Path(tempfile.mkdtemp(prefix="hunter-test-", dir="/tmp"))
    names = HunterSection(name="test", runtime_dir=str(home / "run"), data_dir=str(home / "data"))
    config = Config(hunter=names, base_dir=str(home))
    shared = segment.shared_dir("test", config.runtime_dir)
    for path in (config.runtime_dir, config.log_dir, shared):
        path.mkdir(parents=True)
    save_effective(config, config.runtime_dir / EFFECTIVE_CONFIG)
    status = block.create(shared, "test", ["sample-0"], 1_000, 1)
    yield config, status
    status.close()
    shutil.rmtree(shared)
    shutil.rmtree(home)


@pytest.fixture
def page(instance: tuple[Config, StatusBlock]) -> Page:
    return instance[1].pages["sample-0"]
