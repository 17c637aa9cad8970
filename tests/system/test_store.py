"""The soak of tests/soak/kill_store.py in short, and a store that nobody misses."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest
from soak.kill_store import soak

pytestmark = pytest.mark.system

SEED = 20261123


@pytest.mark.slow
def test_store_killed_and_stopped_and_started_holds_every_match_once(home: Path) -> None:
    print("seed", SEED)
    options = argparse.Namespace(kills=4, pause_s=0.2, rate=200.0)
    result = soak(home, SEED, options)
    assert result["failures"] == []
    assert result["rows"]["trades"] > 500
    assert result["rows"]["books"] > 50
