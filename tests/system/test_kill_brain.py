"""The soak of tests/soak/kill_brain.py in short: the brain of two mates, killed while it reads."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from soak.kill_brain import rounds, still_ring_of
from soak.still_ring import SNAPSHOT_BYTES_MAX, pair_recording

pytestmark = pytest.mark.system

SEED = 20261123


@pytest.mark.slow
def test_brain_of_mates_killed_for_real_leaves_the_journal_of_one_that_was_not(home: Path) -> None:
    print("seed", SEED)
    recording = pair_recording(home / "market.gz", 70, 150.0, SEED)
    still = still_ring_of(home / "first", [recording])
    result = {"failures": list[str]()}
    try:
        assert still.layout.groups == (0, 0)
        expected = rounds(home, still, random.Random(SEED), 5, result)
    finally:
        still.close()
    assert result["failures"] == []
    assert result["kills"] == 5
    assert len(expected) > 100
    assert {b"BTC-USDT-SWAP" in line for line in expected} == {True, False}, "of both"
    assert 0 < result["snapshot_bytes_max"] < SNAPSHOT_BYTES_MAX
