from __future__ import annotations

import logging
from pathlib import Path
from typing import cast

import pytest

from hunter.clock import SystemClock
from hunter.config import Config
from hunter.runtime.actor import Context
from hunter.status.page import Page


@pytest.mark.parametrize(
    ("name", "index"), [("stream-0", 0), ("stream-12", 12), ("watchdog", 0), ("my-brain", 0)]
)
def test_context_knows_the_shard_from_the_name(name: str, index: int) -> None:
    page = cast(Page, None)
    log = logging.getLogger("test")
    assert Context(name, Config(), SystemClock(), page, Path(), log).index == index
